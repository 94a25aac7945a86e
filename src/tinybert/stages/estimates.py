"""How long a run will take: operations by sizes and rows, over what this machine was seen to reach just now."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from tinybert.augment.methods import METHODS
from tinybert.augment.settings import AugmentGroups
from tinybert.engine.optimise import resolve_epochs
from tinybert.families import shape_of
from tinybert.families.network import Shape
from tinybert.models.embedded import EMBEDDED
from tinybert.models.loading import load_config
from tinybert.stages.general.settings import GeneralSettings
from tinybert.types import Stage

QUICK_COPIES = 3000  # a second that a method without a network makes on one core, at least
EFFICIENCY = 0.4  # share of a large matrix product's speed that a training step reaches; measured on small students


def weights_of(shape: Shape) -> int:
    """Weights that multiply every piece: attention and feed-forward, without the embeddings, which are looked up."""
    return shape.layers * (4 * shape.width**2 + 2 * shape.width * shape.inner)


@dataclass(frozen=True)
class Clock:
    """Estimates for one machine.

    Attributes:
        speed: Floating-point operations a second of a training step.
    """

    speed: float

    @classmethod
    def of(cls, device: torch.device) -> "Clock":
        """What a device reaches in a matrix product of a student's size, times what training makes of it."""
        left, right = torch.randn(1024, 312, device=device), torch.randn(312, 1200, device=device)
        (left @ right).sum().item()
        started, times = time.perf_counter(), 20
        for _ in range(times):
            product = left @ right
        product.sum().item()
        return cls(EFFICIENCY * 2 * 1024 * 312 * 1200 * times / (time.perf_counter() - started))

    def training(
        self, name: str, stage: Stage, lengths: np.ndarray, learner: Shape, teacher: Shape | None
    ) -> dict[str, Any]:
        """A stage on rows of these lengths."""
        stage = resolve_epochs(stage, len(lengths))
        work = 6.0 * weights_of(learner)  # two operations per weight and piece forward, four backward
        if teacher is not None:
            work += 2.0 * weights_of(teacher) / (stage.epochs or 1)  # once; its outputs are stored
        whole = -(-len(lengths) // stage.batch_size) * (stage.epochs or 1)
        updates = min(whole, stage.max_steps or whole)
        seconds = work * float(lengths.sum()) * (stage.epochs or 1) * updates / whole / self.speed
        return {"name": name, "updates": updates, "seconds": round(seconds)}

    def general(self, settings: GeneralSettings, blocks: int, teacher: Shape, student: Shape) -> dict[str, Any]:
        """General distillation; the teacher is asked at each update."""
        updates = settings.updates(blocks)
        pieces = updates * settings.batch_size * settings.block_length
        work = (6.0 * weights_of(student) + 2.0 * weights_of(teacher)) * pieces
        return {"name": "general", "updates": updates, "seconds": round(work / self.speed)}

    def augmentation(self, groups: AugmentGroups, mlm: str | None, lengths: np.ndarray, copies: int) -> dict[str, Any]:
        """What a masked LM has to do by the settings; methods without one are quick whatever they do."""
        method, pieces = METHODS[groups.augment.method], float(lengths.sum())
        seconds = len(lengths) * copies / QUICK_COPIES
        if "mlm" in method.uses:
            forward = 2.0 * weights_of(shape_of(load_config(mlm or EMBEDDED)))
            work = forward * method.pieces_read(groups.augment, lengths, copies)
            trainings = ((groups.conditional, groups.cbert), (groups.augment.adapts, groups.masked_lm))
            epochs = sum(stage.epochs or stage.usual_epochs for there, stage in trainings if there)
            work += 3 * forward * pieces * epochs
            seconds += work / self.speed
        return {"name": "augment", "updates": 0, "seconds": round(seconds)}
