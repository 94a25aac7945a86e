"""Copies that the teacher takes for another class than their original."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Int

from tinybert.artifacts import Artifact
from tinybert.augment.augmented_set import AugmentedSet, Texts
from tinybert.augment.shards import Shards, content_of
from tinybert.data.encoded import EncodedRows
from tinybert.log import Log

SAMPLE = 2000  # copies the share of flips is measured on where none is dropped: asking takes a forward pass each
_BLOCK = 4096  # rows a killed run asks again at most


@dataclass(frozen=True)
class TeacherVotes:
    """A teacher that is asked for the class of rows; what it said is kept, so that a killed run need not ask again.

    Attributes:
        classify: The classes it takes encoded rows for.
        artifact: The unfinished artifact it is asked for; its work keeps what was said.
        log: Shows how far it is.
    """

    classify: Callable[[EncodedRows], Int[np.ndarray, " row"]]
    artifact: Artifact
    log: Log

    def classes(self, rows: EncodedRows, picked: Int[np.ndarray, " picked"]) -> Int[np.ndarray, " picked"]:
        """What the teacher takes some rows for."""
        parts = [picked[start : start + _BLOCK] for start in range(0, len(picked), _BLOCK)]
        shards = Shards(self.artifact, "classes", len(parts))
        missing = shards.missing(self.log)
        with self.log.progress("teacher's classes", len(parts), len(parts) - len(missing)) as bar:
            for number in missing:
                shards.add(number, content_of(pa.table({"class": self.classify(rows.of_examples(parts[number]))})))
                bar.advance()
        said: Sequence[np.ndarray] = [shards.read(number).column("class").to_numpy() for number in range(len(shards))]
        return np.concatenate([np.zeros(0, np.int64), *said])


def flipped(votes: TeacherVotes, rows: EncodedRows, texts: Texts, *, sample: int | None) -> Bool[np.ndarray, " asked"]:
    """Whether copies are taken for another class than their original.

    Args:
        votes: The teacher.
        rows: Originals and copies, encoded.
        texts: Which of them are copies of which.
        sample: Ask about so many copies only, evenly spread; None = about all.

    Returns:
        One truth value per copy asked about, in order.
    """
    copies = np.flatnonzero(texts.copy > 0)
    if sample is not None:
        copies = copies[evenly(len(copies), sample)]
    originals = texts.originals[copies]
    picked, positions = np.unique(np.concatenate([originals, copies]), return_inverse=True)
    said = votes.classes(rows, picked)[positions]
    differs: Bool[np.ndarray, " asked"] = said[: len(copies)] != said[len(copies) :]
    return differs


def filter_flips(
    augmented: AugmentedSet, rows: EncodedRows, texts: Texts, votes: TeacherVotes, *, keep: bool
) -> tuple[AugmentedSet, dict[str, Any]]:
    """Originals and copies without those that flip, or with them.

    Args:
        augmented: Originals and copies.
        rows: The same, encoded.
        texts: Which of them are copies of which.
        votes: The teacher.
        keep: Keep copies that flip; then only some are asked about.

    Returns:
        What is left, and `share` of flips, `asked` and `dropped` copies.
    """
    flips = flipped(votes, rows, texts, sample=SAMPLE if keep else None)
    share = float(flips.mean()) if len(flips) else 0.0
    dropped = 0 if keep else int(flips.sum())
    return augmented.without(flips) if dropped else augmented, {"share": share, "asked": len(flips), "dropped": dropped}


def evenly(count: int, wanted: int) -> Int[np.ndarray, " positions"]:
    """At most so many positions of 0 ... `count` - 1, evenly spread.

    Example:
        >>> evenly(10, 4).tolist(), evenly(2, 4).tolist()
        ([0, 2, 5, 7], [0, 1])
    """
    return np.arange(min(count, wanted)) * count // max(min(count, wanted), 1)
