"""The commands: flags in, one call of the Python face out. Settings are checked there, so both say the same.

Nothing heavy is imported here: `--help` answers at once.
"""

import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from tinybert.terminal import Call, guarded

_DATA, _MODELS, _RUN = "Data", "Models", "Run"

Recipe = Annotated[
    str,
    typer.Argument(
        metavar="RECIPE", help="Which paper's procedure; `tinybert recipes` lists them.", show_default=False
    ),
]
Model = Annotated[
    str,
    typer.Argument(metavar="MODEL", help="A run's folder, its student/ or export/, or any model.", show_default=False),
]
Method = Annotated[
    str,
    typer.Argument(metavar="METHOD", help="bert_glove, eda, cbert, tang or stationary.", show_default=False),
]
Runs = Annotated[list[str], typer.Argument(metavar="RUN...", help="Folders of finished runs.", show_default=False)]

Train = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        rich_help_panel=_DATA,
        help="Labelled text: .tsv .csv .jsonl .parquet or hf:NAME; for general, plain text or a folder of it.",
    ),
]
Dev = Annotated[
    str | None,
    typer.Option(metavar="FILE", rich_help_panel=_DATA, help="Chooses the best model; a tenth of --train without it."),
]
Test = Annotated[
    str | None, typer.Option(metavar="FILE", rich_help_panel=_DATA, help="For the final figures, or for predictions.")
]
Source = Annotated[
    str | None, typer.Option(metavar="FILE", rich_help_panel=_DATA, help="Labelled text of another domain.")
]
Unlabeled = Annotated[str | None, typer.Option(metavar="FILE", rich_help_panel=_DATA, help="Text without labels.")]
Kind = Annotated[
    str | None,
    typer.Option(
        metavar="KIND",
        rich_help_panel=_DATA,
        help="classification, regression, token-classification or question-answering; found out without it.",
    ),
]
Data = Annotated[str, typer.Option(metavar="FILE", rich_help_panel=_DATA, help="The rows.", show_default=False)]
DataOrStdin = Annotated[
    str,
    typer.Option(
        metavar="FILE|-",
        rich_help_panel=_DATA,
        help="The rows; - reads standard input: JSON lines, or one text a line.",
        show_default=False,
    ),
]

Teacher = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL", rich_help_panel=_MODELS, help="Folder or hub name; fine-tuned first if it has no head."
    ),
]
Student = Annotated[
    str | None,
    typer.Option(metavar="MODEL|SHAPE", rich_help_panel=_MODELS, help="A checkpoint, or layers x width such as 4x312."),
]
MaskedLM = Annotated[
    str | None, typer.Option(metavar="MODEL", rich_help_panel=_MODELS, help="Masked language model for augmentation.")
]
Vectors = Annotated[
    str | None, typer.Option(metavar="FILE", rich_help_panel=_MODELS, help="Word vectors as text, .gz or .zip.")
]

Config = Annotated[
    str | None,
    typer.Option(metavar="NAME|FILE", rich_help_panel=_RUN, help="A preset (small, paper) or a YAML file over one."),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", rich_help_panel=_RUN, help="One setting, e.g. prediction.lr=3e-5; repeatable."
    ),
]
Seed = Annotated[int | None, typer.Option(rich_help_panel=_RUN, help="Where all randomness starts; 0 without it.")]
Seeds = Annotated[int | None, typer.Option(rich_help_panel=_RUN, help="Run so many times and give mean and interval.")]
Device = Annotated[
    str | None, typer.Option(rich_help_panel=_RUN, help="cpu, cuda, mps ...; the best there is without it.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", metavar="", rich_help_panel=_RUN, help="Check everything and print the plan.")
]
Restart = Annotated[
    bool, typer.Option("--restart", metavar="", rich_help_panel=_RUN, help="Begin anew instead of continuing.")
]
RestartFrom = Annotated[
    str | None, typer.Option(metavar="STAGE", rich_help_panel=_RUN, help="Redo this stage and those after it.")
]
Folder = Annotated[str | None, typer.Option(metavar="DIR", rich_help_panel=_RUN, help="Where the run lives.")]
Json = Annotated[
    bool,
    typer.Option("--json", metavar="", rich_help_panel=_RUN, help="The result as one JSON object on standard output."),
]

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


@app.command()
def demo(
    output: Annotated[
        str, typer.Option(metavar="DIR", rich_help_panel=_RUN, help="Where the run lives.")
    ] = "tinybert-demo",
    json: Json = False,
) -> Call:
    """The whole job on shipped data, offline, in minutes."""
    return _call("demo", locals())


@app.command()
def distill(
    recipe: Recipe,
    train: Train = None,
    dev: Dev = None,
    test: Test = None,
    source: Source = None,
    unlabeled: Unlabeled = None,
    kind: Kind = None,
    teacher: Teacher = None,
    student: Student = None,
    mlm: MaskedLM = None,
    vectors: Vectors = None,
    output: Folder = None,
    config: Config = None,
    set: Set = None,
    seed: Seed = None,
    seeds: Seeds = None,
    device: Device = None,
    dry_run: DryRun = False,
    restart: Restart = False,
    restart_from: RestartFrom = None,
    json: Json = False,
) -> Call:
    """From a teacher and labelled text to a small student; the same command again continues."""
    return _call("distill", locals())


@app.command()
def augment(
    method: Method,
    train: Train = None,
    output: Annotated[
        str | None, typer.Option(metavar="FILE", rich_help_panel=_RUN, help="Originals and copies go here.")
    ] = None,
    mlm: MaskedLM = None,
    vectors: Vectors = None,
    teacher: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL", rich_help_panel=_MODELS, help="A classifier; says which copies change their class."
        ),
    ] = None,
    unlabeled: Unlabeled = None,
    kind: Kind = None,
    copies: Annotated[
        int | None, typer.Option(rich_help_panel=_RUN, help="Of each row; as many as the method's paper without it.")
    ] = None,
    seed: Seed = None,
    config: Config = None,
    set: Set = None,
    restart: Restart = False,
    json: Json = False,
) -> Call:
    """Rewrite labelled text: originals and copies into one file; the same command again continues."""
    return _call("augment", locals())


@app.command()
def evaluate(model: Model, data: Data, kind: Kind = None, set: Set = None, json: Json = False) -> Call:
    """Measure a model on labelled text."""
    return _call("evaluate", locals())


@app.command()
def predict(model: Model, data: DataOrStdin, kind: Kind = None, set: Set = None, json: Json = False) -> Call:
    """Label text: one JSON object a row on standard output."""
    return _call("predict", locals())


@app.command()
def export(
    model: Model,
    output: Annotated[
        str, typer.Option(metavar="DIR", rich_help_panel=_RUN, help="Where the files go.", show_default=False)
    ],
    int8: Annotated[
        bool,
        typer.Option("--int8", metavar="", rich_help_panel=_RUN, help="Eight-bit weights too: a quarter of the size."),
    ] = False,
    json: Json = False,
) -> Call:
    """Write a model as ONNX with its tokenizer and config."""
    return _call("export", locals())


@app.command()
def report(
    runs: Runs,
    output: Annotated[
        str, typer.Option(metavar="FILE", rich_help_panel=_RUN, help="One HTML file.", show_default=False)
    ],
    json: Json = False,
) -> Call:
    """Compare runs in one HTML file."""
    return _call("report", locals())


@app.command()
def recipes(json: Json = False) -> Call:
    """What there is, with citation and presets."""
    return _call("recipes", locals())


def _call(command: str, given: Mapping[str, Any]) -> Call:
    """The call that a command line asks for; flags and arguments have the names of the Python face."""
    arguments = {name: value for name, value in given.items() if name != "json"}
    if "set" in arguments:
        arguments["set"] = tuple(arguments["set"] or ())
    return Call(command, arguments, as_json=given["json"])
