"""Originals and copies as a Parquet table for people and other programs: it reads as `--train` again."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tinybert.data.task import Task
from tinybert.stages.augmenting.merged import Merged, blocks
from tinybert.types import Example


def write_table(merged: Merged, task: Task, target: Path) -> None:
    """Write texts, labels as they are spelled, `origin` (the row of the original) and `copy` (0 = the original).

    Args:
        merged: Classified or scored texts.
        task: What the labels mean.
        target: The Parquet file.
    """
    schema = _schema(task)
    with pq.ParquetWriter(target, schema) as writer:
        for block in blocks(merged):
            rows = [_row(example, task) for example in block]
            columns = [
                pa.array(column, field.type) for column, field in zip(zip(*rows, strict=True), schema, strict=True)
            ]
            writer.write_batch(pa.record_batch(columns, schema=schema))


def _schema(task: Task) -> pa.Schema:
    texts = ("text_a", "text_b") if task.paired else ("text",)
    label = pa.string() if task.classes else pa.float64()
    return pa.schema(
        [*((name, pa.large_string()) for name in texts), ("label", label), ("origin", pa.int64()), ("copy", pa.int64())]
    )


def _row(example: Example, task: Task) -> tuple[Any, ...]:
    texts = (example.text, example.pair) if task.paired else (example.text,)
    label = task.classes[example.label] if isinstance(example.label, int) else example.label
    return (*texts, label, example.row, example.copy)
