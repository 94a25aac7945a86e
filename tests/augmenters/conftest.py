"""A random masked LM."""

from typing import Any

import pytest
import torch


@pytest.fixture
def model(tiny_model: Any) -> Any:
    """Its network, of one layer."""
    return tiny_model("bert", 1, head="masked_lm")


@pytest.fixture
def mlm(model: Any, tiny_tokenizer: Any, processor: bool) -> Any:
    """The masked LM itself, in the dtype that it has on either processor."""
    from tinybert.models.masked_lm import MaskedLM

    return MaskedLM(model, tiny_tokenizer, torch.device("cpu"))
