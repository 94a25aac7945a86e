"""`project`: a narrow student made out of its teacher; its embeddings and layers are built in order, from below."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from tinybert.errors import UserError
from tinybert.families.network import Network, Shape
from tinybert.families.parts import Layer
from tinybert.initialise.matrices import (
    Sublayer,
    apply,
    fit_norm,
    fit_sublayer,
    kept_energy,
    moment,
    narrow_scores,
    narrow_values,
    normalise,
    principal_directions,
    r2,
    ridge,
    square_root,
    strongest,
    with_one,
)
from tinybert.initialise.recording import TeacherStates, enough, record_modules, teacher_states
from tinybert.initialise.start import Plan, copied_layers, random
from tinybert.models.inference import evaluation_mode
from tinybert.types import Batch

_PIECES = 40_000  # enough to fit 1,200 inner neurons (see `project`); also bounds memory
_ROWS = 4096  # pieces whose inner activations, all of the teacher's, exist at once


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

    model: Network
    directions: Float[Tensor, "teacher_width student_width"]
    energy: dict[int, float]
    r2: dict[int, float]


def project(plan: Plan, teacher: Network, batches: Iterable[Batch]) -> Projected:
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
    pairs = projected_layers(plan, teacher)
    text = enough(batches, _PIECES)
    if not text:
        raise UserError("student.init=project needs text to make the student from; take student.init=random")
    states = teacher_states(teacher, text, [copied for _, copied in pairs])
    directions, energy = _directions(states, plan.shape.width)
    student = random(plan, teacher)
    with evaluation_mode(student):
        narrowing = _Narrowing(student, teacher, text, states, directions)
        current = narrowing.embeddings()
        explained = {0: r2(current, narrowing.narrow(states.hidden[0]))}
        for number, copied in pairs:
            current = narrowing.layer(number, copied, current)
            explained[number] = r2(current, narrowing.narrow(states.hidden[copied]))
    return Projected(student, directions.float(), energy, explained)


def projected_layers(plan: Plan, teacher: Network) -> tuple[tuple[int, int], ...]:
    """Which teacher layer each student layer is made from; errors as of `project`, but for those about text."""
    pairs = copied_layers(plan, teacher)
    check_narrower(plan.shape, teacher.shape)
    return pairs


def check_narrower(student: Shape, known: Shape) -> None:
    """Refuse a student that is no projection of a teacher; errors as of `project`, but for those about text."""
    if student.heads != known.heads:
        raise UserError(
            f"student.init=project keeps the teacher's {known.heads} heads, so student.heads must be that, not "
            f"{student.heads}; or take student.init=random"
        )
    if student.width > known.width:
        raise UserError(
            f"student.init=project makes a student at most as wide as its teacher ({known.width}), not "
            f"{student.width}; take student.init=random"
        )


def _directions(states: TeacherStates, number: int) -> tuple[Float[Tensor, "wide narrow"], dict[int, float]]:
    """P, and the share of each layer's states that it keeps; every layer counts the same, whatever its size."""
    moments = {layer: moment(rows, rows) for layer, rows in sorted(states.hidden.items())}
    together = torch.stack([squares / squares.trace() for squares in moments.values()]).sum(dim=0)
    directions = principal_directions(together, number)
    return directions, {layer: kept_energy(squares, directions) for layer, squares in moments.items()}


@dataclass(frozen=True)
class _Narrowing:
    """A student under construction; build the embeddings first, then layer after layer.

    Attributes:
        student: Gets its weights.
        teacher: Gives them.
        batches: The text both run on.
        states: The teacher's, on these batches.
        directions: P, teacher width x student width.
    """

    student: Network
    teacher: Network
    batches: list[Batch]
    states: TeacherStates
    directions: Float[Tensor, "wide narrow"]

    def embeddings(self) -> Float[Tensor, "piece narrow"]:
        """Build the embeddings; returns the student's states 0."""
        ours, theirs = self.student.parts, self.teacher.parts
        old, new, output = theirs.embedding_norm, ours.embedding_norm, ours.embedding_output
        if theirs.position_bias is not None:
            ours.position_bias.load_state_dict(theirs.position_bias.state_dict())
        if isinstance(output, nn.Linear):  # ELECTRA's tables keep their own size; what widens them is projected
            self._set_tables(torch.eye(len(old.weight), dtype=torch.float64))
            _set_norm(new, old.weight, old.bias)
            _set(output, self.directions.T @ self._widening())
            return record_modules(self.student, self.batches, {0: output}, layers=0)[0]
        # The teacher's norm multiplies by its weight before P, so the tables do; how much of that each student
        # dimension gets belongs into the student's own norm, which makes the whole exact where P is the identity.
        into = old.weight.double().cpu()[:, None] * self._widening()[:, :-1].T @ self.directions
        self._set_tables(into / into.norm(dim=0))
        states = normalise(record_modules(self.student, self.batches, {0: new}, layers=0, side="input")[0], new.eps)
        weight, bias = fit_norm(states, self.narrow(self.states.hidden[0]))
        _set_norm(new, weight, bias)
        return states * weight.to(states) + bias.to(states)

    def layer(self, number: int, copied: int, inputs: Float[Tensor, "piece narrow"]) -> Float[Tensor, "piece narrow"]:
        """Build a layer on the states of the one below.

        Args:
            number: Of the student's layer, from 1.
            copied: The teacher's layer it is made from.
            inputs: The student's states after layer `number` - 1.

        Returns:
            The student's states after the layer.
        """
        new, old = self.student.parts.layer(number), self.teacher.parts.layer(copied)
        output = self._heads(new, old, self._lift(inputs, self.states.hidden[copied - 1]), inputs)
        joined = new.attention_output
        context = record_modules(self.student, self.batches, {0: joined}, layers=number, side="input")[0]
        norm = new.attention_norm
        targets = self.narrow(self.states.attended[copied])
        attended = _install(fit_sublayer(context, inputs, targets, output, norm.eps), joined, norm)
        prior = self._neurons(new, old, self._lift(attended, self.states.attended[copied]), attended)
        active = self._activations(_matrix(new.inner), attended)
        norm = new.output_norm
        targets = self.narrow(self.states.hidden[copied])
        return _install(fit_sublayer(active, attended, targets, prior, norm.eps), new.output, norm)

    def _heads(
        self,
        new: Layer,
        old: Layer,
        lift: Float[Tensor, "wide narrow_and_one"],
        inputs: Float[Tensor, "piece narrow"],
    ) -> Float[Tensor, "narrow narrow_and_one"]:
        """Set query, key and value of a layer; returns what the output matrix should be."""
        heads = self.teacher.shape.heads
        query, key, value = (_behind(lift, _matrix(linear)).chunk(heads) for linear in (old.query, old.key, old.value))
        output = self.directions.T @ _matrix(old.attention_output)
        extended = with_one(inputs)
        roots = square_root(moment(extended, extended) / len(extended))
        width = len(output) // heads
        scores = [narrow_scores(*head, roots, width) for head in zip(query, key, strict=True)]
        values = [
            narrow_values(*head, roots, width) for head in zip(value, output[:, :-1].chunk(heads, 1), strict=True)
        ]
        _set(new.query, torch.cat([query for query, _ in scores]))
        _set(new.key, torch.cat([key for _, key in scores]))
        _set(new.value, torch.cat([value for value, _ in values]))
        return torch.cat([*(out for _, out in values), output[:, -1:]], dim=1)

    def _neurons(
        self,
        new: Layer,
        old: Layer,
        lift: Float[Tensor, "wide narrow_and_one"],
        attended: Float[Tensor, "piece narrow"],
    ) -> Float[Tensor, "narrow inner_and_one"]:
        """Set the inner neurons of a layer; returns what the output matrix should be.

        A student with more of them than the teacher keeps its random ones beside the teacher's; they write nothing yet.
        """
        inner, output = _matrix(old.inner), _matrix(old.output)
        inner, output = _behind(lift, inner), self.directions.T @ output
        squares = torch.zeros(len(inner), dtype=torch.float64)
        for start in range(0, len(attended), _ROWS):
            squares += self._activations(inner, attended[start : start + _ROWS]).square().sum(dim=0)
        matrix = _matrix(new.inner)
        kept = strongest(squares / len(attended), output[:, :-1], len(matrix))
        matrix[: len(kept)] = inner[kept]
        _set(new.inner, matrix)
        prior = torch.zeros(len(output), len(matrix) + 1, dtype=output.dtype)
        prior[:, : len(kept)], prior[:, -1] = output[:, kept], output[:, -1]
        return prior

    def _activations(
        self, inner: Float[Tensor, "inner narrow_and_one"], states: Float[Tensor, "piece narrow"]
    ) -> Float[Tensor, "piece inner"]:
        activation: Callable[[Tensor], Tensor] = self.teacher.parts.activation
        return activation(apply(inner, states))

    def narrow(self, states: Float[Tensor, "piece wide"]) -> Float[Tensor, "piece narrow"]:
        """States of the teacher in the student's space."""
        return states @ self.directions.to(states)

    def _lift(
        self, inputs: Float[Tensor, "piece narrow"], targets: Float[Tensor, "piece wide"]
    ) -> Float[Tensor, "wide narrow_and_one"]:
        """The best guess of the teacher's states from the student's; P where nothing is known better.

        It carries the mean of what P leaves out, and the way from the layer copied last to the one below this one.
        """
        return ridge(inputs, targets, F.pad(self.directions, (0, 1)))

    def _set_tables(self, into: Float[Tensor, "table narrow_table"]) -> None:
        tables = zip(self.teacher.parts.embedding_tables, self.student.parts.embedding_tables, strict=True)
        for old, new in tables:
            new.weight.copy_(old.weight.double().cpu() @ into)

    def _widening(self) -> Float[Tensor, "wide table_and_one"]:
        """What ELECTRA's tables are multiplied with to reach the width; others have tables of the width itself."""
        output = self.teacher.parts.embedding_output
        if isinstance(output, nn.Linear):
            return _matrix(output)
        return torch.eye(len(self.directions), len(self.directions) + 1, dtype=torch.float64)


def _behind(
    lift: Float[Tensor, "wide narrow_and_one"], matrix: Float[Tensor, "out wide_and_one"]
) -> Float[Tensor, "out narrow_and_one"]:
    """A matrix with bias of the teacher, applied to lifted states of the student."""
    lifted = matrix[:, :-1] @ lift
    lifted[:, -1] += matrix[:, -1]
    return lifted


def _install(fitted: Sublayer, matrix: nn.Linear, norm: nn.LayerNorm) -> Float[Tensor, "piece narrow"]:
    """Give a fitted sublayer to the modules; returns its states."""
    _set(matrix, fitted.matrix)
    _set_norm(norm, fitted.norm_weight, fitted.norm_bias)
    return fitted.states


def _matrix(linear: nn.Linear) -> Float[Tensor, "out in_and_one"]:
    """A copy of a module's weight with its bias as last column, in float64."""
    return torch.cat([linear.weight, linear.bias[:, None]], dim=1).double().cpu()


def _set(linear: nn.Linear, matrix: Float[Tensor, "out in_and_one"]) -> None:
    linear.weight.copy_(matrix[:, :-1])
    linear.bias.copy_(matrix[:, -1])


def _set_norm(norm: nn.LayerNorm, weight: Float[Tensor, " width"], bias: Float[Tensor, " width"]) -> None:
    norm.weight.copy_(weight)
    norm.bias.copy_(bias)
