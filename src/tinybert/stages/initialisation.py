"""How a student starts: as a checkpoint, at random, from chosen teacher layers, or as a projection of the teacher."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import PretrainedConfig, PreTrainedTokenizerFast

from tinybert.config import MODEL
from tinybert.data.examples import Examples
from tinybert.errors import UserError
from tinybert.families import FAMILIES, longest_input, shape_of
from tinybert.families.bert import bert_config
from tinybert.families.network import Network, Shape
from tinybert.initialise import project, start
from tinybert.initialise.recording import fitted_directions
from tinybert.layer_maps import LayerMap, layer_map, require_ascending
from tinybert.models.heads import Head
from tinybert.models.loading import load_classifier, load_masked_lm, quietly
from tinybert.models.student import check_depth, is_shape, parse_shape
from tinybert.run import Run
from tinybert.types import Batch, Rows, subset

TEXTS = 1500  # that show the principal directions of the teacher's hidden states, see docs/initialisation.md
TEXTS_AT_ONCE = 50
DIRECTIONS = "directions.safetensors"
Vocabulary = Literal["all", "train"] | int


@dataclass(frozen=True)
class StudentNetwork:
    """The student and how it starts.

    Attributes:
        path: A checkpoint, or a shape: layers x width, of the teacher's family or, as `bert:4x312`, a plain BERT on the
            teacher's tokenizer.
        init: Where the first weights of a shape come from; None = `project` if it is narrower than the teacher,
            `layers` at the same width, `random` where the family allows neither.
        heads: Attention heads; None = the teacher's number.
        inner: Inner size of the feed-forward; None = the teacher's at its width, 1200 for width 312, otherwise 4 times
            the width (of a gated one, the teacher's share of the width).
        vocabulary: Which pieces the finished student knows: `all` of the tokenizer's; `train`: those of the texts it
            learnt from; a number: at most so many. Special pieces and single characters always stay.
        layer_map: Which teacher layers teach, and which ones a shape is made from: a rule of `layer_maps`, or one
            teacher layer for each student layer, such as [1, 3, 5, 8, 10, 12].
    """

    path: Annotated[str, MODEL] = "4x312"  # General_TinyBERT 4L, Jiao et al. 2020, section 4.1
    init: Literal["random", "layers", "project"] | None = None
    heads: int | None = None
    inner: int | None = None
    vocabulary: Vocabulary = "all"
    layer_map: Literal["uniform", "spread", "top", "bottom", "last"] | tuple[int, ...] = "uniform"
    reads: ClassVar[frozenset[str]] = frozenset()  # optional files that it starts from
    out_of_teacher: ClassVar[bool] = True  # whether a shape is cut out of a teacher, whose tokenizer it then has
    transformer: ClassVar[bool] = True  # else a shape means something else, and one of a Transformer fits none

    def __post_init__(self) -> None:
        """Refuse a list that fits no student."""
        if not isinstance(self.layer_map, str):
            require_ascending(self.layer_map)

    @property
    def initial(self) -> "StudentNetwork":
        """The same, as its first weights depend on it: pieces are left out only at the end."""
        return replace(self, vocabulary="all")

    def shape(self, teacher: Shape) -> Shape:
        """The sizes that a shape asks for; errors as of `parse_shape`."""
        return parse_shape(self.path, self.heads, self.inner, teacher)

    def longest(self, teacher: PretrainedConfig) -> int:
        """How many pieces a student reads whose shape is said of a teacher."""
        known = shape_of(teacher)
        room = longest_input(teacher)
        return room if self.shape(known).family == known.family else longest_input(bert_config(teacher, room))

    def start(self, shape: Shape, teacher: Shape) -> Literal["random", "layers", "project"]:
        """Where the first weights of a shape come from.

        Raises:
            UserError: If they cannot, because of its family or its sizes.
        """
        how = self.kind_of_start(shape, teacher)
        if how == "layers":
            start.check_same_sizes(shape, teacher)
        elif how == "project":
            project.check_narrower(shape, teacher)
        return how

    def kind_of_start(self, shape: Shape, teacher: Shape) -> Literal["random", "layers", "project"]:
        """What the families allow; errors as of `start`, but for those about sizes."""
        possible = FAMILIES[teacher.family].starts if shape.family == teacher.family else {"random"}
        if not possible:
            instead = f"bert:{shape.layers}x{shape.width}"
            raise UserError(f"student: {teacher.family} networks are teachers only; take --student {instead}")
        usual: Literal["layers", "project"] = "project" if shape.width < teacher.width else "layers"
        how = self.init or (usual if usual in possible else "random")
        if how not in possible:
            pair = f"{shape.family} student of a {teacher.family} teacher"
            raise UserError(f"student.init={how} makes no {pair}; take {' or '.join(sorted(possible))}")
        return how

    def tokenizer(self, train: Examples) -> PreTrainedTokenizerFast | None:  # noqa: ARG002
        """What reads the texts where that is made of train; None = the teacher's, or that of the checkpoint."""
        return None


@dataclass(frozen=True)
class StudentSettings(StudentNetwork):
    """The student, and how its layers learn from the teacher's.

    Attributes:
        projection: Maps from student to teacher states: one for the embedding and one for all layers, one for
            both together, or one for each layer.
        attention_weight: Of the attention term beside the embedding and hidden terms, which have weight 1.
        attention_heads: `paired`: head i learns from head i; `means`: the mean over the student's heads learns that
            over the teacher's, however many each has.
    """

    projection: Literal["embedding_and_hidden", "shared", "per_layer"] = "embedding_and_hidden"
    attention_weight: float = 1.0  # Jiao et al. 2020, Eq. 11: a plain sum
    attention_heads: Literal["paired", "means"] = "paired"  # Jiao et al. 2020, Eq. 7

    def __post_init__(self) -> None:
        """Refuse a weight that would train nothing, or the wrong way."""
        super().__post_init__()
        if not 0 < self.attention_weight < float("inf"):
            raise ValueError(f"attention_weight must be positive and finite, got {self.attention_weight}")


@dataclass(frozen=True)
class InitialStudent:
    """A student before training.

    Attributes:
        student: On the run's device.
        directions: What the projections of the hidden-state objectives start with: P of `project`, or what fits a
            checkpoint's states to the teacher's; None otherwise.
    """

    student: Network
    directions: Float[Tensor, "teacher_width student_width"] | None = None

    def save(self, folder: Path) -> None:
        """Fill the folder of a step."""
        with quietly():
            self.student.save(folder / "model")
        if self.directions is not None:
            _save_directions(self.directions, folder)

    @staticmethod
    def load(folder: Path, head: Head | None, device: torch.device) -> "InitialStudent":
        """What `save` wrote."""
        return InitialStudent(_network(folder / "model", head, device), _directions_in(folder))


@runtime_checkable
class Purpose(Protocol):
    """What a student is made for: a task (`Job`), or plain text."""

    @property
    def head(self) -> Head | None:
        """What the task asks for; None = there is no task."""

    @property
    def train(self) -> Rows:
        """The texts on which `project` looks at the teacher; labels play no part."""

    @property
    def one_vocabulary(self) -> bool:
        """Whether teacher and student read the same pieces of them."""


def initialise(
    job: Purpose, origin: Network | None, settings: StudentNetwork, run: Run, name: str = "init"
) -> InitialStudent:
    """The student of a run: made once, found again by a resumed run.

    Args:
        job: What it is made for.
        origin: The teacher, or the network a shape is cut out of; None where the student is a checkpoint of its own.
        settings: Which student, and how it starts.
        run: Where it is kept.
        name: Of the step.

    Raises:
        UserError: If the shape or the checkpoint does not fit the teacher.
    """
    begun: dict[str, Any] = {"train": job.train, "teacher": origin, "seed": run.seed}
    if is_shape(settings.path):
        assert origin is not None
        read = subset(StudentNetwork, settings.initial)
        begun["student"] = replace(read, layer_map="uniform") if read.init == "random" else read  # which reads no map
        return initial_student(name, lambda: _from_teacher(origin, job, settings, run), job.head, run, **begun)
    model = _network(settings.path, job.head, run.device, run.seed_for("init"))
    begun |= {"student": model, "student.layer_map": settings.layer_map}
    return initial_student(name, lambda: _from_checkpoint(model, origin, job, settings, run), job.head, run, **begun)


def initial_student(
    name: str, make: Callable[[], InitialStudent], head: Head | None, run: Run, **inputs: Any
) -> InitialStudent:
    """The student of a step that makes one; a dry run has one of its sizes, and no step.

    Args:
        name: Of the step.
        make: Makes the student; in a dry run on the device `meta`, without a look at texts or weights.
        head: What it ends in.
        run: Where it is kept.
        inputs: What it is made from, besides the head; see `Run.begin`.
    """
    if run.plan is not None:
        with run.device:
            return make()
    made = run.step(name, lambda folder: make().save(folder), head=head, **inputs)
    return InitialStudent.load(made.result, head, run.device)


def _save_directions(directions: Tensor, folder: Path) -> None:
    save_file({"directions": directions.contiguous()}, folder / DIRECTIONS)


def _directions_in(folder: Path) -> Tensor | None:
    stored = folder / DIRECTIONS
    return load_file(stored)["directions"] if stored.exists() else None


def _network(source: str | Path, head: Head | None, device: torch.device, seed: int = 0) -> Network:
    """A network with the head it needs: that of a task, or a masked LM's; a random one where it has none."""
    if head is None:
        return load_masked_lm(source, new_head=seed, device=device)
    return load_classifier(source, head, seed=seed, device=device).model


def _from_checkpoint(
    student: Network, origin: Network | None, job: Purpose, settings: StudentNetwork, run: Run
) -> InitialStudent:
    """A checkpoint as it is, of which `shapes` knows that it can learn from this teacher."""
    if origin is None or run.plan is not None or not job.one_vocabulary:
        return InitialStudent(student)
    return InitialStudent(student, _fitted(student, origin, job, settings, run))


def _fitted(student: Network, origin: Network, job: Purpose, settings: StudentNetwork, run: Run) -> Tensor:
    """What brings the states of a student that has learnt before nearest to the teacher's."""
    layers = layer_map(settings.layer_map, student.shape.layers, origin.shape.layers)
    return fitted_directions(student, origin, layers, _some_texts(job.train, run))


def refit_projections(
    initial: InitialStudent, origin: Network, job: Purpose, settings: StudentNetwork, run: Run
) -> InitialStudent:
    """A student that has learnt meanwhile, its projections fitted again to a teacher; the stage `projections`."""
    if run.plan is not None:
        return initial
    student = initial.student

    def make(target: Path) -> None:
        _save_directions(_fitted(student, origin, job, settings, run), target)

    begun: dict[str, Any] = {"student": student, "student.layer_map": settings.layer_map, "teacher": origin}
    fitted = run.step("projections", make, **begun, train=job.train, seed=run.seed)
    return replace(initial, directions=_directions_in(fitted.result))


def _from_teacher(origin: Network, job: Purpose, settings: StudentNetwork, run: Run) -> InitialStudent:
    """A shape cut out of the teacher."""
    teacher = shape_of(origin.config)
    shape = settings.shape(teacher)
    how = settings.start(shape, teacher)
    run.log.say(f"student: {shape.layers} layers x width {shape.width}, initialised by {how}")
    plan = start.Plan(shape, job.head, run.seed_for("init"))
    if how == "random":
        return InitialStudent(start.random(plan, origin))
    plan = replace(plan, layer_map=_origins(settings, shape, teacher))
    if how == "layers":
        return InitialStudent(start.layers(plan, origin))
    if run.plan is not None:
        project.projected_layers(plan, origin)
        return InitialStudent(start.random(plan, origin))
    projected = project.project(plan, origin, _some_texts(job.train, run))
    kept = ", ".join(f"{share:.2f}" for share in projected.energy.values())
    r2 = ", ".join(f"{share:.2f}" for share in projected.r2.values())
    run.log.say(f"student: its directions keep {kept} of the teacher's states; its layers reproduce r2 {r2} of that")
    return InitialStudent(projected.model, projected.directions)


def _origins(settings: StudentNetwork, shape: Shape, teacher: Shape) -> LayerMap:
    """Which teacher layer each student layer is made from; `last` says so of one layer only, the rest is uniform."""
    check_depth(shape, teacher)
    wanted = "uniform" if settings.layer_map == "last" else settings.layer_map
    return layer_map(wanted, shape.layers, teacher.layers)


def _some_texts(texts: Rows, run: Run) -> Iterator[Batch]:
    """Texts on which the teacher is looked at."""
    order = texts.order(TEXTS_AT_ONCE, run.rng("init", "texts"))
    for number in range(min(TEXTS // TEXTS_AT_ONCE, len(order))):
        yield texts.batch(order[number]).to(run.device)
