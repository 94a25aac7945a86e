"""Fine-tuning on one domain, on two in turn, on two at once."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from recipes.workshop import Rows, Workshop, equal, inputs_of, reviews, steps_of, trained
from tinybert.data.encode import Encoder
from tinybert.data.settings import DataSettings
from tinybert.errors import UserError
from tinybert.families.network import Network
from tinybert.log import Log
from tinybert.models.heads import Head
from tinybert.models.loading import load_classifier
from tinybert.run import Run, RunSettings
from tinybert.stages.fine_tune import fine_tune, fine_tune_on, labelled_source
from tinybert.stages.job import Job
from tinybert.stages.reading import encoded
from tinybert.stages.teacher import TeacherSettings, task_teacher
from tinybert.tasks.load import load
from tinybert.types import Stage

TRAIN, DEV, SOURCE = reviews(16, seed=1), reviews(12, seed=2), reviews(30, seed=3)
STAGE = Stage(epochs=2, batch_size=8, lr=3e-3)


@pytest.fixture
def network(tmp_path: Path, tiny_tokenizer: Any) -> Callable[[], Network]:
    """A small network with a fresh head, the same at each call."""
    folder = Workshop(tmp_path, tiny_tokenizer).model("body", layers=2, width=12)
    return lambda: load_classifier(folder, Head(("neg", "pos"))).model


@pytest.fixture
def begun(tmp_path: Path, tiny_tokenizer: Any) -> Callable[..., tuple[Run, Job]]:
    """`begun("name", train, source)`: a run and its data."""

    def make(name: str, train: Rows = TRAIN, source: Rows | None = SOURCE) -> tuple[Run, Job]:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        run = Run(folder, 3, RunSettings(dtype="fp32"), torch.device("cpu"), Log(folder / "metrics.jsonl"))
        splits = load(
            train,
            DEV,
            None,
            DataSettings(),
            kind=None,
            head_classes=None,
            rng=lambda _: np.random.default_rng(0),
            rejected_to=None,
            source=source,
        )
        rows = [encoded(part, Encoder(tiny_tokenizer, 32), run) for part in (splits.train, splits.dev)]
        return run, Job(splits, *rows, None, Encoder(tiny_tokenizer, 32), source=splits.source)

    return make


def inputs(run: Run, name: str) -> dict[str, Any]:
    return inputs_of(run.folder, name)


def test__target_is_one_stage_that_knows_of_no_source(network, begun):
    (run, job), (other, alone) = begun("both"), begun("alone", source=None)
    for one, its in ((run, job), (other, alone)):
        fine_tune_on("target", network(), its, STAGE, one, name="net")
    assert inputs(run, "net") == inputs(other, "net")
    assert set(inputs(run, "net")) >= {"train", "dev", "head.classes", "seed", "fine_tune.lr"}
    assert not {"source", "teacher_data"} & set(inputs(run, "net"))
    assert equal(trained(run.folder, "net"), trained(other.folder, "net"))


def test__source_then_target_is_two_stages_in_a_chain(network, begun, tiny_tokenizer):
    run, job = begun("chain")
    fine_tune_on("source_then_target", network(), job, STAGE, run, name="net")
    assert steps_of(run.folder) == ["net_source", "net"]
    assert "train" not in inputs(run, "net_source")

    other, _ = begun("by_hand")
    student, source = network(), labelled_source(job.source, "source_then_target")
    for name, rows in (("net_source", encoded(source, Encoder(tiny_tokenizer, 32), other)), ("net", job.train)):
        report = fine_tune(student, job, STAGE, other, name, rows)
        assert report.steps == 2 * -(-len(rows) // 8)
        assert report.best is not None  # evaluated on the target's dev
        assert equal(trained(run.folder, name), trained(other.folder, name))


def test__joint_learns_both_domains_as_one(network, begun):
    (run, job), (other, one) = begun("joint"), begun("one", train=[*TRAIN, *SOURCE], source=None)
    fine_tune_on("joint", network(), job, STAGE, run, name="net")
    fine_tune_on("target", network(), one, STAGE, other, name="net")
    assert equal(trained(run.folder, "net"), trained(other.folder, "net"))
    assert inputs(run, "net")["teacher_data"] == "joint"
    assert not list(run.folder.glob(".tmp-*"))


@pytest.mark.parametrize("domains", ["source_then_target", "joint"])
def test__another_source_is_another_stage(network, begun, domains):
    run, job = begun("run")
    fine_tune_on(domains, network(), job, STAGE, run, name="net")
    again, same = begun("run")
    fine_tune_on(domains, network(), same, STAGE, again, name="net")  # found
    again, other = begun("run", source=SOURCE[:-2])
    with pytest.raises(UserError, match=r"^source: changed since stage net"):
        fine_tune_on(domains, network(), other, STAGE, again, name="net")


@pytest.mark.parametrize("domains", ["source_then_target", "joint"])
@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        (None, r"^--source is missing: teacher_data=\w+ learns its labels"),
        ([{"text": "a phone"}], r"^--source: no row has a label of this task"),
    ],
)
def test__a_source_without_labels_is_refused_before_anything_is_learnt(network, begun, domains, source, complaint):
    run, job = begun("run", source=source)
    with pytest.raises(UserError, match=complaint) as refused:
        fine_tune_on(domains, network(), job, STAGE, run, name="net")
    assert "\n" not in str(refused.value)
    assert not steps_of(run.folder)


def test__a_teacher_without_a_head_learns_the_domains_it_is_told(begun, tmp_path, tiny_tokenizer):
    settings = TeacherSettings(str(Workshop(tmp_path, tiny_tokenizer).model()), accept_weak=True)
    run, job = begun("run")
    task_teacher(job, settings, STAGE, run, "source_then_target")
    assert steps_of(run.folder) == ["teacher_source", "teacher"]
    kept = load_classifier(run.folder / "teacher").model.weights()
    assert all(torch.equal(kept[name], value) for name, value in trained(run.folder, "teacher").items())
    assert list(run.folder.glob("stages/examined-*/result/examined.json"))


def test__a_teacher_with_a_head_is_used_as_it_is_whatever_it_was_told(begun, tmp_path, tiny_tokenizer, capsys):
    folder = Workshop(tmp_path, tiny_tokenizer).model("tuned", classes=("neg", "pos"))
    run, job = begun("run")
    settings = TeacherSettings(str(folder), accept_weak=True)
    model = task_teacher(replace(job, source=None), settings, STAGE, run, "joint")
    assert equal(model.state_dict(), load_classifier(folder).model.state_dict())
    assert not (run.folder / "teacher").exists()
    assert "is used as it is, whatever teacher_data=joint says" in capsys.readouterr().err
