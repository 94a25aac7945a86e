"""Ray, where the work of a command is spread over processes or machines."""

import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tinybert.errors import UserError


@contextmanager
def connected(address: str | None) -> Iterator[Any]:
    """Ray, connected to the cluster at an address (`run.address`), or to one of this machine that ends with the work.

    Raises:
        UserError: If Ray is not installed, or there is no cluster.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would tell its makers
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # a warning otherwise
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise UserError("run.executor=ray: Ray is not installed; pip install 'tinybert[ray]'") from error
    mine = not ray.is_initialized()
    if mine:
        try:
            with _signals_as_they_were():
                ray.init(address=address or "local", log_to_driver=False, logging_level="error")
        except ConnectionError as error:
            raise UserError(f"run.address={address}: no Ray cluster is there; start one, or leave it out") from error
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    try:
        yield ray
    finally:
        if mine:
            ray.shutdown()


@contextmanager
def _signals_as_they_were() -> Iterator[None]:
    """Ray would die of SIGTERM at once, in the middle of whatever is done."""
    known = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in known.items():
            signal.signal(number, handler)
