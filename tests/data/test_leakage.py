from typing import Literal

import numpy as np
import pyarrow as pa
import pytest

from tinybert.data.examples import Examples
from tinybert.data.leakage import contradictions, without_overlap
from tinybert.errors import UserError
from tinybert.types import Example

PHRASE = "a truly good film this"
TRAIN = Examples.of([Example(text, None, 0) for text in ("Good!", PHRASE, "bad", "dull", "plot")])
HELD_OUT = {
    "dev": Examples.of([Example("good", None, 0), Example("plot", None, 1)]),
    "test": Examples.of([Example(f"it is {PHRASE} one"), Example("Dull.")]),
}


@pytest.mark.parametrize(
    ("drop", "left", "dev", "test"),
    [
        ("none", ["Good!", PHRASE, "bad", "dull", "plot"], {"exact": 2}, {"exact": 1}),
        ("exact", [PHRASE, "bad"], {"exact": 2}, {"exact": 1}),
        ("contained", ["bad"], {"exact": 2, "contained": 2}, {"exact": 1, "contained": 2}),
    ],
)
def test_without_overlap__counts_always_and_drops_on_request(
    drop: Literal["none", "exact", "contained"], left: list[str], dev: dict[str, int], test: dict[str, int]
) -> None:
    train, report, notes = without_overlap(TRAIN, HELD_OUT, drop)
    assert [example.text for example in train] == left
    assert report == {"rows": 5, "drop": drop, "dropped": 5 - len(left), "dev": dev, "test": test}
    assert "train: 2 of 5 rows are in dev as well (exact)" in notes


def test_without_overlap__has_nothing_to_say_of_clean_data() -> None:
    train, report, notes = without_overlap(TRAIN, {"dev": Examples.of([Example("other")])}, "none")
    assert train is TRAIN
    assert report["dev"] == {"exact": 0}
    assert notes == ()


def test_without_overlap__refuses_to_leave_nothing() -> None:
    with pytest.raises(UserError, match=r"^data.drop_overlap=exact: every row of train"):
        without_overlap(TRAIN, {"dev": TRAIN}, "exact")


def test_contradictions__count_rows_and_name_the_first() -> None:
    labels = [("good", 1), ("fine", 1), ("Good ", 0), ("bad", 0)]
    rows = pa.table(
        {
            "text": [text for text, _ in labels],
            "pair": pa.nulls(4, pa.string()),
            "row": [1, 2, 3, 4],
            "line": [2, 3, 4, 5],
        }
    )
    train = Examples(rows, np.array([label for _, label in labels]))
    scores = Examples.of([Example("a", None, 0.5), Example("a", None, 1.5)])
    others = {"dev": Examples.of([Example("good", None, 1)]), "test": Examples.of([Example("a")]), "scores": scores}
    counts, notes = contradictions({"train": train, **others})
    assert counts == {"train": 2, "dev": 0}
    assert notes == (
        "train: 2 of 4 rows have a text that others of them give another label: lines 2, 4; correct them where "
        "only one can be right",
    )
