"""From which probability on a label is said to hold."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sk

from tinybert.data.encode import encode
from tinybert.data.examples import Examples
from tinybert.data.settings import DataSettings
from tinybert.errors import UserError
from tinybert.models.heads import Head
from tinybert.tasks.classification import Classification
from tinybert.tasks.read import task_of
from tinybert.tasks.thresholds import Wanted, fitted_threshold, parse_wanted
from tinybert.types import Example

LIMITS = np.linspace(0, 1, 49)  # all that part scores of twelfths


def scored(seed: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 12, 40) / 12
    return rng.random(40) < scores / 2, scores


@pytest.mark.parametrize("seed", range(20))
def test__the_fitted_one_is_no_worse_than_any_other(seed: int) -> None:
    holds, scores = scored(seed)
    f1 = [sk.f1_score(holds, scores >= limit, zero_division=0.0) for limit in LIMITS]
    fitted = fitted_threshold(holds, scores)
    assert sk.f1_score(holds, scores >= fitted, zero_division=0.0) == pytest.approx(max(f1))


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("wanted", [Wanted("precision", 0.5), Wanted("recall", 0.7), Wanted("precision", 1.0)])
def test__what_is_wanted_is_reached_with_most_of_the_other_figure(seed: int, wanted: Wanted) -> None:
    holds, scores = scored(seed)

    def figures(limit: float) -> tuple[float, float]:
        found = (sk.precision_score, sk.recall_score)
        first, second = found if wanted.figure == "precision" else reversed(found)
        said = scores >= limit
        return first(holds, said, zero_division=0.0), second(holds, said, zero_division=0.0)

    every = [figures(limit) for limit in LIMITS]
    reached, most = figures(fitted_threshold(holds, scores, wanted))
    if max(first for first, _ in every) < wanted.least:
        assert reached == pytest.approx(max(first for first, _ in every))
    else:
        assert reached >= wanted.least
        assert most == pytest.approx(max(second for first, second in every if first >= wanted.least))
        assert reached == pytest.approx(max(first for first, second in every if second == pytest.approx(most)))


@pytest.mark.parametrize("holds", [[False] * 3, [True] * 3])
def test__one_half_where_there_is_nothing_to_part(holds: list[bool]) -> None:
    scores = np.array([0.1, 0.2, 0.9])
    assert fitted_threshold(np.array(holds), scores) == fitted_threshold(np.array(holds), scores, Wanted("recall", 1))


@pytest.mark.parametrize("text", ["precision", "precision:0", "f1:0.9", "recall:1.5", "precision:90%"])
def test_parse_wanted__refuses_what_is_no_share_of_either(text: str) -> None:
    with pytest.raises(ValueError, match=r"write precision:0\.95 or recall:0\.9"):
        parse_wanted(text)


def test__of_two_classes_it_decides_and_travels_with_the_configuration(
    tmp_path: Path, tiny_tokenizer: Any, tiny_bert: Any
) -> None:
    gold = (1, 0, 1, 1, 0)
    examples = Examples.of([Example("good", label=label, row=n) for n, label in enumerate(gold, start=1)])
    rows = encode(examples, tiny_tokenizer, 8, tmp_path / "rows.arrow")
    logits = np.array([[0, 3], [0, 1], [0, 0.5], [0, -0.5], [0, -2]], np.float32)
    plain = Classification(("neg", "pos"), positive=1)
    assert plain.answers(logits, rows) == ["pos", "pos", "pos", "neg", "neg"]
    assert plain.fitted(logits, rows) == plain
    fitted = plain.fitted(logits, rows, Wanted("recall", 1.0))
    assert fitted.answers(logits, rows) == ["pos", "pos", "pos", "pos", "neg"]
    sure = plain.fitted(logits, rows, Wanted("precision", 1.0))
    assert sure.answers(logits, rows) == ["pos", "neg", "neg", "neg", "neg"]
    assert [one["label"] for one in sure.predictions(logits, rows)] == sure.answers(logits, rows)
    assert sure.metrics(logits, rows)["accuracy"] == 0.6
    (found,) = sure.details(logits, rows)["per_label"].values()
    assert (found["precision"], found["recall"], found["threshold"]) == (1, pytest.approx(1 / 3), sure.threshold)
    config = tiny_bert(outputs=2).config
    Head(plain.classes).describe_in(config)
    sure.note_in(config)
    assert task_of(config, "m", None, DataSettings(positive="neg")) == sure
    config.thresholds = {"pos": 0.5, "neg": 0.5}
    with pytest.raises(UserError, match="thresholds must name a probability for a label"):
        task_of(config, "m", None, DataSettings())
    plain.note_in(config)
    assert task_of(config, "m", None, DataSettings()) == plain
