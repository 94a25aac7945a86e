"""How commands end: every failure has its exit code and its plain line."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import typer

from tinybert import terminal
from tinybert.errors import Interrupted, ResourceError, UserError
from tinybert.terminal import Call, guarded


class Failing(Call):
    """A call that ends as the test wants."""

    def run(self) -> None:
        raise self.arguments["error"]


def ending(error: BaseException, output: str = ".") -> int:
    return guarded(lambda: Failing("distill", {"error": error, "output": output}))


def test__of_several_processes_the_first_shows_results_and_the_others_say_who_they_are(monkeypatch, capsys):
    monkeypatch.setattr(Call, "_call", lambda call: {"rows": 3})
    assert guarded(lambda: Call("overlap", {}, as_json=True)) == 0
    assert capsys.readouterr().out == '{"rows": 3}\n'
    monkeypatch.setenv("RANK", "1")
    assert guarded(lambda: Call("overlap", {}, as_json=True)) == 0
    assert capsys.readouterr().out == '{"rows": 3}\n'  # left over in the environment of a single process
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert guarded(lambda: Call("overlap", {}, as_json=True)) == 0
    assert ending(UserError("a.tsv:3: empty label, fill it in")) == 2
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "tinybert: process 1: a.tsv:3: empty label, fill it in\n")


@pytest.mark.parametrize(
    ("error", "code", "lines"),
    [
        (UserError("a.tsv:3: empty label, fill it in"), 2, ["a.tsv:3: empty label, fill it in"]),
        (UserError("first", "second\nhalf"), 2, ["first", "second half"]),
        (ResourceError("disk full"), 75, ["disk full"]),
        (MemoryError(), 75, ["out of memory; a smaller batch_size or a larger accumulate needs less"]),
        (torch.OutOfMemoryError("CUDA"), 75, ["out of memory; a smaller batch_size or a larger accumulate needs less"]),
        (
            OSError(errno.ENOSPC, "No space left", "f"),
            75,
            ["f: No space left; free some and run the same command again"],
        ),
        (PermissionError(errno.EACCES, "Permission denied", "d/f"), 2, ["d/f: Permission denied"]),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "f/g"), 2, ["f/g: Not a directory"]),
        (IsADirectoryError(errno.EISDIR, "Is a directory", ".tmp-1", None, "d"), 2, ["d: Is a directory"]),
        (Interrupted(signal.SIGTERM), 143, ["stopped by signal 15; the same command again continues"]),
        (Interrupted(signal.SIGINT), 130, ["stopped by signal 2; the same command again continues"]),
        (KeyboardInterrupt(), 130, ["stopped; the same command again continues"]),
        (typer.Abort(), 130, ["stopped; the same command again continues"]),
    ],
)
def test__each_failure_has_its_code_and_its_lines(capsys, error, code, lines):
    assert ending(error) == code
    out, err = capsys.readouterr()
    assert (out, err.splitlines()) == ("", [f"tinybert: {line}" for line in lines])


def test__memory_that_torch_cannot_have_is_no_bug(capsys):
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60, dtype=torch.uint8)

    assert ending(caught.value) == 75
    assert "out of memory" in capsys.readouterr().err


def test__a_bug_leaves_its_traceback_in_the_output_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()

    assert ending(KeyError("inner"), output="run") == 1
    (log,) = (tmp_path / "run").glob("tinybert-crash-*.log")
    assert "KeyError: 'inner'" in log.read_text()
    error = capsys.readouterr().err
    assert error == f"tinybert: a bug of tinybert (KeyError); the traceback is in {Path('run') / log.name}\n"


def test__without_an_output_folder_the_traceback_is_in_the_current_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert ending(ZeroDivisionError("x"), output="not/there") == 1
    assert len(list(tmp_path.glob("tinybert-crash-*.log"))) == 1


def test__a_traceback_that_fits_nowhere_is_shown(monkeypatch, capsys):
    monkeypatch.setattr(Path, "write_text", lambda *_, **__: (_ for _ in ()).throw(OSError()))

    assert ending(ZeroDivisionError("x")) == 1
    assert "ZeroDivisionError: x" in capsys.readouterr().err


def test__help_and_version_are_done_without_a_call():
    assert guarded(lambda: None) == 0
    assert guarded(lambda: 0) == 0


def test__a_reader_that_leaves_early_is_no_failure_and_showing_needs_no_torch():
    code = (
        "import sys; from tinybert import terminal\n"
        "class Endless(terminal.Call):\n"
        "    def _call(self): return ({'row': n} for n in iter(int, 1))\n"
        "sys.exit(terminal.guarded(lambda: Endless('predict', {})) or 'torch' in sys.modules)"  # 5 s to show a report
    )
    shell = f'set -o pipefail; {sys.executable} -c "$CODE" | head -1'
    done = subprocess.run(
        ["bash", "-c", shell], capture_output=True, text=True, check=False, env={**os.environ, "CODE": code}
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, '{"row": 0}\n', "")


def test__a_library_that_ends_the_program_keeps_its_code():
    assert ending(SystemExit(7)) == 7
    assert ending(SystemExit("words")) == terminal.BUG
