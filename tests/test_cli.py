"""The command line: what reaches the Python face, what comes back, and how it ends."""

import inspect
import json
import subprocess
import sys
from dataclasses import fields
from types import SimpleNamespace

import pytest

import tinybert
from tinybert import api, cli
from tinybert.cli import COMMANDS, main
from tinybert.recipes import RECIPES
from tinybert.stages.common_settings import CommonSettings


@pytest.fixture
def face(monkeypatch):
    """A Python face that notes its calls and returns what the test puts into `returns`."""
    calls: list[tuple[str, dict]] = []
    face = SimpleNamespace(calls=calls, returns={"accuracy": 0.5})

    def command(name):
        def call(**arguments):
            calls.append((name, arguments))
            if isinstance(face.returns, BaseException):
                raise face.returns
            return face.returns

        return call

    for name in COMMANDS:
        setattr(face, name, command(name))
    monkeypatch.setattr(tinybert, "api", face, raising=False)
    return face


def test__flags_reach_the_python_face_under_their_names(face):
    line = "distill tinybert --train t.tsv --output d --teacher x --seed 3 --set a=1 --set b.c=2"
    line += " --dry-run --restart-from s"

    assert main(line.split()) == 0
    ((name, arguments),) = face.calls
    given = {key: value for key, value in arguments.items() if value}
    assert name == "distill"
    assert given == {
        "recipe": "tinybert",
        "train": "t.tsv",
        "output": "d",
        "teacher": "x",
        "seed": 3,
        "set": ("a=1", "b.c=2"),
        "dry_run": True,
        "restart_from": "s",
    }


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("demo", ("demo", {"output": "tinybert-demo", "dry_run": False})),
        (
            "augment eda --train t --output o --copies 3",
            (
                "augment",
                {"method": "eda", "train": "t", "output": "o", "copies": 3, "set": (), "restart": False}
                | dict.fromkeys(("mlm", "vectors", "teacher", "unlabeled", "kind", "seed", "config")),
            ),
        ),
        ("evaluate m --data f", ("evaluate", {"model": "m", "data": "f", "kind": None, "set": ()})),
        ("predict m --data f --kind k", ("predict", {"model": "m", "data": "f", "kind": "k", "set": ()})),
        (
            "compare a b --data f --max-flips 3",
            ("compare", {"first": "a", "second": "b", "data": "f", "max_flips": 3, "kind": None, "set": ()}),
        ),
        (
            "export m --output d --int8",
            ("export", {"model": "m", "output": "d", "int8": True, "cpu": None, "web": False}),
        ),
        ("report a b --output r.html", ("report", {"runs": ("a", "b"), "output": "r.html", "by": None})),
        (
            "reproduce all --data d --output o --only rt --parallel 2",
            (
                "reproduce",
                {"name": "all", "data": "d", "output": "o", "budget": "small", "only": ("rt",), "set": ()}
                | {"parallel": 2, "dry_run": False}
                | dict.fromkeys(("seeds", "teacher", "student", "mlm", "device")),
            ),
        ),
        ("recipes", ("recipes", {})),
    ],
)
def test__every_command_is_one_call(face, line, expected):
    assert main(line.split()) == 0
    assert face.calls == [expected]


@pytest.mark.parametrize("name", COMMANDS)
def test__every_argument_of_the_python_face_is_a_flag_with_help(name):
    flags = dict(inspect.signature(cli.command(name)).parameters)
    flags.pop("json")
    face = inspect.signature(getattr(api, name)).parameters

    assert list(flags) == [name for name, one in face.items() if one.kind is not one.VAR_KEYWORD]
    assert [name for name, flag in flags.items() if not flag.annotation.__metadata__[0].help] == []


@pytest.mark.parametrize("name", RECIPES)
def test__the_arguments_of_distill_are_the_settings_that_every_recipe_has(name):
    of_calls = {"recipe", "config", "set", "dry_run", "restart", "restart_from", "settings"}
    common = {field.name for field in fields(CommonSettings)}

    assert set(inspect.signature(api.distill).parameters) - of_calls == common | {"teacher", "student"}
    assert common | {"teacher", "student"} <= {field.name for field in fields(RECIPES[name].config)}


@pytest.mark.parametrize("command", COMMANDS)
def test__public_names_are_commands_even_where_a_room_has_the_same_name(command):
    import tinybert.engine
    import tinybert.export
    import tinybert.recipes
    import tinybert.report

    assert callable(getattr(tinybert, command))
    assert command in dir(tinybert)


def test__an_unknown_public_name_says_what_there_is():
    with pytest.raises(
        AttributeError, match="no attribute 'distil'; it has __version__, augment, compare, demo, distill"
    ):
        tinybert.distil  # noqa: B018


@pytest.mark.parametrize("command", [*COMMANDS, None])
def test__every_command_has_help(capsys, command):
    assert main([*([command] if command else []), "--help"]) == 0
    assert "Usage: tinybert" in capsys.readouterr().out


def test__no_command_at_all_shows_the_help(capsys):
    assert main([]) == 0
    assert "distill" in capsys.readouterr().out


def test__the_version_is_that_of_the_package(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"tinybert {tinybert.__version__}\n"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("distil", "tinybert: No such command 'distil'. Did you mean 'distill'?; see tinybert --help\n"),
        ("distill x --trian f", "tinybert: No such option: --trian"),
        ("evaluate", "tinybert: Missing argument 'MODEL'; see tinybert evaluate --help\n"),
        ("distill x --seed y", "tinybert: Invalid value for '--seed'"),
    ],
)
def test__a_mistyped_command_line_is_one_plain_line(face, capsys, line, problem):
    assert main(line.split()) == 2
    out, err = capsys.readouterr()
    assert (out, err.startswith(problem), err.count("\n")) == ("", True, 1)
    assert face.calls == []


def test__json_is_one_object_alone_on_standard_output(face, capsys):
    def chatty(**_):
        print("a library prints")
        return {"student": {"dev": {"accuracy": float("nan")}}}

    face.evaluate = chatty
    assert main(["evaluate", "m", "--data", "f", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == {"student": {"dev": {"accuracy": None}}}
    assert err == "a library prints\n"


def test__predictions_are_json_lines_with_and_without_the_flag(face, capsys):
    for flags in ([], ["--json"]):
        face.returns = iter([{"row": 1, "label": "é"}, {"row": 2, "label": "b"}])
        assert main(["predict", "m", "--data", "f", *flags]) == 0
        assert capsys.readouterr().out == '{"row": 1, "label": "é"}\n{"row": 2, "label": "b"}\n'


def test__python_dash_m_is_the_same_command_and_help_imports_nothing_heavy():
    code = (
        "import sys, runpy; sys.argv = ['tinybert', 'distill', '--help']\n"
        "try: runpy.run_module('tinybert', run_name='__main__')\n"
        "except SystemExit as end: assert end.code == 0, end.code\n"
        "heavy = {'torch', 'transformers', 'numpy', 'pyarrow', 'yaml'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "--restart-from" in done.stdout


def test__help_answers_within_a_second_of_processor_time():
    code = "import sys, tinybert.cli; tinybert.cli.main(['distill', '--help']); import time; print(time.process_time())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert float(done.stdout.splitlines()[-1]) < 1
