"""Examples as rows of an Arrow table: which columns there are, and the way there and back."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Shaped

from tinybert.types import Answer, Example

# What a view needs of a table; further columns may be there.
COLUMNS = {"text": pa.large_string(), "pair": pa.large_string(), "row": pa.int64()}
# What it takes where a table has it: which copy a row is, words with a tag each, an answer (null = no answer), or
# `LABEL`: a class (int64), a score (float64), or 0 and 1 for each label (fixed lists of uint8).
LABEL = "label"
TAGGED = {"words": pa.large_list(pa.large_string()), "tags": pa.large_list(pa.int32())}
ANSWERED = {"start": pa.int64(), "end": pa.int64()}
# What questions have besides: an id (null = none), and the words of all gold answers, of which the first is the label.
ASKED = {"id": pa.large_string(), "answers": pa.large_list(pa.large_string())}
OPTIONAL = ("copy", LABEL, *TAGGED, *ANSWERED)
# What encoding takes as it is where a table has it: pieces with their token types (null = the text is to be read).
ENCODED = {"pieces": pa.list_(pa.int32()), "types": pa.list_(pa.uint8())}


def schema_of(examples: Sequence[Example], *, pieces: bool = False, asked: bool = False) -> pa.Schema:
    """The columns that hold some examples, labelled as they are.

    Args:
        examples: The first ones, where there are more.
        pieces: Whether samples bring their pieces along.
        asked: Whether they are questions, also where none has an answer.
    """
    columns = {**COLUMNS, "copy": pa.int64()}
    labels = [example.label for example in examples]
    if any(example.words is not None for example in examples):
        columns |= {name: kind for name, kind in TAGGED.items() if name == "words" or None not in labels}
    elif asked or any(isinstance(label, Answer) for label in labels):
        columns |= ANSWERED
    elif labels and None not in labels:
        columns[LABEL] = _label_type(labels)
    return pa.schema({**columns, **(ENCODED if pieces else {})})


def _label_type(labels: Sequence[Any]) -> pa.DataType:
    if isinstance(labels[0], tuple):
        return pa.list_(pa.uint8(), len(labels[0]))
    return pa.int64() if all(isinstance(label, int) for label in labels) else pa.float64()


def batch_of(examples: Sequence[Example], schema: pa.Schema) -> pa.RecordBatch:
    """Some examples as rows of a schema; see `schema_of`."""
    columns = [pa.array([_cell(example, field.name) for example in examples], field.type) for field in schema]
    return pa.record_batch(columns, schema=schema)


def _cell(example: Example, column: str) -> Any:
    if column in ENCODED:
        return getattr(example.sample, column, None)
    if column in ANSWERED:
        return getattr(example.label, column, None)
    return example.label if column == "tags" else getattr(example, column)


def with_labels(table: pa.Table, labels: Shaped[np.ndarray, "rows ..."] | None) -> pa.Table:
    """A table whose column `label` holds these labels; without such a column where there are none."""
    others = table.select([name for name in table.column_names if name != LABEL])
    return others if labels is None else others.append_column(LABEL, label_column(labels))


def label_column(labels: Shaped[np.ndarray, "rows ..."]) -> pa.Array:
    """Labels as a column."""
    flat = pa.array(labels.ravel())
    return flat if labels.ndim == 1 else pa.FixedSizeListArray.from_arrays(flat, labels.shape[1])


def label_values(column: pa.ChunkedArray) -> Shaped[np.ndarray, "rows ..."]:
    """The labels of a column that `label_column` made."""
    if not pa.types.is_fixed_size_list(column.type):
        return np.asarray(column.to_numpy())
    return np.asarray(pc.list_flatten(column).to_numpy()).reshape(-1, column.type.list_size)


def examples_in(part: pa.Table) -> Iterator[Example]:
    """The examples of some rows of a table."""
    columns = {name: part.column(name).to_pylist() for name in (*COLUMNS, *OPTIONAL) if name in part.column_names}
    nothing = [None] * part.num_rows
    words = [None if found is None else tuple(found) for found in columns.get("words", nothing)]
    if "start" in columns:
        spans = zip(columns["start"], columns["end"], strict=True)
        labels: Iterator[Any] = (None if start is None else Answer(start, end) for start, end in spans)
    else:
        found = columns.get("tags", columns.get(LABEL, nothing))
        labels = (tuple(label) if isinstance(label, list) else label for label in found)
    copies = columns.get("copy", [0] * part.num_rows)
    yield from map(Example, columns["text"], columns["pair"], labels, columns["row"], copies, words)
