"""What a run says while it works: `metrics.jsonl` always, bars on a terminal, plain lines elsewhere.

Everything for people goes to standard error; standard output belongs to results.
"""

import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from tinybert.files import full_disk_as_resource_error, write_text

PLAIN_LINE_EVERY = 15.0  # seconds between progress lines where there is no terminal


class Log:
    """One run's voice and its memory; silent on all ranks but the first."""

    def __init__(self, metrics: Path | None = None, *, silent: bool = False, board: Path | None = None) -> None:
        """Speak, and append to `metrics` where one is given.

        Args:
            metrics: The file `metrics.jsonl`.
            silent: Say and write nothing.
            board: Folder for TensorBoard's event files; None = none are written.
        """
        self.console = Console(file=sys.stderr, quiet=silent, highlight=False)
        self._metrics = None if silent else metrics
        self._writer = _board_writer(board) if board is not None and not silent else None

    def say(self, text: str) -> None:
        """Print one line for people."""
        self.console.print(text, markup=False, soft_wrap=True)

    def record(self, entry: Mapping[str, Any]) -> None:
        """Append one line to `metrics.jsonl`, and its numbers to TensorBoard."""
        if self._metrics is not None:
            with full_disk_as_resource_error(self._metrics), self._metrics.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(entry, ensure_ascii=False) + "\n")
        if self._writer is not None and "step" in entry:
            for name, value in _numbers(entry):
                self._writer.add_scalar(f"{entry['stage']}/{name}", value, entry["step"])

    def forget(self, stage: str, after: int = 0) -> None:
        """Forget what was recorded of a stage after step `after`, and half a line, so that a redone step is there once.

        By stage, not by position: a stage whose result was damaged is done again when later ones are finished.
        """
        lines = self._lines()
        kept = [line for line in lines if _is_before(line, stage, after)]
        if self._metrics is not None and len(kept) < len(lines):
            write_text(self._metrics, "".join(kept))

    def lines_of(self, stage: str) -> str:
        """What was recorded of a stage, as it stands in `metrics.jsonl`."""
        return "".join(line for line in self._lines() if (_entry(line) or {}).get("stage") == stage)

    def recall(self, stage: str, lines: str) -> None:
        """Record what another run has recorded of a stage, unless this one has recorded something of it."""
        if self._metrics is not None and not self.lines_of(stage):
            with full_disk_as_resource_error(self._metrics), self._metrics.open("a", encoding="utf-8") as stream:
                stream.write(lines)

    def _lines(self) -> list[str]:
        if self._metrics is None or not self._metrics.exists():
            return []
        return self._metrics.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)

    @contextmanager
    def progress(self, what: str, total: int, done: int = 0) -> Iterator["Bar"]:
        """Show that `what` moves from `done` towards `total` steps."""
        if not self.console.is_terminal or self.console.quiet:
            yield Bar(self, what, total, done)
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, TextColumn("{task.fields[figures]}"), console=self.console, transient=True) as bars:
            yield Bar(self, what, total, done, (bars, bars.add_task(what, total=total, completed=done, figures="")))


class Bar:
    """One piece of work that moves."""

    def __init__(self, log: Log, what: str, total: int, done: int, bar: tuple[Progress, TaskID] | None = None) -> None:
        """See `Log.progress`."""
        self._log, self._what, self._total, self._bar = log, what, total, bar
        self._first, self._done = done, done
        self._started = self._spoke = time.monotonic()

    def advance(self, steps: int = 1, **figures: float) -> None:
        """Move on; `figures` are shown behind the bar."""
        self._done += steps
        text = "  ".join(f"{name} {value:.4g}" for name, value in figures.items())
        if self._bar is not None:
            self._bar[0].update(self._bar[1], completed=self._done, figures=text)
        elif time.monotonic() - self._spoke > PLAIN_LINE_EVERY:
            self._spoke = time.monotonic()
            self._log.say(f"{self._what}: {self._done}/{self._total}  {text}  about {self._seconds_left():.0f} s left")

    def _seconds_left(self) -> float:
        elapsed = time.monotonic() - self._started
        return elapsed / max(self._done - self._first, 1) * (self._total - self._done)


def _entry(line: str) -> dict[str, Any] | None:
    """A line of `metrics.jsonl`; None where it is half of one."""
    try:
        return dict(json.loads(line)) if line.endswith("\n") else None
    except ValueError:
        return None


def _is_before(line: str, stage: str, step: int) -> bool:
    """Whether a line of `metrics.jsonl` stays when a stage goes back to `step`."""
    entry = _entry(line)
    return entry is not None and not (entry.get("stage") == stage and entry.get("step", step + 1) > step)


def _numbers(entry: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in entry.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}/{inner}", number) for inner, number in _numbers(value))
        elif isinstance(value, int | float) and name not in ("step", "epoch"):
            yield name, value


def _board_writer(folder: Path) -> Any:
    from torch.utils.tensorboard import SummaryWriter  # an extra: imported only where it was asked for

    return SummaryWriter(str(folder))
