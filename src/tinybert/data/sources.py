"""Which reader a source needs: files by their ending, standard input, the hub, objects in memory."""

import sys
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from tinybert.data.columns import Known
from tinybert.data.delimited import lines_of, open_delimited
from tinybert.data.dialect import decoded, plain_lines
from tinybert.data.hub import PREFIX, default_split, load_hub
from tinybert.data.mappings import BEGUN, open_json_lines, open_list
from tinybert.data.opened import Opened, readable
from tinybert.data.refusals import refusal
from tinybert.data.settings import DataSettings
from tinybert.data.tables import is_dataset, is_frame, open_dataset, open_frame, open_parquet
from tinybert.errors import UserError

# A path, `hf:...`, `-`, a list of dictionaries, a pandas.DataFrame or a datasets.Dataset; the last two belong to
# packages that need not be installed, so they cannot be named here.
Source = Any
STDIN = "-"


def open_source(source: Source, settings: DataSettings, name: str = "data") -> Opened:
    """Open whatever a user may hand in.

    Args:
        source: A path, `hf:NAME[:CONFIG][:SPLIT]`, `-`, a list of dictionaries, a pandas frame or a `datasets` table.
        settings: Header and quoting of text files.
        name: What messages call an object in memory; `dev` and `test` also name the default split of a hub data set.

    Raises:
        UserError: If it cannot be read.
    """
    if isinstance(source, str | Path):
        return _open_named(str(source), settings, name)
    if is_frame(source):
        return open_frame(name, source)
    if is_dataset(source):
        return open_dataset(name, source)
    if isinstance(source, Sequence) and not isinstance(source, bytes):
        return open_list(name, source)
    forms = "a path, a list of dictionaries, a pandas.DataFrame or a datasets.Dataset"
    raise UserError(f"{name}: {forms} is wanted, not {type(source).__name__}")


def _open_named(source: str, settings: DataSettings, name: str) -> Opened:
    if source == STDIN:
        return open_stream(sys.stdin.buffer, settings)
    if source.startswith(PREFIX):
        return open_dataset(source, load_hub(source, default_split(name)))
    return open_file(Path(source), settings)


def open_file(path: Path, settings: DataSettings) -> Opened:
    """Open a file by the ending of its name.

    Raises:
        UserError: If it cannot be read, is empty, or is no table of texts.
    """
    with readable(path):
        if not path.is_dir() and path.stat().st_size == 0:
            raise UserError(f"{path}: the file is empty")
        match path.suffix.lower():
            case ".tsv":
                return open_delimited(path, "\t", settings)
            case ".csv":
                return open_delimited(path, ",", settings)
            case ".jsonl":
                return open_json_lines(str(path), lines_of(path))
            case ".parquet":
                return open_parquet(path)
            case _:
                raise refusal(path)


def open_stream(stream: Iterable[bytes], settings: DataSettings, name: str = "stdin") -> Opened:
    """Open a stream: JSON lines where it begins as JSON does, otherwise one text a line.

    Raises:
        UserError: If there is nothing.
    """
    lines = decoded(stream, name)
    first = next(lines, None)
    if first is None:
        raise UserError(f"{name}: nothing to read")
    everything = chain([first], lines)
    if first.startswith("{") or BEGUN.match(first):
        return open_json_lines(name, everything)
    return Opened(Known(name, (settings.text or "text",)), lambda _: plain_lines(everything))
