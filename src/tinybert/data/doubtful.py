"""Labels that can hardly be what is meant, or teach nothing: refused in one line that says where, and what to do."""

import re
from collections.abc import Mapping, Sequence

import pyarrow.compute as pc

from tinybert.data.problems import shown
from tinybert.data.read import RawRows
from tinybert.data.resolve import Spellings, line_of
from tinybert.data.spelling import meant, parse_score
from tinybert.errors import UserError

_MANY = 100  # classes; from here on one class for every second row cannot be meant
_SEVERAL = 10  # classes; fewer may well be more than there are texts, as where all pairs have the same second side
_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+")


def check_plausible(train: RawRows, found: Spellings, called: Mapping[str, str], *, insisted: bool) -> None:
    """Refuse labels that would make classes which nobody wants.

    Args:
        train: Its rows.
        found: Its labels.
        called: From their spellings to their names after renaming, without those whose rows are left out.
        insisted: Whether the user said that the labels are classes, however they look.

    Raises:
        UserError: If they are doubtful.
    """
    reason = capitals(train, found, called)
    if reason is None and not insisted:
        reason = joined(train, found, called) or commas(train, found, called)
        if reason is None and (many := suspicious(list(called.values()), len(train.table))):
            reason = f"{train.name}: {many}"
    if reason is not None:
        raise UserError(reason)


def check_columns_not_swapped(train: RawRows, found: Spellings) -> None:
    """Refuse many words as labels where there are fewer texts than labels, and shorter ones.

    Raises:
        UserError: If so.
    """
    words = [name for name in found.names if parse_score(name) is None]
    if len(words) < max(_SEVERAL, len(train.table) / 10):
        return
    for column in ("text", "pair"):
        cells = train.table.column(column)
        if not 0 < 2 * pc.count_distinct(cells).as_py() < len(words):
            continue
        texts = pc.unique(cells).drop_null().to_pylist()
        if _length(texts) < _length(words):
            raise UserError(
                f"{_where(train, found, words[0])}: the label is {shown(words[0])}, and a text is {shown(texts[0])}; "
                "the columns seem swapped: say which is which with data.text and data.label, or --kind classification"
            )


def suspicious(names: Sequence[str], rows: int) -> str | None:
    """Why labels can hardly be classes, with what to do; None where they can.

    One mistyped score among thousands would otherwise make a class of every score.
    """
    if len(names) < max(_MANY, rows / 2):
        return None
    odd = [name for name in names if parse_score(name) is None]
    many = f"{len(names):,} different labels in {rows:,} rows cannot be classes"
    if len(odd) < len(names) / 2:
        return f"{many}, nor scores: {shown((odd or names)[0])} is not one; correct it, or say --kind"
    return f"{many}; is data.label the right column? (--kind classification insists)"


def joined(train: RawRows, found: Spellings, called: Mapping[str, str]) -> str | None:
    """Labels such as `2,27` beside 2 and 27: several labels of one text, each combination a class."""
    alone = {parts[0] for name in called.values() if len(parts := _parts(name)) == 1}
    several = [
        spelling for spelling, name in called.items() if len(_parts(name)) > 1 and alone.issuperset(_parts(name))
    ]
    if not several:
        return None
    scores = "; of scores, write the decimal comma as a point" if _COMMA.fullmatch(several[0]) else ""
    return (
        f"{_where(train, found, several[0])}: the label {shown(several[0])} is several of the other labels, one of "
        f"{len(several):,} such: keep one, or write lists in JSON lines{scores}; or say --kind classification"
    )


def commas(train: RawRows, found: Spellings, called: Mapping[str, str]) -> str | None:
    """Scores with decimal commas."""
    odd = [spelling for spelling, name in called.items() if parse_score(name) is None]
    if not odd or not all(_COMMA.fullmatch(called[spelling]) for spelling in odd):
        return None
    return (
        f"{_where(train, found, odd[0])}: the label {shown(odd[0])} has a decimal comma; write scores with a point "
        f"({odd[0].replace(',', '.')}), or say --kind classification if these are classes"
    )


def capitals(train: RawRows, found: Spellings, called: Mapping[str, str]) -> str | None:
    """Two classes whose names differ only by capitals."""
    counts = dict(zip(found.names, found.counted(), strict=True))
    seen: dict[str, str] = {}
    for spelling, name in called.items():
        other = seen.setdefault(name.casefold(), spelling)
        if meant(called[other]) != meant(name):
            rare, common = sorted((spelling, other), key=counts.__getitem__)
            return (
                f"{_where(train, found, rare)}: the label {shown(rare)} differs from {shown(common)} (line "
                f"{line_of(train, found, common)}) only by capitals; write them alike, or say "
                f"data.label_map={{{rare}: {called[common]}}}"
            )
    return None


def _parts(name: str) -> list[str]:
    """The labels that a cell may hold: `a,b`, `a; b`, `a|b`, `['a', 'b']`."""
    return [part.strip(" '\"") for part in re.split(r"[,;|]", name.strip("[] "))]


def _length(texts: Sequence[str]) -> float:
    return sum(map(len, texts)) / len(texts)


def _where(train: RawRows, found: Spellings, spelling: str) -> str:
    return f"{train.name}:{line_of(train, found, spelling)}"
