"""The model card: where a student comes from, what it can do and what nobody has checked; README.md of a run too."""

import html
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from huggingface_hub import EvalResult, ModelCardData
from jinja2 import Environment, PackageLoader, StrictUndefined, Template

_TITLES = {"teacher": "Teacher", "student": "Student", "student_int8": "Student, int8 ONNX"}
_SPLITS = ("dev", "test", "held_out")
# The hub's own names of metrics, where they differ from ours.
_HUB_METRICS = {
    "macro_f1": "f1",
    "mcc": "matthews_correlation",
    "pearson": "pearsonr",
    "spearman": "spearmanr",
}
_FRONT_MATTER = re.compile(r"\A\ufeff?---\s*\n(.*?)\n---\s*$", re.DOTALL | re.MULTILINE)
_LONGEST_FRONT_MATTER = 1_000_000  # characters; a foreign file may have any size
# A scalar, or the first item of a list; YAML itself is not needed for one word, nor safe to need.
_LICENCE = re.compile(r"^license:\s*(?:-\s*)?[\"']?([\w.+-]+)[\"']?\s*$", re.MULTILINE)
# What the log says of any data: how a file was read, and how many rows a part has.
_NO_LIMIT = re.compile(
    r": data\.quoting=auto chose |: the cells are separated by |: not all rows have the same number of columns: "
    r"|^\w+: [\d,]+ rows(?:;| without labels$)|^dev: [\d,]+ of [\d,]+ rows of .* \(no --dev\)$"
)
_SPECIAL = re.compile(r"([\\`*_{}\[\]#|~$])")


@dataclass(frozen=True)
class CardFacts:
    """Everything a card says.

    Attributes:
        run: `metrics.json` of the run.
        citation: The paper, in one line.
        teacher: Its name, of a path only the last part is shown; None = labels alone taught the student.
        pipeline: What the hub calls the use of such a model.
        verb: What it does with its input, as in "classifying texts"; None = it learnt plain text, no task.
        paired: Whether an input is two texts.
        max_length: Pieces per input.
        hardware: On what it was trained and measured.
        versions: Of the libraries, by name.
        origin: The checkpoint whose weights the student began with, named likewise; None = it is the teacher, or none.
        licence: Of the teacher, or else of the origin, as `licence_of` finds it; None = unknown.
        options: Of a call of `pipeline`, see `Task`.
        note: What to know of such a call.
        usage: Python to show in its place, see `Task`.
        library: What loads the student.
        windows: What `tinybert predict` does with an input that is longer; None = it is cut.
    """

    run: Mapping[str, Any]
    citation: str
    teacher: str | None
    pipeline: str
    verb: str | None
    paired: bool
    max_length: int
    hardware: str
    versions: Mapping[str, str]
    origin: str | None = None
    licence: str | None = None
    options: str = ""
    note: str = ""
    usage: str | None = None
    library: str = "transformers"
    windows: str | None = None


def model_card(facts: CardFacts, model_path: str = "path/to/this/folder") -> str:
    """The text of a README.md: front matter for the hub, then Markdown.

    Args:
        facts: What there is to say.
        model_path: The student's folder as the example of use shall name it; `student` in a run's own README.
    """
    systems = {name: facts.run[name] for name in _TITLES if facts.run.get(name)}
    scores = [(split, metric) for entry in systems.values() for split in _SPLITS for metric in entry.get(split, ())]
    lengths = [length for entry in systems.values() for length in entry.get("latency_ms", ())]
    columns = {"scores": list(dict.fromkeys(scores)), "lengths": list(dict.fromkeys(lengths))}
    head = {"front_matter": _front_matter(facts), "model_path": model_path}
    limits = [note for note in facts.run["notes"] if not _NO_LIMIT.search(note)]
    return _template().render(
        facts=facts, run=facts.run, systems=systems, titles=_TITLES, limits=limits, **columns, **head
    )


def licence_of(folder: Path) -> str | None:
    """The licence that a model folder's own card declares; None where it declares none."""
    card = folder / "README.md"
    if not card.is_file():
        return None
    with card.open(encoding="utf-8", errors="replace") as stream:
        front_matter = _FRONT_MATTER.match(stream.read(_LONGEST_FRONT_MATTER))
    declared = front_matter and _LICENCE.search(front_matter[1])
    return declared[1] if declared else None


def plain(text: str) -> str:
    r"""A user's words as Markdown shows them literally, on one line.

    Example:
        >>> print(plain("<b> a|b"))
        &lt;b&gt; a\|b
    """
    return _SPECIAL.sub(r"\\\1", html.escape(" ".join(text.split()), quote=False))


def last_part(name: str) -> str:
    """A name without the folders it lies in where it is a path of one machine; a hub name stays.

    Example:
        >>> last_part("/home/me/teacher"), last_part("org/name")
        ('teacher', 'org/name')
    """
    for path in (PurePosixPath(name), PureWindowsPath(name)):
        if path.is_absolute() or path.drive or name.startswith((".", "~")):
            return path.name
    return name


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("tinybert.export"),
        autoescape=False,  # noqa: S701  Markdown: what comes from a run goes through `plain`
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"plain": plain, "last_part": last_part}
    return environment.get_template("card.md.j2")


def _front_matter(facts: CardFacts) -> str:
    recipe, measured = facts.run["recipe"], list(_eval_results(facts))
    taught = ["knowledge-distillation"] if facts.teacher else []
    data = ModelCardData(
        license=facts.licence or "unknown",
        library_name=facts.library,
        pipeline_tag=facts.pipeline,
        tags=["tinybert", *taught, recipe],
        metrics=sorted({result.metric_type for result in measured}) or None,
        model_name=f"{recipe}-student",
        eval_results=measured or None,
    )
    return str(data.to_yaml())


def _eval_results(facts: CardFacts) -> Iterable[EvalResult]:
    agreement = "dev" if facts.run.get("dev_labels") == "teacher" else None  # how often teacher and student agree
    for split in (split for split in _SPLITS if split != agreement):
        for name, value in facts.run.get("student", {}).get(split, {}).items():
            if math.isfinite(value):  # not an undefined correlation; the hub reads numbers only
                yield EvalResult(
                    task_type=facts.pipeline,
                    dataset_type="user-data",
                    dataset_name=f"the run's own {split.replace('_', '-')} data",
                    dataset_split=split,
                    metric_type=_HUB_METRICS.get(name, name),
                    metric_name=name,
                    metric_value=round(float(value), 4),
                )
