"""The model card: where a student comes from, what it can do and what nobody has checked; README.md of a run too."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import EvalResult, ModelCardData

from tinybert.export.card_results import System, results
from tinybert.export.markdown import bullets, last_part, plain
from tinybert.types import Kind

UNKNOWN_LICENCE = "unknown: check before publishing"

_PIPELINES: Mapping[Kind, str] = {"classification": "text-classification", "regression": "text-classification"}
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


@dataclass(frozen=True)
class CardFacts:
    """Everything a card says.

    Attributes:
        recipe: Name of the recipe.
        citation: The paper, in one line.
        teacher: Its name; of a path only the last part is shown.
        kind: Of the task; None = the student learnt plain text, no task.
        classes: Names in the order of the logits; empty for a regression.
        paired: Whether an input is two texts.
        max_length: Pieces per input.
        systems: `teacher`, `student`, `student_int8`: what was measured.
        data: Digest of each data set by its role (train, dev, test, ...).
        seed: Of the run.
        preset: The preset's name.
        hardware: On what it was trained and measured.
        versions: Of the libraries, by name.
        teacher_licence: As `licence_of` finds it; None = unknown.
        notes: Limits of this very run, a sentence each.
        fills_masks: Whether the student has a masked-LM head.
    """

    recipe: str
    citation: str
    teacher: str
    kind: Kind | None
    classes: tuple[str, ...]
    paired: bool
    max_length: int
    systems: Mapping[str, System]
    data: Mapping[str, str]
    seed: int
    preset: str
    hardware: str
    versions: Mapping[str, str]
    teacher_licence: str | None = None
    notes: tuple[str, ...] = ()
    fills_masks: bool = False


def model_card(facts: CardFacts, model_path: str = "path/to/this/folder") -> str:
    """The text of a README.md: front matter for the hub, then Markdown.

    Args:
        facts: What there is to say.
        model_path: The student's folder as the example of use shall name it; `student` in a run's own README.
    """
    parts = [
        f"---\n{_front_matter(facts)}\n---",
        f"# {plain(facts.recipe)}: a small model for {_task(facts)}",
        _origin(facts),
        f"## How to use\n\n{_usage(facts, model_path)}",
        f"## Results\n\n{results(facts.systems, facts.hardware)}",
        f"## Training\n\n{_training(facts)}",
        f"## Data\n\n{_data(facts)}",
        f"## Limits\n\n{bullets(_limits(facts))}",
        f"## Licence\n\n{_licence(facts)}",
        f"## Citation\n\n{facts.citation}",
    ]
    return "\n\n".join(parts) + "\n"


def licence_of(folder: Path) -> str | None:
    """The licence that a model folder's own card declares; None where it declares none."""
    card = folder / "README.md"
    if not card.is_file():
        return None
    with card.open(encoding="utf-8", errors="replace") as stream:
        front_matter = _FRONT_MATTER.match(stream.read(_LONGEST_FRONT_MATTER))
    declared = front_matter and _LICENCE.search(front_matter[1])
    return declared[1] if declared else None


def _front_matter(facts: CardFacts) -> str:
    pipeline = _pipeline(facts)
    measured = list(_eval_results(facts, pipeline))
    data = ModelCardData(
        license=facts.teacher_licence or "unknown",
        library_name="transformers",
        pipeline_tag=pipeline,
        tags=["tinybert", "knowledge-distillation", facts.recipe],
        metrics=sorted({result.metric_type for result in measured}) or None,
        model_name=f"{facts.recipe}-student",
        eval_results=measured or None,
    )
    return str(data.to_yaml())


def _pipeline(facts: CardFacts) -> str:
    """What the hub calls the use of such a model."""
    if facts.kind is None:
        return "fill-mask" if facts.fills_masks else "feature-extraction"
    return _PIPELINES.get(facts.kind, facts.kind)


def _eval_results(facts: CardFacts, pipeline: str) -> Iterable[EvalResult]:
    for split, metrics in facts.systems.get("student", System()).metrics.items():
        for name, value in metrics.items():
            if not math.isfinite(value):  # an undefined correlation; the hub reads numbers only
                continue
            yield EvalResult(
                task_type=pipeline,
                dataset_type="user-data",
                dataset_name=f"the run's own {split.replace('_', '-')} data",
                dataset_split=split,
                metric_type=_HUB_METRICS.get(name, name),
                metric_name=name,
                metric_value=round(float(value), 4),
            )


def _task(facts: CardFacts) -> str:
    if facts.kind is None:
        return "tasks that it has yet to learn"
    inputs = "pairs of texts" if facts.paired else "texts"
    verb = "scoring" if facts.kind == "regression" else "classifying" if facts.kind == "classification" else facts.kind
    return f"{verb} {inputs}"


def _origin(facts: CardFacts) -> str:
    teacher = plain(last_part(facts.teacher))
    classes = ", ".join(plain(name) for name in facts.classes)
    lines = [f"Learnt from the teacher **{teacher}** with the recipe `{facts.recipe}` of the package tinybert."]
    if classes:
        lines.append(f"Classes, in the order of the logits: {classes}.")
    return "\n".join(lines)


def _usage(facts: CardFacts, model_path: str) -> str:
    if facts.kind is None:
        return _start(model_path)
    given = '{"text": "one text", "text_pair": "another"}' if facts.paired else '"one text"'
    return (
        "```python\n"
        "from transformers import pipeline\n\n"
        f'ask = pipeline("text-classification", model="{model_path}")\n'
        f"print(ask({given}, truncation=True))\n"
        "```\n\n"
        f"`truncation=True` cuts after {facts.max_length} pieces; without it a longer input is an error."
    )


def _start(model_path: str) -> str:
    return (
        f"```bash\ntinybert distill tinybert --teacher T --train F --student {model_path} --output DIR\n```\n\n"
        "or, with transformers alone, as the start of fine-tuning:\n\n"
        "```python\n"
        "from transformers import AutoModel\n\n"
        f'model = AutoModel.from_pretrained("{model_path}")\n'
        "```"
    )


def _training(facts: CardFacts) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in facts.versions.items())
    lines = [f"Preset {plain(facts.preset)}, seed {facts.seed}.", f"Hardware: {plain(facts.hardware)}."]
    return bullets([*lines, f"Versions: {plain(versions)}."])


def _data(facts: CardFacts) -> str:
    digests = [f"{plain(role)}: sha256 `{digest}`" for role, digest in facts.data.items()]
    ask = "**To fill in before publishing:** what the data is, who made it, and its licence. This package cannot know."
    return "\n\n".join(part for part in (bullets(digests), ask) if part)


def _limits(facts: CardFacts) -> list[str]:
    general = [
        "It is as good as the figures above on data like theirs; on other domains or languages nothing was measured.",
        "A student repeats its teacher's mistakes and prejudices, and those of its training data.",
        f"Inputs are cut after {facts.max_length} pieces.",
    ]
    return [*general, *(plain(note) for note in facts.notes)]


def _licence(facts: CardFacts) -> str:
    teacher = plain(facts.teacher_licence) if facts.teacher_licence else UNKNOWN_LICENCE
    return (
        f"Licence of the teacher: {teacher}. A student is made of its teacher and of its training data; "
        "publish it only under terms that both allow."
    )
