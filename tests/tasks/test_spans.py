"""Spans of entities, against seqeval."""

import pytest
import seqeval.metrics
import seqeval.scheme
from hypothesis import given
from hypothesis import strategies as st

from tinybert.tasks.spans import Scheme, Span, marked_parts, scheme_of, span_metrics, spans_of

PREFIXES = {"IOB1": "IB", "IOB2": "IB", "BIOES": "IBES"}


def sentences(scheme: Scheme) -> st.SearchStrategy[list[str]]:
    """Tags in any order, also such as no scheme allows."""
    return st.lists(st.sampled_from(_tags(scheme)), max_size=7)


def written(spans: list[Span], length: int, scheme: Scheme) -> list[str]:
    """The tags of spans, written as the scheme says."""
    tags = ["O"] * length
    for span in spans:
        inner = ["I"] * (span.stop - span.start)
        touches = any(other.stop == span.start and other.type == span.type for other in spans)
        if scheme != "IOB1" or touches:
            inner[0] = "B"
        if scheme == "BIOES":
            inner[-1] = "S" if len(inner) == 1 else "E"
        tags[span.start : span.stop] = [f"{prefix}-{span.type}" for prefix in inner]
    return tags


@st.composite
def texts_of_spans(draw: st.DrawFn) -> tuple[list[Span], int]:
    place, spans = 0, []
    for gap, length, kind in draw(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 3), st.sampled_from("ab")))):
        spans.append(Span(place + gap, place + gap + length, kind))
        place += gap + length
    return spans, place + draw(st.integers(0, 2))


@given(texts_of_spans(), st.sampled_from(("IOB1", "IOB2", "BIOES")))
def test_spans_of__reads_what_a_scheme_writes(text: tuple[list[Span], int], scheme: Scheme) -> None:
    spans, length = text
    tags = written(spans, length, scheme)
    # B before another type: strictly no entity of IOB1, which never writes it so.
    assert spans_of(tags, scheme) == [s for s in spans if not (scheme == "IOB1" and _is_cut(s, tags))]


def _is_cut(span: Span, tags: list[str]) -> bool:
    after = tags[span.stop] if span.stop < len(tags) else "O"
    return span.stop - span.start == 1 and tags[span.start][0] == after[0] == "B" and after[2:] != span.type


@pytest.mark.filterwarnings("ignore")  # seqeval says what is undefined; we say 0
@given(st.data(), st.sampled_from(("IOB1", "IOB2", "BIOES")))
def test_span_metrics__are_those_of_seqeval(data: st.DataObject, scheme: Scheme) -> None:
    known = {"IOB1": seqeval.scheme.IOB1, "IOB2": seqeval.scheme.IOB2, "BIOES": seqeval.scheme.IOBES}[scheme]
    gold = data.draw(st.lists(sentences(scheme), min_size=1, max_size=4))
    said = [data.draw(st.lists(st.sampled_from(_tags(scheme)), min_size=len(g), max_size=len(g))) for g in gold]
    options = {"mode": "strict", "scheme": known, "zero_division": 0}
    expected = {
        "precision": seqeval.metrics.precision_score(gold, said, **options),
        "recall": seqeval.metrics.recall_score(gold, said, **options),
        "f1": seqeval.metrics.f1_score(gold, said, **options),
    }
    found, by_type = span_metrics(*([spans_of(tags, scheme) for tags in side] for side in (gold, said)))
    assert found == pytest.approx(expected)
    if not by_type:
        return
    report = seqeval.metrics.classification_report(gold, said, output_dict=True, **options)
    assert {name: figures["f1"] for name, figures in by_type.items()} == pytest.approx(
        {name: figures["f1-score"] for name, figures in report.items() if not name.endswith("avg")}
    )


def _tags(scheme: Scheme) -> list[str]:
    return ["O", *(f"{prefix}-{kind}" for prefix in PREFIXES[scheme] for kind in ("PER", "LOC"))]


@pytest.mark.parametrize(
    ("tags", "scheme"),
    [
        ([["I-PER", "O"], ["O", "I-LOC", "B-LOC"]], "IOB1"),
        ([["B-PER", "I-PER"], ["O"]], "IOB2"),
        ([["B-PER", "I-PER", "I-LOC"]], "IOB2"),
        ([["O", "S-PER"]], "BIOES"),
        ([["U-PER"], ["B-PER", "L-PER"]], "BIOES"),
        ([["O"]], "IOB2"),
    ],
)
def test_scheme_of__tells_schemes_apart(tags: list[list[str]], scheme: Scheme) -> None:
    assert scheme_of(tags) == scheme


def test_spans_of__counts_nothing_that_breaks_the_scheme() -> None:
    assert spans_of(["I-PER", "I-PER"], "IOB2") == []
    assert spans_of(["B-PER", "I-PER"], "BIOES") == []
    assert spans_of(["B-PER", "I-LOC", "E-LOC"], "BIOES") == []
    assert spans_of(["B-PER", "I-LOC"], "IOB2") == [Span(0, 1, "PER")]
    assert spans_of(["U-PER", "B-LOC", "L-LOC"], "BIOES") == [Span(0, 1, "PER"), Span(1, 3, "LOC")]


def test_span_metrics__of_nothing_are_zero() -> None:
    assert span_metrics([[]], [[]]) == ({"precision": 0.0, "recall": 0.0, "f1": 0.0}, {})
    with pytest.raises(ValueError, match="zip"):
        span_metrics([[]], [[], []])


def test_scheme_of__takes_what_the_tags_break_less_often() -> None:
    assert scheme_of([["I-PER", "O", "I-LOC"], ["B-PER", "O"]]) == "IOB1"


def test_words__are_entities_of_their_own_where_tags_have_no_scheme() -> None:
    assert scheme_of([["DET", "NOUN"]]) == scheme_of([["0", "3"]]) == "words"
    assert spans_of(["NOUN", "O", "NOUN"], "words") == [Span(0, 1, "NOUN"), Span(2, 3, "NOUN")]


def test_marked_parts__says_what_is_right_and_what_is_not() -> None:
    parts = marked_parts(list("abcd"), [Span(0, 1, "X"), Span(2, 4, "Y")], [Span(0, 1, "X"), Span(2, 3, "Y")])
    assert [part["text"] for part in parts] == ["a", "b", "c", "d"]
    assert [(part.get("gold"), part.get("said"), part.get("right")) for part in parts] == [
        ("X", "X", True),
        (None, None, None),
        ("Y", "Y", False),
        ("Y", None, False),
    ]
