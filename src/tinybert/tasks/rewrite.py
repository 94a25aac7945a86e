"""Augmented data as a file: the originals of a source and their copies, in the form that was read.

Every row keeps all columns of its original, also those that tinybert does not use, and says where it comes from:
`origin` is the row of the original, `copy` which copy it is, 0 the original itself.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from jaxtyping import Int

from tinybert.data.read import STDIN, DataInput, path_of
from tinybert.data.settings import DataSettings
from tinybert.errors import UserError
from tinybert.files import atomic_file
from tinybert.tasks.base import Task
from tinybert.tasks.read import load_labelled, task_class_of
from tinybert.types import Example, Kind


def rewrite(
    source: DataInput,
    settings: DataSettings,
    kind: Kind | None,
    copies: Iterable[Example],
    target: Path,
    rows: Int[np.ndarray, " rows"] | None = None,
) -> int:
    """Write originals and copies, sorted by row and copy.

    A TSV file keeps its way with quotes, its line ends, and its header or the lack of one. Where quotes are letters, a
    tab or a line break in a copy becomes a space. CoNLL columns and SQuAD JSON stay what they are.

    Args:
        source: What was augmented; it is read once more, and of tables only a block is held.
        settings: Of the group `data`.
        kind: See `load_labelled`.
        copies: Sorted by row and copy.
        target: The file, whole or absent; its ending says which form it gets.
        rows: Which rows of the source to write; None = all that `load_labelled` gives.

    Returns:
        How many rows were written.

    Raises:
        UserError: See `check_target`.
        ValueError: If copies are not in order, or of a row that is not written.
    """
    task_class = check_target(source, settings, kind, target)
    wanted = load_labelled(source, settings, kind=kind)[1].rows if rows is None else rows
    among = np.zeros(int(wanted.max(initial=0)) + 1, np.bool_)
    among[wanted] = True
    with atomic_file(target) as temporary:
        try:
            return task_class.write_back(
                source,
                settings,
                lambda row: row < len(among) and bool(among[row]),
                copies,
                temporary,
                target.suffix.lower(),
            )
        except UnicodeEncodeError as error:
            half = "a column holds half of a surrogate pair, which only .jsonl can"
            raise UserError(f"{target}: {half}; correct it or write .jsonl") from error


def check_target(source: DataInput, settings: DataSettings, kind: Kind | None, target: Path) -> type[Task]:
    """Refuse what could not be written, before anything is augmented.

    Returns:
        The class of task that reads and writes the source.

    Raises:
        UserError: If the target has an ending that such data is not written to, or is the source itself; if the source
            can be read only once, or has a column `origin` or `copy`.
    """
    if isinstance(source, str) and source == STDIN:
        raise UserError("-: standard input can be read only once; save it to a file")
    task_class, path = task_class_of(source, settings, kind), path_of(source)
    if path is not None and target.exists() and path.exists() and target.samefile(path):
        raise UserError(f"{target}: is the data that is augmented; name another file")
    task_class.check_target(source, settings, target)
    return task_class
