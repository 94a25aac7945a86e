"""Where a student's first weights come from: `random`, `layers` of its teacher, or `project`, a narrower teacher."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
import transformers
from jaxtyping import Float
from torch import Tensor
from transformers import AutoModelForMaskedLM, PreTrainedModel

from tinybert.errors import UserError
from tinybert.initialise.matrices import kept_energy, moment, principal_directions, r2
from tinybert.initialise.narrowing import Narrowing
from tinybert.initialise.recording import TeacherStates, enough, teacher_states
from tinybert.layer_maps import LayerMap, layer_map
from tinybert.models.heads import Head
from tinybert.models.hf import Shape, architecture_of, layers_of, resized, shape_of
from tinybert.models.inference import evaluation_mode
from tinybert.models.student import refuse_deeper
from tinybert.types import Batch

_PIECES = 40_000  # enough to fit 1,200 inner neurons (see `project`); also bounds memory


@dataclass(frozen=True)
class Plan:
    """What student to make.

    Attributes:
        shape: Sizes of the student.
        head: What the task asks for; None = no task: the head is a masked LM's.
        seed: Of everything that is random: all weights of `random`, the head of `layers` and `project`.
        layer_map: Which teacher layer each student layer is made from; None = uniform.
    """

    shape: Shape
    head: Head | None
    seed: int
    layer_map: LayerMap | None = None


@dataclass(frozen=True)
class Projected:
    """A student made out of its teacher.

    Attributes:
        model: The student, in eval mode.
        directions: P: a state of the teacher times P is a state of the student; orthonormal columns, float32. The
            projections of the hidden-state objectives start as its transpose.
        energy: By teacher layer that was looked at, 0 = embeddings: share of the states' sum of squares that P keeps.
        r2: By student layer, 0 = embeddings: share of the variance of the teacher's states times P that the student
            reproduces, on the text it was made with.
    """

    model: PreTrainedModel
    directions: Float[Tensor, "teacher_width student_width"]
    energy: dict[int, float]
    r2: dict[int, float]


def random(plan: Plan, teacher: PreTrainedModel) -> PreTrainedModel:
    """A student with the initial weights of the teacher's architecture, drawn from the plan's seed alone; eval mode.

    Vocabulary, positions, dropout and the like are the teacher's.
    """
    config = resized(teacher.config, plan.shape)
    config.name_or_path = ""  # where the teacher lay is no business of the student's config.json
    auto = AutoModelForMaskedLM if plan.head is None else getattr(transformers, plan.head.auto)
    if plan.head is not None:
        plan.head.describe_in(config)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(plan.seed)
        model: PreTrainedModel = auto.from_config(config, dtype=torch.float32)
    return model.eval()


def layers(plan: Plan, teacher: PreTrainedModel) -> PreTrainedModel:
    """A student of the teacher's own sizes but fewer layers: its embeddings and chosen layers; the head is random.

    Raises:
        UserError: If any other size differs, or the student is deeper than the teacher.
    """
    sizes = shape_of(teacher.config)
    pairs = _pairs(plan, sizes)
    for name in ("width", "heads", "inner"):
        if (wanted := getattr(plan.shape, name)) != (has := getattr(sizes, name)):
            raise UserError(f"student.init=layers copies layers, so {name} must be the teacher's {has}, not {wanted}")
    student = random(plan, teacher)
    names = architecture_of(teacher)
    for path in (*names.embedding_tables, names.embedding_norm, *names.embedding_output, names.position_bias):
        _copy(path, teacher, student)
    for number, copied in pairs:
        layers_of(student)[number - 1].load_state_dict(layers_of(teacher)[copied - 1].state_dict())
    return student


def project(plan: Plan, teacher: PreTrainedModel, batches: Iterable[Batch]) -> Projected:
    """A narrow student made out of its teacher, for those who have no general checkpoint of that size; ours, no paper.

    P are the principal directions of the teacher's states, not centred, each layer counted alike. The embedding tables
    are multiplied by P. Then layer by layer, on the states that the student built so far really has: a linear guess
    of the teacher's states from the student's carries the teacher's matrices over; heads and their values become
    narrower by low-rank factors weighted by those states; the strongest inner neurons stay; and where a sublayer ends,
    its matrix (ridge, pulled to the teacher's own) and its LayerNorm are fitted to the teacher's states times P. At the
    teacher's own sizes the result is the teacher. The task head is random.

    Measured: all-MiniLM-L6-v2 to 4x192, 12 heads, 1,500 sentences of rt-polarity (41,000 pieces). P keeps .78 of the
    embeddings' energy and .88 to .91 of the layers', .78 of the last. About a minute of one thread. What each part adds
    to r2 on 1,000 other sentences, embeddings and layers 1 to 4:

    - tables and matrices times P, feed-forward output fitted to the teacher's own: .97 .81 .74 .64 .31
    - both outputs fitted to what the residual lacks of the teacher's sum: .97 .86 .82 .75 .41
    - the same with targets pulled back through LayerNorm: .97 .87 .83 .79 .48
    - a linear guess instead of P where the teacher's matrices read: .97 .88 .84 .80 .49
    - tables times the weight of the teacher's LayerNorm before P (this function): .99 .89 .84 .80 .51

    Choosing neurons by what a fit without them loses added .003 and doubled the time, so they are chosen by size.

    Args:
        plan: With the teacher's number of heads, and neither wider nor deeper than the teacher.
        teacher: In float32.
        batches: About 1,500 unlabelled sentences in any order but by length, on the CPU; reading stops after 40,000
            pieces.

    Raises:
        UserError: If the student's sizes do not allow it, or there is no text.
    """
    sizes = shape_of(teacher.config)
    pairs = _pairs(plan, sizes)
    _refuse_unprojectable(plan.shape, sizes)
    text = enough(batches, _PIECES)
    if not text:
        raise UserError("student.init=project needs text to make the student from; take student.init=random")
    states = teacher_states(teacher, text, [copied for _, copied in pairs])
    directions, energy = _directions(states, plan.shape.width)
    student = random(plan, teacher)
    with evaluation_mode(student):
        _copy(architecture_of(teacher).position_bias, teacher, student)
        narrowing = Narrowing(student, teacher, text, states, directions)
        current = narrowing.embeddings()
        explained = {0: r2(current, narrowing.narrow(states.hidden[0]))}
        for number, copied in pairs:
            current = narrowing.layer(number, copied, current)
            explained[number] = r2(current, narrowing.narrow(states.hidden[copied]))
    return Projected(student, directions.float(), energy, explained)


def _pairs(plan: Plan, teacher: Shape) -> tuple[tuple[int, int], ...]:
    """Which teacher layer each student layer is made from, bottom first."""
    refuse_deeper(plan.shape, teacher)
    pairs = (plan.layer_map or layer_map("uniform", plan.shape.layers, teacher.layers)).pairs
    if [number for number, _ in pairs] != list(range(1, plan.shape.layers + 1)):
        raise ValueError(
            f"an initialisation needs a teacher layer for each of {plan.shape.layers} layers, the map has {pairs}"
        )
    return pairs


def _refuse_unprojectable(student: Shape, teacher: Shape) -> None:
    if student.heads != teacher.heads:
        raise UserError(
            f"student.init=project keeps the teacher's {teacher.heads} heads, so student.heads must be that, not "
            f"{student.heads}; or take student.init=random"
        )
    if student.width > teacher.width:
        raise UserError(
            f"student.init=project makes a student at most as wide as its teacher ({teacher.width}), not "
            f"{student.width}; take student.init=random"
        )


def _directions(states: TeacherStates, number: int) -> tuple[Float[Tensor, "wide narrow"], dict[int, float]]:
    """P, and the share of each layer's states that it keeps; every layer counts the same, whatever its size."""
    moments = {layer: moment(rows, rows) for layer, rows in sorted(states.hidden.items())}
    together = torch.stack([squares / squares.trace() for squares in moments.values()]).sum(dim=0)
    directions = principal_directions(together, number)
    return directions, {layer: kept_energy(squares, directions) for layer, squares in moments.items()}


def _copy(path: str | None, teacher: PreTrainedModel, student: PreTrainedModel) -> None:
    """Copy the weights of a part, where the architecture has it."""
    parts = dict(teacher.base_model.named_modules())
    if path in parts:
        student.base_model.get_submodule(path).load_state_dict(parts[path].state_dict())
