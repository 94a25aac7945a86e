"""Count the rows of train or source that dev and test show as well, and drop them where that is wanted.

And count the rows whose text has another label elsewhere in the same data.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool

from tinybert.data import overlap
from tinybert.data.examples import Examples
from tinybert.data.problems import listed
from tinybert.errors import UserError

Drop = Literal["none", "exact", "contained"]
_Rule = Callable[[Examples, Examples], Bool[np.ndarray, " rows"]]


def without_overlap(
    learnt: Examples, held_out: Mapping[str, Examples], drop: Drop, name: str = "train"
) -> tuple[Examples, dict[str, Any], tuple[str, ...]]:
    """Compare what is learnt from with what is held out.

    Equality is counted always; containment, which costs more, only where it decides.

    Args:
        learnt: Train, or the texts of another domain.
        held_out: Dev and test, by name.
        drop: Which rows to drop.
        name: What messages call `learnt`.

    Returns:
        What is left; for the report the counts before dropping, as in
        `{"rows": 100, "drop": "exact", "dropped": 3, "dev": {"exact": 2}, "test": {"exact": 1}}`; what to log.

    Raises:
        UserError: If nothing is left.
    """
    rules: dict[str, _Rule] = {"exact": overlap.exact}
    if drop == "contained":
        rules["contained"] = overlap.contained
    counts: dict[str, Any] = {}
    unwanted = np.zeros(len(learnt), np.bool_)
    for part, examples in held_out.items():
        found = {rule: compare(learnt, examples) for rule, compare in rules.items()}
        counts[part] = {rule: int(rows.sum()) for rule, rows in found.items()}
        if drop != "none":
            unwanted |= found[drop]
    dropped = int(unwanted.sum())
    if dropped == len(learnt):
        raise UserError(f"data.drop_overlap={drop}: every row of {name} is in dev or test as well; nothing is left")
    left = learnt.select(np.flatnonzero(~unwanted)) if dropped else learnt
    report = {"rows": len(learnt), "drop": drop, "dropped": dropped, **counts}
    return left, report, _notes(name, report, counts)


def contradictions(parts: Mapping[str, Examples]) -> tuple[dict[str, int], tuple[str, ...]]:
    """Count the rows whose text has another class in another row.

    Args:
        parts: Train, dev and test, by name.

    Returns:
        The counts by name, without what has no classes; what to log.
    """
    counts, notes = {}, []
    for name, examples in parts.items():
        if examples.labels is None or examples.labels.dtype != np.int64:
            continue
        found = np.flatnonzero(overlap.contradicted(examples))
        counts[name] = len(found)
        if len(found):
            lines = listed(map(str, examples.lines[found]), 4)
            notes.append(
                f"{name}: {len(found):,} of {len(examples):,} rows have a text that others of them give another label: "
                f"lines {lines}; correct them where only one can be right"
            )
    return counts, tuple(notes)


def _notes(name: str, report: Mapping[str, Any], counts: Mapping[str, Mapping[str, int]]) -> tuple[str, ...]:
    notes = [
        f"{name}: {number:,} of {report['rows']:,} rows are in {part} as well ({rule})"
        for part, rules in counts.items()
        for rule, number in rules.items()
        if number
    ]
    if report["drop"] != "none":
        notes.append(f"{name}: {report['dropped']:,} rows dropped (data.drop_overlap={report['drop']})")
    elif notes:
        notes.append(f"{name}: nothing dropped; data.drop_overlap=exact or contained does")
    return tuple(notes)
