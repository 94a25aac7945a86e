"""What several tests of augmentation need."""

import pytest

from recipes.workshop import _silence as silence


@pytest.fixture
def mlm(tmp_path, tiny_model, tiny_tokenizer):
    """The folder of a tiny masked LM."""
    with silence():
        tiny_model("bert", head="masked_lm").save_pretrained(tmp_path / "mlm")
        tiny_tokenizer.save_pretrained(tmp_path / "mlm")
    return str(tmp_path / "mlm")
