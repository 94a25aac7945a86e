"""First weights of a static table: what a teacher says of each piece read alone, along its principal directions.

After Tulkens and van Dongen 2024, Model2Vec, without their weights by frequency: here the table goes on learning.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from tinybert.data.corpus.layout import Form
from tinybert.families.network import Network
from tinybert.families.static import Static
from tinybert.initialise.matrices import moment, principal_directions
from tinybert.initialise.recording import hidden_states
from tinybert.types import Batch

_AT_ONCE = 512  # pieces read in one batch
_ROOM = 16  # of a text: enough for one piece and the special ones around it


def take_states(network: Static, teacher: Network, tokenizer: PreTrainedTokenizerFast) -> None:
    """Fill a network's table, in place.

    Args:
        network: At most as wide as the teacher.
        teacher: Of any family that shows hidden states.
        tokenizer: Of both.
    """
    vectors = piece_states(teacher, tokenizer, network.config.vocab_size)
    centred = vectors - vectors.mean(dim=0)
    directions = principal_directions(moment(centred, centred), network.config.hidden_size).float()
    with torch.no_grad():
        network.piece_vectors.copy_(centred @ directions)


def piece_states(
    teacher: Network, tokenizer: PreTrainedTokenizerFast, vocabulary: int
) -> Float[Tensor, "vocabulary width"]:
    """The teacher's last hidden state of each piece, read alone between the special pieces of a text.

    Args:
        teacher: On any device.
        tokenizer: Its own.
        vocabulary: How many pieces there are.
    """
    form, last = Form.of(tokenizer, _ROOM), teacher.shape.layers
    length = len(form.before) + 1 + len(form.after)
    found = (hidden_states(teacher, [batch], [last])[last] for batch in _alone(form, vocabulary))
    return torch.cat([states[len(form.before) :: length] for states in found])


def _alone(form: Form, vocabulary: int) -> Iterator[Batch]:
    """Each piece as a text of its own."""
    for pieces in torch.split(torch.arange(vocabulary), _AT_ONCE):
        sides = [torch.tensor(side).expand(len(pieces), -1) for side in (form.before, form.after)]
        ids = torch.cat([sides[0], pieces[:, None], sides[1]], dim=1)
        yield Batch(ids, torch.zeros_like(ids), torch.ones_like(ids, dtype=torch.bool), None, pieces)
