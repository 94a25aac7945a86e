from tinybert.data.described import described, described_domain
from tinybert.data.examples import Examples
from tinybert.data.source_domain import SourceDomain
from tinybert.types import Example

TEXTS = Examples.of([Example("a"), Example("b")])
LABELLED = Examples.of([Example("a", None, 0), Example("b", None, 1)])


def test_described__counts_rows_of_each_class() -> None:
    assert described("dev", LABELLED, ("bad", "good", "rare")) == "dev: 2 rows; bad 1, good 1, rare 0"
    assert described("test", TEXTS, ("bad", "good")) == "test: 2 rows without labels"


def test_described__gives_the_range_of_scores() -> None:
    assert described("dev", Examples.of([Example("a", None, 0.5), Example("b", None, 4.25)]), ()) == (
        "dev: 2 rows, scores 0.5 to 4.25"
    )


def test_described_domain__tells_how_much_of_it_is_labelled() -> None:
    one = LABELLED[:1]
    assert described_domain(SourceDomain(TEXTS, LABELLED), ("x", "y")) == "source: 2 rows; x 1, y 1"
    assert described_domain(SourceDomain(TEXTS, one), ("x", "y")) == "source: 2 rows; labelled: 1 rows; x 1, y 0"
    assert described_domain(SourceDomain(TEXTS, None), ("x", "y")) == "source: 2 rows without labels"
