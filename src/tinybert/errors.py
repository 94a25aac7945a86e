"""What can go wrong outside our own code, and the exit code each of it ends with."""

from collections.abc import Iterator
from contextlib import contextmanager


class UserError(Exception):
    """The user's input is at fault: exit 2, one line saying what, where (file and row, or key) and what to do."""

    exit_code = 2

    def __init__(self, *problems: str) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


@contextmanager
def collecting(problems: list[str]) -> Iterator[None]:
    """Add what a `UserError` in the block says to a list, and go on after it."""
    try:
        yield
    except UserError as error:
        problems.extend(error.problems)


class ResourceError(Exception):
    """The machine ran out of disk or memory: exit 75; everything saved before stays valid."""

    exit_code = 75


class Interrupted(BaseException):
    """A signal asked the run to stop: exit 128 + its number (130 Ctrl-C, 143 SIGTERM), after a checkpoint."""

    def __init__(self, signal_number: int) -> None:
        self.exit_code = 128 + signal_number
        super().__init__(f"stopped by signal {signal_number}; the same command again continues")
