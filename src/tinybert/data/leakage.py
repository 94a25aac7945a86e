"""Count the rows of train that dev and test show as well, and drop them where that is wanted."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool

from tinybert.data import overlap
from tinybert.data.examples import Examples
from tinybert.errors import UserError

Drop = Literal["none", "exact", "contained"]
_Rule = Callable[[Examples, Examples], Bool[np.ndarray, " rows"]]


def without_overlap(
    train: Examples, held_out: Mapping[str, Examples], drop: Drop
) -> tuple[Examples, dict[str, Any], tuple[str, ...]]:
    """Compare train with what is held out.

    Equality is counted always; containment, which costs more, only where it decides.

    Args:
        train: What is learnt from.
        held_out: Dev and test, by name.
        drop: Which rows to drop.

    Returns:
        What is left of train; for the report the counts before dropping, as in
        `{"rows": 100, "drop": "exact", "dropped": 3, "dev": {"exact": 2}, "test": {"exact": 1}}`; what to log.

    Raises:
        UserError: If nothing is left.
    """
    rules: dict[str, _Rule] = {"exact": overlap.exact}
    if drop == "contained":
        rules["contained"] = overlap.contained
    counts: dict[str, Any] = {}
    unwanted = np.zeros(len(train), np.bool_)
    for name, examples in held_out.items():
        found = {rule: compare(train, examples) for rule, compare in rules.items()}
        counts[name] = {rule: int(rows.sum()) for rule, rows in found.items()}
        if drop != "none":
            unwanted |= found[drop]
    dropped = int(unwanted.sum())
    if dropped == len(train):
        raise UserError(f"data.drop_overlap={drop}: every row of train is in dev or test as well; nothing is left")
    left = train.select(np.flatnonzero(~unwanted)) if dropped else train
    report = {"rows": len(train), "drop": drop, "dropped": dropped, **counts}
    return left, report, _notes(counts, len(train), drop, dropped)


def _notes(counts: Mapping[str, Mapping[str, int]], rows: int, drop: Drop, dropped: int) -> tuple[str, ...]:
    notes = [
        f"train: {number:,} of {rows:,} rows are in {name} as well ({rule})"
        for name, rules in counts.items()
        for rule, number in rules.items()
        if number
    ]
    if drop != "none":
        notes.append(f"train: {dropped:,} rows dropped (data.drop_overlap={drop})")
    elif notes:
        notes.append("train: nothing dropped; data.drop_overlap=exact or contained does")
    return tuple(notes)
