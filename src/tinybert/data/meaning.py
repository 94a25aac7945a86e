"""What the labels of train mean: scores, classes of their own, or the classes of the teacher's head."""

from tinybert.data.doubtful import refuse_doubtful, refuse_swapped
from tinybert.data.labels import LabelMap, Meaning, classes_of, kind_of, meaning_by_head, without_gold
from tinybert.data.problems import listed
from tinybert.data.read import Rows
from tinybert.data.resolve import Spellings, line_of
from tinybert.data.settings import DataSettings
from tinybert.data.spelling import renamed
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
    label_map = without_gold(found.names, settings.label_map)
    called = {spelling: name for spelling in found.names if (name := renamed(spelling, label_map)) is not None}
    decided = kind or kind_of(list(called.values()))
    if decided == "regression":
        if kind is None and head is not None and len(head) > 1:
            raise UserError(
                f"{train.name}: the labels are scores, but the teacher's head has classes: {listed(head)}; give a "
                "teacher without a head, or data.label=COLUMN"
            )
        return Meaning((), label_map)
    if kind is None:
        refuse_swapped(train, found)
    if head is not None:
        return _meaning_by_head(train, found, settings, label_map, head)
    refuse_doubtful(train, found, called, insisted=kind is not None)
    return Meaning(classes_of(list(called.values())), label_map)


def _meaning_by_head(
    train: Rows, found: Spellings, settings: DataSettings, label_map: LabelMap, head: tuple[str, ...]
) -> Meaning:
    meaning = meaning_by_head(found.names, head, label_map)
    strange = [name for name in found.names if meaning.value(name) is None and not meaning.leaves_out(name)]
    if strange and (not settings.skip_bad or len(strange) == len(found.names)):
        raise UserError(
            f"{train.name}:{line_of(train, found, strange[0])}: the labels do not match the teacher's classes; labels: "
            f"{listed(found.names)}; classes: {listed(head)}; rename labels with data.label_map={{label: class}}"
        )
    return meaning
