"""Plain text as a stream of texts of bounded length, whatever its source and size; nothing but the next one is held.

One text is a paragraph, a row, or a part of a longer one: what has over `LONGEST` characters is cut, at a space where
there is one. Blank ones are passed over. A NUL is refused, as in all data: text full of them is UTF-16.
"""

import codecs
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from tinybert.data.dialect import NUL, decoded, not_utf8, without_mark
from tinybert.data.hub import PREFIX, default_split, in_one_line, load_hub
from tinybert.data.packed import open_text
from tinybert.data.problems import BadRow, listed, unreadable_as_user_error
from tinybert.data.read import DataInput
from tinybert.data.readers import (
    RowReader,
    check_no_splits,
    is_dataset,
    is_frame,
    open_frame,
    open_json_lines,
    open_list,
    open_parquet,
)
from tinybert.data.rows import is_missing, text_problem
from tinybert.errors import UserError
from tinybert.files import sha256_file

LONGEST = 100_000  # characters of one text
ENDINGS = (".txt", ".gz", ".jsonl", ".parquet")
_LISTED = f"{', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}"
_PART = 1 << 16  # bytes read at once
_LONGEST_ROW = 1 << 24  # bytes of a line of JSON, which can only be read whole
_AT_ONCE = 32  # rows of Parquet read at once: each may be a book
_UNPACKED = 3  # bytes of text in a packed byte, roughly


def texts_of(source: DataInput, column: str | None = None, name: str = "train") -> Iterator[str]:
    """Read plain text.

    Args:
        source: A file of text, a paragraph a line (`.txt`, or packed: `.gz`); JSON lines (`.jsonl`, `.jsonl.gz`);
            Parquet; a folder of such files, those of its folders too, sorted by name, without hidden ones and without
            links that lead out of it; `hf:NAME[:CONFIG][:SPLIT]`, streamed; a list of texts or of dictionaries; a
            pandas frame; a `datasets` table.
        column: Of the text, where there are columns; None = `text`.
        name: What messages call an object in memory.

    Yields:
        Texts that are not blank, of at most `LONGEST` characters.

    Raises:
        UserError: If the source cannot be read, or has no such column; while it is read, if it is damaged, not UTF-8,
            or holds something else than text.
    """
    column = column or "text"
    if not isinstance(source, str | Path):
        yield from _of_rows(_object_reader(source, column, name), column)
    elif str(source).startswith(PREFIX):
        with in_one_line(str(source)):
            dataset = load_hub(str(source), default_split(name), streaming=True)
            yield from _of_rows(open_list(str(source), _rows_of(dataset, column)), column)
    else:
        for path in files_of(Path(source)):
            yield from _of_file(path, column)


def is_plain_text(path: str) -> bool:
    """Whether a path is that of plain text and of no table: a folder, or a file of text, packed or not."""
    if path.startswith(PREFIX):
        return False
    return Path(path).suffix.lower() in (".txt", ".gz") or os.path.isdir(path)  # noqa: PTH112  Path fails at long names


def is_stream(source: DataInput) -> bool:
    """Whether an object in memory is a `datasets` table that comes from elsewhere while it is read."""
    return is_dataset(source) and not hasattr(source, "__len__")


def digest_of(source: DataInput, column: str | None = None, name: str = "train", limit_bytes: int | None = None) -> str:
    """Hash of the contents of a source, file by file or text by text; of the hub's data sets: of their names.

    Args:
        source: See `texts_of`.
        column: See there.
        name: See there.
        limit_bytes: Of an object in memory so much text is looked at; None = all.
    """
    digest, size = hashlib.sha256(), 0
    if not isinstance(source, str | Path):
        for text in texts_of(source, column, name):
            digest.update(hashlib.sha256(text.encode()).digest())
            size += len(text.encode())
            if limit_bytes is not None and size >= limit_bytes:
                break
    elif str(source).startswith(PREFIX):
        digest.update(f"{source} {default_split(name)}".encode())
    else:
        for path in files_of(Path(source)):
            with unreadable_as_user_error(path):
                digest.update(_form_of(path).encode() + bytes.fromhex(sha256_file(path)))
    return digest.hexdigest()


def size_of(source: DataInput) -> int | None:
    """About how many bytes of text there are, for a bar that moves; None where only reading would tell."""
    if not isinstance(source, str | Path) or str(source).startswith(PREFIX):
        return None
    sizes = ((path.suffix.lower() in (".gz", ".parquet"), path.stat().st_size) for path in files_of(Path(source)))
    return sum(_UNPACKED * size if packed else size for packed, size in sizes)


def files_of(path: Path) -> list[Path]:
    """The files that are read of a file or folder.

    Raises:
        UserError: If there is none.
    """
    if not path.is_dir():
        with unreadable_as_user_error(path):
            path.stat()
        if path.suffix.lower() not in ENDINGS:
            raise UserError(f"{path}: unknown ending '{path.suffix}'; text is read from {_LISTED} and folders of them")
        return [path]
    found = (Path(folder) / name for folder, _, names in os.walk(path) for name in names)
    inside = [file for file in found if _is_readable(file, path)]
    if not inside:
        raise UserError(f"{path}: nothing to read; a folder of text holds files that end {_LISTED} (no links)")
    return sorted(inside, key=lambda file: file.relative_to(path).as_posix())


def cut(text: str) -> Iterator[str]:
    """Cut a text into parts of at most `LONGEST` characters, before a space where there is one; joined, they are it."""
    start = 0
    while len(text) - start > LONGEST:
        last = max(text.rfind(space, start + 1, start + LONGEST + 1) for space in " \n\t")
        stop = last if last > start else start + LONGEST
        yield text[start:stop]
        start = stop
    yield text[start:]


def _is_readable(path: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    known = path.suffix.lower() in ENDINGS
    return known and not hidden and path.is_file() and path.resolve().is_relative_to(folder.resolve())


def _form_of(path: Path) -> str:
    """The ending that says how a file is read, without that of its packing."""
    ending = path.suffix.lower()
    if ending == ".gz":
        ending = ".jsonl" if path.with_suffix("").suffix.lower() == ".jsonl" else ".txt"
    return ending


def _of_file(path: Path, column: str) -> Iterator[str]:
    form = _form_of(path)
    if form == ".parquet":
        yield from _of_rows(open_parquet(path, _AT_ONCE), column)
        return
    with open_text(path, endless=True) as unpacked:
        if form == ".jsonl":
            lines = decoded(unpacked.whole_lines(_LONGEST_ROW), str(path))
            if (first := next(lines, None)) is not None:  # an empty file is an empty text, as the others are
                yield from _of_rows(open_json_lines(str(path), chain([first], lines)), column)
        else:
            yield from _of_lines(_decoded(unpacked.parts(_PART), str(path)))


def _decoded(parts: Iterator[bytes], name: str) -> Iterator[str]:
    """Parts of a file as text; a letter that two parts share belongs to the second."""
    decoder, line = codecs.getincrementaldecoder("utf-8")(), 1
    first = without_mark(next(parts, b""), name)
    for raw in chain([first], parts, [b"\n"]):  # the last line may have no end
        try:
            text = decoder.decode(raw)
        except UnicodeDecodeError as error:
            raise not_utf8(name, line + error.object[: error.start].count(b"\n"), error) from error
        before, nul, _ = text.partition("\0")
        line += before.count("\n")
        if nul:
            raise UserError(f"{name}:{line}: {NUL}")
        yield text


def _of_lines(parts: Iterable[str]) -> Iterator[str]:
    """The texts of lines, which come in any parts: of a long line, only what may still be cut is held."""
    rest = ""
    for part in parts:
        *lines, rest = (rest + part).split("\n")
        yield from _stripped(chain.from_iterable([line] if len(line) <= LONGEST else cut(line) for line in lines))
        *whole, rest = cut(rest)
        yield from _stripped(whole)


def _stripped(texts: Iterable[str]) -> Iterator[str]:
    """Texts without the space at their ends, and without blank ones."""
    return filter(None, map(str.rstrip, texts))


def _of_rows(reader: RowReader, column: str) -> Iterator[str]:
    header = reader.header
    if column not in header.names:
        raise UserError(
            f"{header.where}: no column '{column}'; there are: {listed(header.names)}; name the column of the text "
            "so, or say data.text=NAME to the recipe general"
        )
    for line, row in reader.records([column]):
        if isinstance(row, BadRow):
            raise UserError(f"{header.name}:{line}: {row.reason}")
        text: Any = row.get(column)
        if is_missing(text) or (isinstance(text, str) and not text.strip()):
            continue
        if problem := text_problem(text, column):
            raise UserError(f"{header.name}:{line}: {problem}; correct or remove the row")
        yield from _stripped(cut(text))


def _object_reader(source: Any, column: str, name: str) -> RowReader:
    if is_dataset(source):
        check_no_splits(name, source)
        return open_list(name, _rows_of(source, column))
    if isinstance(source, Sequence) and not isinstance(source, bytes):
        return open_list(name, ({column: row} if isinstance(row, str) else row for row in source))
    if is_frame(source):
        return open_frame(name, source)
    forms = "a path, a list of texts or of dictionaries, a pandas.DataFrame or a datasets.Dataset"
    raise UserError(f"{name}: {forms} is wanted, not {type(source).__name__}")


def _rows_of(dataset: Any, column: str) -> Any:
    """A table of the `datasets` library row by row, with only the column that is read if it says which it has."""
    plain = dataset.with_format(None)
    return plain.select_columns([column]) if column in (dataset.column_names or ()) else plain
