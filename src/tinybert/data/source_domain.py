"""The second domain of a run, with many rows: its texts, and those of them whose labels mean the same as train's."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from tinybert import files
from tinybert.data.example_table import with_labels
from tinybert.data.examples import Examples
from tinybert.data.labels import Meaning
from tinybert.data.problems import listed
from tinybert.data.read import RawRows
from tinybert.data.resolve import left_out, noted, spellings, unlabelled, valued
from tinybert.errors import UserError

TeacherData = Literal["target", "source_then_target", "joint"]  # which labelled domains are learnt, and in which order


@dataclass(frozen=True)
class SourceDomain:
    """Texts of another domain than train's.

    Attributes:
        texts: All rows, without labels.
        labelled: Those whose label is a class of the task, or a score; None = there are none.
    """

    texts: Examples
    labelled: Examples | None

    @classmethod
    def of(cls, rows: RawRows, meaning: Meaning) -> "SourceDomain":
        """Give the labels of another domain the values they have in train.

        A label without a value is no mistake here: a domain may have more classes than the task. Its row is read as a
        text, and a note says so. Rows that are left out by their labels are no texts either.

        Args:
            rows: As read, with labels where there are some.
            meaning: Of train's labels, renaming included.

        Raises:
            UserError: If no row is left.
        """
        found = spellings(rows)
        labels, known = valued(found, meaning)
        out = left_out(found, meaning)
        if out.all():
            raise UserError(f"{rows.name}: no row is left, data.label_map leaves all of them out")
        others = {
            name: int(count)
            for name, count in zip(found.names, found.counted(), strict=True)
            if meaning.value(name) is None and not meaning.leaves_out(name)
        }
        labelled = Examples(with_labels(rows.table, labels), np.flatnonzero(known)) if known.any() else None
        notes = (*noted(rows, found, out, "are left out"), *_notes(others, meaning))
        return cls(unlabelled(rows, notes, np.flatnonzero(~out) if out.any() else None), labelled)

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.texts)

    def digest(self) -> str:
        """sha256 of all texts, and of the labels of those that have one."""
        labelled = None if self.labelled is None else self.labelled.digest()
        return files.sha256_json([self.texts.digest(), labelled])

    def among(self, texts: Examples) -> "SourceDomain":
        """The part of the domain that some of its texts make."""
        if self.labelled is None:
            return SourceDomain(texts, None)
        there = np.flatnonzero(np.isin(self.labelled.rows, texts.rows))
        return SourceDomain(texts, self.labelled.select(there) if len(there) else None)


def limited(source: SourceDomain, limit: int | None, rng: np.random.Generator) -> SourceDomain:
    """Draw so many rows of a domain, in the order of the data; all of it where it has no more, or `limit` is None."""
    if limit is None or limit >= len(source):
        return source
    return source.among(source.texts.select(np.sort(rng.choice(len(source), limit, replace=False))))


def _notes(others: dict[str, int], meaning: Meaning) -> tuple[str, ...]:
    if not others:
        return ()
    return (
        f"source: the labels of {sum(others.values()):,} rows {meaning.without_value}, these are read as texts only "
        f"(data.label_map renames labels): {listed(f'{name} {count:,}' for name, count in others.items())}",
    )
