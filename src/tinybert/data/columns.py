"""Which columns of a source hold the text, its pair and the label."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from tinybert.data.problems import listed
from tinybert.data.settings import DataSettings
from tinybert.errors import UserError

Labels = Literal["needed", "optional", "none"]

# Names that data sets give to what we call text, text_a, text_b and label: for suggestions, never for guessing.
_USUAL = {
    "text": ("sentence", "review", "content", "document", "question", "tweet", "data"),
    "text_a": ("sentence1", "premise", "question1", "sentence_A", "#1 String", "question", "query"),
    "text_b": ("sentence2", "hypothesis", "question2", "sentence_B", "#2 String", "sentence", "answer"),
    "label": ("labels", "class", "target", "score", "gold_label", "Quality", "is_duplicate", "sentiment", "category"),
}


class Columns(NamedTuple):
    """Names of the columns that matter; numbers as text where the source has no names."""

    text: str
    pair: str | None
    label: str | None

    @property
    def wanted(self) -> tuple[str, ...]:
        """The names in the order text, pair, label, without those that are absent."""
        return tuple(name for name in self if name is not None)


class Header(NamedTuple):
    """What a source says about its columns.

    Attributes:
        name: What messages call the source.
        names: The columns; numbers as text where the source has no names.
        line: Where the columns are named; None = not in a line.
        numbered: Whether the columns go by number because the user said so.
        open_ended: Whether a row may have columns that the first has not (JSON lines).
    """

    name: str
    names: tuple[str, ...]
    line: int | None = None
    numbered: bool = False
    open_ended: bool = False

    @property
    def where(self) -> str:
        """The source and, where there is one, the line of the header."""
        return self.name if self.line is None else f"{self.name}:{self.line}"


def choose_columns(header: Header, settings: DataSettings, labels: Labels) -> Columns:
    """Pick the columns of a source.

    Raises:
        UserError: If one is missing; lists the columns there are and suggests the setting.
    """
    pair = settings.text_a is not None or settings.text_b is not None
    if not pair and settings.text is None:
        pair = _has_pair(header)
    sides = ("text_a", "text_b") if pair else ("text",)
    texts = [getattr(settings, side) or side for side in sides]
    for side, name in zip(sides, texts, strict=True):
        require(header, side, name)
    return Columns(texts[0], texts[1] if pair else None, _label(header, settings, labels))


def _has_pair(header: Header) -> bool:
    pair = {"text_a", "text_b"} <= set(header.names)
    if pair and "text" in header.names:
        raise UserError(
            f"{header.where}: has columns text, text_a and text_b; choose with data.text=text, or with "
            "data.text_a=text_a data.text_b=text_b"
        )
    return pair


def _label(header: Header, settings: DataSettings, labels: Labels) -> str | None:
    if labels == "none":
        return None
    if header.numbered and settings.label is None:
        if labels == "needed":
            raise UserError(
                f"{header.where}: no column is given for the label; say which by number, as in data.label=1"
            )
        return None
    name = settings.label or "label"
    if labels == "needed":
        require(header, "label", name)
    return name if name in header.names or header.open_ended else None


def require(header: Header, key: str, name: str) -> None:
    """Refuse a source without a certain column.

    Args:
        header: The columns there are.
        key: The setting of the group `data` that names the column.
        name: The column.

    Raises:
        UserError: If it is not there.
    """
    if name in header.names:
        return
    if header.numbered:
        raise UserError(f"{header.where}: no column {name}; there are {len(header.names)}, counted from 0 (data.{key})")
    raise UserError(
        f"{header.where}: no column '{listed([name])}'; there are: {listed(header.names)}; "
        f"{_advice(header.names, key, name)}"
    )


def _advice(names: Sequence[str], key: str, name: str) -> str:
    if name.isdigit():
        return "columns go by number only with data.header=false"
    usual = {other.lower() for other in _USUAL[key]}
    likely = [other for other in names if other.lower() in usual or other.lower() == name.lower()]
    if likely:
        return f"say which one with data.{key}={_quoted(likely[0])}"
    if key == "text" and (pair := _likely_pair(names)):
        return f"for pairs say data.text_a={_quoted(pair[0])} data.text_b={_quoted(pair[1])}"
    several = ", columns of 0 and 1 with data.labels=[A, B]" if key == "label" else ""
    no_header = "if the first line is no header: data.header=false data.text=0 ..."
    return f"say which one with data.{key}=NAME{several} ({no_header})"


def _likely_pair(names: Sequence[str]) -> tuple[str, str] | None:
    lower = {name.lower(): name for name in names}
    for first, second in zip(_USUAL["text_a"], _USUAL["text_b"], strict=True):
        if first.lower() in lower and second.lower() in lower:
            return lower[first.lower()], lower[second.lower()]
    return None


def _quoted(name: str) -> str:
    return name if name.isidentifier() else f"'{name}'"
