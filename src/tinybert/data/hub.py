"""`hf:NAME[:CONFIG][:SPLIT]`: data sets of the Hugging Face hub, through the `datasets` library.

The only module that fetches data over the network. With one part after the name it is a split if it is called like one.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from tinybert.data.problems import one_line
from tinybert.errors import UserError

PREFIX = "hf:"
_SPLIT = re.compile(r"(train|validation|valid|dev|test|unsupervised)([_\[].*)?")
_FORM = "a hub data set is written hf:NAME[:CONFIG][:SPLIT]"


class HubName(NamedTuple):
    """A data set of the hub."""

    name: str
    config: str | None
    split: str | None


def parsed(source: str) -> HubName:
    """Take `hf:NAME[:CONFIG][:SPLIT]` apart.

    Raises:
        UserError: If it is not of that form.

    Example:
        >>> parsed("hf:glue:sst2:validation")
        HubName(name='glue', config='sst2', split='validation')
        >>> parsed("hf:imdb:test")
        HubName(name='imdb', config=None, split='test')
    """
    name, *rest = source.removeprefix(PREFIX).split(":", 2)  # a slice such as train[10:20] keeps its colon
    if not name or not all(rest):
        raise UserError(f"{source}: {_FORM}")
    if rest and _SPLIT.fullmatch(joined := ":".join(rest)):
        return HubName(name, None, joined)
    config, split = [*rest, None, None][:2]
    return HubName(name, config, split)


def default_split(role: str) -> str:
    """The split that a role is read from where the name of a data set has none."""
    return {"dev": "validation", "test": "test"}.get(role, "train")


def load_hub(source: str, split: str, **more: Any) -> Any:
    """Load a data set of the hub, or its copy on disk; respects `HF_HUB_OFFLINE`.

    Args:
        source: Its name, see `parsed`.
        split: Which, where the name has none.
        more: What else `datasets.load_dataset` is told; `streaming=True` = nothing is downloaded before it is read.

    Raises:
        UserError: If the library is missing, or the data set cannot be had.
    """
    name = parsed(source)
    try:
        import datasets
    except ImportError as error:
        raise UserError(f"{source}: hub data sets need another package: pip install 'tinybert[hub]'") from error
    with in_one_line(source):
        return datasets.load_dataset(name.name, name.config, split=name.split or split, **more)


@contextmanager
def in_one_line(source: str) -> Iterator[None]:
    """Turn whatever goes wrong with a data set of the hub into a `UserError`."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # the errors of network, hub and builders have no common base
        raise UserError(f"{source}: cannot be loaded ({type(error).__name__}: {one_line(error)})") from error
