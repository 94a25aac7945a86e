"""Silence around libraries that talk: exporter, quantiser and progress bars of other people's savers."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Inside the block nothing is printed, logged up to WARNING, or warned about; exceptions pass."""
    root, level = logging.getLogger(), logging.root.manager.disable
    # The quantiser calls logging.warning(), which configures a root logger that has no handler, for good.
    keep_root_unconfigured = logging.NullHandler()
    root.addHandler(keep_root_unconfigured)
    logging.disable(max(level, logging.WARNING))
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
        root.removeHandler(keep_root_unconfigured)
