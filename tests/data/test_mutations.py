"""Damaged files: each is read with the right number of rows, or refused in one line that names the file."""

import csv
import io
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

from tinybert.data.settings import DataSettings
from tinybert.errors import UserError
from tinybert.tasks.load import Splits, load

ROWS = 24
MUTANTS = 14  # of each form and damage
Damage = Callable[[bytes, np.random.Generator], bytes]


def table() -> list[dict[str, str]]:
    words = ["good, very", "bad film", 'so "great" a plot', "dull – très ennuyeux", "it is a plot"]
    return [{"id": str(n), "text": f"{words[n % 5]} {n}", "label": ("neg", "pos")[n % 2]} for n in range(ROWS)]


def as_tsv() -> bytes:
    return "".join("\t".join(row) + "\n" for row in [list(table()[0]), *(list(r.values()) for r in table())]).encode()


def as_csv() -> bytes:
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, list(table()[0]))
    writer.writeheader()
    writer.writerows(table())
    return stream.getvalue().encode()


def as_jsonl() -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in table()).encode()


def as_parquet() -> bytes:
    stream = io.BytesIO()
    pandas.DataFrame(table()).to_parquet(stream)
    return stream.getvalue()


def flip(content: bytes, rng: np.random.Generator) -> bytes:
    place = int(rng.integers(len(content)))
    return content[:place] + bytes([content[place] ^ (1 << int(rng.integers(8)))]) + content[place + 1 :]


def cut(content: bytes, rng: np.random.Generator) -> bytes:
    return content[: int(rng.integers(len(content)))]


def insert(what: bytes) -> Damage:
    def damage(content: bytes, rng: np.random.Generator) -> bytes:
        place = int(rng.integers(len(content)))
        return content[:place] + what + content[place:]

    return damage


def drop_a_piece_of_a_line(content: bytes, rng: np.random.Generator) -> bytes:
    lines = content.split(b"\n")
    place = int(rng.integers(len(lines) - 1))
    lines[place] = lines[place][: int(rng.integers(len(lines[place]) + 1))]
    return b"\n".join(lines)


BYTES: dict[str, Damage] = {"flip": flip, "cut": cut}
TEXT: dict[str, Damage] = {
    "nul": insert(b"\0"),
    "quote": insert(b'"'),
    "tab": insert(b"\t"),
    "line": insert(b"\n"),
    "piece": drop_a_piece_of_a_line,
}
FORMS: dict[str, tuple[Callable[[], bytes], dict[str, Damage]]] = {
    "tsv": (as_tsv, BYTES | TEXT),
    "csv": (as_csv, BYTES | TEXT),
    "jsonl": (as_jsonl, BYTES | TEXT),
    "parquet": (as_parquet, BYTES),
}
CASES = [(form, name) for form, (_, damages) in FORMS.items() for name in damages]


def mutants(form: str, name: str) -> list[bytes]:
    make, damages = FORMS[form]
    rng = np.random.default_rng([*form.encode(), *name.encode()])
    return [damages[name](make(), rng) for _ in range(MUTANTS)]


def outcome(path: Path, role: str, streams: Any, **settings: Any) -> Splits | UserError:
    good = table()
    given = {"train": good, "dev": good, "test": good, role: str(path)}
    chosen = DataSettings(**settings)
    try:
        return load(**given, settings=chosen, kind=None, head_classes=None, rng=streams, rejected_to=None)
    except UserError as error:
        return error


@pytest.mark.parametrize(("form", "name"), CASES)
def test_load__reads_a_damaged_file_rightly_or_refuses_it_in_one_line(
    tmp_path: Path, streams: Any, form: str, name: str
) -> None:
    for number, content in enumerate(mutants(form, name)):
        path = tmp_path / f"mutant-{number}.{form}"
        path.write_bytes(content)
        found = outcome(path, ("train", "dev", "test")[number % 3], streams)
        if isinstance(found, UserError):
            assert str(found).startswith(f"{path}:") or path.name in str(found)
            assert str(found).isprintable()
            assert len(str(found)) < 1000
        else:
            check(found, ("train", "dev", "test")[number % 3], content, form)


def rows_of(content: bytes, form: str) -> int:
    """How many rows a file has that can be read at all: nothing may be lost or made up."""
    if form == "parquet":
        return ROWS
    text = content.rstrip(b"\r\n\t ").decode()
    if form == "csv":
        return len(list(csv.reader(io.StringIO(text, newline="")))) - 1
    return (text.count("\n") or text.count("\r")) + (form == "jsonl")


def check(splits: Splits, role: str, content: bytes, form: str) -> None:
    examples = getattr(splits, role)
    assert len(examples) == rows_of(content, form)
    for example in examples:
        assert example.text.strip()
        assert role == "test" or example.label is not None
        assert example.label is None or (isinstance(example.label, int | float) and math.isfinite(example.label))
    assert splits.train.labelled
    assert splits.dev.labelled


@pytest.mark.parametrize(("form", "planted"), [("tsv", 5), ("csv", 2), ("jsonl", 1)])
def test_load__puts_exactly_the_planted_rows_aside(tmp_path: Path, streams: Any, form: str, planted: int) -> None:
    lines = FORMS[form][0]().splitlines(keepends=True)
    places = np.random.default_rng(planted).choice(np.arange(2, ROWS), planted, replace=False)
    for place in places:
        lines[place] = lines[place].replace(b"neg", b"").replace(b"pos", b"")
    path = tmp_path / f"train.{form}"
    path.write_bytes(b"".join(lines))
    target = tmp_path / "rejected.jsonl"
    chosen = DataSettings(skip_bad=0.25)
    good = table()
    splits = load(str(path), good, None, chosen, kind=None, head_classes=None, rng=streams, rejected_to=target)
    assert len(splits.train) == ROWS - planted
    rows = [json.loads(line) for line in target.read_text().splitlines()]
    assert [row["line"] for row in rows] == sorted(place + 1 for place in places.tolist())
    assert {row["reason"] for row in rows} == {"the label is missing; give it one or remove the row"}
