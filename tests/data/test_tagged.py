from typing import Any

import numpy as np
import pytest

from tinybert.data.settings import DataSettings
from tinybert.data.tagged import TagNames, read_conll, read_lists, resolve_tags
from tinybert.errors import UserError
from tinybert.types import Example

CONLL = "EU B-ORG\nrejects O\n\nPeter B-PER\n"
LISTS = [
    {"tokens": ["EU", "rejects"], "tags": ["B-ORG", "O"]},
    {"tokens": ["Peter"], "tags": ["B-PER"]},
]
BOTH = [Example("EU rejects", None, (0, 2), 1, 0, ("EU", "rejects")), Example("Peter", None, (1,), 2, 0, ("Peter",))]


def test_read_conll__and_lists_give_the_same() -> None:
    for rows in (
        read_conll(CONLL.splitlines(keepends=True), "a.iob", DataSettings()),
        read_lists(LISTS, DataSettings(), "train"),
    ):
        classes, examples = resolve_tags(rows, {})
        assert classes == ("B-ORG", "B-PER", "O")
        assert list(examples) == BOTH
        assert examples.labelled


def test_read_conll__counts_sentences_and_names_lines() -> None:
    lines = ["a O\n", "\n", "b\n", "\n", "c O\n"]
    with pytest.raises(UserError, match=r"^a.iob:3: 1 columns instead of 2"):
        read_conll(lines, "a.iob", DataSettings())
    rows = read_conll(lines, "a.iob", DataSettings(skip_bad=0.5))
    assert [example.row for example in resolve_tags(rows, {})[1]] == [1, 3]


def test_read_conll__takes_words_alone_where_tags_are_not_needed() -> None:
    alone, tagged = ["EU\n", "wins\n", "\n", "so\n"], ["EU O\n"]
    with pytest.raises(UserError, match=r"^a.iob:1: one column; a token and its tag are wanted"):
        read_conll(alone, "a.iob", DataSettings())
    for labels in ("optional", "none"):
        rows = read_conll(alone, "a.iob", DataSettings(), labels)
        assert rows.table["words"].to_pylist() == [["EU", "wins"], ["so"]]
        assert "tags" not in rows.table.column_names
    columns = [
        read_conll(tagged, "b.iob", DataSettings(), labels).table.column_names for labels in ("optional", "none")
    ]
    assert ["tags" in names for names in columns] == [True, False]


@pytest.mark.parametrize(
    ("words", "tags", "reason"),
    [
        ("EU", ["O"], "'tokens' is not a list but 'EU'"),
        (["EU"], None, "'tags' is not a list but None"),
        (["EU"], ["O", "O"], "'tokens' has 1 entries and 'tags' 2"),
        ([], [], "'tokens' has 0 entries"),
        (["EU", ""], ["O", "O"], "'tokens 2' is empty"),
        (["EU", 3], ["O", "O"], "'tokens 2' is not text but 3"),
        (["EU"], [None], "'tags' has None for the word 1"),
        (["EU"], [{}], "'tags' has {} for the word 1"),
    ],
)
def test_read_lists__names_what_is_wrong(words: Any, tags: Any, reason: str) -> None:
    with pytest.raises(UserError, match=rf"^train:2: {reason}"):
        read_lists([LISTS[0], {"tokens": words, "tags": tags}], DataSettings(), "train")


def test_read_lists__takes_other_columns_and_numbers() -> None:
    rows = read_lists([{"w": ["a", "b"], "t": np.array([10, 9])}], DataSettings(text="w", label="t"), "train")
    classes, examples = resolve_tags(rows, {})
    assert classes == ("9", "10")
    assert examples[0].label == (1, 0)
    with pytest.raises(UserError, match=r"no column 'tokens'.*data.text"):
        read_lists([{"words": ["a"], "tags": ["O"]}], DataSettings(), "train")


def test_resolve_tags__renames_and_passes_over_every_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinybert.data.examples.BLOCK", 16)
    count = 16 + 3
    rows = read_lists(
        [{"tokens": ["a"] * (n % 3 + 1), "tags": ["X", "Y", "Z"][: n % 3 + 1]} for n in range(count)],
        DataSettings(),
        "train",
    )
    classes, examples = resolve_tags(rows, {"Z": "X"})
    assert classes == ("X", "Y")
    assert [example.label for example in examples] == [(0, 1, 0)[: n % 3 + 1] for n in range(count)]
    chosen = examples.select(np.array([count - 1, 2]))
    assert [example.label for example in chosen] == [(0, 1, 0)[: (count - 1) % 3 + 1], (0, 1, 0)]
    assert chosen[1].words == ("a", "a", "a")


def test_tag_names__spell_tags_as_the_original_does() -> None:
    names = TagNames(("X", "Y"), {"Z": "X"})
    copy = Example("a new c", None, (0, 0, 1), 1, 1, ("a", "new", "c"))
    assert names.followed(["a", "c"], ["Z", "Y"], copy) == ([0, None, 1], ["Z", "Z", "Y"])
    assert names.followed(["c"], ["Y"], Example("b c", None, (0, 1), 1, 1, ("b", "c"))) == ([None, 0], ["Z", "Y"])
    copy = Example("a", None, (1,), 1, 1, ("a",))
    assert TagNames(("FALSE", "true"), {}).followed(["a"], ["True"], copy) == ([0], ["True"])
    assert TagNames(("X",), {}).followed([], [], Example("b", None, (0,), 1, 1, ("b",))) == ([None], ["X"])


def test_resolve_tags__does_not_leave_tags_out() -> None:
    rows = read_lists([{"tokens": ["a"], "tags": ["X"]}], DataSettings(), "train")
    with pytest.raises(
        UserError, match=r"^data.label_map=\{X: null\}: a word needs a tag; rename it, to O for example$"
    ):
        resolve_tags(rows, {"X": None})
