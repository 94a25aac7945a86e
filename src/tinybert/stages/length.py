"""How long a stage is where the settings leave it open: room for few rows, no waste on many."""

from dataclasses import replace
from math import ceil
from typing import TypeVar

from tinybert.types import Stage

AStage = TypeVar("AStage", bound=Stage)

LEAST_STEPS = 300  # three epochs of eighty rows are nine updates: too few to learn anything
MOST_JUDGEMENTS = 20


def stretched(stage: AStage, rows: int) -> AStage:
    """The usual epochs, but at least 300 updates and at most `most_epochs`, unless `stage.epochs` says otherwise.

    Many short epochs are not all judged: with few rows that would take longer than learning from them.

    Example:
        >>> stretched(Stage(epochs=None), 80).epochs, stretched(Stage(epochs=None), 8635).epochs
        (20, 3)
    """
    if stage.epochs is not None:
        return stage
    updates = ceil(rows / stage.batch_size)  # of one epoch
    epochs = min(max(stage.usual_epochs, ceil(LEAST_STEPS / updates)), max(stage.most_epochs, stage.usual_epochs))
    every = ceil(epochs * updates / MOST_JUDGEMENTS) if epochs > MOST_JUDGEMENTS else None
    return replace(stage, epochs=epochs, evaluate_every=stage.evaluate_every or every)
