"""Tiny made-up files, and random streams by name."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

settings.register_profile("unhurried", deadline=None)  # a busy machine is no reason to fail
settings.load_profile("unhurried")


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    """`write("train.tsv", content)`: the path of a file with that content, given as text or bytes."""

    def make(name: str, content: str | bytes) -> str:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return make


@pytest.fixture
def streams() -> Callable[[str], np.random.Generator]:
    """A run's random streams."""
    return lambda name: np.random.default_rng([7, *name.encode()])
