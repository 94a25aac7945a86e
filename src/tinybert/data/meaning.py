"""What the labels of train mean: scores, classes of their own, or the classes of the teacher's head."""

import numpy as np

from tinybert.data.labels import Meaning, classes_of, kind_of, meaning_by_head, suspicious
from tinybert.data.problems import listed
from tinybert.data.read import Rows
from tinybert.data.resolve import Spellings
from tinybert.data.settings import DataSettings
from tinybert.errors import UserError
from tinybert.types import Kind


def meaning_of(
    train: Rows, found: Spellings, settings: DataSettings, kind: Kind | None, head: tuple[str, ...] | None
) -> Meaning:
    """Decide what the labels of train mean, and with it those of dev and test.

    Args:
        train: Its rows.
        found: Its labels.
        settings: Renaming of labels, and whether bad rows are tolerated.
        kind: None = by the labels.
        head: Names of the classes of the teacher's head; None = it has none, or no teacher has a say.

    Raises:
        UserError: If the labels are no classes of the head, or hardly classes at all.
    """
    renamed = settings.label_map
    names = [renamed.get(name, name) for name in found.names]
    decided = kind or kind_of(names)
    if decided == "regression":
        if kind is None and head is not None and len(head) > 1:
            raise UserError(
                f"{train.name}: the labels are scores, but the teacher's head has classes: {listed(head)}; give a "
                "teacher without a head, or data.label=COLUMN"
            )
        return Meaning((), renamed)
    if head is not None:
        return _meaning_by_head(train, found, settings, head)
    if kind is None and (reason := suspicious(names, len(train.table))):
        raise UserError(f"{train.name}: {reason}")
    return Meaning(classes_of(names), renamed)


def _meaning_by_head(train: Rows, found: Spellings, settings: DataSettings, head: tuple[str, ...]) -> Meaning:
    meaning = meaning_by_head(found.names, head, settings.label_map)
    strange = [place for place, name in enumerate(found.names) if meaning.value(name) is None]
    if strange and (not settings.skip_bad or len(strange) == len(found.names)):
        row = int(np.flatnonzero(found.codes == strange[0])[0])
        line = train.table.column("line")[row].as_py()
        raise UserError(
            f"{train.name}:{line}: the labels do not match the teacher's classes; labels: {listed(found.names)}; "
            f"classes: {listed(head)}; rename labels with data.label_map={{label: class}}"
        )
    return meaning
