"""Whole runs, tiny."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recipes.workshop import Workshop, quick_finish


@pytest.fixture
def workshop(tmp_path: Path, tiny_tokenizer: Any) -> Iterator[Workshop]:
    """A place for tiny runs whose finish is quick."""
    with quick_finish():
        yield Workshop(tmp_path, tiny_tokenizer)
