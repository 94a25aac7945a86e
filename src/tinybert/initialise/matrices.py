"""The arithmetic of the initialisation `project`: matrices in, matrices out, no networks (see `project`).

Weights follow torch: a linear map of `out x in`. A matrix with bias has the bias as its last column, and belongs to
inputs with a 1 appended. Products over pieces are summed in float64, decompositions are done in float64.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

_ROWS = 4096  # pieces whose products are summed in float32 before the sum is kept in float64
_RIDGE = 1e-3  # of the mean square of an input
_TURNS = 2  # of fitting norm and matrix: measured, a third loses 0.03 of r2 in the last layer
_LEAST_WEIGHT = 0.1  # of a LayerNorm's mean weight: dimensions that the states say nothing about ask for too much
_LEAST = 1e-9  # of the largest eigenvalue: directions that no input has are not blown up


def moment(left: Float[Tensor, "piece left"], right: Float[Tensor, "piece right"]) -> Float[Tensor, "left right"]:
    """Sum over pieces of the products of two inputs, in float64."""
    total = torch.zeros(left.shape[1], right.shape[1], dtype=torch.float64)
    for start in range(0, len(left), _ROWS):
        rows = slice(start, start + _ROWS)
        total += left[rows].T @ right[rows]
    return total


def with_one(inputs: Float[Tensor, "piece width"]) -> Float[Tensor, "piece width_and_one"]:
    """Inputs with a 1 appended, which a matrix with bias multiplies."""
    return F.pad(inputs, (0, 1), value=1.0)


def apply(matrix: Float[Tensor, "out in_and_one"], inputs: Float[Tensor, "piece in"]) -> Float[Tensor, "piece out"]:
    """A matrix with bias times inputs, in the inputs' precision."""
    matrix = matrix.to(inputs)
    return F.linear(inputs, matrix[:, :-1], matrix[:, -1])


def principal_directions(second_moment: Float[Tensor, "width width"], number: int) -> Float[Tensor, "width number"]:
    """Eigenvectors of the largest eigenvalues, the largest first; the largest entry of each is positive.

    Where nothing is left out they are the axes themselves: turning the whole space changes nothing but LayerNorm, which
    fits no other axes than those it was trained in.

    Raises:
        ValueError: If more directions are asked for than there are.
    """
    width = len(second_moment)
    if number > width:
        raise ValueError(f"there are {width} directions, not {number}")
    if number == width:
        return torch.eye(width, dtype=torch.float64)
    vectors: Tensor = torch.linalg.eigh(second_moment.double()).eigenvectors.flip(1)[:, :number]
    largest = vectors.abs().argmax(dim=0, keepdim=True)
    signs: Tensor = vectors.gather(0, largest).sign()
    return vectors * signs


def kept_energy(second_moment: Float[Tensor, "width width"], directions: Float[Tensor, "width number"]) -> float:
    """Share of the sum of squares that lies in the directions: tr(PᵀCP) / tr(C)."""
    kept = torch.einsum("wn,wv,vn->", directions, second_moment, directions)
    return float(kept / second_moment.trace())


def square_root(second_moment: Float[Tensor, "in in"]) -> tuple[Float[Tensor, "in in"], Float[Tensor, "in in"]]:
    """The symmetric square root R of a second moment, and its inverse."""
    values, vectors = torch.linalg.eigh(second_moment)
    roots = values.clamp_min(float(values[-1]) * _LEAST).sqrt()
    return (vectors * roots) @ vectors.T, (vectors / roots) @ vectors.T


def low_rank(
    left: Float[Tensor, "out inside"], right: Float[Tensor, "inside in"], rank: int
) -> tuple[Float[Tensor, "out rank"], Float[Tensor, "rank in"]]:
    """The two factors of the matrix of a rank that is nearest to left times right; both share the singular values.

    The decomposition is of the small matrix inside: the product of two long matrices is never built.
    """
    left_basis, left_inside = torch.linalg.qr(left)
    right_basis, right_inside = torch.linalg.qr(right.T)
    turned, values, back = torch.linalg.svd(left_inside @ right_inside.T)
    roots = values[:rank].sqrt()
    return left_basis @ turned[:, :rank] * roots, roots[:, None] * (back[:rank] @ right_basis.T)


def narrow_scores(
    query: Float[Tensor, "head_width in"],
    key: Float[Tensor, "head_width in"],
    roots: tuple[Float[Tensor, "in in"], Float[Tensor, "in in"]],
    head_width: int,
) -> tuple[Float[Tensor, "narrow in"], Float[Tensor, "narrow in"]]:
    """Query and key of a narrower head whose scores are nearest to those of a head, over pairs of typical inputs.

    The bilinear form QᵀK is weighted by the square root of the inputs' second moment on both sides, cut to the narrow
    rank, and unweighted. Scores are divided by the root of the head's width, so a narrow head would have larger ones:
    each side takes half of the correction, (narrow / wide)^(1/4).

    Args:
        query: With bias, one head.
        key: With bias, the same head.
        roots: `square_root` of the mean of x xᵀ over the inputs, a 1 appended to each.
        head_width: Of the narrow head.
    """
    root, inverse = roots
    left, right = low_rank(root @ query.T, key @ root, head_width)
    scale = (head_width / len(query)) ** 0.25
    return scale * (inverse @ left).T, scale * (right @ inverse)


def narrow_values(
    value: Float[Tensor, "head_width in"],
    output: Float[Tensor, "out head_width"],
    roots: tuple[Float[Tensor, "in in"], Float[Tensor, "in in"]],
    head_width: int,
) -> tuple[Float[Tensor, "narrow in"], Float[Tensor, "out narrow"]]:
    """Value (with bias) and output of a narrower head, their product nearest to the wide head's over typical inputs."""
    root, inverse = roots
    left, right = low_rank(output, value @ root, head_width)
    return right @ inverse, left


def ridge(
    inputs: Float[Tensor, "piece in"],
    targets: Float[Tensor, "piece out"],
    prior: Float[Tensor, "out in_and_one"],
    weights: Float[Tensor, "piece 1"] | None = None,
) -> Float[Tensor, "out in_and_one"]:
    """The matrix with bias of least squares, pulled to a prior where the inputs say little; the bias is not pulled.

    Args:
        inputs: Without the 1.
        targets: What the matrix should give.
        prior: With bias; where it fits already, it is the result.
        weights: By which the error of each piece is multiplied.
    """
    inputs = with_one(inputs)
    errors = targets - F.linear(inputs, prior.to(inputs))
    if weights is not None:
        inputs, errors = inputs * weights, errors * weights
    squares = moment(inputs, inputs)
    strength = _RIDGE * squares.diagonal()[:-1].mean() * torch.ones(len(squares), dtype=torch.float64)
    strength[-1] = 0
    change: Tensor = torch.linalg.solve(squares + strength.diag(), moment(inputs, errors)).T
    return prior + change


def strongest(
    squares: Float[Tensor, " inner"], output: Float[Tensor, "out inner"], number: int
) -> Int[Tensor, " number"]:
    """Which inner neurons write the most, ascending: root mean square activation times the length of the output column.

    Args:
        squares: Mean square of the activation of each neuron.
        output: What each neuron writes when it is 1.
        number: How many to keep; all where there are not more.
    """
    strength = squares.sqrt() * output.norm(dim=0)
    kept: Tensor = strength.argsort(descending=True, stable=True)[:number].sort().values
    return kept


def fit_norm(
    normalised: Float[Tensor, "piece width"], targets: Float[Tensor, "piece width"]
) -> tuple[Float[Tensor, " width"], Float[Tensor, " width"]]:
    """Weight and bias of a LayerNorm: least squares of the targets on the normalised states, by dimension."""
    state, target = normalised.double(), targets.double()
    away = state - state.mean(dim=0)
    weight = (away * target).sum(dim=0) / away.square().sum(dim=0).clamp_min(torch.finfo(torch.float64).tiny)
    return weight, target.mean(dim=0) - weight * state.mean(dim=0)


@dataclass(frozen=True)
class Sublayer:
    """The end of a sublayer, fitted: a matrix with bias, then the LayerNorm over the sum with the residual.

    Attributes:
        matrix: With bias.
        norm_weight: Of the LayerNorm.
        norm_bias: Of the LayerNorm.
        states: What the sublayer gives.
    """

    matrix: Float[Tensor, "width in_and_one"]
    norm_weight: Float[Tensor, " width"]
    norm_bias: Float[Tensor, " width"]
    states: Float[Tensor, "piece width"]


def fit_sublayer(
    inputs: Float[Tensor, "piece in"],
    residual: Float[Tensor, "piece width"],
    targets: Float[Tensor, "piece width"],
    prior: Float[Tensor, "width in_and_one"],
    epsilon: float,
) -> Sublayer:
    """Fit norm(residual + matrix · inputs) to targets, in turns: the norm by dimension, then the matrix by ridge.

    For the matrix the targets are pulled back through the norm as it stands, mean and deviation of each piece
    included; pieces of large deviation count less, as an error before the norm is divided by it.

    Args:
        inputs: Of the matrix: the joined heads, or the inner activations.
        residual: What is added to the product.
        targets: The teacher's states in the student's space, after its norm.
        prior: The teacher's matrix in the student's space; the result where it fits already.
        epsilon: Of the LayerNorm.
    """
    matrix = prior
    for _ in range(_TURNS):
        states = residual + apply(matrix, inputs)
        weight, bias = fit_norm(normalise(states, epsilon), targets)
        deviation = (states.var(dim=1, keepdim=True, correction=0) + epsilon).sqrt()
        divisor = weight.abs().clamp_min(_LEAST_WEIGHT * float(weight.abs().mean())).copysign(weight).to(states)
        wanted = (targets - bias.to(states)) / divisor * deviation + states.mean(dim=1, keepdim=True)
        matrix = ridge(inputs, wanted - residual, prior, 1 / deviation)
    normalised = normalise(residual + apply(matrix, inputs), epsilon)
    weight, bias = fit_norm(normalised, targets)
    return Sublayer(matrix, weight, bias, normalised * weight.to(normalised) + bias.to(normalised))


def normalise(states: Float[Tensor, "piece width"], epsilon: float) -> Float[Tensor, "piece width"]:
    """LayerNorm before its weight and bias."""
    return F.layer_norm(states, states.shape[1:], eps=epsilon)


def r2(student: Float[Tensor, "piece width"], teacher: Float[Tensor, "piece width"]) -> float:
    """Share of the teacher's variance that the student has: 1 - squared error / squared distance from the mean."""
    error = (student - teacher).double().square().sum()
    return float(1 - error / (teacher - teacher.mean(dim=0)).double().square().sum())
