"""Networks that are no models of transformers, whose `AutoModel` does not know them: what their families share.

They read one text or, siamese, two, whose features are compared (Wang et al. 2018, GLUE); they show logits only, and
are saved as config.json and model.safetensors.
"""

import copy
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar, final

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig

from tinybert.families.network import Family, Network, Shape
from tinybert.run import seeded
from tinybert.types import LOGITS, Batch, Signal, Trace

HEAD = "classifier"


class OwnNetwork(Network):
    """A network whose head is a linear map, `classifier`.

    Attributes:
        sizes: Which keys of its configuration are the sizes of a `Shape`.
        classifier: The head.
    """

    signals = frozenset({"logits"})
    longest = 2**20  # as many as anybody wants
    sizes: ClassVar[Mapping[str, str]]
    classifier: nn.Linear

    def __init__(self, config: PretrainedConfig) -> None:
        super().__init__()
        self.config = config

    @classmethod
    def shape_of(cls, config: PretrainedConfig) -> Shape:
        """The sizes of a network of a configuration; 0 where it has none."""
        found = {size: getattr(config, key) for size, key in cls.sizes.items()}
        return Shape(**{"layers": 0, "width": 0, "heads": 0, "inner": 0} | found)

    @property
    def shape(self) -> Shape:
        """Its sizes."""
        return self.shape_of(self.config)

    # In families of ours shapes of batches are said in words: comparing them would fix a size in the export.
    @abstractmethod
    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None) -> Tensor:
        """The logits (batch, label) of pieces (batch, piece) padded on the right; `config.separator` parts pairs."""

    def record(self, batch: Batch, needs: frozenset[Signal]) -> Trace:
        """The logits, all there is to show."""
        return Trace({LOGITS: self(**self.inputs(batch))} if needs else {})


Kind = TypeVar("Kind", bound=OwnNetwork)


@final
class OwnFamily(Family):
    """The family of one class of networks.

    Attributes:
        network: The class.
        configuration: That of its configuration.
    """

    task_head, masked_lm_head, token_types, padding, siamese = HEAD, None, False, None, True

    def __init__(self, network: type[OwnNetwork], configuration: type[PretrainedConfig]) -> None:
        self.name, self.network, self.configuration = str(configuration.model_type), network, configuration

    def config(self, content: Mapping[str, Any]) -> PretrainedConfig:
        """What a config.json says."""
        found: PretrainedConfig = self.configuration.from_dict(dict(content))
        return found

    def shape(self, config: PretrainedConfig) -> Shape:
        """The sizes a configuration gives."""
        return self.network.shape_of(config)

    def resized(self, config: PretrainedConfig, shape: Shape) -> PretrainedConfig:
        """A copy of a configuration with other sizes; what is no size stays."""
        new = copy.deepcopy(config)
        for size, key in self.network.sizes.items():
            setattr(new, key, getattr(shape, size))
        return new

    def longest(self, config: PretrainedConfig) -> int:  # noqa: ARG002
        """As many as anybody wants."""
        return self.network.longest

    def create(self, config: PretrainedConfig, head: str) -> OwnNetwork:  # noqa: ARG002
        """A network with initial weights, in eval mode."""
        return self.network(config).eval()

    def load(self, folder: Path, config: PretrainedConfig, head: str, *, new_head: bool) -> tuple[Network, list[str]]:
        """Load weights; each must be stored and fit, except those of a new head, which are random."""
        network = self.create(config, head)
        new = (f"{HEAD}.",) if new_head else ()
        return network, [name for name in network.restore(folder) if not name.startswith(new)]


def random_network(kind: type[Kind], config: PretrainedConfig, seed: int) -> Kind:
    """A network with initial weights, drawn from a seed alone; eval mode."""
    with seeded(seed):
        return kind(config).eval()


def compared(first: Tensor, second: Tensor) -> Tensor:
    """What a head sees of pairs: the features (pair, width) of both texts, their absolute difference, their product."""
    return torch.cat([first, second, (first - second).abs(), first * second], dim=1)


def first_text(pieces: Tensor, real: Tensor, separator: int) -> Tensor:
    """1 at the pieces of the first text of each pair, its separator included; all (pair, piece)."""
    ends = (pieces == separator).long()
    return real * (ends.cumsum(dim=1) - ends == 0)
