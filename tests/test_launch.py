"""Runs as people repeat, change, interrupt and multiply them (interface, section 6)."""

import shutil
from pathlib import Path

import pytest

from augment.worlds import french
from recipes.workshop import contents, finished_in, on_one_processor, read, reviews, stage, steps_of
from tinybert.engine import fit
from tinybert.errors import UserError
from tinybert.folders import locked
from tinybert.request import request_for
from tinybert.stages import finish

pytestmark = [pytest.mark.usefixtures("processor"), on_one_processor]


@pytest.fixture(scope="module")
def finished(tiny_tokenizer, tmp_path_factory, processor):
    """A finished run of TinyBERT by a teacher with a head; never to be changed."""
    return finished_in(tmp_path_factory.mktemp("finished"), tiny_tokenizer)


@pytest.fixture
def workshop(finished, workshop):
    """A copy of the finished run with its data."""
    shutil.copytree(finished.folder, workshop.folder, dirs_exist_ok=True)
    return workshop


def stages(run: Path) -> dict[str, dict]:
    return {name: contents(stage(run, name)) for name in steps_of(run)}


@pytest.mark.usefixtures("untrained")
def test__another_test_set_is_only_evaluated(workshop):
    run = workshop.path("run")
    before, weights = read(run / "metrics.json"), (run / "student" / "model.safetensors").read_bytes()
    metrics = workshop.distill(test=workshop.data("other.tsv", reviews(20, seed=9)))
    assert metrics["data"]["rows"] == {"train": 24, "dev": 12, "test": 20}
    assert metrics["student"]["dev"] == before["student"]["dev"]
    assert len(read(run / "predictions.jsonl")) == 20
    assert (run / "student" / "model.safetensors").read_bytes() == weights
    assert "other.tsv" in (run / "config.yaml").read_text()


@pytest.mark.usefixtures("untrained")
def test__a_test_set_without_labels_gives_predictions_and_no_figures(workshop):
    rows = [{"text": row["text"]} for row in reviews(7)]
    metrics = workshop.distill(test=workshop.data("bare.tsv", rows))
    assert "test" not in metrics["student"]
    assert metrics["evaluated_on"] == "dev"
    answers = read(workshop.path("run") / "predictions.jsonl")
    assert [answer["row"] for answer in answers] == list(range(1, 8))
    assert all("gold" not in answer for answer in answers)


@pytest.mark.usefixtures("untrained")
def test__how_and_where_a_run_happens_changes_no_stage(workshop):
    before = stages(workshop.path("run"))
    moved = workshop.path("moved.tsv")
    shutil.copy(workshop.splits()["train"], moved)
    workshop.distill(train=moved, also=("run.checkpoint_every=5", "run.threads=1", "run.deterministic=false"))
    assert stages(workshop.path("run")) == before


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        (
            {"also": ("prediction.lr=1e-4",)},
            r"prediction\.lr: changed since stage prediction .*--restart-from prediction",
        ),
        ({"also": ("intermediate.epochs=9",)}, r"intermediate\.epochs: changed since stage intermediate"),
        ({"also": ("student.layer_map=top",)}, r"student\.layer_map: changed since stage init"),
        ({"student": "1x12"}, r"student\.path: changed since stage init"),
        ({"seed": 4}, r"seed: changed since stage init"),
        ({"also": ("data.per_class=4",)}, r"data\.per_class.*train: changed since stage teacher"),
    ],
)
def test__a_changed_setting_names_itself_and_the_stage(workshop, changes, complaint):
    before, config = stages(workshop.path("run")), (workshop.path("run") / "config.yaml").read_text()
    with pytest.raises(UserError, match=complaint):
        workshop.distill(**changes)
    assert stages(workshop.path("run")) == before
    assert (workshop.path("run") / "config.yaml").read_text() == config


@pytest.mark.usefixtures("untrained")
def test__changed_contents_are_noticed_under_the_same_name(workshop):
    workshop.data("train.tsv", reviews(24, seed=33))
    with pytest.raises(UserError, match="train: changed since stage teacher"):
        workshop.distill()
    workshop.data("train.tsv", reviews(24, seed=1))
    workshop.model(classes=("neg", "pos"), seed=8)
    with pytest.raises(UserError, match="teacher: changed since stage teacher"):
        workshop.distill()


def test__restart_from_a_stage_redoes_it_and_what_follows(workshop):
    run = workshop.path("run")
    before, student = stages(run), (run / "student" / "model.safetensors").read_bytes()
    workshop.distill(also=("prediction.lr=1e-4",), restart_from="prediction")
    after = stages(run)
    assert {name for name in before if before[name] != after[name]} == {"prediction"}
    assert (run / "student" / "model.safetensors").read_bytes() != student
    steps = [line["step"] for line in read(run / "metrics.jsonl") if line["stage"] == "prediction" and "loss" in line]
    assert steps == [1, 2, 3, 4, 5, 6]
    with pytest.raises(
        UserError, match=r"--restart-from nonsense: .* there are: teacher, init, intermediate, prediction"
    ):
        workshop.distill(restart_from="nonsense")


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize("how", [{"restart": True}, {"restart_from": "init"}])
@pytest.mark.parametrize(
    ("slip", "complaint"), [({"train": "nope.tsv"}, "no such file"), ({"student": "2x13"}, "do not divide")]
)
def test__a_slip_costs_nothing_that_is_there(workshop, how, slip, complaint):
    before = stages(workshop.path("run"))
    with pytest.raises(UserError, match=complaint):
        workshop.distill(**how, **slip)
    assert stages(workshop.path("run")) == before


@pytest.mark.usefixtures("untrained")
def test__one_cannot_restart_in_two_ways(workshop):
    with pytest.raises(UserError, match="give one of them"):
        workshop.distill(restart=True, restart_from="init")


def test__several_seeds_restart_from_a_stage_that_not_all_have_reached(workshop):
    folder = workshop.path("seeds")
    workshop.distill(output=folder, seeds=1)
    summary = workshop.distill(output=folder, seeds=2, also=("prediction.lr=1e-4",), restart_from="prediction")
    assert summary["seeds"] == [1, 2]


def test__the_run_of_a_seed_has_one_owner(workshop):
    folder = workshop.path("seeds")
    with locked(folder):
        pass  # leaves its lock, as a command before it would
    with (
        locked(folder / "seed-1"),
        pytest.raises(UserError, match=r"seed-1: another tinybert process is working in this folder"),
    ):
        workshop.distill(output=folder, seeds=1)


def test__restart_begins_anew_with_a_teacher_of_its_own(workshop):
    """The same folder, first with a teacher that has a head, then with two that must be fine-tuned."""
    run = workshop.path("run")
    workshop.model()
    workshop.distill(restart=True)
    first = (run / "teacher" / "model.safetensors").read_bytes()
    workshop.distill(restart=True, also=("fine_tune.lr=1e-3",))
    assert (run / "teacher" / "model.safetensors").read_bytes() != first
    workshop.model(classes=("neg", "pos"))
    workshop.distill(restart=True)
    assert not (run / "teacher").exists()


def test__an_interrupted_run_continues_to_the_same_student(workshop, monkeypatch):
    """Killed between two updates of the last stage, without any warning."""
    whole, torn = workshop.path("run"), workshop.path("torn")
    real, made = fit.update, []

    def failing(learner, *others):
        made.append(learner.artifact.name)
        if made.count("prediction") == 5:
            raise KeyboardInterrupt
        return real(learner, *others)

    monkeypatch.setattr(fit, "update", failing)
    with pytest.raises(KeyboardInterrupt):
        workshop.distill(output=torn)
    assert not (torn / "student").exists()
    workshop.distill(output=torn)
    assert made.count("intermediate") == 6
    assert made.count("prediction") == 8  # the first epoch's checkpoint was after update 3
    assert (torn / "student" / "model.safetensors").read_bytes() == (
        whole / "student" / "model.safetensors"
    ).read_bytes()
    assert losses(torn) == losses(whole)


def losses(run: Path) -> list[tuple]:
    return [(line["stage"], line["step"], line.get("loss"), line.get("dev")) for line in read(run / "metrics.jsonl")]


@pytest.mark.usefixtures("untrained")
def test__a_finish_that_was_cut_short_is_made_up_for(workshop):
    run = workshop.path("run")
    before = read(run / "metrics.json")["student"]["test"]
    (run / "report.html").unlink()
    assert workshop.distill()["student"]["test"] == before
    assert (run / "report.html").exists()


def test__keep_student_leaves_what_is_shipped(workshop, monkeypatch):
    run = workshop.path("run")
    metrics = workshop.distill(also=("run.keep=student",))
    assert {path.name for path in run.iterdir()} >= {"student", "export", "report.html", "metrics.json", "steps.json"}
    assert not {path.name for path in run.iterdir()} & {"stages", "teacher", "cache"}
    monkeypatch.setattr(fit, "update", lambda *_: pytest.fail("something was trained"))
    monkeypatch.setattr(finish, "export_onnx", lambda *_, **__: pytest.fail("something was exported"))
    before = contents(run / "student")
    assert workshop.distill(also=("run.keep=student",)) == metrics
    assert contents(run / "student") == before
    with pytest.raises(UserError, match=r"prediction\.lr: changed since .* was finished; --restart begins anew"):
        workshop.distill(also=("run.keep=student", "prediction.lr=1e-4"))
    with pytest.raises(UserError, match=r"test: changed since .* was finished"):
        workshop.distill(also=("run.keep=student",), test=workshop.data("other.tsv", reviews(20, seed=9)))
    moved = shutil.copytree(workshop.path("teacher"), workshop.path("moved"))
    assert workshop.distill(also=("run.keep=student",), teacher=moved) == metrics
    workshop.model(classes=("neg", "pos"), seed=8)
    with pytest.raises(UserError, match=r"teacher\.path: changed since .* was finished"):
        workshop.distill(also=("run.keep=student",))


def test__seeds_are_runs_of_their_own_and_a_summary(workshop):
    folder = workshop.path("seeds")
    summary = workshop.distill(output=folder, seeds=2, also=("student.init=random",))
    weights = {(folder / name / "student" / "model.safetensors").read_bytes() for name in ("seed-1", "seed-2")}
    assert len(weights) == 2
    left = {"seed-1", "seed-2", "metrics.json", "report.html", "stages", ".lock"}
    assert {path.name for path in folder.iterdir()} == left
    stored = [path.name.rsplit("-", 1)[0] for path in (folder / "stages").iterdir()]
    assert stored.count("rows") == 3  # of all seeds
    assert stored.count("prediction") == 2
    assert "teacher_outputs" not in stored
    assert summary == read(folder / "metrics.json")
    assert summary["seeds"] == [1, 2]
    accuracy = summary["student"]["test"]["accuracy"]
    runs = [read(folder / name / "metrics.json") for name in ("seed-1", "seed-2")]
    assert accuracy["values"] == [run["student"]["test"]["accuracy"] for run in runs]
    assert accuracy["mean"] == pytest.approx(sum(accuracy["values"]) / 2)
    assert set(accuracy) == {"mean", "std", "interval", "values"}
    assert [run["seed"] for run in runs] == [1, 2]
    page = (folder / "report.html").read_text()
    assert "seed-1" in page
    assert "seed-2" in page


def test__a_seed_alone_is_the_same_run_as_among_several(workshop, monkeypatch):
    folder = workshop.path("seeds")
    workshop.distill(output=folder, seeds=1)
    workshop.distill(output=workshop.path("alone"), seed=1)
    ours, theirs = (
        (f / "student" / "model.safetensors").read_bytes() for f in (folder / "seed-1", workshop.path("alone"))
    )
    assert ours == theirs
    monkeypatch.setattr(fit, "update", lambda *_: pytest.fail("a finished stage was trained again"))
    workshop.distill(output=folder / "seed-1", seed=1)
    assert not (folder / "seed-1" / "stages").exists()


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize(
    ("changes", "problems"),
    [
        ({"source": "s.tsv"}, {"--source: the recipe tinybert"}),
        ({"mlm": "m", "vectors": "v"}, {"--mlm: the method none", "--vectors: the method none"}),
        ({"teacher": None}, {"--teacher is missing", "--student 2x12 is a shape"}),
        ({"also": ("run.graphs=true",)}, {"run.graphs=true: only CUDA devices"}),
        ({"seeds": 0}, {"--seeds: is the number of runs"}),
        ({"seed": -1}, {"--seed: must not be negative"}),
        ({"also": ("kind=ranking",)}, {"--set kind=ranking: "}),
        (
            {"also": ("prediction.epoch=1", "intermediate.lr=no")},
            {"--set prediction.epoch=1: ", "--set intermediate.lr=no: "},
        ),
        ({"config": "fancy"}, {"--config fancy: neither a preset"}),
    ],
)
def test__what_cannot_be_is_refused_before_anything_is_written(workshop, changes, problems):
    with pytest.raises(UserError) as refused:
        workshop.distill(output=workshop.path("nowhere"), **changes)
    assert all(any(said.startswith(start) for said in refused.value.problems) for start in problems), (
        refused.value.problems
    )
    assert len(refused.value.problems) == len(problems)
    assert not workshop.path("nowhere").exists()


def test__an_unknown_recipe_is_answered_with_those_there_are(workshop):
    with pytest.raises(UserError, match=r"there is no recipe 'tinybird'; there are tinybert, .*fine_tune"):
        request_for("tinybird", flags={}, config=None, settings={}, overrides=())


@pytest.mark.usefixtures("untrained")
def test__a_folder_that_holds_something_else_is_left_alone(workshop):
    workshop.path("thesis").mkdir()
    (workshop.path("thesis") / "chapter.txt").write_text("mine")
    with pytest.raises(UserError, match="holds no run of tinybert"):
        workshop.distill(output=workshop.path("thesis"))
    assert [path.name for path in workshop.path("thesis").iterdir()] == ["chapter.txt"]


def test__settings_may_come_as_groups_dotted_or_from_a_file(workshop):
    config = workshop.path("mine.yaml")
    config.write_text("seed: 5\nteacher: teacher\ntrain: train.tsv\nprediction:\n  lr: 1e-3\n  epochs: 7\n")
    request = request_for(
        "tinybert",
        flags={"output": workshop.path("run"), "student": "2x12", "seed": 6},
        config=config,
        settings={"prediction": {"lr": 2e-3}, "intermediate.epochs": 4},
        overrides=("prediction.warmup=0.5",),
    )
    found = request.settings
    assert (found.prediction.lr, found.prediction.epochs, found.prediction.warmup) == (2e-3, 7, 0.5)
    assert (found.seed, found.intermediate.epochs) == (6, 4)
    assert Path(found.teacher.path) == workshop.path("teacher")
    assert stage(workshop.path("run"), "init").name.startswith("init-")


def test__texts_of_another_language_are_remarked_on(workshop, capsys):
    train = workshop.data("french.tsv", french(24))
    workshop.distill(output=workshop.path("french"), train=train, also=("augment.method=eda",))
    assert "eda is for English, and only" in capsys.readouterr().err
