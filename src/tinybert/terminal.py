"""Between a command and the person at the terminal: runs the call, shows its result, turns failures into exit codes.

Results go to standard output; everything else, whatever a library prints too, goes to standard error.
"""

import errno
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import typer

from tinybert.errors import Interrupted, ResourceError, UserError
from tinybert.files import FULL

_RUNS: Final = ("distill", "demo")  # what ends with a report
OK, BUG, USER, FLIPS, RESOURCE, CTRL_C = 0, 1, 2, 3, 75, 130

_WIDE: Final = 160  # columns of a table in files and pipes
_USAGE: Final = typer.BadParameter.__mro__[1]  # every mistake in the flags; typer itself exports only this one of them
_FULL: Final = FULL | {errno.ENOMEM}
_FORBIDDEN: Final = {  # by the machine, or by what lies where something is to be written
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.ENAMETOOLONG),
    *(errno.ENOTDIR, errno.EISDIR, errno.EEXIST),
}


@dataclass(frozen=True)
class Call:
    """One call of the Python face, asked for by a command line."""

    command: str
    arguments: Mapping[str, Any]
    as_json: bool = False

    def run(self) -> int:
        """Make the call and show what it returns; the exit code."""
        from rich.console import Console

        from tinybert.show import rows, show

        width = None if sys.stdout.isatty() else _WIDE
        console = Console(file=sys.stdout, width=width, markup=False, highlight=False)
        with redirect_stdout(sys.stderr):  # libraries print; results must stay alone
            result = self._call()
            if _rank() > 0:  # of the processes of `torchrun`, the first one answers for all
                return OK
            if isinstance(result, Iterator):
                rows(result, console)
            else:
                show(result, console, as_json=self.as_json)
                if self._leaves_a_report() and not self.as_json:
                    console.print(f"report: {Path(self.arguments['output']) / 'report.html'}", soft_wrap=True)
        sys.stdout.flush()
        return FLIPS if isinstance(result, dict) and result.get("passed") is False else OK

    def _leaves_a_report(self) -> bool:
        given = self.arguments
        return self.command in _RUNS and bool(given.get("output")) and not given.get("dry_run")

    def folder(self) -> Path:
        """Where a crash is written down: the output folder if it is there, else the current one."""
        output = Path(str(self.arguments.get("output") or "."))
        return next(folder for folder in (output, output.parent, Path()) if folder.is_dir())

    def _call(self) -> Any:
        from tinybert import api

        return getattr(api, self.command)(**self.arguments)


def guarded(parse: Callable[[], Call | int | None]) -> int:
    """Parse a command line, run its call, and give the exit code of interface.md, section 6."""
    folder = Path()
    try:
        call = parse()
        if not isinstance(call, Call):  # --help and --version have answered already
            return call or OK
        folder = call.folder()
        return call.run()
    except BrokenPipeError:
        # The reader has all it wanted, as in `| head`. Python would complain once more when it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return OK
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else BUG
    except BaseException as error:
        return _explain(error, folder)


def _explain(error: BaseException, folder: Path) -> int:
    """Say in plain lines what happened; the exit code."""
    match error:
        case UserError():
            return _say(USER, *error.problems)
        case _ if isinstance(error, _USAGE):
            return _say(USER, _usage(error))
        case ResourceError():
            return _say(RESOURCE, str(error))
        case _ if _out_of_memory(error):
            return _say(RESOURCE, "out of memory; a smaller batch_size or a larger accumulate needs less")
        case OSError() if error.errno in _FULL:
            return _say(
                RESOURCE, f"{error.filename or 'disk'}: {error.strerror}; free some and run the same command again"
            )
        case OSError() if error.errno in _FORBIDDEN and error.filename:
            return _say(USER, f"{error.filename2 or error.filename}: {error.strerror}")
        case Interrupted():
            return _say(error.exit_code, str(error))
        case KeyboardInterrupt() | typer.Abort():
            return _say(CTRL_C, "stopped; the same command again continues")
        case _:
            return _say(
                BUG, f"a bug of tinybert ({type(error).__name__}); the traceback is in {_write_down(error, folder)}"
            )


def _say(code: int, *problems: str) -> int:
    who = f"tinybert: process {rank}:" if (rank := _rank()) else "tinybert:"
    for problem in problems:
        print(who, " ".join(problem.split("\n")), file=sys.stderr)  # a row's text may hold a line break
    return code


def _rank() -> int:
    """Which of the processes of a launcher this is; 0 = the first, or the only one, whatever RANK says then."""
    return int(os.environ.get("RANK", "0")) if int(os.environ.get("WORLD_SIZE", "1")) > 1 else 0


def _usage(error: Any) -> str:
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "tinybert"
    return f"{error.format_message().rstrip('.')}; see {command} --help"


def _out_of_memory(error: BaseException) -> bool:
    """Python's own, and torch's two, which are plain RuntimeErrors told apart by name and words."""
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or (isinstance(error, RuntimeError) and "can't allocate memory" in str(error))
    )


def _write_down(error: BaseException, folder: Path) -> Path:
    """Keep the traceback in a file; in the first folder that can be written to."""
    name = f"tinybert-crash-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
    lines = [f"{' '.join(sys.argv)}\n\n", *traceback.format_exception(error)]
    for target in (folder, Path(), Path(tempfile.gettempdir())):
        try:
            (target / name).write_text("".join(lines), encoding="utf-8", errors="backslashreplace")
        except OSError:
            continue
        return target / name
    sys.stderr.writelines(lines)
    return Path(os.devnull)
