"""The one helper besides the teacher that turns training off: for evaluation, sampling, probes and export."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)


@contextmanager
def evaluation_mode(network: Network) -> Iterator[Network]:
    """Inside the block a network runs without dropout and without gradient; after it every part is as it was before.

    No `inference_mode`: its tensors may never meet a gradient later, and exporters refuse them.
    """
    training = [module for module in network.modules() if module.training]
    network.eval()
    try:
        with torch.no_grad():
            yield network
    finally:
        for module in training:
            module.training = True
