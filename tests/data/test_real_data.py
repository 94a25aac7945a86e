"""Well-known data sets as they are published, where a folder `shared/data` lies beside the repository."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tinybert.data.carried import Side, carried
from tinybert.data.examples import Examples
from tinybert.data.settings import DataSettings
from tinybert.data.words import Edit, words_of
from tinybert.errors import UserError
from tinybert.tasks.classification import Classification
from tinybert.tasks.load import Splits, load
from tinybert.tasks.read import load_labelled
from tinybert.tasks.regression import Regression
from tinybert.tasks.rewrite import rewrite
from tinybert.types import Example, Kind

DATA = Path(__file__).parents[3] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="no folder shared/data beside the repository")


def loaded(streams: Any, train: str, dev: str | None = None, test: str | None = None, **settings: Any) -> Splits:
    paths = [None if name is None else str(DATA / name) for name in (train, dev, test)]
    return load(*paths, DataSettings(**settings), kind=None, head_classes=None, rng=streams, rejected_to=None)


def sizes(splits: Splits) -> tuple[int, int, int]:
    return len(splits.train), len(splits.dev), 0 if splits.test is None else len(splits.test)


def test_load__reads_sst2(streams: Any) -> None:
    splits = loaded(streams, "sst2/train.tsv", "sst2/dev.tsv", "sst2/test.tsv", text="sentence")
    assert sizes(splits) == (67_349, 872, 1_821)
    assert splits.task == Classification(("0", "1"), positive=1)
    assert splits.train.labels is not None
    assert splits.train.labels.sum() == 37_569
    assert splits.test is not None
    assert not splits.test.labelled


def test_load__finds_sst2_in_rt(streams: Any) -> None:
    files = "rt_polarity/split/train.tsv", "rt_polarity/split/dev.tsv", "sst2/dev.tsv"
    splits = loaded(streams, *files, text="sentence", drop_overlap="contained")
    assert splits.overlap["test"]["contained"] > splits.overlap["test"]["exact"] > 100
    assert len(splits.train) == 8_635 - splits.overlap["dropped"]


def test_load__reads_the_rt_split(streams: Any) -> None:
    splits = loaded(streams, *(f"rt_polarity/split/{part}.tsv" for part in ("train", "dev", "test")), text="sentence")
    assert sizes(splits) == (8_635, 960, 1_067)
    assert not any(example.text.endswith("\r") for example in splits.dev)


def test_load__reads_mrpc_with_its_mark_and_quotes(streams: Any) -> None:
    columns = {"text_a": "#1 String", "text_b": "#2 String", "label": "Quality"}
    splits = loaded(streams, *(f"glue_mrpc/{part}.tsv" for part in ("train", "dev", "test")), **columns)
    assert sizes(splits) == (3_667, 408, 1_725)
    assert splits.task.paired
    assert splits.train.labels is not None
    assert splits.train.labels.sum() == 2_473
    assert "data.quoting=auto chose none" in splits.notes[0]


def test_load__reads_snli(streams: Any) -> None:
    splits = loaded(streams, "snli/dev.csv", text_a="premise", text_b="hypothesis")
    assert splits.task == Classification(("contradiction", "entailment", "neutral"), paired=True)
    assert len(splits.train) + len(splits.dev) == 9_831


def test_load__reads_stsb_as_scores(streams: Any) -> None:
    files = (f"glue_stsb/{part}.tsv" for part in ("train", "dev", "test"))
    splits = loaded(streams, *files, text_a="sentence1", text_b="sentence2", label="score")
    assert sizes(splits) == (5_749, 1_500, 1_379)
    assert splits.task == Regression(paired=True)


def test_load__reads_stsb_as_it_was_first_shipped(streams: Any, tmp_path: Path) -> None:
    """Without a header, tabs in `.csv`, and the sources only where there are some."""
    rows = [line.split("\t") for line in (DATA / "glue_stsb/train.tsv").read_text("utf-8").split("\n")[1:] if line]
    shipped = [[*row[1:5], row[9], *row[7:9], *(cell for cell in row[5:7] if cell != "none")] for row in rows]
    path = tmp_path / "sts-train.csv"
    path.write_text("".join("\t".join(row) + "\n" for row in shipped), encoding="utf-8")
    splits = loaded(streams, str(path), header=False, text_a="5", text_b="6", label="4")
    assert len(splits.train) + len(splits.dev) == 5_749


def test_load__reads_cola_by_number(streams: Any) -> None:
    splits = loaded(streams, "glue_cola/train.tsv", "glue_cola/dev.tsv", header=False, text="3", label="1")
    assert sizes(splits) == (8_551, 1_043, 0)


def test_load__names_the_row_of_qqp_that_has_lost_a_column(streams: Any) -> None:
    columns = {"header": False, "text_a": "3", "text_b": "4", "label": "5"}
    with pytest.raises(UserError, match=r"new_dev.tsv:"):
        loaded(streams, "qqp/glue_dev_subset_new_dev.tsv", **columns)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("conll2003/eng.train", "token classification"),
        ("snli/labels.test", "unknown ending"),
    ],
)
def test_load__refuses_other_tasks(streams: Any, name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        loaded(streams, name)


def test_load_any__reads_conll2003() -> None:
    task, examples = load_labelled(str(DATA / "conll2003/eng.testb"), DataSettings(), kind="token-classification")
    assert task.classes == ("B-LOC", "B-MISC", "B-ORG", "I-LOC", "I-MISC", "I-ORG", "I-PER", "O")
    assert len(examples) == 3_453
    assert sum(len(example.words or ()) for example in examples) == 46_435


def test_load_any__reads_squad() -> None:
    for name, count, impossible in (("cs224n_dev-v2.0.json", 6_078, 3_168), ("xquad.en.json", 1_190, 0)):
        task, examples = load_labelled(str(DATA / "squad" / name), DataSettings(), kind=None)
        assert task.kind == "question-answering"
        assert (len(examples), sum(example.label is None for example in examples)) == (count, impossible)


def copies_of(examples: Examples, side: Side, outside: int | None) -> Iterator[Example]:
    """One copy of each example: a word in the middle becomes another, two more come at the end."""
    for example in examples:
        text = example.text if side == "text" else example.pair or ""
        words = words_of(text)
        middle = words[len(words) // 2]
        edits = [Edit(middle.start, middle.end, "something"), Edit(len(text), len(text), " and more")]
        if (copy := carried(example, side, edits, 1, outside)) is not None:
            yield copy


@pytest.mark.parametrize(
    ("name", "lines", "kind", "settings"),
    [
        ("conll2003/eng.testb", 2_000, "token-classification", {}),
        ("squad/xquad.en.json", None, None, {}),
        ("sst2/dev.tsv", None, None, {"text": "sentence"}),
        ("glue_mrpc/dev.tsv", None, None, {"text_a": "#1 String", "text_b": "#2 String", "label": "Quality"}),
        ("qqp/bimpm_dev.tsv", 500, None, {"header": False, "text_a": "1", "text_b": "2", "label": "0"}),
    ],
)
def test_rewrite__brings_back_what_it_wrote(
    tmp_path: Path, name: str, lines: int | None, kind: Kind | None, settings: dict[str, Any]
) -> None:
    source, target, data = (
        str(tmp_path / Path(name).name),
        tmp_path / f"new-{Path(name).name}",
        DataSettings(**settings),
    )
    Path(source).write_bytes(b"".join((DATA / name).read_bytes().splitlines(keepends=True)[:lines]))
    task, examples = load_labelled(source, data, kind=kind)
    side: Side = "pair" if task.kind == "question-answering" else "text"
    copies = list(copies_of(examples, side, task.outside))
    assert len(copies) > 0.9 * len(examples)
    assert rewrite(source, data, kind, copies, target, examples.rows) == len(examples) + len(copies)
    task_again, again = load_labelled(str(target), data, kind=kind)
    assert task_again == task
    wanted = sorted([*examples, *copies], key=lambda example: (example.row, example.copy))
    found = [(e.text, e.pair, e.label, e.words) for e in again]
    expected = [(e.text, e.pair, e.label, e.words) for e in wanted]
    if task.kind == "question-answering":  # copies stand after the paragraph, not after the question
        found, expected = sorted(found, key=repr), sorted(expected, key=repr)
    assert found == expected
