from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tinybert.data.label_lists import has_lists, read_label_lists, resolve_label_lists
from tinybert.data.labels import ClassMeaning
from tinybert.data.read import DataInput, open_rows
from tinybert.data.settings import DataSettings
from tinybert.errors import UserError

MEANING = ClassMeaning(("a", "b"), {})
LISTS = [{"text": "one", "label": ["b", "a", "b"]}, {"text": "two", "label": []}]
COLUMNS = "text\ta\tb\none\t1\ttrue\ntwo\t0\t0.0\n"


def resolved(data: DataInput, wanted: Any = "needed", meaning: ClassMeaning = MEANING, **settings: Any) -> Any:
    rows = read_label_lists(data, DataSettings(**settings), labels=wanted, name="train")
    return resolve_label_lists(rows, meaning, needed=wanted == "needed")


def test__lists_columns_and_parquet_give_the_same(write: Callable[..., str], tmp_path: Path) -> None:
    pd.DataFrame(LISTS).to_parquet(tmp_path / "a.parquet")
    for data, settings in (
        (LISTS, {}),
        (tmp_path / "a.parquet", {}),
        (write("a.tsv", COLUMNS), {"labels": ("a", "b")}),
    ):
        examples = resolved(data, **settings)
        assert examples.labels.tolist() == [[1, 1], [0, 0]]
        assert [example.label for example in examples] == [(1, 1), (0, 0)]
        assert examples[1].label == (0, 0)
        assert examples.select(np.array([1])).labels.tolist() == [[0, 0]]


def test__numbers_are_names_and_what_the_map_leaves_out_leaves_the_list() -> None:
    meaning = ClassMeaning(("1", "2"), {"odd": None})
    assert resolved([{"text": "x", "label": [2.0, "odd"]}], meaning=meaning).labels.tolist() == [[0, 1]]


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("a", "train:2: 'label' is not a list of labels but 'a'; write [] where none holds"),
        (["a", None], "train:2: 'label' holds None, which is no label"),
        (["a", {}], "train:2: 'label' holds {}, which is no label"),
        (None, "train:2: the label is missing"),
        (["c"], "train:2: unknown label 'c'; known are: a, b"),
    ],
)
def test__odd_lists_are_refused_with_their_row(label: Any, said: str) -> None:
    data = [LISTS[0], {"text": "x", "label": label}]
    with pytest.raises(UserError, match=said.replace("[", r"\[").replace("{", r"\{")) as caught:
        resolved(data)
    assert len(caught.value.problems) == 1
    assert resolved(data, skip_bad=0.5).rows.tolist() == [1]


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ("2\t0", ":3: 'a' is '2', neither 0 nor 1"),
        ("1\t", ":3: 'b' is missing; write 0 or 1"),
        ("\t", ":3: the label is"),
    ],
)
def test__odd_columns_are_refused_with_their_row(write: Callable[..., str], cells: str, said: str) -> None:
    path = write("a.tsv", f"text\ta\tb\none\t1\t0\ntwo\t{cells}\n")
    with pytest.raises(UserError, match=f"{path}{said}"):
        resolve_label_lists(
            read_label_lists(path, DataSettings(labels=("a", "b")), labels="needed", name="train"), MEANING
        )


def test__a_column_that_is_not_there_is_named(write: Callable[..., str]) -> None:
    path = write("a.tsv", "text\ta\nx\t1\n")
    with pytest.raises(UserError, match=f"{path}:1: no column 'b'; there are: text, a; correct data.labels"):
        read_label_lists(path, DataSettings(labels=("a", "b")), labels="needed", name="train")


@pytest.mark.parametrize("settings", [{}, {"labels": ("a", "b")}])
def test__a_test_set_may_have_no_labels(settings: dict[str, Any]) -> None:
    assert not resolved([{"text": "x"}], wanted="optional", **settings).labelled
    assert not resolved([{"text": "x", "label": None}], wanted="optional").labelled
    assert not resolved(LISTS, wanted="none", **settings).labelled


def test__the_first_label_decides_whether_there_are_lists(tmp_path: Path) -> None:
    assert has_lists(open_rows([{"text": "x", "label": None}, *LISTS], DataSettings()), DataSettings())
    assert has_lists(open_rows(pd.DataFrame(LISTS), DataSettings()), DataSettings())
    assert not has_lists(open_rows([{"text": "x", "label": "a"}, *LISTS], DataSettings()), DataSettings())
    assert not has_lists(open_rows(pd.DataFrame([{"text": "x"}]), DataSettings()), DataSettings())
