"""Encoded rows, memory-mapped: any rows in any order as a padded `Batch`."""

import copy
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Float, Int, Shaped

from tinybert.data.batches import batches
from tinybert.data.example_table import LABEL, label_values
from tinybert.data.examples import Examples
from tinybert.types import Batch

_OF_PIECES = ("pieces", "types", "words", "begins", "ends", "tags")
_COUNTED = 1000  # rows whose pieces are counted at once
WARNED_OF = 0.05  # share of unknown pieces; MiniLM does not know one of 10,000 in English


def unknown_notes(shares: Mapping[str, float]) -> list[str]:
    """What the log should say of data whose texts the vocabulary does not know; from their names to `unknown`."""
    return [
        f"{name}: {share:.0%} of the pieces are unknown to the vocabulary, and all alike to the model; take a model of "
        "this language, or of texts such as these"
        for name, share in shares.items()
        if share > WARNED_OF
    ]


def told_of_long(rows: "EncodedRows", texts: int, max_length: int) -> str:
    """What the log says of texts that are longer than a row."""
    longer = rows.truncated + rows.windowed
    what = "in windows" if rows.windowed else "cut"
    return (
        f"{longer:,} of {texts:,} texts ({longer / max(texts, 1):.1%}) are longer than {max_length} pieces and {what}"
    )


class _Chunk(NamedTuple):
    """One record batch: where each row begins, and what there is of every piece of all its rows on end."""

    offsets: Int[np.ndarray, " rows_and_one"]
    of_pieces: Mapping[str, Int[np.ndarray, " pieces"]]  # those of `_OF_PIECES` that the file has


class EncodedRows:
    """The rows of an Arrow file that `encode` wrote; made by `open`.

    A row is an example, or a window of one: of long texts, whose answers are pooled; of texts of words, where a model's
    answers are of words; of contexts, where they are of positions (see `context_windows.ContextWindow`).

    Attributes:
        lengths: Pieces per row.
        examples: What was encoded, in the same order; None where only pieces matter, or windows were picked.
        truncated: How many rows were cut to the largest length.
        windowed: How many examples are longer than that, and are several rows.
        unknown: Share of the pieces, special ones left aside, that stand for what the vocabulary does not know.
        digest: sha256 of pieces, types and labels, whatever the layout of the file.
    """

    def __init__(self, reader: Any, examples: Examples | None = None) -> None:
        """View the record batches of an open Arrow file; its last one is empty and carries what `encode` counted."""
        self._pad = int(reader.schema.metadata[b"pad"])
        end = reader.get_batch_with_custom_metadata(reader.num_record_batches - 1).custom_metadata
        self.truncated, self.windowed = int(end[b"truncated"]), int(end.get(b"windowed", 0))
        self.unknown = float(end.get(b"unknown", 0))  # earlier versions did not count
        self.digest = str(end[b"digest"].decode())
        table = [reader.get_batch(number) for number in range(reader.num_record_batches - 1)]
        self._chunks = [_chunk(batch) for batch in table]
        self._tagged, self._example = "tags" in reader.schema.names, _examples_of(table, reader.schema)
        self._worded, self._spanned = "words" in reader.schema.names, "begins" in reader.schema.names
        self._first_word = _first_words(table, self._example) if self._worded and self._example is not None else None
        self._pooling = reader.schema.metadata.get(b"pooling", b"").decode()
        self._starts = np.cumsum([0, *(len(chunk.offsets) - 1 for chunk in self._chunks)])
        lengths = [np.diff(chunk.offsets) for chunk in self._chunks]
        self.lengths: Int[np.ndarray, " rows"] = np.concatenate([np.zeros(0, np.int32), *lengths])
        labels = pa.Table.from_batches(table, reader.schema).column(LABEL) if LABEL in reader.schema.names else None
        self._labels: Shaped[np.ndarray, "rows ..."] | None = None if labels is None else label_values(labels)
        self.examples = examples
        self._picked: Int[np.ndarray, " picked"] | None = None

    @classmethod
    def open(cls, path: Path, examples: Examples | None = None) -> "EncodedRows":
        """Map a file that `encode` wrote, of these examples."""
        return cls(pa.ipc.open_file(pa.memory_map(str(path))), examples)

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.lengths)

    def select(self, indices: Int[np.ndarray, " picked"]) -> "EncodedRows":
        """A view on some of the rows, in the order of `indices`, some perhaps several times.

        `Batch.rows` still says which row of the file each is.
        """
        view = copy.copy(self)
        view._picked = indices if self._picked is None else self._picked[indices]
        view.lengths = self.lengths[indices]
        view._labels, view._example, view._first_word = (
            None if of_rows is None else of_rows[indices] for of_rows in (self._labels, self._example, self._first_word)
        )
        view.examples = None if self.examples is None or self._example is not None else self.examples.select(indices)
        view.digest = hashlib.sha256(self.digest.encode() + np.asarray(indices, np.int64).tobytes()).hexdigest()
        return view

    def joined(self, others: "EncodedRows") -> "EncodedRows":
        """These rows and then others, to learn from together: without labels, and nobody asks for answers of theirs.

        Raises:
            ValueError: If one of the two is a view on some rows.
        """
        if self._picked is not None or others._picked is not None:
            raise ValueError("only whole files of rows are joined; encode those that are wanted")
        both = copy.copy(self)
        both._chunks = [*self._chunks, *others._chunks]
        both._starts = np.concatenate([self._starts, self._starts[-1] + others._starts[1:]])
        both.lengths = np.concatenate([self.lengths, others.lengths])
        both._labels, both.examples, both._tagged, both._first_word, both._example = None, None, False, None, None
        both.digest = hashlib.sha256(f"{self.digest} {others.digest}".encode()).hexdigest()
        return both

    def of_examples(self, indices: Int[np.ndarray, " examples"]) -> "EncodedRows":
        """A view on the rows of some examples, which are named in ascending order."""
        return self.select(indices if self._example is None else np.flatnonzero(np.isin(self._example, indices)))

    @property
    def owners(self) -> Int[np.ndarray, " rows"]:
        """Which example each row is of."""
        return np.arange(len(self)) if self._example is None else self._example

    @property
    def labels(self) -> Shaped[np.ndarray, "examples ..."] | None:
        """Class or score per example, or 0 and 1 for each label of it; None = unlabelled, or labelled by pieces."""
        if self._labels is None or self._example is None:
            return self._labels
        first = np.unique(self._example, return_index=True)[1]
        return np.asarray(self._labels[first])

    @property
    def labelled(self) -> bool:
        """Whether there are labels, of examples or of pieces."""
        return self._labels is not None or self._tagged

    def answered(self, indices: Int[np.ndarray, " batch"]) -> Int[np.ndarray, " batch"] | Int[np.ndarray, "batch seq"]:
        """Where each of a batch's logits belongs among a model's answers; -1 = nowhere.

        An answer is that of an example, or that of a word or position, counted through all of all examples.

        Args:
            indices: As of `batch`.
        """
        if self._first_word is None:
            return np.asarray(self.owners[indices], np.int64)
        words = self._of_pieces("words", indices, -1)
        return np.where(words < 0, -1, words + self._first_word[indices][:, None])

    def positions(self) -> Iterator[tuple[int, Int[np.ndarray, "position side"]]]:
        """For each window of a context its example, and from which to before which character each position stands.

        The first position of a window is no part of the context, and has -1 for both.

        Raises:
            ValueError: If the rows are no windows of contexts, or only some of a file.
        """
        if self._example is None or self._picked is not None or not self._spanned:
            raise ValueError("these rows are no windows of contexts, or not all of a file")
        examples = iter(self._example.tolist())
        for chunk in self._chunks:
            words, *sides = (chunk.of_pieces[name] for name in ("words", "begins", "ends"))
            for start, stop in pairwise(chunk.offsets.tolist()):
                spans = np.stack([side[start:stop] for side in sides], axis=1)
                yield next(examples), spans[words[start:stop] >= 0]

    def pooled(
        self, logits: Float[np.ndarray, "logit label"], places: Int[np.ndarray, " logit"]
    ) -> Float[np.ndarray, "answer label"]:
        """One answer for each place: the mean of the logits that belong there, or the largest of each label.

        Args:
            logits: In the order of their places.
            places: As of `answered`, ascending.
        """
        if not self._pooling:
            return logits
        first = np.flatnonzero(np.diff(places, prepend=-1))
        if self._pooling == "max":
            return np.asarray(np.maximum.reduceat(logits, first))
        counts = np.diff(first, append=len(places))[:, None]
        return np.asarray(np.add.reduceat(logits, first) / counts.astype(logits.dtype))

    def needed_labels(self) -> Shaped[np.ndarray, "examples ..."]:
        """The labels; a `ValueError` where there are none."""
        if self.labels is None:
            raise ValueError("these rows have no labels")
        return self.labels

    def needed_examples(self) -> Examples:
        """What was encoded; a `ValueError` where it is not known."""
        if self.examples is None:
            raise ValueError("it is not known which examples these rows are")
        return self.examples

    def order(self, batch_size: int, rng: np.random.Generator) -> Sequence[Int[np.ndarray, " _"]]:
        """One epoch of global batches: random, but rows of about the same length together."""
        return batches(self.lengths, batch_size, rng)

    def batch(self, indices: Int[np.ndarray, " batch"], multiple: int = 1) -> Batch:
        """Pick rows, padded to the longest of them.

        Args:
            indices: Which rows, in which order.
            multiple: The length is a multiple of this, or that of the longest row of all.

        Returns:
            The batch; labels are int64 classes, float32 scores, or uint8 where several may hold; of windows without
            labels 0 for each piece that a model answers for.
        """
        ids = self._of_pieces("pieces", indices, self._pad, multiple)
        return Batch(
            input_ids=torch.from_numpy(ids),
            token_type_ids=torch.from_numpy(self._of_pieces("types", indices, 0, multiple)),
            real=torch.from_numpy(np.arange(ids.shape[1]) < self.lengths[indices][:, None]),
            labels=self._picked_labels(indices, multiple),
            rows=torch.from_numpy(self._there(indices).copy()),
        )

    def piece_counts(self, vocabulary: int) -> Int[np.ndarray, " vocabulary"]:
        """How often each of so many pieces stands in the rows."""
        counts = np.zeros(vocabulary, np.int64)
        for start in range(0, len(self), _COUNTED):
            pieces = self._of_pieces("pieces", np.arange(start, min(start + _COUNTED, len(self))), -1)
            counts += np.bincount(pieces[pieces >= 0], minlength=vocabulary)
        return counts

    def _there(self, indices: Int[np.ndarray, " batch"]) -> Int[np.ndarray, " batch"]:
        """Which rows of the file some rows of the view are."""
        return np.asarray(indices if self._picked is None else self._picked[indices], np.int64)

    def _of_pieces(
        self, name: str, indices: Int[np.ndarray, " batch"], fill: int, multiple: int = 1
    ) -> Int[np.ndarray, "batch seq"]:
        """What there is of every piece of some rows; `fill` in the padding, and where the file does not say."""
        there, lengths = self._there(indices), self.lengths[indices]
        width = int(lengths.max())
        if width % multiple:
            width = min(width + -width % multiple, int(self.lengths.max()))
        found = np.full((len(indices), width), fill, np.int64)
        chunks = np.searchsorted(self._starts, there, side="right") - 1
        within = there - self._starts[chunks]
        for index, (number, row, length) in enumerate(zip(chunks, within, lengths, strict=True)):
            chunk = self._chunks[number]
            if name in chunk.of_pieces:
                begin = chunk.offsets[row]
                found[index, :length] = chunk.of_pieces[name][begin : begin + length]
        return found

    def _picked_labels(
        self, indices: Int[np.ndarray, " batch"], multiple: int
    ) -> Shaped[torch.Tensor, "batch ..."] | None:
        if self._tagged:
            return torch.from_numpy(self._of_pieces("tags", indices, -1, multiple))
        if self._worded:  # which pieces count is known: soft targets need no more
            return torch.from_numpy(np.minimum(self._of_pieces("words", indices, -1, multiple), 0))
        if self._labels is None:
            return None
        labels = torch.from_numpy(self._labels[indices])
        return labels.float() if labels.is_floating_point() else labels


def _chunk(batch: Any) -> _Chunk:
    there = [name for name in _OF_PIECES if name in batch.schema.names]
    of_pieces = {name: batch.column(name).values.to_numpy() for name in there}
    return _Chunk(batch.column("pieces").offsets.to_numpy(), of_pieces)


def _examples_of(batches: list[Any], schema: pa.Schema) -> Int[np.ndarray, " rows"] | None:
    """For each window, which example it is of; None where rows are no windows."""
    if "example" not in schema.names:
        return None
    return np.concatenate([np.zeros(0, np.int64), *(batch.column("example").to_numpy() for batch in batches)])


def _first_words(batches: list[Any], example: Int[np.ndarray, " rows"]) -> Int[np.ndarray, " rows"]:
    """For each window, how many words all examples before its own have."""
    words = [
        np.add.reduceat(column.values.to_numpy() >= 0, column.offsets.to_numpy()[:-1], dtype=np.int64)
        for column in (batch.column("words") for batch in batches)
    ]
    counts = np.bincount(example, weights=np.concatenate([np.zeros(0, np.int64), *words])).astype(np.int64)
    return np.asarray((np.cumsum(counts) - counts)[example], np.int64)
