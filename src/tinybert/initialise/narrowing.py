"""`project` on networks: a student's embeddings and layers, built in order out of its teacher's."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel

from tinybert.initialise.matrices import (
    Sublayer,
    apply,
    fit_norm,
    fit_sublayer,
    moment,
    narrow_scores,
    narrow_values,
    normalise,
    ridge,
    square_root,
    strongest,
    with_one,
)
from tinybert.initialise.recording import TeacherStates, record
from tinybert.models.hf import activation_of, architecture_of, embedding_output_of, layers_of
from tinybert.types import Batch

_ROWS = 4096  # pieces whose inner activations, all of the teacher's, exist at once


@dataclass(frozen=True)
class Narrowing:
    """A student under construction; build the embeddings first, then layer after layer.

    Attributes:
        student: Gets its weights.
        teacher: Gives them.
        batches: The text both run on.
        states: The teacher's, on these batches.
        directions: P, teacher width x student width.
    """

    student: PreTrainedModel
    teacher: PreTrainedModel
    batches: list[Batch]
    states: TeacherStates
    directions: Float[Tensor, "wide narrow"]

    def embeddings(self) -> Float[Tensor, "piece narrow"]:
        """Build the embeddings; returns the student's states 0."""
        path = architecture_of(self.teacher).embedding_norm
        old, new = _norm(self.teacher.base_model, path), _norm(self.student.base_model, path)
        output = embedding_output_of(self.student)
        if isinstance(output, nn.Linear):  # ELECTRA's tables keep their own size; what widens them is projected
            self._set_tables(torch.eye(len(old.weight), dtype=torch.float64))
            _set_norm(new, old.weight, old.bias)
            _set(output, self.directions.T @ self._widening())
            return record(self.student, self.batches, {0: output}, layers=0)[0]
        # The teacher's norm multiplies by its weight before P, so the tables do; how much of that each student
        # dimension gets belongs into the student's own norm, which makes the whole exact where P is the identity.
        into = old.weight.double().cpu()[:, None] * self._widening()[:, :-1].T @ self.directions
        self._set_tables(into / into.norm(dim=0))
        states = normalise(record(self.student, self.batches, {0: new}, layers=0, side="input")[0], new.eps)
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
        new, old = layers_of(self.student)[number - 1], layers_of(self.teacher)[copied - 1]
        names = architecture_of(self.teacher)
        output = self._heads(new, old, self._lift(inputs, self.states.hidden[copied - 1]), inputs)
        joined = _linear(new, names.attention_output)
        context = record(self.student, self.batches, {0: joined}, layers=number, side="input")[0]
        norm = _norm(new, names.attention_norm)
        targets = self.narrow(self.states.attended[copied])
        attended = _install(fit_sublayer(context, inputs, targets, output, norm.eps), joined, norm)
        prior = self._neurons(new, old, self._lift(attended, self.states.attended[copied]), attended)
        active = self._activations(_matrix(_linear(new, names.inner)), attended)
        norm = _norm(new, names.output_norm)
        targets = self.narrow(self.states.hidden[copied])
        return _install(fit_sublayer(active, attended, targets, prior, norm.eps), _linear(new, names.output), norm)

    def _heads(
        self,
        new: nn.Module,
        old: nn.Module,
        lift: Float[Tensor, "wide narrow_and_one"],
        inputs: Float[Tensor, "piece narrow"],
    ) -> Float[Tensor, "narrow narrow_and_one"]:
        """Set query, key and value of a layer; returns what the output matrix should be."""
        names, heads = architecture_of(self.teacher), self.teacher.config.num_attention_heads
        query, key, value = (
            _behind(lift, _matrix(_linear(old, path))).chunk(heads) for path in (names.query, names.key, names.value)
        )
        output = self.directions.T @ _matrix(_linear(old, names.attention_output))
        extended = with_one(inputs)
        roots = square_root(moment(extended, extended) / len(extended))
        width = len(output) // heads
        scores = [narrow_scores(*head, roots, width) for head in zip(query, key, strict=True)]
        values = [
            narrow_values(*head, roots, width) for head in zip(value, output[:, :-1].chunk(heads, 1), strict=True)
        ]
        _set(_linear(new, names.query), torch.cat([query for query, _ in scores]))
        _set(_linear(new, names.key), torch.cat([key for _, key in scores]))
        _set(_linear(new, names.value), torch.cat([value for value, _ in values]))
        return torch.cat([*(out for _, out in values), output[:, -1:]], dim=1)

    def _neurons(
        self,
        new: nn.Module,
        old: nn.Module,
        lift: Float[Tensor, "wide narrow_and_one"],
        attended: Float[Tensor, "piece narrow"],
    ) -> Float[Tensor, "narrow inner_and_one"]:
        """Set the inner neurons of a layer; returns what the output matrix should be.

        A student with more of them than the teacher keeps its random ones beside the teacher's; they write nothing yet.
        """
        names = architecture_of(self.teacher)
        inner, output = _matrix(_linear(old, names.inner)), _matrix(_linear(old, names.output))
        inner, output = _behind(lift, inner), self.directions.T @ output
        squares = torch.zeros(len(inner), dtype=torch.float64)
        for start in range(0, len(attended), _ROWS):
            squares += self._activations(inner, attended[start : start + _ROWS]).square().sum(dim=0)
        matrix = _matrix(_linear(new, names.inner))
        kept = strongest(squares / len(attended), output[:, :-1], len(matrix))
        matrix[: len(kept)] = inner[kept]
        _set(_linear(new, names.inner), matrix)
        prior = torch.zeros(len(output), len(matrix) + 1, dtype=output.dtype)
        prior[:, : len(kept)], prior[:, -1] = output[:, kept], output[:, -1]
        return prior

    def _activations(
        self, inner: Float[Tensor, "inner narrow_and_one"], states: Float[Tensor, "piece narrow"]
    ) -> Float[Tensor, "piece inner"]:
        return activation_of(self.teacher)(apply(inner, states))

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
        for path in architecture_of(self.teacher).embedding_tables:
            old, new = self.teacher.base_model.get_submodule(path), self.student.base_model.get_submodule(path)
            assert isinstance(old, nn.Embedding)
            assert isinstance(new, nn.Embedding)
            new.weight.copy_(old.weight.double().cpu() @ into)

    def _widening(self) -> Float[Tensor, "wide table_and_one"]:
        """What ELECTRA's tables are multiplied with to reach the width; others have tables of the width itself."""
        output = embedding_output_of(self.teacher)
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


def _linear(parent: nn.Module, path: str) -> nn.Linear:
    found = parent.get_submodule(path)
    assert isinstance(found, nn.Linear)
    return found


def _norm(parent: nn.Module, path: str) -> nn.LayerNorm:
    found = parent.get_submodule(path)
    assert isinstance(found, nn.LayerNorm)
    return found


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
