"""Word vectors of GloVe and word2vec: read once from their text files, kept memory-mapped, asked for nearest words."""

import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Float, Int

from tinybert.artifacts import Store
from tinybert.data.packed import Unpacked, open_text
from tinybert.data.problems import shown
from tinybert.errors import UserError
from tinybert.files import sha256_file

VECTORS = "vectors"  # name of the artifacts
BLOCK = 8192  # rows that are read, written and compared at once
_QUERIES = 256  # words that are compared at once
_LARGEST = 1e18  # sum of the sizes of a row's numbers; the squares of larger ones leave float32
_SAMPLED = 100  # lines that tell how many numbers a row has
_WIDEST = 100_000  # numbers of a row


class _Row:
    """Splits a line from its right end, because the words of some files hold spaces."""

    def __init__(self, name: str, width: int) -> None:
        self._name, self._width = name, width

    def __call__(self, number: int, line: bytes) -> tuple[str, list[float]]:
        fields = line.rsplit(None, self._width)  # of bytes: parts at ASCII spaces only, so words keep all others
        if len(fields) != self._width + 1:
            raise self._bad(number, f"is not a word and {self._width} numbers")
        try:
            word, values = fields[0].decode("utf-8"), list(map(float, fields[1:]))
        except UnicodeDecodeError as error:
            raise self._bad(number, "is not UTF-8") from error
        except ValueError as error:
            raise self._bad(number, f"has something else than a number ({shown(str(error))})") from error
        if not sum(map(abs, values)) < _LARGEST:  # so written because nothing is smaller or larger than NaN
            raise self._bad(number, "has a number that is not finite, or too large")
        return word, values

    def _bad(self, number: int, what: str) -> UserError:
        return UserError(f"{self._name}:{number}: {what}; remove the row, or download the file again")


@final
class WordVectors:
    """Words and their vectors, memory-mapped; made by `open_vectors`.

    Attributes:
        digest: Sha256 of the file they come from, and of how much of it was read.
    """

    def __init__(self, path: Path, digest: str) -> None:
        """Map the Arrow file of a store."""
        reader = pa.ipc.open_file(pa.memory_map(str(path)))
        batches = [reader.get_batch(number) for number in range(reader.num_record_batches)]
        self.digest = digest
        self._words = pa.chunked_array([batch.column("word") for batch in batches], pa.string())
        self._blocks = [_matrix(batch) for batch in batches]
        self._known: dict[tuple[str, int], tuple[str, ...]] = {}

    def __len__(self) -> int:
        """How many words there are."""
        return len(self._words)

    def nearest(self, words: Sequence[str], count: int) -> list[tuple[str, ...]]:
        """The words with the largest cosine to each of some words; a word is none of its own.

        Args:
            words: As they stand in a text; one that is unknown is looked up in lower case.
            count: How many are wanted.

        Returns:
            By word: so many others, in the order of the file; fewer where there are fewer; none for an unknown word.
        """
        new = [word for word in dict.fromkeys(words) if (word, count) not in self._known]
        for start in range(0, len(new), _QUERIES):
            some = new[start : start + _QUERIES]
            for word, found in zip(some, self._nearest(some, count), strict=True):
                self._known[word, count] = found
        return [self._known[word, count] for word in words]

    @property
    def width(self) -> int:
        """Numbers of a vector."""
        return int(self._blocks[0].shape[1])

    def of(self, words: Sequence[str]) -> tuple[Bool[np.ndarray, " words"], Float[np.ndarray, "words width"]]:
        """Which words there are, as they are spelled or in lower case, and their vectors; zeros for the others."""
        rows = self._rows_of(words)
        known, vectors = rows >= 0, np.zeros((len(rows), self.width), np.float32)
        vectors[known] = self._vectors(rows[known])
        return known, vectors

    def _nearest(self, words: Sequence[str], count: int) -> list[tuple[str, ...]]:
        rows = self._rows_of(words)
        known = rows >= 0
        answers = iter(nearest_rows(self._blocks, self._vectors(rows[known]), rows[known][:, None], count))
        return [self._named(next(answers)) if is_known else () for is_known in known]

    def _rows_of(self, words: Sequence[str]) -> Int[np.ndarray, " words"]:
        """The row of each word; -1 for an unknown one."""
        exact, lower = (
            pc.index_in(pa.array(some, pa.string()), value_set=self._words).fill_null(-1).to_numpy(zero_copy_only=False)
            for some in (list(words), [word.lower() for word in words])
        )
        rows: Int[np.ndarray, " words"] = np.where(exact >= 0, exact, lower).astype(np.int64)
        return rows

    def _vectors(self, rows: Int[np.ndarray, " words"]) -> Float[np.ndarray, "words width"]:
        vectors = np.zeros((len(rows), self._blocks[0].shape[1]), np.float32)
        for index, row in enumerate(rows.tolist()):
            vectors[index] = self._blocks[row // BLOCK][row % BLOCK]
        return vectors

    def _named(self, rows: Int[np.ndarray, " found"]) -> tuple[str, ...]:
        return tuple(sys.intern(self._words[int(row)].as_py()) for row in rows)  # many words share their neighbours


def nearest_rows(
    blocks: Sequence[Float[np.ndarray, "_ width"]],
    queries: Float[np.ndarray, "query width"],
    barred: Sequence[Int[np.ndarray, " _"]] | Int[np.ndarray, "query barred"],
    count: int,
) -> list[Int[np.ndarray, " _"]]:
    """The rows with the largest cosine to each query.

    Args:
        blocks: Rows of length 1, or 0 where there is no direction to compare; such a row is nobody's neighbour.
        queries: Rows of length 1, or 0.
        barred: By query: rows, counted over all blocks, that are no neighbours of it.
        count: How many are wanted.

    Returns:
        By query: numbers of rows in ascending order; none for a query of length 0.

    Example:
        >>> rows = np.array([[1, 0], [0.6, 0.8], [0, 1], [-1, 0]], dtype=np.float32)
        >>> nearest_rows([rows], rows[:1], np.array([[0]]), count=2)
        [array([1, 2])]
    """
    best = np.full((len(queries), 0), -np.inf, np.float32)
    rows = np.zeros((len(queries), 0), np.int64)
    start = 0
    for block in blocks if len(queries) else ():
        cosines = np.where(block.any(axis=1), queries @ block.T, -np.inf).astype(np.float32)
        for query, some in enumerate(barred):
            cosines[query, some[(start <= some) & (some < start + len(block))] - start] = -np.inf
        best = np.concatenate([best, cosines], axis=1)
        rows = np.concatenate([rows, np.broadcast_to(start + np.arange(len(block)), cosines.shape)], axis=1)
        kept = np.argpartition(-best, min(count, best.shape[1]) - 1, axis=1)[:, :count]
        best, rows = np.take_along_axis(best, kept, axis=1), np.take_along_axis(rows, kept, axis=1)
        start += len(block)
    usable = np.logical_and(best > -np.inf, np.any(queries, axis=1, keepdims=True))
    return [np.sort(found[good]) for found, good in zip(rows, usable, strict=True)]


def unit_rows(matrix: Float[np.ndarray, "rows width"]) -> Float[np.ndarray, "rows width"]:
    """Each row scaled to length 1; rows of zeros stay as they are.

    Example:
        >>> unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]]))
        array([[0.6, 0.8],
               [0. , 0. ]])
    """
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    scaled: Float[np.ndarray, "rows width"] = np.divide(matrix, lengths, out=np.zeros_like(matrix), where=lengths > 0)
    return scaled


def open_vectors(path: Path, store: Store, limit: int | None = None) -> WordVectors:
    """Word vectors out of a text file, converted where that has not been done yet.

    Args:
        path: GloVe's text form, or word2vec's with its first line of two counts; plain, `.gz`, or `.zip` of one file.
        store: Keeps what they are converted to.
        limit: The first so many rows, which are the most frequent words; None = all. TinyBERT's own code takes the
            first 100,000.

    Raises:
        UserError: If it cannot be read; the error names file and row.
        ResourceError: If the disk is full.
    """
    with open_text(path):
        pass  # refused before it is hashed
    artifact = store.entry(VECTORS, file=sha256_file(path), limit=limit)
    with artifact.locked(lambda _: None):
        if not artifact.whole:
            artifact.make(lambda folder: _convert(path, folder / "vectors.arrow", limit))
    return WordVectors(artifact.result / "vectors.arrow", artifact.key)


def _convert(path: Path, target: Path, limit: int | None) -> int:
    """Write words and unit vectors, a block at a time; ordinary writes, which say when the disk is full."""
    with open_text(path) as stream:
        first, width = _layout(path, stream.lines())
    schema = pa.schema([pa.field("word", pa.string()), pa.field("vector", pa.list_(pa.float32(), width))])
    count = 0
    with open_text(path) as stream, target.open("wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        for words, vectors in _blocks(path, stream, first, width, limit):
            flat = pa.array(unit_rows(np.array(vectors, np.float32)).ravel())
            writer.write_batch(pa.record_batch([words, pa.FixedSizeListArray.from_arrays(flat, width)], schema=schema))
            count += len(words)
    if not count:
        raise UserError(f"{path}: holds no word vectors, only a first line")
    return count


def _layout(path: Path, lines: Iterator[tuple[int, bytes]]) -> tuple[int, int]:
    """The number of the first row, and how many numbers a row has: word2vec's first line tells, else most rows do."""
    numbered = list(islice(lines, _SAMPLED))
    sample = [line.split() for _, line in numbered]
    first, second = (*sample, [], [])[:2]
    counts = len(first) == 2 and all(field.isdigit() and len(field) < 10 for field in first) and len(second) != 2
    widths = [int(first[1])] if counts else [len(fields) - 1 for fields in sample]
    width = max(widths, key=widths.count, default=0)
    if not 0 < width <= _WIDEST:
        raise UserError(f"{path}: holds no word vectors; a row is a word and its numbers, with spaces between them")
    return (numbered[0][0] + 1 if counts else 1), width


def _blocks(
    path: Path, stream: Unpacked, first: int, width: int, limit: int | None
) -> Iterator[tuple[list[str], list[list[float]]]]:
    """Words and numbers, `BLOCK` rows at a time; of a word that comes twice the first row counts."""
    row_of, seen = _Row(str(path), width), set[str]()
    words: list[str] = []
    vectors: list[list[float]] = []
    for read, (number, line) in enumerate(row for row in stream.lines() if row[0] >= first):
        if limit is not None and read >= limit:
            break
        word, values = row_of(number, line)
        if word in seen:
            continue
        seen.add(word)
        words.append(word)
        vectors.append(values)
        if len(words) == BLOCK:
            yield words, vectors
            words, vectors = [], []
    if words:
        yield words, vectors


def _matrix(batch: Any) -> Float[np.ndarray, "rows width"]:
    """The vectors of a record batch, where they lie."""
    column = batch.column("vector")
    flat: Float[np.ndarray, " numbers"] = column.flatten().to_numpy(zero_copy_only=True)
    return flat.reshape(len(column), -1)
