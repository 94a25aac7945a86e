"""The words all else is written in, a module for each subject.

Only tensors, no networks: what an objective or a selector needs to know of a model is what a `Trace` shows of it.
"""

from tinybert.types.batches import Batch, Masker, Rows, waits
from tinybert.types.examples import Answer, Example, Kind, Label, Sample
from tinybert.types.methods import Augmenter, Objective, Selector, Stream
from tinybert.types.stage import Stage, subset
from tinybert.types.traces import (
    LOGITS,
    MASKED_LOGITS,
    NO_TRACE,
    PIECE_LOGITS,
    SIGNAL_KINDS,
    Axis,
    Signal,
    SignalKind,
    Trace,
    head_logits,
)

__all__ = [
    "LOGITS",
    "MASKED_LOGITS",
    "NO_TRACE",
    "PIECE_LOGITS",
    "SIGNAL_KINDS",
    "Answer",
    "Augmenter",
    "Axis",
    "Batch",
    "Example",
    "Kind",
    "Label",
    "Masker",
    "Objective",
    "Rows",
    "Sample",
    "Selector",
    "Signal",
    "SignalKind",
    "Stage",
    "Stream",
    "Trace",
    "head_logits",
    "subset",
    "waits",
]
