import pytest

from tinybert.data.columns import Columns, Header, choose_columns
from tinybert.data.settings import DataSettings
from tinybert.errors import UserError

NUMBERED = Header("f.tsv", ("0", "1", "2"), line=1, numbered=True)


def header(*names: str, open_ended: bool = False) -> Header:
    return Header("f.tsv", names, line=1, open_ended=open_ended)


def test_choose_columns__takes_text_and_label_by_default() -> None:
    assert choose_columns(header("id", "label", "text"), DataSettings(), "needed") == Columns("text", None, "label")


def test_choose_columns__takes_pairs_where_both_sides_are_there() -> None:
    assert choose_columns(header("text_a", "text_b", "label"), DataSettings(), "needed").pair == "text_b"


def test_choose_columns__does_not_guess_between_text_and_pair() -> None:
    with pytest.raises(UserError, match=r"^f.tsv:1: has columns text, text_a and text_b; choose with data.text=text"):
        choose_columns(header("text", "text_a", "text_b"), DataSettings(), "none")


def test_choose_columns__takes_other_names() -> None:
    settings = DataSettings(text_a="#1 String", text_b="#2 String", label="Quality")
    found = choose_columns(header("Quality", "#1 ID", "#1 String", "#2 String"), settings, "needed")
    assert found.wanted == ("#1 String", "#2 String", "Quality")


def test_choose_columns__completes_a_pair_of_which_one_side_is_named() -> None:
    assert choose_columns(header("premise", "text_b"), DataSettings(text_a="premise"), "none").wanted == (
        "premise",
        "text_b",
    )


@pytest.mark.parametrize(
    ("names", "settings", "message"),
    [
        (
            ("sentence", "label"),
            DataSettings(),
            r"no column 'text'; there are: sentence, label; .* data.text=sentence$",
        ),
        (("Text", "label"), DataSettings(), "data.text=Text$"),
        (("premise", "hypothesis", "label"), DataSettings(), "data.text_a=premise data.text_b=hypothesis$"),
        (("#1 String", "#2 String"), DataSettings(), "data.text_a='#1 String' data.text_b='#2 String'$"),
        (("foo", "bar"), DataSettings(), "data.text=NAME .if the first line is no header: data.header=false"),
        (("text", "Quality"), DataSettings(), "no column 'label'; .* data.label=Quality$"),
        (("text", "toxic", "rude"), DataSettings(), r"data.label=NAME, columns of 0 and 1 with data.labels=\[A, B\]"),
        (("text", "label"), DataSettings(text="0"), "by number only with data.header=false"),
    ],
)
def test_choose_columns__lists_the_columns_and_suggests_one(
    names: tuple[str, ...], settings: DataSettings, message: str
) -> None:
    with pytest.raises(UserError, match=message) as caught:
        choose_columns(header(*names), settings, "needed")
    assert "\n" not in str(caught.value)


def test_choose_columns__takes_columns_by_number() -> None:
    assert choose_columns(NUMBERED, DataSettings(header=False, text="2", label="0"), "needed").wanted == ("2", "0")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (DataSettings(header=False, text="3", label="0"), r"no column 3; there are 3, counted from 0 \(data.text\)"),
        (DataSettings(header=False, text="0"), "data.label=1"),
    ],
)
def test_choose_columns__refuses_numbers_that_are_not_there(settings: DataSettings, message: str) -> None:
    with pytest.raises(UserError, match=message):
        choose_columns(NUMBERED, settings, "needed")


def test_choose_columns__does_without_a_label_where_it_is_optional() -> None:
    assert choose_columns(header("text"), DataSettings(), "optional").label is None
    assert choose_columns(NUMBERED, DataSettings(header=False, text="0"), "optional").label is None
    assert choose_columns(NUMBERED, DataSettings(header=False, text="0", label="5"), "optional").label is None
    assert choose_columns(header("text", "label"), DataSettings(), "none").label is None


def test_choose_columns__asks_every_row_where_rows_may_have_more_columns_than_the_first() -> None:
    assert choose_columns(header("text", open_ended=True), DataSettings(), "optional").label == "label"
