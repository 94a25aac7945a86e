"""The page of a toy family: piece vectors are averaged, a linear head answers; no layers, no attention."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig

from tinybert.families.network import Family, Network, Shape
from tinybert.types import LOGITS, Batch, Signal, Trace


class AveragingConfig(PretrainedConfig):
    model_type = "averaging"


class Averaging(Network):
    signals = frozenset({"logits", "hidden_states"})
    longest = 512

    def __init__(self, config: PretrainedConfig) -> None:
        super().__init__()
        self.config = config
        self.pieces = nn.Embedding(config.vocab_size, config.hidden_size)
        self.head = nn.Linear(config.hidden_size, config.num_labels)

    @property
    def shape(self) -> Shape:
        return Shape(0, self.config.hidden_size, 0, 0)

    @property
    def piece_vectors(self) -> Tensor:
        return self.pieces.weight

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None) -> Tensor:
        return self._answer(self.pieces(input_ids), attention_mask)

    def _answer(self, states: Tensor, attention_mask: Tensor) -> Tensor:
        real = attention_mask[:, :, None].to(states.dtype)
        return self.head((states * real).sum(dim=1) / real.sum(dim=1))

    def record(self, batch: Batch, needs: frozenset[Signal]) -> Trace:
        states = self.pieces(batch.input_ids)
        shown = {Signal("hidden_states"): states, LOGITS: self._answer(states, batch.real.long())}
        return Trace({signal: shown[signal] for signal in needs})


class AveragingFamily(Family):
    name, task_head, masked_lm_head, token_types, padding = "averaging", "head", None, False, None

    def config(self, content: Mapping[str, Any]) -> PretrainedConfig:
        return AveragingConfig.from_dict(dict(content))

    def shape(self, config: PretrainedConfig) -> Shape:
        return Shape(0, config.hidden_size, 0, 0)

    def resized(self, config: PretrainedConfig, shape: Shape) -> PretrainedConfig:
        new = copy.deepcopy(config)
        new.hidden_size = shape.width
        return new

    def longest(self, config: PretrainedConfig) -> int:
        return Averaging.longest

    def create(self, config: PretrainedConfig, head: str) -> Network:
        return Averaging(config).eval()

    def load(self, folder: Path, config: PretrainedConfig, head: str, *, new_head: bool) -> tuple[Network, list[str]]:
        network = Averaging(config).eval()
        misfits = network.restore(folder)
        return network, [name for name in misfits if not (new_head and name.startswith("head."))]


def small(tokenizer: Any, outputs: int = 2) -> Averaging:
    """With random weights, for the pieces of a tokenizer."""
    config = AveragingConfig(hidden_size=8, num_labels=outputs, pad_token_id=tokenizer.pad_token_id)
    config.vocab_size = max(tokenizer.get_vocab().values()) + 1
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Averaging(config).eval()
