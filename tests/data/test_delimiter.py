from collections.abc import Iterable
from functools import partial
from typing import Any

import pytest

from tinybert.data.delimiter import separated
from tinybert.data.dialect import Dialect
from tinybert.data.settings import DataSettings

BY_NUMBER: dict[str, Any] = {"header": False, "text": "0", "label": "1"}
CSV, TAB, SEMICOLON = (Dialect(delimiter, quoted=delimiter != "\t") for delimiter in ",\t;")


def lines(text: str) -> Iterable[str]:
    return text.splitlines(keepends=True)


@pytest.mark.parametrize(
    ("text", "usual", "settings", "expected"),
    [
        ("text,label\na;b,1\n", ",", {}, CSV),
        ("text\na;b\n", ",", {}, CSV),
        ("text;label\na, b, c;1\n", ",", {}, SEMICOLON),
        ('"text, too";label\n', ",", {}, SEMICOLON),
        ("text\tlabel\na, b\t1\n", ",", {}, TAB),
        ("text,label\na,1\n", "\t", {}, CSV),
        ("text\na, b\n", "\t", {}, TAB),
        ("a, b\t1\nc\t0\n", ",", BY_NUMBER, TAB),
        ("a;b,1\nc;d,0\n", ",", BY_NUMBER, CSV),
        ("a, b\nc, d\n", "\t", {"header": False, "text": "0"}, TAB),
        ("a\nb\n", ",", BY_NUMBER, CSV),
        ("", ",", {}, CSV),
    ],
)
def test_separated__goes_by_the_first_lines(text: str, usual: str, settings: dict[str, Any], expected: Dialect) -> None:
    assert separated(partial(lines, text), usual, DataSettings(**settings)) == expected


@pytest.mark.parametrize("first", ["sep=;\n", '"sep=;"\r\n', "sep=;\r\n"])
def test_separated__obeys_and_skips_what_is_said_to_excel(first: str) -> None:
    assert separated(partial(lines, f"{first}text;label\n"), ",", DataSettings()) == SEMICOLON._replace(skipped=1)
