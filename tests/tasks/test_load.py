import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

from tinybert.data.examples import Examples
from tinybert.data.settings import DataSettings
from tinybert.errors import UserError
from tinybert.tasks.base import Task
from tinybert.tasks.classification import Classification
from tinybert.tasks.load import Splits, described, load
from tinybert.tasks.read import load_for, load_texts
from tinybert.tasks.regression import Regression
from tinybert.types import Example

Streams = Callable[[str], np.random.Generator]
Write = Callable[..., str]
TRAIN = [{"text": f"{word} film {n}", "label": word} for n in range(30) for word in ("good", "bad")]
TAGGED = [{"tokens": ["EU", "so"], "tags": ["B-ORG", "O"]}]
ASKED = [{"question": "Who?", "context": "By EU.", "answers": {"text": ["EU"], "answer_start": [3]}}]
DEV = [{"text": "fine", "label": "good"}, {"text": "dull", "label": "bad"}]


@pytest.fixture
def loaded(streams: Streams) -> Callable[..., Splits]:
    """`loaded(train, dev, test, kind=, head=, rejected_to=, **settings)`."""

    def make(
        train: Any,
        dev: Any = None,
        test: Any = None,
        kind: Any = None,
        head: tuple[str, ...] | None = None,
        rejected_to: Path | None = None,
        source: Any = None,
        **settings: Any,
    ) -> Splits:
        chosen = DataSettings(**settings)
        given = {"kind": kind, "head_classes": head, "rejected_to": rejected_to, "source": source}
        return load(train, dev, test, chosen, rng=streams, **given)

    return make


def labelled(*labels: Any) -> list[dict[str, Any]]:
    return [{"text": f"text {n}", "label": label} for n, label in enumerate(labels)]


def texts(examples: Any) -> list[str]:
    return [example.text for example in examples]


def test_task__counts_outputs() -> None:
    task = Classification(("neg", "pos"), positive=1)
    assert task.head.outputs == 2
    assert Regression().head.outputs == 1


def test_load__reads_files_lists_and_frames_alike(loaded: Callable[..., Splits], write: Write) -> None:
    tsv = write("train.tsv", "label\ttext\n" + "".join(f"{row['label']}\t{row['text']}\n" for row in TRAIN))
    jsonl = write("train.jsonl", "".join(json.dumps(row) + "\n" for row in TRAIN))
    frame = pandas.DataFrame(TRAIN)
    parquet = tsv.replace(".tsv", ".parquet")
    frame.to_parquet(parquet)
    found = [loaded(source, DEV) for source in (TRAIN, frame, tsv, jsonl, parquet)]
    assert {splits.train.digest() for splits in found} == {found[0].train.digest()}
    assert {splits.task for splits in found} == {Classification(("bad", "good"), positive=1)}
    assert list(found[0].dev) == list(found[-1].dev)


def test_load__splits_a_stratified_tenth_off_train_without_dev(loaded: Callable[..., Splits]) -> None:
    splits = loaded(TRAIN)
    assert splits.dev.labels is not None
    assert np.bincount(splits.dev.labels).tolist() == [3, 3]
    assert sorted(texts(splits.train) + texts(splits.dev)) == sorted(row["text"] for row in TRAIN)
    assert "dev: 6 of 60 rows of train, stratified (no --dev)" in splits.notes
    assert texts(loaded(TRAIN).dev) == texts(splits.dev)


def test_load__keeps_a_class_of_one_row_in_train(loaded: Callable[..., Splits]) -> None:
    splits = loaded([*TRAIN, {"text": "hm", "label": "rare"}])
    assert splits.task.classes == ("bad", "good", "rare")
    assert "hm" in texts(splits.train)
    assert any(note.startswith("dev: no row of rare") for note in splits.notes)


def test_load__splits_scores_without_strata(loaded: Callable[..., Splits]) -> None:
    splits = loaded(labelled(*(n / 7 for n in range(50))))
    assert splits.task == Regression()
    assert (len(splits.train), len(splits.dev)) == (45, 5)


def test_load__refuses_to_split_what_is_too_little(loaded: Callable[..., Splits]) -> None:
    with pytest.raises(UserError, match=r"^train: 2 rows are too few to split dev off; pass --dev"):
        loaded(labelled("a", "b"))


def test_load__takes_dev_as_it_is(loaded: Callable[..., Splits]) -> None:
    splits = loaded(TRAIN, DEV)
    assert texts(splits.dev) == ["fine", "dull"]
    assert len(splits.train) == 60
    assert splits.test is None


@pytest.mark.parametrize("test", [[{"text": "a"}], [{"text": "a", "label": None}, {"text": "b", "label": ""}]])
def test_load__takes_a_test_set_without_labels(loaded: Callable[..., Splits], test: list[dict[str, Any]]) -> None:
    splits = loaded(TRAIN, DEV, test)
    assert splits.test is not None
    assert not splits.test.labelled
    assert f"test: {len(test)} rows without labels" in splits.notes


@pytest.mark.parametrize(("first", "second"), [("good", 0.5), ("bad", 2)])
def test_load__refuses_a_dev_set_of_one_label(loaded: Callable[..., Splits], first: str, second: int) -> None:
    for train, label in ((TRAIN, first), (labelled(0.5, 1, 2), second)):
        with pytest.raises(UserError, match=rf"^dev: every row has the label '?{label:}'?; no figure .* no --dev"):
            loaded(train, [{"text": "a", "label": label}, {"text": "b", "label": label}])


def test_load__allows_a_test_set_of_one_label(loaded: Callable[..., Splits]) -> None:
    splits = loaded(TRAIN, DEV, [{"text": "a", "label": "good"}])
    assert splits.test is not None
    assert splits.test.labelled


def test_load__says_that_a_test_set_needs_no_labels(loaded: Callable[..., Splits]) -> None:
    train, test = labelled(0, 1, 0), labelled(-1, -1)
    with pytest.raises(UserError, match=r"^test:1: unknown label '-1'; .*; a test set .* data.label_map=\{-1: null\}"):
        loaded(train, train, test)
    splits = loaded(train, train, test, label_map={"-1": None})
    assert splits.test is not None
    assert not splits.test.labelled
    assert len(splits.test) == 2


def test_load__leaves_out_rows_of_a_label_wherever_they_are(loaded: Callable[..., Splits]) -> None:
    more = [{"text": "hm", "label": "?"}]
    splits = loaded([*TRAIN, *more], [*DEV, *more], [*DEV, *more], label_map={"?": None})
    assert splits.test is not None
    assert (len(splits.train), len(splits.dev), len(splits.test)) == (60, 2, 2)
    assert splits.task.classes == ("bad", "good")
    assert "train: 1 of 61 rows are left out, their labels stand for none: ? 1" in splits.notes


def test_load__leaves_out_the_rows_of_inference_without_a_gold_label(loaded: Callable[..., Splits]) -> None:
    labels = ("entailment", "neutral", "contradiction", "-") * 3
    rows = [{"premise": f"p {n}", "hypothesis": "h", "gold_label": label} for n, label in enumerate(labels)]
    columns = {"text_a": "premise", "text_b": "hypothesis", "label": "gold_label"}
    splits = loaded([row for row in rows if row["gold_label"] != "-"], rows, rows, **columns)
    assert splits.test is not None
    assert (len(splits.train), len(splits.dev), len(splits.test)) == (9, 9, 9)
    assert splits.task.classes == ("contradiction", "entailment", "neutral")
    assert "dev: 3 of 12 rows are left out, their labels stand for none: - 3" in splits.notes
    task = Classification(splits.task.classes)
    assert len(load_for(rows, DataSettings(**columns), task, labels="needed")) == 9
    assert len(load_for(rows, DataSettings(**columns), task, labels="none")) == 12


def test_load__keeps_codes_as_they_are_written(loaded: Callable[..., Splits]) -> None:
    rows = labelled("01", "02", "10", "007", "7")
    for kind in (None, "classification"):
        assert loaded(rows, rows, kind=kind).task.classes == ("007", "01", "02", "10", "7")
    with pytest.raises(UserError, match=r"^dev:1: unknown label '1'; known are: 007, 01"):
        loaded(rows, labelled("1", "02"))


def test_load__joins_what_looks_alike(loaded: Callable[..., Splits]) -> None:
    rows = labelled("n\u00e9g", "pos", "ne\u0301g", "pos\u200b", "\ufeffpos")
    splits = loaded(rows, labelled("ne\u0301g", "pos"))
    assert splits.task.classes == ("n\u00e9g", "pos")
    assert [example.label for example in splits.dev] == [0, 1]


def test_load__takes_truth_values_however_they_are_spelled(loaded: Callable[..., Splits], write: Write) -> None:
    dev = write("dev.csv", "text,label\nfine,True\ndull,FALSE\n")
    splits = loaded(labelled(True, False, True), dev, label_map={})
    assert splits.task.classes == ("false", "true")
    assert [example.label for example in splits.dev] == [1, 0]


def test_load__counts_texts_with_several_labels_before_dev_is_split_off(loaded: Callable[..., Splits]) -> None:
    splits = loaded([*TRAIN, {"text": "Good film 3", "label": "bad"}])
    assert splits.overlap["several_labels"] == {"train": 2}
    assert any(note.startswith("train: 2 of 61 rows have a text that others of them give") for note in splits.notes)


def test_load__takes_a_test_file_without_the_column(loaded: Callable[..., Splits], write: Write) -> None:
    train = write("train.tsv", "good\t1\nbad\t0\nfine\t1\ndull\t0\n")
    test = write("test.tsv", "hm\n")
    splits = loaded(train, train, test, header=False, text="0", label="1")
    assert splits.test is not None
    assert not splits.test.labelled


@pytest.mark.parametrize(
    ("name", "labels", "message"),
    [
        ("dev", ("good", "maybe"), "^dev:2: unknown label 'maybe'; known are: bad, good"),
        ("test", ("good", "maybe"), "^test:2: unknown label 'maybe'"),
        ("dev", ("good", None), "^dev:2: the label is missing"),
        ("test", ("good", None), "^test:2: the label is missing, though other rows have one"),
        ("dev", (None, None), "^dev:1: the label is missing"),
    ],
)
def test_load__names_the_row_of_dev_or_test(
    loaded: Callable[..., Splits], name: str, labels: tuple[Any, ...], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        loaded(**{"train": TRAIN, "dev": DEV, name: labelled(*labels)})


@pytest.mark.parametrize(
    ("labels", "kind", "expected"),
    [
        ((1, 0, 2), None, Classification(("0", "1", "2"))),
        ((1.0, 0.0, 0.0), None, Classification(("0", "1"), positive=1)),
        ((1, 0, 2), "regression", Regression()),
        ((0.5, 0, 2), None, Regression()),
        ((0.5, 1.5, 0.5), "classification", Classification(("0.5", "1.5"), positive=1)),
        (("yes", "no", "no"), None, Classification(("no", "yes"), positive=1)),
        ((True, False, True), None, Classification(("false", "true"), positive=1)),
    ],
)
def test_load__finds_the_task_in_the_labels(
    loaded: Callable[..., Splits], labels: tuple[Any, ...], kind: Any, expected: Task
) -> None:
    rows = labelled(*labels)
    assert loaded(rows, rows, kind=kind).task == expected


def test_load__takes_the_order_of_classes_from_the_head(loaded: Callable[..., Splits]) -> None:
    splits = loaded(TRAIN, DEV, head=("GOOD", "neutral", "Bad"))
    assert splits.task.classes == ("GOOD", "neutral", "Bad")
    assert [example.label for example in splits.dev] == [0, 2]


def test_load__takes_numbers_for_a_head_without_names(loaded: Callable[..., Splits]) -> None:
    rows = labelled(1, 0, 1)
    splits = loaded(rows, rows, head=("LABEL_0", "LABEL_1"))
    assert splits.task == Classification(("0", "1"), positive=1)


def test_load__renames_labels_for_the_head(loaded: Callable[..., Splits]) -> None:
    splits = loaded(TRAIN, DEV, head=("NEG", "POS"), label_map={"good": "pos", "bad": "neg"})
    assert [example.label for example in splits.dev] == [1, 0]


def test_load__joins_classes_by_renaming(loaded: Callable[..., Splits]) -> None:
    rows = labelled("entailment", "neutral", "contradiction")
    renamed = {"neutral": "not_entailment", "contradiction": "not_entailment"}
    assert loaded(rows, rows, label_map=renamed).task.classes == ("entailment", "not_entailment")


def test_load__lists_labels_and_classes_that_do_not_match(loaded: Callable[..., Splits]) -> None:
    message = (
        r"^train:1: the labels do not match the teacher's classes; labels: good, bad; classes: neg, pos; "
        r"rename labels with data.label_map"
    )
    with pytest.raises(UserError, match=message):
        loaded(TRAIN, DEV, head=("neg", "pos"))
    with pytest.raises(UserError, match=message):
        loaded(TRAIN, DEV, head=("neg", "pos"), skip_bad=0.9)


def test_load__puts_a_label_that_the_head_lacks_aside(loaded: Callable[..., Splits]) -> None:
    rows = labelled(*["good", "bad"] * 20, "goood")
    assert len(loaded(rows, DEV, head=("bad", "good"), skip_bad=0.1).train) == 40


@pytest.mark.parametrize(
    ("rows", "settings", "message"),
    [
        (labelled(0.5, 1.5, 2.0), {"head": ("neg", "pos")}, "^train: the labels are scores, but the teacher's head"),
        (labelled("a", "a", "a"), {}, "^train: every row has the label 'a'; there is nothing to learn"),
        (labelled(0.5, 0.5), {}, "^train: every row has the label 0.5; there is nothing to learn"),
        (labelled("a", "b", "A"), {}, "^train:3: the label 'A' differs from 'a' "),
        (labelled("2", "27", "2,27"), {}, "^train:3: the label '2,27' is several of the other labels"),
        (labelled("1,5", "2,0"), {}, "^train:1: the label '1,5' has a decimal comma"),
        (labelled("1,5", "2,0"), {"kind": "regression"}, "^train:1: the label '1,5' is not a finite number; write 1.5"),
        (labelled("a", "b"), {"label_map": {"a": None, "b": None}}, "^train: no row is left"),
        ([{"text": "ab"[n % 2], "label": f"a text, {n}"} for n in range(12)], {}, "^train:1: .* columns seem swapped"),
        (labelled(*map(str, np.arange(200) / 8), "2.5x"), {}, "'2.5x' is not one"),
        (labelled(0.5, 1.5), {"per_class": 1}, "^data.per_class=1: a row has no class"),
        (labelled(0.5, 1.5), {"metric": "f1"}, "^data.metric: regression has no f1; it has pearson, spearman$"),
        (labelled("a", "b"), {"positive": "c"}, "^data.positive=c: no such class; the classes are: a, b"),
        (labelled(0.5, 1.5), {"positive": "1"}, "^data.positive=1: says nothing about regression; leave it out$"),
        (TAGGED, {"text_b": "a"}, "^data.text_b=a: says nothing about token-classification"),
        (ASKED, {"label_map": {"a": "b"}}, "^data.label_map={'a': 'b'}: says nothing about question-answering"),
        (labelled("a", "b"), {"kind": "token-classification"}, "^train:1: no column 'tokens'; there are: text, label"),
        (labelled("a", "b"), {"kind": "regression"}, "^train:1: the label 'a' is not a finite number"),
        ([], {}, "^train: no rows"),
    ],
)
def test_load__refuses_what_cannot_be_learnt(
    loaded: Callable[..., Splits], rows: list[dict[str, Any]], settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message) as caught:
        loaded(rows, rows, **settings)
    assert "\n" not in str(caught.value)


def test_load__refuses_pairs_beside_single_texts(loaded: Callable[..., Splits]) -> None:
    pairs = [{"text_a": "a", "text_b": "b", "label": "good"}]
    with pytest.raises(UserError, match=r"^dev: dev has pairs, but train has single texts"):
        loaded(TRAIN, pairs)


def test_load__reads_pairs(loaded: Callable[..., Splits]) -> None:
    rows = [{"premise": f"p {n}", "hypothesis": f"h {n}", "label": n % 3} for n in range(9)]
    splits = loaded(rows, rows, text_a="premise", text_b="hypothesis")
    assert splits.task.paired
    assert splits.train[4].pair == "h 4"


def test_load__draws_few_rows_of_each_class_after_dev_was_split_off(loaded: Callable[..., Splits]) -> None:
    splits = loaded(TRAIN, per_class=4)
    assert splits.train.labels is not None
    assert np.bincount(splits.train.labels).tolist() == [4, 4]
    assert len(splits.dev) == 6
    assert not set(texts(splits.train)) & set(texts(splits.dev))
    assert texts(loaded(TRAIN).dev) == texts(splits.dev)


def test_load__takes_all_of_a_class_with_fewer_rows_and_says_so(loaded: Callable[..., Splits]) -> None:
    splits = loaded([*TRAIN, {"text": "hm", "label": "rare"}], DEV, per_class=4)
    assert len(splits.train) == 9
    assert "train: fewer than data.per_class=4 rows, all taken: rare 1" in splits.notes


def test_load__counts_overlap_always_and_drops_it_on_request(loaded: Callable[..., Splits]) -> None:
    leaky = [*DEV, {"text": "Good film, 3!", "label": "good"}]
    kept = loaded(TRAIN, leaky, [{"text": "BAD film 1"}])
    assert kept.overlap == {
        "rows": 60,
        "drop": "none",
        "dropped": 0,
        "dev": {"exact": 1},
        "test": {"exact": 1},
        "several_labels": {"train": 0, "dev": 0},
    }
    assert len(kept.train) == 60
    dropped = loaded(TRAIN, leaky, [{"text": "BAD film 1"}], drop_overlap="exact")
    assert dropped.overlap["dropped"] == 2
    assert len(dropped.train) == 58
    assert "good film 3" not in texts(dropped.train)


def test_load__refuses_to_drop_all_rows_of_all_classes_but_one(loaded: Callable[..., Splits]) -> None:
    only_good = [row for row in TRAIN if row["label"] == "bad"]
    with pytest.raises(UserError, match=r"train: every row has the label 'good'; data\.drop_overlap=exact"):
        loaded(TRAIN, [*DEV, *only_good], drop_overlap="exact")


def test_load__draws_few_rows_from_what_the_overlap_left(loaded: Callable[..., Splits]) -> None:
    splits = loaded(TRAIN, TRAIN[:50], per_class=5, drop_overlap="exact")
    assert splits.train.labels is not None
    assert np.bincount(splits.train.labels).tolist() == [5, 5]


def test_load__writes_bad_rows_down(loaded: Callable[..., Splits], write: Write, tmp_path: Path) -> None:
    bad = {2: "\tgood", 5: "fine\t", 9: "three\tbad\tcolumns"}
    lines = [bad.get(n, f"text {n}\t{('good', 'bad')[n % 2]}") for n in range(40)]
    train = write("train.tsv", "text\tlabel\n" + "\n".join(lines) + "\n")
    dev = write("dev.tsv", "text\tlabel\nfine\tgood\ndull\tbad\nhm\tmaybe\n")
    target = tmp_path / "rejected.jsonl"
    splits = loaded(train, dev, skip_bad=0.4, rejected_to=target)
    assert len(splits.train) == 37
    assert splits.train[2].row == 4
    assert len(splits.dev) == 2
    rows = [json.loads(line) for line in target.read_text().splitlines()]
    assert [(row["file"], row["line"]) for row in rows] == [
        ("train.tsv", 4),
        ("train.tsv", 7),
        ("train.tsv", 11),
        ("dev.tsv", 4),
    ]
    assert rows[2]["content"] == ["three", "bad", "columns"]
    (note,) = (note for note in splits.notes if "3 of 40 rows are bad and left out" in note)
    assert note.count(str(tmp_path)) == 1, "what a run leaves must not name the folder twice: once it can be replaced"
    loaded(TRAIN, DEV, rejected_to=target)
    assert not target.exists(), "says of these rows what was true of others"


def test_load__writes_bad_rows_down_even_if_they_are_too_many(
    loaded: Callable[..., Splits], write: Write, tmp_path: Path
) -> None:
    train = write("train.tsv", "text\tlabel\n\tgood\nfine\tgood\ndull\tbad\n")
    with pytest.raises(
        UserError, match=r"train.tsv:2: 'text' is empty.*1 of 3 rows are bad, more than data.skip_bad=0.1"
    ):
        loaded(train, DEV, skip_bad=0.1, rejected_to=tmp_path / "rejected.jsonl")
    assert len((tmp_path / "rejected.jsonl").read_text().splitlines()) == 1


def test_load__describes_what_it_read(loaded: Callable[..., Splits]) -> None:
    assert loaded(TRAIN, DEV).notes == ("train: 60 rows; bad 30, good 30", "dev: 2 rows; bad 1, good 1")
    scores = labelled(0.5, 1.0, 4.25)
    assert loaded(scores, scores).notes[-1] == "dev: 3 rows; scores 0.5 to 4.25"


TASK = Classification(("NEG", "POS"), positive=1)


def test_load_for__matches_labels_to_the_models_classes() -> None:
    examples = load_for(labelled("pos", "Neg"), DataSettings(), TASK, labels="needed")
    assert [(e.label, e.row) for e in examples] == [(1, 1), (0, 2)]


def test_load_for__renames_labels_and_takes_numbers_of_a_head_without_names() -> None:
    renamed = load_for(labelled("good"), DataSettings(label_map={"good": "pos"}), TASK, labels="needed")
    assert renamed[0].label == 1
    bare = Classification(("LABEL_0", "LABEL_1"), positive=1)
    assert load_for(labelled(1), DataSettings(), bare, labels="needed")[0].label == 1


def test_load_for__needs_known_labels_to_evaluate() -> None:
    with pytest.raises(UserError, match=r"^data:2: unknown label 'maybe'; known are: NEG, POS"):
        load_for(labelled("pos", "maybe"), DataSettings(), TASK, labels="needed")
    with pytest.raises(UserError, match=r"^data:1: no column 'label'"):
        load_for([{"text": "a"}], DataSettings(), TASK, labels="needed")


def test_load_for__does_not_look_at_labels_to_predict() -> None:
    examples = load_for(labelled("pos", "maybe"), DataSettings(), TASK, labels="none")
    assert not examples.labelled
    assert examples.rows.tolist() == [1, 2]


def test_load_for__reads_scores() -> None:
    examples = load_for(labelled(1, 2.5), DataSettings(), Regression(), labels="needed")
    assert [example.label for example in examples] == [1.0, 2.5]


def test_load_texts__puts_bad_rows_aside_and_looks_at_no_label(write: Write, tmp_path: Path) -> None:
    path = write("a.tsv", "text\tlabel\ngood\tpos\n\tpos\nbad\t\n")
    settings, target = DataSettings(skip_bad=0.4), tmp_path / "rejected.jsonl"
    target.write_text('{"line": 1}\n')
    examples = load_texts(path, settings, "unlabeled", target)
    assert examples.rows.tolist() == [1, 3]
    assert not examples.labelled
    assert [json.loads(line)["line"] for line in target.read_text().splitlines()] == [1, 3]
    assert "1 of 3 rows are bad" in examples.notes[-1]


def test_described__counts_rows_of_each_class() -> None:
    task, examples = Classification(("bad", "good", "rare")), Examples.of([Example("a", label=n) for n in (0, 1, 1)])
    assert described("dev", examples, task) == "dev: 3 rows; bad 1, good 2, rare 0"
    assert described("test", Examples.of([Example("a")]), task) == "test: 1 rows without labels"


def test_load__tells_how_much_of_a_second_domain_is_labelled(loaded: Callable[..., Splits]) -> None:
    assert loaded(TRAIN, DEV, source=labelled("good", "bad")).notes[-1] == "source: 2 rows; bad 1, good 1"
    part = loaded(TRAIN, DEV, source=labelled("good", "odd")).notes[-1]
    assert part == "source: 2 rows; labelled: 1 rows; bad 0, good 1"
    assert loaded(TRAIN, DEV, source=[{"text": "a"}, {"text": "b"}]).notes[-1] == "source: 2 rows without labels"


def test_load__balances_classes_by_how_often_they_are_learnt(loaded: Callable[..., Splits]) -> None:
    data, dev = labelled(*["common"] * 30, *["rare"] * 10), labelled("common", "rare")
    task = loaded(data, dev, class_weights="balanced").task
    assert task.weights == pytest.approx((40 / 60, 40 / 20))
    assert task.gold().weights.tolist() == pytest.approx(list(task.weights))
    assert task.soft(2.0).weights.tolist() == pytest.approx(list(task.weights))
    assert loaded(data, dev, class_weights="balanced", per_class=5).task.weights == (1.0, 1.0)
    with pytest.raises(
        UserError, match=r"^data.class_weights=balanced: weighs the classes .* not regression; leave it out"
    ):
        loaded(labelled(0.5, 1.5), labelled(0.5, 2.5), class_weights="balanced")


def test__a_share_of_train_is_drawn_after_dev_is_split_off(loaded: Callable[..., Splits]) -> None:
    """Of any kind of labels; the same rows for the same seed."""
    whole, part, again = loaded(TRAIN), loaded(TRAIN, share=0.25), loaded(TRAIN, share=0.25)
    assert len(part.dev) == len(whole.dev)
    assert set(part.train.rows) < set(whole.train.rows)
    assert list(part.train.rows) == list(again.train.rows)
    counts = [np.bincount(splits.train.labels) for splits in (whole, part)]
    assert counts[1].tolist() == [round(0.25 * count) for count in counts[0]]
    scores = [{"text": f"text {number}", "label": number / 7} for number in range(50)]
    assert len(loaded(scores, scores[:9], share=0.1).train) == 5


def test__weights_may_be_chosen_by_another_figure(loaded: Callable[..., Splits]) -> None:
    assert (loaded(TRAIN).task.figure, loaded(TRAIN, metric="mcc").task.figure) == ("accuracy", "mcc")
