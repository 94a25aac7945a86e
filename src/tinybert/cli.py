"""The commands, made of the Python face: its signatures are the flags, its docstrings the help.

Nothing heavy is imported here: `--help` answers at once.
"""

import inspect
import re
import sys
from collections.abc import Callable
from typing import Annotated, Any, Final

import typer

from tinybert import api
from tinybert.terminal import Call, guarded

COMMANDS: Final = (
    "demo",
    "distill",
    "augment",
    "evaluate",
    "predict",
    "compare",
    "export",
    "report",
    "reproduce",
    "recipes",
)

_PANELS: Final = {
    "Data": ("train", "dev", "test", "source", "unlabeled", "teacher_scores", "kind", "data"),
    "Models": ("teacher", "student", "max_mb", "max_ms", "at", "mlm", "vectors"),
}
_METAVARS: Final = {
    **dict.fromkeys(("train", "dev", "test", "source", "unlabeled", "teacher_scores", "data", "vectors"), "FILE"),
    **dict.fromkeys(("teacher", "mlm"), "MODEL"),
    "kind": "KIND",
    "student": "MODEL|SHAPE",
    "max_mb": "MB",
    "max_ms": "MS",
    "at": "PIECES",
    "max_minutes": "MINUTES",
    "config": "NAME|FILE",
    "set": "KEY=VALUE",
    "restart_from": "STAGE",
    "output": "DIR",
    "runs": "RUN...",
    "predict.data": "FILE|-",
    "augment.output": "FILE",
    "report.output": "FILE",
    "reproduce.name": "NAME|FILE",
    "reproduce.data": "DIR",
    "budget": "small|paper",
    "only": "DATA",
    "by": "COLUMN",
}

_LISTS: Final = ("set", "runs", "only")  # may be given again and again

app = typer.Typer(
    name="tinybert",
    help="Small language encoders out of big ones.",
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; the exit code, never an exception."""
    given = sys.argv[1:] if arguments is None else arguments
    return guarded(lambda: app(args=given or ["--help"], prog_name="tinybert", standalone_mode=False))


@app.callback(invoke_without_command=True)
def start(
    version: Annotated[bool, typer.Option("--version", metavar="", help="Print the version.")] = False,
) -> None:
    """Small language encoders out of big ones."""
    if version:
        import tinybert

        typer.echo(f"tinybert {tinybert.__version__}")
        raise typer.Exit


def command(name: str) -> Callable[..., Call]:
    """The command of a function of the Python face, as Typer takes it.

    What is a keyword there is an option here; the other arguments stay arguments. For `**settings` there is `--set`.
    """
    face = getattr(api, name)
    about = inspect.getdoc(face) or ""
    given = [one for one in inspect.signature(face).parameters.values() if one.kind is not one.VAR_KEYWORD]
    flags = [*(_flag(name, one, about) for one in given), _JSON]

    def call(json: bool, **given: Any) -> Call:
        arguments = {name: tuple(value or ()) if name in _LISTS else value for name, value in given.items()}
        return Call(name, arguments, as_json=json)

    call.__doc__ = about.partition("\n")[0]
    call.__signature__ = inspect.Signature(flags)  # type: ignore[attr-defined]
    call.__annotations__ = {}
    return call


def _flag(command: str, face: inspect.Parameter, about: str) -> inspect.Parameter:
    """An argument of the Python face as a parameter that Typer makes a flag of."""
    name, default = face.name, None if face.default in ((), face.empty) else face.default
    described = re.search(rf"^    {name}: (.*)$", about, re.MULTILINE)
    metavar = _METAVARS.get(f"{command}.{name}", _METAVARS.get(name))
    looks: dict[str, Any] = {"help": described[1] if described else None, "show_default": default is not None}
    if face.kind is face.POSITIONAL_OR_KEYWORD:
        info = typer.Argument(metavar=metavar or name.upper(), **looks)
    else:
        panel = next((panel for panel, names in _PANELS.items() if name in names), "Run")
        switch = [f"--{name.replace('_', '-')}"]  # without it Typer would add --no-...
        info = typer.Option(*switch, metavar="" if default is False else metavar, rich_help_panel=panel, **looks)
    kind: Any = next((kind for kind in (bool, int, float) if kind.__name__ in str(face.annotation)), str)
    kind = list[str] if name in _LISTS else kind
    optional = face.default is not face.empty and default is None
    annotation = Annotated[kind | None if optional else kind, info]  # type: ignore[valid-type]
    return face.replace(
        kind=face.KEYWORD_ONLY, annotation=annotation, default=face.empty if face.default is face.empty else default
    )


_JSON: Final = inspect.Parameter(
    "json",
    inspect.Parameter.KEYWORD_ONLY,
    default=False,
    annotation=Annotated[
        bool,
        typer.Option(
            "--json", metavar="", rich_help_panel="Run", help="The result as one JSON object on standard output."
        ),
    ],
)

for _name in COMMANDS:
    app.command(_name)(command(_name))
