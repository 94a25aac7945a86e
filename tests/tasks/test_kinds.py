"""Nobody outside `tasks/` asks for a kind, and a new kind is a page and a line."""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

import tinybert
from tinybert import tasks
from tinybert.data.encode import encode
from tinybert.data.settings import DataSettings
from tinybert.tasks import TASKS
from tinybert.tasks.load import load
from tinybert.tasks.read import load_labelled
from tinybert.tasks.regression import Regression
from tinybert.types import Kind

SOURCE = Path(tinybert.__file__).parent
KINDS = get_args(Kind)


def test__every_kind_has_a_page() -> None:
    assert set(TASKS) == set(KINDS)
    assert all(page.kind == kind for kind, page in TASKS.items())


@pytest.mark.parametrize("room", sorted(path.name for path in SOURCE.iterdir() if path.name != "tasks"))
def test__nobody_outside_asks_for_a_kind(room: str) -> None:
    files = (SOURCE / room).rglob("*.py") if (SOURCE / room).is_dir() else [SOURCE / room]
    asked = [f"{path.relative_to(SOURCE)}:{line}" for path in files if path.suffix == ".py" for line in _asked(path)]
    assert not asked, f"{', '.join(asked)}: let the page of the task answer (tinybert/tasks/base.py)"


def _asked(path: Path) -> Iterator[int]:
    """Lines that compare with the name of a kind, look one up, or use a page by name."""
    pages = {page.__name__ for page in TASKS.values()}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Compare(left=left, comparators=others):
                parts = [left, *others]
            case ast.MatchValue(value=value):
                parts = [value]
            case ast.Dict(keys=keys):
                parts = [key for key in keys if key is not None]
            case ast.ImportFrom(names=names) if any(name.name in pages for name in names):
                yield node.lineno
                continue
            case _:
                continue
        constants = (inner for part in parts for inner in ast.walk(part) if isinstance(inner, ast.Constant))
        if any(constant.value in KINDS for constant in constants):
            yield node.lineno


@dataclass(frozen=True)
class Ranking(Regression):
    """A toy kind: places, which are whole numbers, and better where they are lower."""

    kind = "question-answering"  # one of the names there are; a real one adds its own to `types.Kind`
    figures = ("spearman", "pearson")
    verb = "ranking"

    def answers(self, logits: np.ndarray, rows: Any) -> list[float]:
        return [float(round(score)) for score in logits[:, 0]]


def test__a_new_kind_is_a_page_and_a_line(
    monkeypatch: pytest.MonkeyPatch, streams: Callable[..., Any], tiny_tokenizer: Any, tmp_path: Path
) -> None:
    monkeypatch.setitem(tasks.TASKS, "question-answering", Ranking)  # the line
    data = [{"text": f"film {n}", "label": n} for n in range(1, 31)]
    options: dict[str, Any] = {"kind": "question-answering", "head_classes": None, "rejected_to": None}
    splits = load(data, None, None, DataSettings(), rng=streams, **options)
    assert (splits.task, len(splits.dev)) == (Ranking(), 3)
    assert load_labelled(data, DataSettings(), kind="question-answering")[0] == Ranking()
    rows = encode(splits.dev, tiny_tokenizer, 8, tmp_path / "rows.arrow")
    logits = rows.needed_labels()[:, None].astype(np.float32) + 0.2
    assert splits.task.metrics(logits, rows)[splits.task.figure] == pytest.approx(1)
    assert splits.task.answers(logits, rows) == splits.task.gold_answers(rows)
