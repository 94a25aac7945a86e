"""What several modules of tests of tasks begin with."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recipes.workshop import Workshop, quick_finish


@pytest.fixture
def bench(tmp_path: Path, tiny_tokenizer: Any) -> Iterator[Workshop]:
    """With ONNX as it is: what stands in for it elsewhere gives no logits of pieces."""
    made = Workshop(tmp_path, tiny_tokenizer)
    made.model("teacher")
    with quick_finish(real_export=True):
        yield made
