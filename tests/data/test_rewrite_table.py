import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tinybert.data.columns import Header, choose_columns
from tinybert.data.dialect import Dialect
from tinybert.data.readers import BLOCK
from tinybert.data.rewrite_table import Patch, merge_by_row, patched_texts, rewrite_table
from tinybert.data.settings import DataSettings
from tinybert.errors import UserError
from tinybert.types import Example

MARKS = {"origin": 1, "copy": 0}


def written(path: Path, rows: Any, settings: DataSettings | None = None) -> int:
    data = settings or DataSettings()

    def patch_of(header: Header, dialect: Dialect | None) -> Patch:
        return patched_texts(choose_columns(header, data, "none"), dialect)

    return rewrite_table(rows, data, lambda row: True, [], path, path.suffix, patch_of)


def copies(*numbers: tuple[int, int]) -> list[Example]:
    return [Example("a", row=row, copy=copy) for row, copy in numbers]


def test_merge_by_row__gives_each_row_its_copies() -> None:
    merged = merge_by_row([(1, "x"), (2, "y"), (3, "z")], copies((1, 1), (1, 2), (3, 1)))
    assert [(row, original, [copy.copy for copy in found]) for row, original, found in merged] == [
        (1, "x", [1, 2]),
        (2, "y", []),
        (3, "z", [1]),
    ]


def test_merge_by_row__notices_what_is_left() -> None:
    with pytest.raises(ValueError, match="copy 1 of row 1 is out of order"):
        list(merge_by_row([(1, "x"), (2, "y")], copies((2, 1), (1, 1))))


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("a b", "a b"),
        ('say "x", y', '"say ""x"", y"'),
        ("two\nlines", '"two\nlines"'),
        ("a\rb", '"a\rb"'),
        (None, ""),
        (float("nan"), ""),
        (pandas.NA, ""),
        (pandas.NaT, ""),
        (True, "true"),
        (3, "3"),
        (0.5, "0.5"),
        (np.int64(3), "3"),
        (np.float32(0.5), "0.5"),
        (Decimal("1.10"), "1.10"),
        (["é", 1], '"[""é"", 1]"'),
    ],
)
def test_rewrite_table__writes_any_value_as_a_cell(tmp_path: Path, value: Any, cell: str) -> None:
    path = tmp_path / "a.csv"
    assert written(path, [{"text": "a", "x": value}, {"text": "b", "z": 1}]) == 2
    assert path.read_bytes().decode() == f"text,x,z,origin,copy\na,{cell},,1,0\nb,,1,2,0\n"


def test_rewrite_table__refuses_nul(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"NUL .*\.jsonl"):
        written(tmp_path / "a.csv", [{"text": "a", "x": "a\0b"}])


def test_rewrite_table__writes_any_value_as_json(tmp_path: Path) -> None:
    row = {
        "text": "é\u2028",
        "b": np.int64(3),
        "c": np.array([1, 2]),
        "d": pandas.NA,
        "e": Decimal("1.5"),
        "f": {"g": [None]},
    }
    assert written(tmp_path / "a.jsonl", [row, {"text": "\ud800"}]) == 2
    first, second = (tmp_path / "a.jsonl").read_text(encoding="utf-8").removesuffix("\n").split("\n")
    assert (
        json.loads(first) == {"text": "é\u2028", "b": 3, "c": [1, 2], "d": None, "e": "1.5", "f": {"g": [None]}} | MARKS
    )
    assert json.loads(second)["text"] == "\ud800"


def test_rewrite_table__keeps_types_over_blocks(tmp_path: Path) -> None:
    types = pa.schema([("text", pa.string()), ("score", pa.float32()), ("when", pa.timestamp("us"))])
    rows = [{"text": str(n), "score": float("nan"), "when": None} for n in range(BLOCK + 1)]
    pq.write_table(pa.Table.from_pylist(rows, types), tmp_path / "a.parquet")
    assert written(tmp_path / "b.parquet", str(tmp_path / "a.parquet")) == BLOCK + 1
    table = pq.read_table(tmp_path / "b.parquet")
    assert table.select(types.names).schema.equals(types)
    assert table.column("score").null_count == 0


def test_rewrite_table__finds_types_that_fit_all_values(tmp_path: Path) -> None:
    rows = [{"text": "a", "n": 1, "no": None}, {"text": "b", "n": float("nan"), "words": ["x"]}]
    rows += [{"text": "c", "n": 2, "score": np.float64(1)}] * BLOCK + [{"text": "d", "n": 0.5}]
    assert written(tmp_path / "a.parquet", rows) == len(rows)
    table = pq.read_table(tmp_path / "a.parquet")
    types = ["text", "n", "no", "words", "score"], ["string", "double", "string", "list<element: string>", "double"]
    assert (table.column_names[:5], [str(kind) for kind in table.schema.types[:5]]) == types
    assert table.column("n").null_count == 1


def test_rewrite_table__refuses_columns_without_a_common_type(tmp_path: Path) -> None:
    for rows in ([{"text": "a", "x": 1}, {"x": "x"}], [*[{"text": "a", "x": 1}] * BLOCK, {"x": "x"}]):
        with pytest.raises(UserError, match=r"column 'x' have no common type .*; write \.jsonl"):
            written(tmp_path / "a.parquet", rows)
