"""What the log says of the data of a run: how many rows of which label."""

from collections.abc import Sequence

import numpy as np

from tinybert.data.examples import Examples
from tinybert.data.problems import listed
from tinybert.data.source_domain import SourceDomain


def described(name: str, examples: Examples, classes: Sequence[str]) -> str:
    """Rows by class, or the range of scores; `classes` is empty for the latter."""
    if examples.labels is None:
        return f"{name}: {len(examples):,} rows without labels"
    if not classes:
        return f"{name}: {len(examples):,} rows, scores {examples.labels.min():g} to {examples.labels.max():g}"
    counts = np.bincount(examples.labels, minlength=len(classes))
    return f"{name}: {len(examples):,} rows; " + listed(f"{c} {n:,}" for c, n in zip(classes, counts, strict=True))


def described_domain(source: SourceDomain, classes: Sequence[str]) -> str:
    """The same of a second domain, which may be labelled in part."""
    if source.labelled is None or len(source.labelled) == len(source):
        return described("source", source.labelled or source.texts, classes)
    labelled = described("labelled", source.labelled, classes)
    return f"source: {len(source):,} rows; {labelled}"
