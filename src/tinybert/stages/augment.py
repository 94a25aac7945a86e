"""The texts a student learns on: the task's own, and rewritten ones where the recipe asks for them."""

from dataclasses import dataclass
from typing import Literal

from tinybert.data.encoded import EncodedRows
from tinybert.run import Run
from tinybert.stages.job import Job


@dataclass(frozen=True)
class AugmentSettings:
    """Which texts are added to the task's own.

    Attributes:
        method: `none` adds nothing.
    """

    method: Literal["none"] = "none"


def augmented(job: Job, settings: AugmentSettings, run: Run) -> EncodedRows:
    """The encoded training rows with what the augmenter added to them."""
    del settings, run
    return job.train
