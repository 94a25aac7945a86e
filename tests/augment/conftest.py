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


@pytest.fixture
def mlm_folder(tmp_path: Any, tiny_model: Any, tiny_tokenizer: Any) -> str:
    """A folder with such a network, of the usual number of layers."""
    from recipes.workshop import _silence as silence

    with silence():
        tiny_model("bert", head="masked_lm").save(tmp_path / "mlm")
        tiny_tokenizer.save_pretrained(tmp_path / "mlm")
    return str(tmp_path / "mlm")
