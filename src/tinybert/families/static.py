"""A table of vectors of word pieces, averaged over a text, and a linear head: nothing is faster.

A text is the mean of the vectors of its pieces, special ones included; of a pair the head sees both means, their
absolute difference and their product, as in `bilstm`. The order of pieces plays no part.
"""

from typing import Any, ClassVar, final

from jaxtyping import Float
from torch import Tensor, nn
from transformers import PretrainedConfig

from tinybert.families.own import OwnFamily, OwnNetwork, compared, first_text


@final
class StaticConfig(PretrainedConfig):  # type: ignore[misc]  # transformers' is not typed
    """What config.json says.

    Attributes:
        vocab_size: Rows of the table.
        hidden_size: Its width.
        separator: The id of the piece that ends the first text of a pair; None = one text is read.
    """

    model_type = "static"

    def __init__(
        self, *, vocab_size: int = 30_522, hidden_size: int = 256, separator: int | None = None, **of_all: Any
    ) -> None:
        super().__init__(**of_all)
        self.vocab_size, self.hidden_size, self.separator = vocab_size, hidden_size, separator


@final
class Static(OwnNetwork):
    """Table, mean, head; padding is never read."""

    sizes: ClassVar = {"width": "hidden_size"}

    def __init__(self, config: PretrainedConfig) -> None:
        super().__init__(config)
        self.embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        self.classifier = nn.Linear(config.hidden_size * (1 if config.separator is None else 4), config.num_labels)

    @property
    def piece_vectors(self) -> Float[Tensor, "vocabulary width"]:
        """The table."""
        return self.embeddings.weight

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """The logits (batch, label) of pieces (batch, piece); the separator parts pairs."""
        states = self.embeddings(input_ids)
        if self.config.separator is None:
            features = _mean(states, attention_mask)
        else:
            first = first_text(input_ids, attention_mask, self.config.separator)
            features = compared(_mean(states, first), _mean(states, attention_mask - first))
        logits: Tensor = self.classifier(features)
        return logits

    def flops(self, length: int, outputs: int) -> int:
        """The sum over pieces, and the head; a multiply-add counted as two."""
        return int(2 * (length * self.config.hidden_size + self.classifier.in_features * outputs))


def _mean(states: Tensor, counted: Tensor) -> Tensor:
    """The mean (text, width) of the states (text, piece, width) that are counted; zeros where none is."""
    weights = counted[:, :, None].to(states.dtype)
    return (states * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)


STATIC = OwnFamily(Static, StaticConfig)
