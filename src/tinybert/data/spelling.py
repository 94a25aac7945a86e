"""How a label is spelled: what of it counts, whether it is a number, and when two spellings are one label."""

import math
import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache

# Characters that leave no trace on a page: controls, soft hyphens, zero-width spaces, marks of direction and of byte
# order. Joiners, which change how emoji and some scripts look, are dropped at the ends only.
_UNSEEN = re.compile(
    "[\x01-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff]"
)
_JOINERS = "\u200c\u200d"

# A leading zero that a number does not need makes a code of it (01, 007.1), and so does an exponent without sign or
# point (1e3), which programs do not write.
_INTEGER = "(?:0|[1-9][0-9]{0,299})"
_WHOLE = re.compile(rf"([+-]?{_INTEGER})(?:\.0*)?")
_NUMBER = re.compile(
    rf"[+-]?(?:{_INTEGER}(?:[eE][+-][0-9]+)?|(?:{_INTEGER}\.[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
)  # fmt: skip


@lru_cache(maxsize=4096)
def clean(text: str) -> str:
    """A label without what cannot be seen: composed (NFC), no invisible characters, single spaces between words."""
    seen = " ".join(_UNSEEN.sub("", text).split())
    return unicodedata.normalize("NFC", seen.strip(_JOINERS).strip())


def parse_score(spelling: str) -> float | None:
    """A label as a finite number; None where it is none."""
    value = float(spelling) if _NUMBER.fullmatch(spelling) else math.inf
    return value if math.isfinite(value) else None


def whole(spelling: str) -> int | None:
    """A label as a whole number, `1.0` and `+1` included; None where it is none."""
    found = _WHOLE.fullmatch(spelling)
    return int(found[1]) if found else None


def meant(spelling: str) -> str:
    """What labels are compared by: the digits of a whole number, truth values in small letters, else the label itself.

    Example:
        >>> meant("1.0"), meant("True"), meant("01")
        ('1', 'true', '01')
    """
    if spelling.lower() in ("true", "false"):
        return spelling.lower()
    number = whole(spelling)
    return spelling if number is None else str(number)


def renamed(spelling: str, label_map: Mapping[str, str | None]) -> str | None:
    """What `data.label_map` makes of a label; None = rows that have it are left out."""
    if spelling in label_map:
        return label_map[spelling]
    return next((name for given, name in label_map.items() if meant(given) == meant(spelling)), spelling)
