"""From text to piece ids: tokenised once, kept in an Arrow file, read back by memory map a batch at a time."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Int
from transformers import PreTrainedTokenizerFast

from tinybert.data.context_windows import context_windows
from tinybert.data.encoded import EncodedRows
from tinybert.data.example_table import LABEL, label_column
from tinybert.data.examples import Examples
from tinybert.data.windows import NO_WINDOWS, Windows, whole_windows, windows_of
from tinybert.errors import UserError
from tinybert.files import atomic_file

RECORD_BATCH = 4096  # rows written at once
_AT_ONCE = 512  # rows tokenised at once: pieces take a hundred times more memory there than in the file
_PER_PIECE = pa.list_(pa.int32())
_PIECE = 40  # characters a piece is assumed to have at most, see `_head`


@dataclass(frozen=True)
class Encoder:
    """How the texts of a run become rows.

    Attributes:
        tokenizer: Of teacher and student.
        max_length: Pieces per row, special ones included.
        windows: What becomes of longer texts.
    """

    tokenizer: PreTrainedTokenizerFast
    max_length: int
    windows: Windows = NO_WINDOWS

    def encode(self, examples: Examples, target: Path) -> EncodedRows:
        """See `encode`."""
        return encode(examples, self.tokenizer, self.max_length, target, windows=self.windows)

    @property
    def inputs(self) -> dict[str, Any]:
        """What rows depend on besides tokenizer and examples, by the names that users know."""
        shown = {"windows": self.windows.pooling, "stride": self.windows.stride}
        return {"data.max_length": self.max_length} | {f"data.{name}": value for name, value in shown.items()}


def encode(
    examples: Examples,
    tokenizer: PreTrainedTokenizerFast,
    max_length: int,
    target: Path,
    record_batch: int = RECORD_BATCH,
    windows: Windows = NO_WINDOWS,
) -> EncodedRows:
    """Tokenise examples into an Arrow file.

    Pairs are cut `longest_first`: a piece at a time from the end of whichever side is longer. Examples that came with
    pieces (`Examples.pieces`) are taken as they are. Texts of words that have tags and contexts of questions are not
    cut, nor are other texts where logits are pooled: a long one becomes several rows, see `windows`.

    Args:
        examples: What to encode; all pairs or none.
        tokenizer: Its own padding and truncation are left aside, and left as they were.
        max_length: Pieces per row, special ones included.
        target: The file, whole or absent.
        record_batch: Rows per record batch; changes memory, not contents.
        windows: What becomes of longer texts.

    Returns:
        The rows, memory-mapped from `target`.

    Raises:
        ResourceError: If the disk is full.
        UserError: If a question leaves no room for its context.
        ValueError: If the tokenizer has no padding piece.
    """
    if tokenizer.pad_token_id is None:
        raise ValueError("the tokenizer has no padding piece, so rows cannot share a batch")
    with_types = examples.paired and "token_type_ids" in tokenizer.model_input_names
    schema = _schema(examples, with_types, tokenizer.pad_token_id, windows)
    block = partial(_windowed, longest=max_length, windows=windows) if "example" in schema.names else _block
    contents = _Contents(tokenizer.unk_token_id, tokenizer.num_special_tokens_to_add(pair=examples.paired))
    with atomic_file(target) as temporary, temporary.open("wb") as stream, pa.ipc.new_file(stream, schema) as writer:
        with truncating(tokenizer.backend_tokenizer, max_length) as backend:
            for start in range(0, len(examples), record_batch):
                rows = slice(start, min(start + record_batch, len(examples)))
                writer.write_batch(block(examples, backend, rows, schema, contents))
        # What only the end knows travels with an empty last batch: an Arrow file's own metadata is written first.
        counts = {name: str(getattr(contents, name)) for name in ("truncated", "windowed", "unknown")}
        end = {"digest": contents.digest(), **counts}
        writer.write_batch(pa.RecordBatch.from_pylist([], schema), custom_metadata=end)
    return EncodedRows.open(target, examples)


class _Contents:
    """Hash of what was written, whatever the size of the record batches; how much was cut, windowed, unknown."""

    def __init__(self, unknown: int | None, special: int) -> None:
        self.truncated, self.windowed = 0, 0
        self._unknown, self._special = unknown, special  # which piece stands for the unknown; special ones per row
        self._pieces, self._unknown_pieces = 0, 0
        self._parts = {name: hashlib.sha256() for name in ("lengths", "pieces", "types", LABEL)}

    def count(self, pieces: Int[np.ndarray, " pieces"], rows: int) -> None:
        self._pieces += len(pieces) - rows * self._special
        self._unknown_pieces += 0 if self._unknown is None else int(np.count_nonzero(pieces == self._unknown))

    @property
    def unknown(self) -> float:
        return self._unknown_pieces / max(self._pieces, 1)

    def add(self, name: str, values: Any) -> None:
        self._parts.setdefault(name, hashlib.sha256()).update(np.ascontiguousarray(values).tobytes())

    def digest(self) -> str:
        return hashlib.sha256(b"".join(part.digest() for part in self._parts.values())).hexdigest()


def _schema(examples: Examples, with_types: bool, pad: int, windows: Windows) -> pa.Schema:
    metadata = {"pad": str(pad)}
    fields = [pa.field("pieces", _PER_PIECE)]
    if with_types:
        fields.append(pa.field("types", pa.list_(pa.uint8())))
    if examples.worded or examples.asked:
        fields += [pa.field("example", pa.int64()), pa.field("words", _PER_PIECE)]
        fields += [pa.field(name, _PER_PIECE) for name in ("begins", "ends") if examples.asked]
        fields += [pa.field("tags", _PER_PIECE)] if examples.labelled else []
    elif windows.pooling != "off":
        fields.append(pa.field("example", pa.int64()))
        metadata["pooling"] = windows.pooling
    if examples.labels is not None:
        fields.append(pa.field(LABEL, label_column(examples.labels[:0]).type))
    return pa.schema(fields, metadata=metadata)


@contextmanager
def truncating(backend: Any, max_length: int) -> Iterator[Any]:
    """Set truncation and no padding for the block."""
    with lent(backend):
        backend.enable_truncation(max_length, strategy="longest_first")
        backend.no_padding()
        yield backend


@contextmanager
def lent(backend: Any) -> Iterator[None]:
    """Put back after the block what was set before it: a tokenizer is shared."""
    truncation, padding, spelled = backend.truncation, backend.padding, backend.encode_special_tokens
    try:
        yield
    finally:
        backend.encode_special_tokens = spelled
        backend.no_truncation() if truncation is None else backend.enable_truncation(**truncation)
        backend.no_padding() if padding is None else backend.enable_padding(**padding)


def digest_of_tokenizer(tokenizer: PreTrainedTokenizerFast) -> str:
    """Sha256 over all that decides how a text is read: vocabulary, letters, words; not where it is cut."""
    backend = tokenizer.backend_tokenizer
    with lent(backend):
        backend.no_truncation()
        backend.no_padding()
        return hashlib.sha256(backend.to_str().encode()).hexdigest()


def _block(examples: Examples, backend: Any, rows: slice, schema: pa.Schema, contents: _Contents) -> pa.RecordBatch:
    ids: list[list[int]] = []
    types: list[list[int]] = []
    for start in range(rows.start, rows.stop, _AT_ONCE):
        found, cut = _read(examples, backend, start, min(start + _AT_ONCE, rows.stop))
        contents.truncated += cut
        ids += [pieces for pieces, _ in found]
        if "types" in schema.names:
            types += [kinds for _, kinds in found]
    columns = [pa.array(ids, _PER_PIECE)]
    contents.add("lengths", np.fromiter(map(len, ids), np.int64))
    contents.add("pieces", columns[0].values)
    contents.count(columns[0].values.to_numpy(), len(ids))
    if "types" in schema.names:
        columns.append(pa.array(types, pa.list_(pa.uint8())))
        contents.add("types", columns[-1].values)
    if examples.labels is not None:
        columns.append(label_column(examples.labels[rows]))
        contents.add(LABEL, examples.labels[rows])
    return pa.record_batch(columns, schema=schema)


def _windowed(
    examples: Examples,
    backend: Any,
    rows: slice,
    schema: pa.Schema,
    contents: _Contents,
    longest: int,
    windows: Windows,
) -> pa.RecordBatch:
    """The same of long texts: a row for each window, which says of which example it is, and which words it has."""
    columns: dict[str, list[Any]] = {name: [] for name in schema.names}
    windows_in = _tagged_windows if examples.worded else _asked_windows if examples.asked else _text_windows
    for start in range(rows.start, rows.stop, _AT_ONCE):
        found = windows_in(examples, backend, start, min(start + _AT_ONCE, rows.stop), longest, windows)
        for number, parts in enumerate(found, start=start):
            contents.windowed += len(parts) > 1
            for part in ({**part, "example": number} for part in parts):
                for name in part.keys() & columns.keys():
                    columns[name].append(part[name])
    for gold in examples[rows].gold_texts:
        contents.add("answers", np.frombuffer(repr(gold).encode(), np.uint8))
    labels = None if examples.labels is None else examples.labels[columns["example"]]
    arrays = [
        pa.array(columns[field.name], field.type) if labels is None or field.name != LABEL else label_column(labels)
        for field in schema
    ]
    contents.add("lengths", np.fromiter(map(len, columns["pieces"]), np.int64))
    for field, array in zip(schema, arrays, strict=True):
        contents.add(field.name, labels if field.name == LABEL else getattr(array, "values", array))
    contents.count(arrays[0].values.to_numpy(), len(arrays[0]))
    return pa.record_batch(arrays, schema=schema)


def _tagged_windows(
    examples: Examples, backend: Any, start: int, stop: int, longest: int, windows: Windows
) -> Iterator[list[dict[str, Any]]]:
    texts, words, tags = examples.columns(start, stop)[0], examples.words(start, stop), examples.tags(start, stop)
    for number, parts in enumerate(windows_of(texts, words, backend, longest, windows)):
        of_words = [] if tags is None else tags[number]
        yield [
            part._asdict() | {"tags": [-1 if word < 0 or tags is None else of_words[word] for word in part.words]}
            for part in parts
        ]


def _asked_windows(
    examples: Examples, backend: Any, start: int, stop: int, longest: int, windows: Windows
) -> Iterator[list[dict[str, Any]]]:
    questions, contexts, rows = examples.columns(start, stop)
    sides = [(question, context or "") for question, context in zip(questions, contexts, strict=True)]
    answers = examples.answers(start, stop) or [None] * len(sides)
    found = context_windows(sides, answers, backend, longest, windows)
    for row in rows:
        try:
            parts = next(found)
        except ValueError as error:
            raise UserError(
                f"{examples.name}:{row}: the question leaves no room for its context ({error}); raise data.max_length, "
                "or shorten the question"
            ) from error
        yield [part._asdict() for part in parts]


def _text_windows(
    examples: Examples, backend: Any, start: int, stop: int, longest: int, windows: Windows
) -> Iterator[list[dict[str, Any]]]:
    """Of texts or pairs; those that came with pieces are one window."""
    texts, pairs, _ = examples.columns(start, stop)
    given = examples.pieces(start, stop)
    unread = [(text, pair) for text, pair, known in zip(texts, pairs, given, strict=True) if known is None]
    read = iter(whole_windows(unread, backend, longest, windows))
    for known in given:
        parts = [known] if known is not None else [(part.ids, part.type_ids) for part in next(read)]
        yield [{"pieces": pieces, "types": types} for pieces, types in parts]


def _read(examples: Examples, backend: Any, start: int, stop: int) -> tuple[list[tuple[list[int], list[int]]], int]:
    """Pieces and token types of some rows, those they came with where they did; and how many rows were cut."""
    texts, pairs, _ = examples.columns(start, stop)
    given = examples.pieces(start, stop)
    unread = [(text, pair) for text, pair, known in zip(texts, pairs, given, strict=True) if known is None]
    found, cut = _tokenised(backend, unread)
    read = iter([(encoding.ids, encoding.type_ids) for encoding in found])
    return [next(read) if known is None else known for known in given], cut


def _tokenised(backend: Any, sides: list[tuple[str, str | None]]) -> tuple[list[Any], int]:
    """The encodings of some rows, and how many of them were cut."""
    longest = backend.truncation["max_length"]
    heads = [(_head(text, longest), None if pair is None else _head(pair, longest)) for text, pair in sides]
    found = backend.encode_batch_fast([text if pair is None else (text, pair) for text, pair in heads])  # no offsets
    cut = sum(bool(encoding.overflowing) for encoding in found)
    for index in (index for index, head in enumerate(heads) if head != sides[index] and not found[index].overflowing):
        found[index] = backend.encode(*sides[index])  # its pieces are longer than assumed
        cut += bool(found[index].overflowing)
    return found, cut


def _head(text: str, max_length: int) -> str:
    """The words of a text that can matter; a cell of megabytes would be tokenised for nothing, in gigabytes."""
    limit = _PIECE * max_length
    if len(text) <= limit:
        return text
    return text[: text.rfind(" ", 0, limit)] if " " in text[:limit] else text[:limit]
