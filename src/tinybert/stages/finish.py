"""The end of every run: save and export the student, evaluate all systems, describe them, report.

Done once per (trained student, test data); a repeated command finds it done. Nothing here changes an answer.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinybert import files
from tinybert.export.card import CardFacts, licence_of, model_card
from tinybert.export.hub import save_student
from tinybert.export.layout import MODEL_INT8
from tinybert.export.onnx import ExportReport, export_onnx
from tinybert.export.settings import ExportSettings
from tinybert.models.heads import note_reading
from tinybert.models.student import is_shape
from tinybert.report.render import render
from tinybert.run import Run
from tinybert.stages.augment import FOLDER, QUALITY
from tinybert.stages.calibration import calibrate, calibration_figures
from tinybert.stages.finished import found_finished, seal_finished
from tinybert.stages.initialisation import Vocabulary
from tinybert.stages.int8 import int8_figures, ranges_of
from tinybert.stages.job import Job, Outcome
from tinybert.stages.systems import System, all_rows, final_rows, logits_by_split, onnx_system, torch_system
from tinybert.stages.trimming import trim

Systems = Mapping[str, System]


@dataclass(frozen=True)
class About:
    """What the papers of a run say about it.

    Attributes:
        recipe: Its name.
        citation: Its paper.
        preset: The preset its settings were laid over.
        teacher: The teacher as the user named it; None without one.
    """

    recipe: str
    citation: str
    preset: str
    teacher: str | None


def finish(
    job: Job, outcome: Outcome, about: About, run: Run, export: ExportSettings, vocabulary: Vocabulary
) -> dict[str, Any]:
    """Everything a run leaves that is not training; returns what `metrics.json` says."""
    key = _key(job, outcome, export) | {"vocabulary": str(vocabulary)}
    if (found := found_finished(run, key)) is not None:
        return found
    model = outcome.student
    job, trimming = trim(outcome, job, vocabulary, run)
    temperature = calibrate(model, job, run)
    said = logits_by_split(model, job, run)
    task = job.task.fitted(said["dev"], job.dev, export.wanted())
    if export.threshold is not None:
        _say_reached(task.details(said["dev"], job.dev)["per_label"], export.threshold, run)
    note_reading(model.config, paired=task.paired, **job.encoder.windows._asdict())
    task.note_in(model.config)
    save_student(model, job.tokenizer, run.folder / "student", max_length=job.max_length)
    run.log.say(f"export: ONNX fp32 and int8 ({export.quantisation})")
    ranges = ranges_of(job, run, export)
    exported = export_onnx(model, job.tokenizer, run.folder / "export", max_length=job.max_length, ranges=ranges)
    run.log.say("evaluate: quality and latency of all systems")
    student = torch_system(model, task, said, run.folder / "student")
    systems = _systems(job, outcome, student, about, run, export)
    metrics = _metrics(job, outcome, systems, exported, about, run) | trimming
    metrics |= calibration_figures(job, systems, temperature)
    files.write_json(run.folder / "metrics.json", metrics)
    _write_predictions(job, systems, run.folder / "predictions.jsonl")
    facts = {"pipeline": task.pipeline, "verb": task.verb, "paired": task.paired, "max_length": job.max_length}
    facts |= {"options": task.pipeline_options, "note": task.pipeline_note.format(max_length=job.max_length)}
    facts |= {"library": model.library, "usage": task.usage, "windows": _reading(job)}
    write_cards(metrics, about, run, **facts)
    render([run.folder], run.folder / "report.html")
    seal_finished(run, key)
    return metrics


def _say_reached(labels: Mapping[str, Mapping[str, Any]], wanted: str, run: Run) -> None:
    """What each threshold reaches on dev, where it was fitted."""
    for name, found in labels.items():
        reached = f"precision {found['precision']:.3f} and recall {found['recall']:.3f} on dev"
        run.log.say(f"threshold: {name} from {found['threshold']:.3f} on: {reached} ({wanted} is wanted)")


def _reading(job: Job) -> str | None:
    """What `predict` does with an input that is too long, as cards say it; None = it is cut."""
    pooling = job.encoder.windows.pooling
    if pooling != "off":
        return f"reads longer ones in windows and takes the {pooling} of their logits"
    return "reads longer ones in windows" if job.task.own_windows else None


def _key(job: Job, outcome: Outcome, export: ExportSettings) -> dict[str, str | None]:
    test = None if job.test is None else job.test.digest
    return {
        "student": outcome.student.digest(),
        "dev": job.dev.digest,
        "test": test,
        "task": repr(job.task),
        "export": repr(export),
    }


def _systems(job: Job, outcome: Outcome, student: System, about: About, run: Run, export: ExportSettings) -> Systems:
    systems: dict[str, System] = {}
    if outcome.teacher is not None:
        assert about.teacher is not None
        tuned = run.folder / "teacher"
        said = logits_by_split(outcome.teacher, job.as_teacher_reads, run)
        task = job.task.fitted(said["dev"], job.dev, export.wanted())
        task.note_in(config := outcome.teacher.config)
        if tuned.exists() and _noted(files.read_json(tuned / "config.json")) != _noted(config.to_dict()):
            save_student(outcome.teacher, job.as_teacher_reads.tokenizer, tuned, max_length=job.max_length)
        systems["teacher"] = torch_system(outcome.teacher, task, said, tuned if tuned.exists() else about.teacher)
    systems["student"] = student
    file = run.folder / "export" / MODEL_INT8
    systems["student_int8"] = onnx_system(file, outcome.student, student.task, job)
    return systems


def _noted(config: Mapping[str, Any]) -> dict[str, Any]:
    """What a task notes in a configuration when its logits on dev are known."""
    return {name: value for name, value in config.items() if name == "positive" or "threshold" in name}


def _metrics(
    job: Job, outcome: Outcome, systems: Systems, exported: ExportReport, about: About, run: Run
) -> dict[str, Any]:
    figures: dict[str, Any] = {"recipe": about.recipe, "preset": about.preset, "seed": run.seed}
    figures["classes"] = list(job.task.classes)
    figures |= {name: system.entry(job) for name, system in systems.items()}
    figures |= {"evaluated_on": final_rows(job)[0], "main_metric": job.task.figure}
    if job.splits.dev_labels == "teacher":
        figures["dev_labels"] = "teacher"
        figures["teacher"].pop("dev")  # how often it agrees with itself
    details = {name: system.details(job) for name, system in systems.items()}
    figures |= {detail: {name: details[name][detail] for name in systems} for detail in details["student"]}
    if job.splits.scores is not None:
        figures["teacher_scores"] = {"train": job.task.metrics(job.splits.scores, job.train)}
    figures["flops"] = {name: system.flops for name, system in systems.items() if system.flops}
    figures["export"] = {"parity_difference": exported.parity_difference, "quantisation": exported.quantisation}
    figures["export"] |= int8_figures(job, systems["student"], systems["student_int8"])
    figures["data"] = _data(job)
    if (quality := run.folder / FOLDER / QUALITY).exists():
        figures["augmentation"] = files.read_json(quality)
    figures |= outcome.figures
    figures["notes"] = [*job.splits.notes, *run.notes]
    return figures


def _data(job: Job) -> dict[str, Any]:
    rows = {"train": job.train, **all_rows(job)}
    others = {"source": job.source, "unlabeled": job.unlabeled}
    texts = {name: part for name, part in others.items() if part is not None}
    return {
        "rows": {name: len(part.needed_examples()) for name, part in rows.items()}
        | {name: len(part) for name, part in texts.items()},
        "truncated": {name: part.truncated for name, part in rows.items()},
        "windowed": {name: part.windowed for name, part in rows.items()},
        "unknown_pieces": {name: part.unknown for name, part in rows.items()},
        "overlap": job.splits.overlap,
        "digests": {name: part.digest for name, part in rows.items()}
        | {name: part.digest() for name, part in texts.items()}
        | ({} if job.plain_text is None else job.plain_text.contents()),
    }


def _write_predictions(job: Job, systems: Systems, target: Path) -> None:
    """The student's answers on test (else dev) beside those of the other systems and the gold label."""
    split, rows = list(all_rows(job).items())[-1]
    student, examples = systems["student"], rows.needed_examples()
    others = {name: system for name, system in systems.items() if name != "student"}
    columns = {name: system.task.answers(system.logits[split], rows) for name, system in others.items()}
    if rows.labelled and (split, job.splits.dev_labels) != ("dev", "teacher"):
        columns["gold"] = job.task.gold_answers(rows)
    with files.atomic_file(target) as temporary, temporary.open("w", encoding="utf-8") as stream:
        for index, answer in enumerate(student.task.predictions(student.logits[split], rows)):
            example = examples[index]
            extra = {name: column[index] for name, column in columns.items()} | {"text": example.text}
            if example.pair is not None:
                extra["pair"] = example.pair
            stream.write(json.dumps({**answer, **extra}, ensure_ascii=False) + "\n")


def write_cards(metrics: Mapping[str, Any], about: About, run: Run, **facts: Any) -> None:
    """`README.md` of the run and of its student; `facts` are those of `CardFacts` that `metrics.json` does not hold."""
    machine = files.read_json(run.folder / "environment.json")
    known = CardFacts(
        run=metrics,
        citation=about.citation,
        hardware=f"{machine['device_name'] or machine['processor']}, {machine['threads']} threads",
        versions={name: machine[name] for name in ("tinybert", "torch", "transformers", "onnxruntime")},
        **_provenance(metrics, about, run),
        **facts,
    )
    files.write_text(run.folder / "README.md", model_card(known, "student"))
    files.write_text(run.folder / "student" / "README.md", model_card(known))


def _provenance(metrics: Mapping[str, Any], about: About, run: Run) -> dict[str, Any]:
    """The teacher, the checkpoint whose weights the student began with, and the licence of what it is made of."""
    student = run.config.get("student.path")
    origin = None if student is None or is_shape(student) else student
    if about.teacher and not metrics.keys().isdisjoint({"teacher", "teacher_scores"}):
        return {"teacher": about.teacher, "origin": origin, "licence": licence_of(Path(about.teacher))}
    if origin is None and run.config.get("student.init") != "random":
        origin = run.config.get("teacher.path")
    return {"teacher": None, "origin": origin, "licence": licence_of(run.folder / origin) if origin else None}
