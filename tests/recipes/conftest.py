"""What several modules of tests of recipes begin with."""

import pytest

from recipes.workshop import CLASSES, Workshop


@pytest.fixture
def headed(tmp_path, tiny_tokenizer):
    """A folder with data and a tiny teacher that has a head."""
    made = Workshop(tmp_path, tiny_tokenizer)
    made.model(classes=CLASSES)
    return made
