from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinybert.data.settings import DataSettings
from tinybert.data.source_domain import SourceDomain, limited
from tinybert.errors import UserError
from tinybert.tasks.classification import Classification
from tinybert.tasks.load import Splits, load

Rows = list[dict[str, Any]]
ENTAILMENT = [
    {"text_a": f"premise {n}", "text_b": f"hypothesis {n}", "label": ("entails", "neutral")[n % 2]} for n in range(8)
]
INFERENCE = [
    {"text_a": f"genre {n}", "text_b": f"claim {n}", "label": ("entailment", "neutral", "contradiction")[n % 3]}
    for n in range(9)
]
TRAIN = [{"text": f"{word} film {n}", "label": word} for n in range(4) for word in ("good", "bad")]
DEV = [{"text": "a truly good plot was in it", "label": "good"}, {"text": "dull", "label": "bad"}]


@pytest.fixture
def loaded(streams: Callable[[str], np.random.Generator]) -> Callable[..., Splits]:
    """`loaded(train, source, dev=, kind=, **settings)`."""

    def make(train: Rows, source: Any, dev: Rows | None = None, kind: Any = None, **settings: Any) -> Splits:
        chosen = DataSettings(**settings)
        return load(
            train,
            dev or train,
            None,
            chosen,
            kind=kind,
            head_classes=None,
            rng=streams,
            rejected_to=None,
            source=source,
        )

    return make


def domain(splits: Splits) -> SourceDomain:
    assert splits.source is not None
    return splits.source


def labels(source: SourceDomain) -> list[tuple[int, Any]]:
    return [] if source.labelled is None else [(example.row, example.label) for example in source.labelled]


def test_load__has_no_second_domain_unless_one_is_given(loaded: Callable[..., Splits]) -> None:
    splits = loaded(TRAIN, None)
    assert splits.source is None
    assert "source" not in splits.overlap


def test_load__gives_labels_of_the_source_their_value_in_train(loaded: Callable[..., Splits]) -> None:
    splits = loaded(ENTAILMENT, INFERENCE, label_map={"entailment": "entails"})
    source = domain(splits)
    assert splits.task.classes == ("entails", "neutral")
    assert labels(source) == [(1, 0), (2, 1), (4, 0), (5, 1), (7, 0), (8, 1)]


def test_load__reads_rows_of_other_labels_as_texts_only_and_says_so(loaded: Callable[..., Splits]) -> None:
    splits = loaded(ENTAILMENT, INFERENCE, label_map={"entailment": "entails"})
    source = domain(splits)
    assert len(source) == 9
    assert source.texts.rows.tolist() == list(range(1, 10))
    assert source.texts.labels is None
    (note,) = (note for note in splits.notes if "texts only" in note)
    assert note.startswith("source: the labels of 3 rows are no classes of the task")
    assert note.endswith(": contradiction 3")
    assert splits.notes[-1] == "source: 9 rows; labelled: 6 rows; entails 3, neutral 3"


def test_load__leaves_out_rows_of_the_source_by_their_labels(loaded: Callable[..., Splits]) -> None:
    splits = loaded(ENTAILMENT, INFERENCE, label_map={"entailment": "entails", "contradiction": None})
    source = domain(splits)
    assert source.texts.rows.tolist() == [1, 2, 4, 5, 7, 8]
    assert len(labels(source)) == 6
    assert "source: 3 of 9 rows are left out, their labels stand for none: contradiction 3" in splits.notes
    with pytest.raises(UserError, match=r"^source: no row is left"):
        loaded(ENTAILMENT, INFERENCE[:1], label_map={"entailment": None})


def test_load__joins_classes_of_the_source_by_renaming(loaded: Callable[..., Splits]) -> None:
    renamed = {"entailment": "entails", "contradiction": "neutral"}
    splits = loaded(ENTAILMENT, INFERENCE, label_map=renamed)
    assert len(labels(domain(splits))) == 9
    assert splits.notes[-1] == "source: 9 rows; entails 3, neutral 6"


@pytest.mark.parametrize(
    "source",
    [
        [{"text": "phone"}, {"text": "radio"}],
        [{"text": "phone", "label": None}, {"text": "radio", "label": ""}],
        [{"text": "phone", "label": "useful"}, {"text": "radio", "label": "useless"}],
    ],
)
def test_load__takes_a_source_without_labels_of_the_task(loaded: Callable[..., Splits], source: Rows) -> None:
    splits = loaded(TRAIN, source)
    assert domain(splits).labelled is None
    assert [example.text for example in domain(splits).texts] == ["phone", "radio"]
    assert splits.notes[-1] == "source: 2 rows without labels"


def test_load__lets_only_train_decide_the_task(loaded: Callable[..., Splits]) -> None:
    splits = loaded(TRAIN, [{"text": "phone", "label": "0.5"}, {"text": "radio", "label": "good"}])
    assert splits.task == Classification(("bad", "good"), positive=1)
    assert labels(domain(splits)) == [(2, 1)]


def test_load__takes_finite_scores_of_a_source(loaded: Callable[..., Splits]) -> None:
    rows = [{"text": f"text {n}", "label": n / 4} for n in range(5)]
    source = [{"text": "phone", "label": "2.5"}, {"text": "radio", "label": "good"}, {"text": "tin", "label": None}]
    splits = loaded(rows, source)
    assert labels(domain(splits)) == [(1, 2.5)]
    assert any("source: the labels of 1 rows are no finite numbers" in note for note in splits.notes)


def test_load__refuses_pairs_in_a_source_beside_single_texts(loaded: Callable[..., Splits]) -> None:
    with pytest.raises(UserError, match=r"^source: source has pairs, but train has single texts; name the columns"):
        loaded(TRAIN, INFERENCE)


def test_load__refuses_a_bad_row_of_a_source(loaded: Callable[..., Splits]) -> None:
    with pytest.raises(UserError, match=r"^source:2: 'text' is empty"):
        loaded(TRAIN, [{"text": "phone", "label": "good"}, {"text": " ", "label": "bad"}])


LEAKY = [
    {"text": "phone", "label": "good"},
    {"text": "Dull!", "label": "bad"},
    {"text": "a truly good plot was", "label": "other"},
    {"text": "radio", "label": "bad"},
]


@pytest.mark.parametrize(
    ("drop", "rows", "labelled", "counts"),
    [
        ("none", [1, 2, 3, 4], [(1, 1), (2, 0), (4, 0)], {"exact": 1}),
        ("exact", [1, 3, 4], [(1, 1), (4, 0)], {"exact": 1}),
        ("contained", [1, 4], [(1, 1), (4, 0)], {"exact": 1, "contained": 2}),
    ],
)
def test_load__counts_overlap_of_the_source_and_drops_it_on_request(
    loaded: Callable[..., Splits], drop: str, rows: list[int], labelled: list[tuple[int, int]], counts: dict[str, int]
) -> None:
    splits = loaded(TRAIN, LEAKY, DEV, drop_overlap=drop)
    source, alone = domain(splits), loaded(TRAIN, None, DEV, drop_overlap=drop)
    assert source.texts.rows.tolist() == rows
    assert labels(source) == labelled
    assert splits.overlap == {
        **alone.overlap,
        "source": {"rows": 4, "drop": drop, "dropped": 4 - len(rows), "dev": counts},
    }
    assert "source: 1 of 4 rows are in dev as well (exact)" in splits.notes


def test_load__refuses_to_leave_nothing_of_a_source(loaded: Callable[..., Splits]) -> None:
    with pytest.raises(UserError, match=r"^data.drop_overlap=exact: every row of source is in dev or test"):
        loaded(TRAIN, DEV, DEV, drop_overlap="exact")


def test_load__has_no_labelled_rows_where_all_of_them_were_dropped(loaded: Callable[..., Splits]) -> None:
    source = [{"text": "dull", "label": "bad"}, {"text": "phone", "label": "other"}]
    assert domain(loaded(TRAIN, source, DEV, drop_overlap="exact")).labelled is None


@pytest.fixture
def source(loaded: Callable[..., Splits]) -> SourceDomain:
    return domain(loaded(ENTAILMENT, INFERENCE, label_map={"entailment": "entails"}))


@pytest.mark.parametrize("limit", [None, 9, 100])
def test_limited__leaves_a_domain_that_is_small_enough(source: SourceDomain, limit: int | None) -> None:
    assert limited(source, limit, np.random.default_rng(0)) is source


def test_limited__draws_the_same_rows_of_texts_and_labels(source: SourceDomain) -> None:
    known = dict(labels(source))
    for seed in range(20):
        drawn = limited(source, 4, np.random.default_rng(seed))
        rows = drawn.texts.rows.tolist()
        assert rows == sorted(set(rows))
        assert len(rows) == len(drawn) == 4
        assert labels(drawn) == [(row, known[row]) for row in rows if row in known]
        again = limited(source, 4, np.random.default_rng(seed))
        assert drawn.digest() == again.digest()


def test_limited__has_no_labelled_rows_where_none_was_drawn(source: SourceDomain) -> None:
    drawn = [limited(source, 1, np.random.default_rng(seed)) for seed in range(20)]
    assert {one.labelled is None for one in drawn} == {True, False}


def test_digest__is_that_of_texts_and_labels(loaded: Callable[..., Splits], source: SourceDomain) -> None:
    other = domain(loaded(ENTAILMENT, INFERENCE, label_map={"entailment": "neutral"}))
    assert source.texts.digest() == other.texts.digest()
    assert source.digest() != other.digest()
    assert source.digest() != source.among(source.texts.select(np.arange(8))).digest()
