"""A tiny class room: sixteen rows, a teacher of four layers, a student of two."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass
class World:
    """What `fit` needs; every call makes fresh, equal networks."""

    folder: Path
    rows: Any
    make_student: Callable[[], Any]
    make_teacher: Callable[[], Any]
    dropout: float

    def run(self, name: str = "run", **settings: Any) -> Any:
        import torch

        from tinybert.log import Log
        from tinybert.run import Run, RunSettings

        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        settings = {"dtype": "fp32", **settings}
        return Run(folder, 3, RunSettings(**settings), torch.device("cpu"), Log(folder / "metrics.jsonl", silent=False))

    def objective(self) -> Any:
        from tinybert.layer_maps import layer_map
        from tinybert.objectives.attention import AttentionScoreMSE
        from tinybert.objectives.hidden import HiddenMSE
        from tinybert.objectives.sum import Sum

        g = layer_map("uniform", 2, 4)
        hidden = HiddenMSE(g, 12, 24, seed=1)
        return Sum(hidden, AttentionScoreMSE(g))


WORDS = ("the", "film", "was", "good", "plot", "is", "dull", "and", "it", "not", "very", "great", "a", "bad")


def sentences(count: int) -> list[Any]:
    import numpy as np

    from tinybert.types import Example

    rng = np.random.default_rng(5)
    texts = [" ".join(rng.choice(WORDS, size=rng.integers(2, 11))) for _ in range(count)]
    return [Example(text, label=int(rng.integers(2)), row=row) for row, text in enumerate(texts, 1)]


@pytest.fixture
def make_world(tmp_path, tiny_tokenizer, tiny_bert) -> Callable[..., World]:
    """`make_world(rows=16, dropout=0.1)`."""

    def make(rows: int = 16, dropout: float = 0.1) -> World:
        import torch

        from tinybert.data.encode import encode
        from tinybert.data.examples import Examples
        from tinybert.models.teacher import Teacher

        encoded = encode(Examples.of(sentences(rows)), tiny_tokenizer, 32, tmp_path / "rows.arrow")

        def student() -> Any:
            model = tiny_bert(2, 12, 3, 2, seed=11)
            for module in model.modules():
                if isinstance(module, torch.nn.Dropout):
                    module.p = dropout
            return model

        def teacher() -> Any:
            return Teacher(tiny_bert(4, 24, 3, 2, seed=7), "fp32", torch.device("cpu"))

        return World(tmp_path, encoded, student, teacher, dropout)

    return make
