"""A bidirectional LSTM over word pieces, for one text or, siamese, for two: BiLSTM_SOFT's student.

Tang et al. 2019, arXiv:1903.12136, section 3.1, after Wang et al. 2018 (GLUE) for pairs. Where this differs from the
paper or its code (castorini/d-bert): the table holds the pieces of a teacher's vocabulary instead of words, and special
pieces are read like any other. There may be several layers.
"""

import copy
from typing import Any, ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import PretrainedConfig

from tinybert.families.own import OwnFamily, OwnNetwork, compared, first_text


@final
class BiLSTMConfig(PretrainedConfig):  # type: ignore[misc]  # transformers' is not typed
    """What config.json says.

    Attributes:
        vocab_size: Rows of the table.
        embedding_size: Its width.
        num_hidden_layers: Layers of LSTMs.
        hidden_size: Units of each direction.
        intermediate_size: Neurons between the last states and the output.
        hidden_dropout_prob: Of these neurons.
        separator: The id of the piece that ends the first text of a pair; None = one text is read.
    """

    model_type = "bilstm"

    def __init__(
        self,
        *,
        vocab_size: int = 30_522,  # BERT's pieces
        embedding_size: int = 300,  # that of the paper's word vectors
        num_hidden_layers: int = 1,
        hidden_size: int = 200,
        intermediate_size: int = 400,
        hidden_dropout_prob: float = 0.1,
        separator: int | None = None,
        **of_all: Any,
    ) -> None:
        super().__init__(**of_all)
        self.vocab_size, self.embedding_size, self.separator = vocab_size, embedding_size, separator
        self.num_hidden_layers, self.hidden_size = num_hidden_layers, hidden_size
        self.intermediate_size, self.hidden_dropout_prob = intermediate_size, hidden_dropout_prob


@final
class BiLSTM(OwnNetwork):
    """Table, LSTMs, one layer of rectified linear units, output.

    Padding is never read: the backward direction begins at a text's last piece, and the states that count are those
    where either direction ends.
    """

    sizes: ClassVar = {"layers": "num_hidden_layers", "width": "hidden_size", "inner": "intermediate_size"}

    def __init__(self, config: PretrainedConfig) -> None:
        super().__init__(config)
        width, states = config.hidden_size, 2 * config.hidden_size
        self.embeddings = nn.Embedding(config.vocab_size, config.embedding_size)
        nn.init.normal_(self.embeddings.weight, std=config.embedding_size**-0.5)  # about as long as word vectors are
        widths = [config.embedding_size, *[states] * (config.num_hidden_layers - 1)]
        self.layer = nn.ModuleList(_Layer(inputs, width) for inputs in widths)
        self.hidden = nn.Linear(states if config.separator is None else 4 * states, config.intermediate_size)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.classifier = nn.Linear(config.intermediate_size, config.num_labels)

    @property
    def piece_vectors(self) -> Float[Tensor, "vocabulary width"]:
        """The table."""
        return self.embeddings.weight

    def for_onnx(self) -> nn.Module:
        """A copy with LSTMs of ONNX: torch's are sometimes unrolled piece by piece, which fixes the length."""
        twin = copy.deepcopy(self)
        layers: Any = twin.layer
        for layer in layers:
            layer.ahead, layer.back = _OnnxLSTM(layer.ahead), _OnnxLSTM(layer.back)
        return twin

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """The logits (batch, label) of pieces (batch, piece) padded on the right; the separator parts pairs."""
        lengths = attention_mask.sum(dim=1)
        if self.config.separator is None:
            features = self._last_states(input_ids, lengths)
        else:
            features = compared(*self._sides(input_ids, attention_mask, lengths))
        logits: Tensor = self.classifier(self.dropout(torch.relu(self.hidden(features))))
        return logits

    def _sides(self, pieces: Tensor, real: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """The last states (text, states) of both texts of pairs, by the same LSTMs; the first has the separator."""
        of_first = first_text(pieces, real, self.config.separator).sum(dim=1)
        numbers = torch.arange(pieces.shape[1], device=pieces.device)
        moved = (numbers + of_first[:, None]).clamp(max=pieces.shape[1] - 1)
        both = torch.cat([pieces, pieces.gather(1, moved)])
        states = self._last_states(both, torch.cat([of_first, lengths - of_first]))
        return states[: pieces.shape[0]], states[pieces.shape[0] :]

    def _last_states(self, pieces: Tensor, lengths: Tensor) -> Tensor:
        """Where either direction ends (text, states) in pieces (text, piece); zeros for a text of length 0."""
        states, width = self.embeddings(pieces), self.config.hidden_size
        last = (lengths - 1).clamp(min=0)
        mirrored = (last[:, None] - torch.arange(pieces.shape[1], device=pieces.device)).clamp(min=0)
        for layer in self.layer:
            states = layer(states, mirrored)
        ends = _picked(states[..., :width], last[:, None])[:, 0]
        return torch.cat([ends, states[:, 0, width:]], dim=1) * (lengths > 0)[:, None]

    def flops(self, length: int, outputs: int) -> int:
        """Matrix products only, a multiply-add counted as two."""
        width, states = self.config.hidden_size, 2 * self.config.hidden_size
        inputs = self.config.embedding_size + (self.config.num_hidden_layers - 1) * states
        of_pieces = 2 * 4 * width * (inputs + self.config.num_hidden_layers * width)
        of_text = self.hidden.weight.numel() + self.hidden.out_features * outputs
        return int(2 * (length * of_pieces + of_text))


@final
class _Layer(nn.Module):
    """One LSTM for each direction."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.ahead = nn.LSTM(inputs, width, batch_first=True)
        self.back = nn.LSTM(inputs, width, batch_first=True)

    def forward(self, states: Tensor, mirrored: Tensor) -> Tensor:
        """States of both directions (text, piece, states); `mirrored` (text, piece) reads a text from its end."""
        back, _ = self.back(_picked(states, mirrored))
        return torch.cat([self.ahead(states)[0], _picked(back, mirrored)], dim=2)


@final
class _OnnxLSTM(nn.Module):
    """An LSTM that only an exporter can run; ONNX has the gates in another order, and both biases in one."""

    weight_ih: Tensor
    weight_hh: Tensor
    bias: Tensor

    def __init__(self, lstm: nn.LSTM) -> None:
        super().__init__()
        gates = torch.arange(4 * lstm.hidden_size).view(4, -1)[[0, 3, 1, 2]].flatten()  # input, output, forget, cell
        self.width = lstm.hidden_size
        for name in ("weight_ih", "weight_hh"):
            self.register_buffer(name, getattr(lstm, f"{name}_l0").detach()[gates][None])
        biases = [getattr(lstm, f"{name}_l0").detach()[gates] for name in ("bias_ih", "bias_hh")]
        self.register_buffer("bias", torch.cat(biases)[None])

    def forward(self, states: Tensor) -> tuple[Tensor, None]:
        """States (text, piece, width); as of `nn.LSTM`."""
        first = states.transpose(0, 1)
        shape = (first.shape[0], 1, first.shape[1], self.width)
        sizes: dict[str, Any] = {"hidden_size": self.width}
        inputs = (first, self.weight_ih, self.weight_hh, self.bias)
        outputs = torch.onnx.ops.symbolic("LSTM", inputs, sizes, dtype=states.dtype, shape=shape)
        return outputs.squeeze(1).transpose(0, 1), None


def _picked(states: Tensor, positions: Tensor) -> Tensor:
    """Of states (text, piece, width), those at some positions (text, picked) of each text."""
    return states.gather(1, positions[:, :, None].expand(-1, -1, states.shape[2]))


BILSTM = OwnFamily(BiLSTM, BiLSTMConfig)
