"""Teacher outputs, computed once and read back at every epoch.

Whether a stage's outputs are stored is decided once and noted with the stage, because the last bits of a forward pass
depend on the shape of its batch: a stage that trains on stored values always does. A store is keyed by contents, so the
stages and the seeds of one command share it.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from tinybert import files
from tinybert.data.encoded import EncodedRows
from tinybert.engine.store import Store
from tinybert.models.teacher import Teacher
from tinybert.run import StageRun
from tinybert.types import LOGITS, MASKED_LOGITS, Batch, Signal, Trace

AUTO_BYTES = 4_000_000_000  # `teacher.cache: auto`: at most this, and at most a quarter of the free disk


def remembered(
    teacher: Teacher, needs: frozenset[Signal], rows: EncodedRows, place: StageRun, budget: str
) -> "Teacher | StoredTeacher":
    """The teacher, or its stored outputs where they fit the budget; the decision is made once per stage.

    What it says of masked pieces is never stored: others are masked each time an example is read.

    Args:
        teacher: Whose outputs they are.
        needs: The signals to store.
        rows: The rows to store them for.
        place: The stage they are for; it keeps the decision.
        budget: `auto`, `off`, or a size such as `4GB`.
    """
    if MASKED_LOGITS in needs:
        return teacher
    store = Store(teacher, rows, place.run.cache or place.run.folder / "cache")
    wanted = needs | {LOGITS}  # which cost nothing more, and which the last lesson asks for
    decision = place.folder / "teacher_cache.json"
    if place.run.is_main and files.found_sealed(decision) is None:
        _decide(store.bytes(wanted), decision, place, budget)
    place.run.wait()
    if place.finished or not files.read_json(decision)["stored"]:
        return teacher
    if place.run.is_main:
        store.fill(wanted, place)
    place.run.wait()
    return StoredTeacher(store)


def _decide(size: int, decision: Path, place: StageRun, budget: str) -> None:
    stored = size <= _budget_bytes(budget, place.folder)
    files.write_sealed(decision, {"stored": stored, "bytes": size})
    verb = "are stored" if stored else "are over the budget (teacher.cache) and computed at each update"
    place.run.log.say(f"{place.name}: the teacher's outputs, {size / 1e6:.0f} MB, {verb}")


@dataclass(frozen=True)
class StoredTeacher:
    """A teacher whose outputs are read back instead of computed."""

    store: Store

    def observe(self, batch: Batch, needs: frozenset[Signal]) -> Trace:
        """The stored outputs of the batch's rows, zero where the batch is padded.

        Raises:
            ValueError: If pieces of the batch are masked; what is stored is the teacher's view of whole texts.
        """
        if batch.targets is not None:
            raise ValueError("stored teacher outputs are of whole texts, and pieces of this batch are masked")
        return Trace({signal: self.store.read(signal, batch) for signal in needs})


def _budget_bytes(budget: str, folder: Path) -> int:
    if budget == "off":
        return 0
    if budget == "auto":
        return min(AUTO_BYTES, shutil.disk_usage(folder).free // 4)
    return size_in_bytes(budget)


def size_in_bytes(text: str) -> int:
    """A size such as `4GB` or `500MB` in bytes.

    Raises:
        ValueError: If it is not a number and a unit.

    Example:
        >>> size_in_bytes("1.5GB")
        1500000000
    """
    units = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
    number, unit = text[:-2].strip(), text[-2:].upper()
    if unit not in units or not number.replace(".", "", 1).isdigit():
        raise ValueError(f"{text!r} is not a size; write for example 4GB or 500MB")
    return int(float(number) * units[unit])
