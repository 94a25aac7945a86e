"""The end of a run on plain text: the student as a plain folder, what it costs, how well it imitates, a report."""

from typing import Any

from tinybert import files
from tinybert.export.hub import save_network
from tinybert.models.heads import has_masked_lm_head
from tinybert.report.render import render
from tinybert.run import Run
from tinybert.stages.finish import About, write_cards
from tinybert.stages.finished import found_finished, seal_finished
from tinybert.stages.job import Outcome, PlainText
from tinybert.stages.systems import flops_of, torch_cost


def finish_general(text: PlainText, outcome: Outcome, about: About, run: Run) -> dict[str, Any]:
    """Everything such a run leaves that is not training; returns what `metrics.json` says."""
    key = {"student": outcome.student.digest(), **text.contents()}
    if (found := found_finished(run, key)) is not None:
        return found
    student = outcome.student
    save_network(student, text.tokenizer, run.folder / "student")
    run.log.say("evaluate: size and latency of teacher and student")
    metrics = _metrics(text, outcome, about, run)
    files.write_json(run.folder / "metrics.json", metrics)
    pipeline = "fill-mask" if has_masked_lm_head(run.folder / "student") else "feature-extraction"
    how: dict[str, Any] = {"pipeline": pipeline, "verb": None, "paired": False}
    write_cards(metrics, about, run, **how, max_length=student.longest)
    render([run.folder], run.folder / "report.html")
    seal_finished(run, key)
    return metrics


def _metrics(text: PlainText, outcome: Outcome, about: About, run: Run) -> dict[str, Any]:
    figures, blocks = dict(outcome.figures["general"]), {"train": text.train, "held_out": text.held_out}
    loss = figures.pop("held_out_loss")  # the student's, where there is no task to be good at
    assert outcome.teacher is not None
    assert about.teacher is not None
    student, teacher = (network.body() for network in (outcome.student, outcome.teacher))  # what a task will use
    return {
        "recipe": about.recipe,
        "preset": about.preset,
        "seed": run.seed,
        "classes": [],
        "teacher": torch_cost(teacher, about.teacher),
        "student": {**torch_cost(student, run.folder / "student"), "held_out": {"loss": loss}},
        "flops": {"teacher": flops_of(teacher, 0), "student": flops_of(student, 0)},
        "general": figures,
        "data": {
            "blocks": {name: len(part) for name, part in blocks.items()},
            "tokens": {name: part.pieces for name, part in blocks.items()},
            "digests": {name: part.digest for name, part in blocks.items()},
        },
        "notes": [
            *run.notes,
            "It has learnt no task: its outputs mean nothing before it is distilled or fine-tuned on one.",
        ],
    }
