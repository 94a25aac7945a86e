"""What every recipe is told on the command line, under the same names in YAML."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from tinybert.augment.settings import AugmentGroups
from tinybert.config import FILE, MODEL
from tinybert.families.network import Shape
from tinybert.types import Kind

FILES = ("train", "dev", "test", "source", "unlabeled", "teacher_scores")  # data, which may be in memory too
IN_MEMORY = "(in memory)"  # stands in the settings for data that Python handed over
TEXTS_IN_MEMORY = "(texts in memory)"  # and this for a list of strings


@dataclass(frozen=True, kw_only=True)
class CommonSettings:
    """Where the data are, where the run goes, and how often.

    Attributes:
        train: Labelled texts to learn from; or plain text, for recipes that read it.
        dev: Labelled texts that decide which weights are kept; None = a tenth of train.
        test: Texts for the final figures.
        source: Labelled texts of another domain.
        unlabeled: Texts without labels.
        teacher_scores: What the teacher says of each row of train; then it is this file.
        output: The run folder.
        kind: Of the task; None = by its labels.
        mlm: A masked LM, for augmenters.
        vectors: Word vectors, for augmenters.
        seed: Root of all random streams.
        seeds: How many runs, with seeds 1 to K, each in a folder of its own.
        device: Where networks run; None = the best there is.
        max_mb: The largest int8 file, in MB, of a student that is chosen by what it costs; None = any.
        max_ms: Its longest time of one text on one thread, in milliseconds; None = any.
        at: Pieces of the text that costs are measured at.
        max_minutes: Stages end early enough for the command to end after so many; None = they go on to their end.
    """

    train: Annotated[str | None, FILE] = None
    dev: Annotated[str | None, FILE] = None
    test: Annotated[str | None, FILE] = None
    source: Annotated[str | None, FILE] = None
    unlabeled: Annotated[str | None, FILE] = None
    teacher_scores: Annotated[str | None, FILE] = None
    output: Annotated[str | None, FILE] = None
    kind: Kind | None = None
    mlm: Annotated[str | None, MODEL] = None
    vectors: Annotated[str | None, FILE] = None
    seed: int = 0
    seeds: int | None = None
    device: str | None = None
    max_mb: float | None = None
    max_ms: float | None = None
    at: int = 64
    max_minutes: float | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if self.seed < 0:
            raise ValueError(f"seed must not be negative, got {self.seed}")
        if self.seeds is not None and self.seeds < 1:
            raise ValueError(f"seeds is the number of runs, at least 1, got {self.seeds}")
        for name in ("max_mb", "max_ms", "at", "max_minutes"):
            if (value := getattr(self, name)) is not None and not value > 0:
                raise ValueError(f"{name} must be above 0, got {value}")

    @property
    def on_budget(self) -> bool:
        """Whether the student is the largest that fits a budget."""
        return self.max_mb is not None or self.max_ms is not None

    def unfit(self, student: Shape, teacher: Shape, /) -> Iterator[str]:
        """Why a student of one size cannot learn from a teacher of another, a line per problem."""
        if student.heads != teacher.heads:
            yield f"student.heads: {student.heads} heads cannot learn from the teacher's {teacher.heads}"

    @property
    def reads_text(self) -> bool:
        """Whether `train` is plain text, and not rows of a task."""
        return False

    @property
    def fills_masks(self) -> bool:
        """Whether masked pieces are among what is learnt on plain text."""
        return False

    def needs_labels(self) -> str | None:
        """Why texts without labels are not among what the student learns; None where it learns them from a teacher."""
        return "the student learns from labelled texts"

    def needs_layers(self) -> str | None:
        """Why a teacher that is a file of scores is not enough; None where predictions are all that is learnt."""
        return "the recipe learns from layers of its teacher, which a file has not; take pkd with objective.beta=0"

    def needs_pieces(self) -> str | None:
        """Why teacher and student have to read the same pieces; None where all that is compared is of whole texts."""
        return "what is learnt is compared piece by piece; take another student, or pkd, which compares whole texts"

    def augmenting(self) -> AugmentGroups | None:
        """How texts are rewritten; None where they are not."""
        return None

    def unread(self) -> Iterator[tuple[str, str]]:
        """Settings that every stage has and some do not read."""
        if self.on_budget:
            yield "student.path", "--max-mb and --max-ms choose the student"
        else:
            yield "at", "only read with --max-mb or --max-ms"
        if self.unlabeled is None or self.needs_labels() is not None:
            yield "data.confidence", "only read where texts of --unlabeled are learnt"
        if self.reads_text:
            yield "student.vocabulary", "on plain text all pieces may be of use"
        if self.teacher_scores is None:
            yield "data.scores", "only read with --teacher-scores"
        else:
            named = ("fine_tune", "teacher.dtype", "teacher.cache", "teacher.accept_weak")
            yield from ((name, "the teacher is the file of --teacher-scores") for name in named)
        for name, keys in _UNREAD.items():
            if hasattr(self, name):
                yield from ((f"{name}.{key}", f"the stage {name} does not read it") for key in keys)
        if (groups := self.augmenting()) is None or groups.augment.method == "none":
            yield "run.executor", "no text is rewritten in this run"


# Only predictions are softened; no metric on dev measures what is learnt from layers.
_UNREAD = {
    "fine_tune": ("temperature",),
    "general": ("temperature",),
    "intermediate": ("temperature", "evaluate_every", "patience"),
}


@dataclass(frozen=True, kw_only=True)
class AugmentingSettings(AugmentGroups, CommonSettings):
    """What recipes that augment are told."""

    def augmenting(self) -> AugmentGroups | None:
        """By any method, where there are labelled texts."""
        return None if self._not_rewritten else self

    def needs_labels(self) -> str | None:
        """Soft targets are all that is learnt."""
        return None if self.teacher_scores is None else "--teacher-scores are of the rows of train"

    @property
    def _not_rewritten(self) -> str | None:
        """Why nothing is rewritten whatever the group `augment` says; None where that decides."""
        if self.teacher_scores is not None:
            return "copies have no scores in --teacher-scores"
        if self.train is None and self.unlabeled is not None:
            return "there is no --train, and texts of --unlabeled are learnt as they are"
        return None

    def unread(self) -> Iterator[tuple[str, str]]:
        """Of augmentation, and of the rest."""
        if (why := self._not_rewritten) is None:
            yield from AugmentGroups.unread(self)
        elif self.augment.method != "none":
            yield from ((name, why) for name in ("augment", "masked_lm", "cbert"))
        yield from CommonSettings.unread(self)


def unfit_widths(student: Shape, teacher: Shape, recipe: str) -> Iterator[str]:
    """Why a student cannot learn from states that are compared as they are, without a projection."""
    if student.width != teacher.width:
        wanted = f"--student {student.layers}x{teacher.width}"
        yield f"student: width {student.width}, but {recipe} compares states as they are; take {wanted}"


def split_data(flags: Mapping[str, Any], files: Iterable[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split flags from the data that Python handed over instead of files.

    Args:
        flags: By name; None where not given.
        files: Names of those that may be data.

    Returns:
        Flags as the settings take them: paths as text, `IN_MEMORY` or `TEXTS_IN_MEMORY` instead of data; and the data
        by name.

    Example:
        >>> split_data({"train": [{"text": "good"}], "dev": "dev.tsv"}, ["train", "dev", "test"])
        ({'train': '(in memory)', 'dev': 'dev.tsv'}, {'train': [{'text': 'good'}]})
    """
    data = {name: flags[name] for name in files if not isinstance(flags.get(name), str | os.PathLike | None)}
    plain = {name: os.fspath(value) if isinstance(value, os.PathLike) else value for name, value in flags.items()}
    marks = {name: TEXTS_IN_MEMORY if _are_texts(value) else IN_MEMORY for name, value in data.items()}
    return {**plain, **marks}, data


def _are_texts(data: Any) -> bool:
    return isinstance(data, Sequence) and len(data) > 0 and isinstance(data[0], str)
