"""Every recipe on every kind of task: it learns as it was planned to, or refuses before anything is trained."""

import signal
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from recipes.workshop import Rows, Workshop, on_one_processor, pairs, ratings, reviews
from tinybert import launch
from tinybert.engine import fit
from tinybert.errors import Interrupted, UserError
from tinybert.recipes import RECIPES
from tinybert.tasks import TASKS

pytestmark = [on_one_processor, pytest.mark.usefixtures("processor")]
FOR_TASKS = [name for name, recipe in RECIPES.items() if not recipe.config().reads_text]
NOT_TEXTS = ("token-classification", "question-answering")
ONE_LABEL, WHOLE_TEXTS = "learns from texts with one class or score each", "its student answers for whole texts"
REFUSED = {("l2a", kind): ONE_LABEL for kind in ("multi-label", *NOT_TEXTS)} | {
    (recipe, kind): WHOLE_TEXTS for recipe in ("bilstm_soft", "static", "tfidf") for kind in NOT_TEXTS
}


def tagged(count: int, seed: int) -> Rows:
    """Sentences in which good and bad are names."""
    rng = np.random.default_rng(seed)
    texts = [rng.choice(("good", "bad", "film", "the"), size=rng.integers(3, 9)).tolist() for _ in range(count)]
    return [{"tokens": words, "tags": ["B-X" if word in ("good", "bad") else "O" for word in words]} for words in texts]


def labelled(count: int, seed: int) -> Rows:
    """Pairs of texts, each with one label, both, or none."""
    found = pairs(count, seed)
    holds = [{"good": row.pop("label") == "pos", "long": len(row["text_b"].split()) > 5} for row in found]
    return [
        {**row, "label": [label for label, does in of.items() if does]} for row, of in zip(found, holds, strict=True)
    ]


def asked(count: int, seed: int) -> Rows:
    """Questions whose answer is good, in texts that may have none."""
    contexts = (row["text"] for row in reviews(count, seed))
    places = ((text, [text.index("good")] if "good" in text else []) for text in contexts)
    return [
        {"question": "how is it", "context": text, "answers": {"text": ["good"] * len(at), "answer_start": at}}
        for text, at in places
    ]


MAKE: dict[str, Callable[[int, int], Rows]] = {
    "classification": reviews,
    "regression": ratings,
    "token-classification": tagged,
    "question-answering": asked,
    "multi-label": labelled,
}


@pytest.fixture
def learn(tmp_path: Any, tiny_tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """A run up to its finish: the student's digest, or the plan."""
    workshop = Workshop(tmp_path, tiny_tokenizer)
    monkeypatch.setattr(launch, "_finish", lambda *given: {"student": given[2].student.digest()})

    def run(recipe: str, kind: str, **changes: Any) -> Any:
        rows = {name: MAKE[kind](count, count) for name, count in (("train", 24), ("dev", 12), ("test", 6))}
        weak = () if recipe in ("fine_tune", "tfidf") else ("teacher.accept_weak=true",)
        return workshop.distill(recipe, **rows, kind=kind, source=None, also=weak, **changes)

    return run


@pytest.fixture
def updates(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one with every update."""
    made, real = [], fit.update
    monkeypatch.setattr(fit, "update", lambda *given, **named: made.append(1) or real(*given, **named))
    return made


@pytest.mark.parametrize("kind", TASKS)
@pytest.mark.parametrize("recipe", FOR_TASKS)
def test__it_makes_the_updates_it_planned_or_refuses_before_the_first(learn, updates, recipe, kind):
    if (why := REFUSED.get((recipe, kind))) is not None:
        for dry_run in (True, False):
            with pytest.raises(UserError, match=f"^{recipe}: {why}; this is {kind}; take [a-z_]+$"):
                learn(recipe, kind, dry_run=dry_run)
        assert not updates
        return
    plan = learn(recipe, kind, dry_run=True)
    assert not updates
    assert plan["rows"] == {"train": 24, "dev": 12, "test": 6}
    if kind == "classification":
        return  # whole runs of it: test_conformance.py
    assert learn(recipe, kind)
    assert len(updates) == sum(stage["updates"] for stage in plan["stages"])


@pytest.mark.parametrize("kind", [kind for kind in TASKS if kind != "classification"])
def test__stopped_by_a_signal_and_resumed_it_ends_with_the_same_bits(learn, updates, monkeypatch, tmp_path, kind):
    whole, real, count = learn("tinybert", kind), fit.update, len(updates)

    def stopping(*given: Any, **named: Any) -> Any:
        if len(updates) == count + 15:  # in the last stage
            signal.raise_signal(signal.SIGTERM)
        return real(*given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(fit, "update", stopping)
        with pytest.raises(Interrupted):
            learn("tinybert", kind, output=tmp_path / "again")
    assert len(updates) < 2 * count
    assert learn("tinybert", kind, output=tmp_path / "again") == whole
    assert len(updates) == 2 * count  # none was made twice
