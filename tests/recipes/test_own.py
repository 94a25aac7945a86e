"""A toy objective in a toy recipe, both of this file: nothing in the package is touched to use them."""

from dataclasses import dataclass, field

import pytest
import torch

import tinybert
from recipes.workshop import CLASSES, Workshop, on_one_processor, quick_finish, read
from tinybert.errors import UserError
from tinybert.recipes import RECIPES, Distiller, Outcome, Recipe, TaskSettings, Teacher, initialise, task_teacher
from tinybert.stages.common_settings import CommonSettings
from tinybert.types import LOGITS, Objective, Stage

pytestmark = [pytest.mark.usefixtures("processor"), on_one_processor]


class LogitGap(Objective):
    """Term `gap`: logits learn logits."""

    needs_student = needs_teacher = frozenset({LOGITS})

    def terms(self, student, teacher, batch):
        return {"gap": (student[LOGITS] - teacher[LOGITS]).abs().sum(dim=1)}


@dataclass(frozen=True, kw_only=True)
class Config(TaskSettings):
    distill: Stage = field(default_factory=lambda: Stage(epochs=1, lr=1e-3))


def distill(job, config, run):
    model = task_teacher(job, config.teacher, config.fine_tune, run)
    student = initialise(job, model, config.student, run).student
    distiller = Distiller(
        student, Teacher(model, config.teacher.dtype, run.device), job.train, job.task, config.teacher, run
    )
    distiller.run_stage("distill", LogitGap(), config.distill)
    return Outcome(student, model)


RECIPE = Recipe("toy", "logits learn logits", "nobody 2026", Config, distill)


def test__an_own_recipe_runs_with_settings_config_and_report_like_any_other(tiny_tokenizer, tmp_path):
    workshop = Workshop(tmp_path, tiny_tokenizer)
    workshop.model(classes=CLASSES)
    with quick_finish():
        given = workshop.arguments("fine_tune", set=("data.max_length=32",))
        metrics = tinybert.distill(RECIPE, **given, distill={"epochs": 2})
    assert (metrics["recipe"], metrics["preset"]) == ("toy", "defaults")
    assert read(tmp_path / "run" / "metrics.json") == metrics
    assert "preset: defaults" in (tmp_path / "run" / "config.yaml").read_text()


def test__what_an_own_recipe_does_not_know_is_refused_as_of_any_other(tmp_path):
    with pytest.raises(UserError, match="intermediate: unknown key"):
        tinybert.distill(RECIPE, train="t.tsv", output=tmp_path, teacher="t", intermediate={"epochs": 2})
    with pytest.raises(UserError, match=r"--config small: neither a preset of toy \(defaults\) nor a file"):
        tinybert.distill(RECIPE, train="t.tsv", output=tmp_path, teacher="t", config="small")
    with pytest.raises(UserError, match="--mlm: the recipe toy does not use it"):
        tinybert.distill(RECIPE, train="t.tsv", output=tmp_path, teacher="t", student="2x12", mlm="m")


def test__settings_without_what_every_run_reads_are_refused():
    with pytest.raises(
        ValueError, match="CommonSettings has no data, teacher, student, run; let it extend TaskSettings"
    ):
        Recipe("toy", "too little", "nobody 2026", CommonSettings, distill)


def test__an_own_objective_is_called_like_any_other():
    from objectives.worlds import BATCH, make_batch, make_trace

    objective = LogitGap()
    traces = [make_trace({LOGITS}, 0, 2, seed, torch.float32) for seed in (1, 2)]
    assert objective(*traces, make_batch(None)).shape == (BATCH,)
    assert "toy" not in RECIPES
