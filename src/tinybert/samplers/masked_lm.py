"""What fills a mask: the most probable pieces, or one drawn from the softmax; logits in, ids out.

Which candidate a row ends up with must not hang on the last digit of a logit, which changes with the batch the row
shares. So candidates come in the order of their ids, not of their scores, and a draw is given its random number instead
of making one.
"""

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

NONE = -1  # stands where there are fewer candidates than positions for them


def top_candidates(
    logits: Float[Tensor, "position vocabulary"], allowed: Bool[Tensor, "#position vocabulary"], count: int
) -> Int[Tensor, "position candidate"]:
    """The most probable pieces of each position.

    Args:
        logits: Scores before softmax.
        allowed: True for pieces that may be candidates; the others do not take part.
        count: How many candidates are wanted.

    Returns:
        Ids in ascending order, `count` of them or as many as the vocabulary has; `NONE` comes first, where fewer pieces
        are allowed.

    Raises:
        ValueError: If no candidate is wanted.

    Example:
        >>> top_candidates(torch.tensor([[0.1, 0.9, 0.3, 0.2]]), torch.tensor([[True, False, True, True]]), count=2)
        tensor([[2, 3]])
    """
    if count < 1:
        raise ValueError(f"at least one candidate must be wanted, got {count}")
    scores = logits.masked_fill(~allowed, -torch.inf)
    best, ids = scores.topk(min(count, logits.shape[1]), dim=1, sorted=False)
    return ids.masked_fill(best == -torch.inf, NONE).sort(dim=1).values


def drawn(
    logits: Float[Tensor, "position vocabulary"],
    allowed: Bool[Tensor, "#position vocabulary"],
    uniform: Float[Tensor, " position *draws"],
    temperature: float = 1.0,
) -> tuple[Int[Tensor, " position *draws"], Float[Tensor, " position *draws"]]:
    """Pieces for each position, drawn from softmax(logits / temperature) over the allowed pieces.

    Exact: the piece at which the running sum of the probabilities, in float64 and by id, passes the draw's number.

    Args:
        logits: Scores before softmax.
        allowed: True for pieces that may be drawn.
        uniform: A random number in [0, 1) for each position, or for each of several draws at each position.
        temperature: Below 1 the probable pieces become more probable, above 1 less.

    Returns:
        The ids, and their log-probabilities under the distribution they were drawn from, in float64.

    Raises:
        ValueError: If the temperature is not positive and finite, or a position has no allowed piece.

    Example:
        >>> logits = torch.tensor([[1.0, 3.0, 1.0, 7.0]]).log()
        >>> allowed = torch.tensor([[True, True, True, False]])
        >>> ids, log_probabilities = drawn(logits, allowed, torch.tensor([[0.7, 0.9]]))
        >>> ids, log_probabilities.exp()
        (tensor([[1, 2]]), tensor([[0.6000, 0.2000]], dtype=torch.float64))
    """
    if not 0 < temperature < math.inf:
        raise ValueError(f"temperature must be positive and finite, got {temperature}; a negative one inverts the draw")
    if not bool(allowed.any(dim=1).all()):
        raise ValueError("a position has no allowed piece to draw from")
    scores = (logits.double() / temperature).masked_fill(~allowed, -torch.inf)
    probabilities = scores.softmax(dim=1)
    below = probabilities.cumsum(dim=1)
    numbers = uniform.double().reshape(len(uniform), math.prod(uniform.shape[1:]))
    # The total is 1 but for rounding; scaled by it, every number below 1 falls on a piece of positive probability.
    ids = torch.searchsorted(below, numbers * below[:, -1:], right=True)
    return ids.reshape(uniform.shape), probabilities.gather(1, ids).log().reshape(uniform.shape)
