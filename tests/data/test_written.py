import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tinybert.data.dialect import Dialect
from tinybert.data.readers import BLOCK
from tinybert.data.written import common_types, write_delimited, write_json_lines, write_parquet
from tinybert.errors import UserError

CSV = Dialect(",", quoted=True)


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
def test_write_delimited__writes_any_value(tmp_path: Path, value: Any, cell: str) -> None:
    path = tmp_path / "a.csv"
    assert write_delimited(path, [{"x": value, "y": "1"}], ["x", "y", "z"], CSV, header=True) == 1
    assert path.read_bytes().decode() == f"x,y,z\n{cell},1,\n"


def test_write_delimited__leaves_quotes_that_are_letters(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    dialect = Dialect("\t", quoted=False, line_end="\r\n")
    assert write_delimited(path, [{"0": '"a', "1": "b"}, {"0": "c", "1": "d"}], ["0", "1"], dialect, header=False) == 2
    assert path.read_bytes() == b'"a\tb\r\nc\td\r\n'


def test_write_delimited__refuses_nul(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"NUL .*\.jsonl"):
        write_delimited(tmp_path / "a.csv", [{"x": "a\0b"}], ["x"], CSV, header=True)


def test_write_json_lines__writes_any_value(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    row = {
        "a": "é\u2028",
        "b": np.int64(3),
        "c": np.array([1, 2]),
        "d": pandas.NA,
        "e": Decimal("1.5"),
        "f": {"g": [None]},
    }
    assert write_json_lines(path, [row, {"a": "\ud800"}]) == 2
    first, second = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    assert json.loads(first) == {"a": "é\u2028", "b": 3, "c": [1, 2], "d": None, "e": "1.5", "f": {"g": [None]}}
    assert json.loads(second) == {"a": "\ud800"}


def test_write_parquet__keeps_types_over_blocks(tmp_path: Path) -> None:
    types = pa.schema([("text", pa.string()), ("score", pa.float32()), ("when", pa.timestamp("us"))])
    rows = [{"text": str(n), "score": float("nan"), "when": None} for n in range(BLOCK + 1)]
    assert write_parquet(tmp_path / "a.parquet", rows, types) == BLOCK + 1
    table = pq.read_table(tmp_path / "a.parquet")
    assert table.schema.equals(types)
    assert table.column("score").null_count == 0
    assert write_parquet(tmp_path / "a.parquet", rows[:1], types, gaps=True) == 1
    assert pq.read_table(tmp_path / "a.parquet").column("score").null_count == 1


def test_common_types__fit_all_values() -> None:
    rows = [{"a": 1, "b": None}, {"a": None, "c": ["x"]}] + [{"a": 2, "d": np.float64(1)}] * BLOCK + [{"a": 0.5}]
    types = common_types(rows)
    assert types.names == ["a", "b", "c", "d"]
    assert [str(kind) for kind in types.types] == ["double", "string", "list<item: string>", "double"]


def test_common_types__refuse_texts_among_numbers() -> None:
    for rows in ([{"a": 1}, {"a": "x"}], [*[{"a": 1}] * BLOCK, {"a": "x"}]):
        with pytest.raises(UserError, match=r"the column 'a' has no type of its own .*write \.jsonl"):
            common_types(rows)
