"""The claims of every recipe on plain text: what a run leaves, learns from, and what its student is good for; and those
of the recipe `general`."""

import json
import math
import os
import shutil
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoModelForMaskedLM, AutoTokenizer

import reads
import tinybert
from recipes.workshop import (
    Workshop,
    contents,
    equal,
    made_once,
    pickles,
    quick_finish,
    read,
    stage,
    steps_of,
    that_know_their_place,
    trained,
    with_bf16,
)
from tinybert import cli, launch
from tinybert.data.corpus.blocks import Blocks
from tinybert.engine import fit
from tinybert.errors import UserError
from tinybert.recipes import RECIPES
from tinybert.request import request_for

pytestmark = [pytest.mark.usefixtures("processor"), with_bf16]
FILES = {"config.yaml", "environment.json", "metrics.jsonl", "metrics.json", "report.html", "README.md", "steps.json"}
SYSTEM = {"parameters", "bytes", "latency_ms", "threads"}
SHORT = ("general.max_steps=2", "general.evaluate_every=2")
TERMS = {
    "general": {"embedding", "hidden", "attention"},
    "distilbert": {"masked_prediction", "masked_lm", "cosine"},
    "minilm": {"attention_relation", "value_relation"},
}
ON_TEXT = [name for name, recipe in RECIPES.items() if recipe.config(train="corpus.txt").reads_text]
of_general = pytest.mark.parametrize("recipe", ["general"], indirect=True)


@pytest.fixture(scope="module", params=ON_TEXT)
def recipe(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def made(recipe, tiny_tokenizer, tmp_path_factory, processor) -> Workshop:
    """A finished run by a teacher without a task head, made once for all processes; never to be changed."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def make(folder: Path) -> None:
        workshop = Workshop(folder, tiny_tokenizer)
        if RECIPES[recipe].config().fills_masks:
            workshop.masked_lm("teacher", layers=4)
        read_in = reads.classes_in(RECIPES[recipe].config())
        with quick_finish(), watched(folder), reads.noted(*read_in) as found:
            distill(workshop, recipe)
        (folder / "settings_read.json").write_text(json.dumps(sorted(found)))

    return Workshop(made_once(base / f"text-{recipe}-{processor}", make), tiny_tokenizer)


def distill(workshop: Workshop, recipe: str, **changes: Any) -> dict[str, Any]:
    """A run on plain text."""
    return workshop.distill(recipe, **{"train": workshop.corpus(), **changes})


@contextmanager
def watched(folder: Path) -> Iterator[None]:
    """Notes which blocks are read, by the digest of where they lie, in updates and besides; and the teacher's end."""
    read_in = {"updates": defaultdict(set), "besides": defaultdict(set)}
    now, batch, update, finish = ["besides"], Blocks.batch, fit.update, launch.finish_general

    def noting(blocks: Blocks, indices: Any, multiple: int = 1) -> Any:
        found = batch(blocks, indices, multiple)
        read_in[now[0]][blocks.digest] |= set(found.rows.tolist())
        return found

    def updating(*given: Any) -> float:
        now[0] = "updates"
        try:
            return update(*given)
        finally:
            now[0] = "besides"

    def finishing(text: Any, outcome: Any, *others: Any) -> Any:
        (folder / "read.json").write_text(json.dumps(read_in, default=sorted))
        save_file(outcome.teacher.body().model.state_dict(), folder / "teacher_after.safetensors")
        return finish(text, outcome, *others)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Blocks, "batch", noting)
        patch.setattr(fit, "update", updating)
        patch.setattr(launch, "finish_general", finishing)
        yield


@pytest.fixture
def again(made, workshop) -> Workshop:
    """A copy of the finished run with its data."""
    shutil.copytree(made.folder, workshop.folder, dirs_exist_ok=True)
    return workshop


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "student" / "model.safetensors")


def updates(run: Path) -> int:
    return sum("loss" in line for line in read(run / "metrics.jsonl") if line["stage"] == "general")


def test__the_run_leaves_every_promised_file_and_no_other(made, tmp_path_factory):
    run = made.path("run")
    assert {path.name for path in run.iterdir()} - {".lock"} == FILES | {"stages", "student"}
    assert {"model.safetensors", "config.json", "tokenizer.json", "README.md"} <= set(contents(run / "student"))
    assert not list(run.rglob(".tmp-*"))
    assert not pickles(run)
    assert not that_know_their_place(run, str(tmp_path_factory.getbasetemp().parent))


def test__every_setting_is_read_or_refused(made, recipe):
    """Whether a teacher or dev has a head or labels makes no difference on plain text."""
    given = made.arguments(recipe, train=made.corpus())
    flags = {name: str(given[name]) for name in ("train", "teacher", "student", "output")}
    asked = request_for(recipe, flags=flags, config=None, settings={}, overrides=given["set"])
    noted = {tuple(pair) for pair in read(made.path("settings_read.json"))}
    assert reads.unread_in(asked.settings, noted) == []


def test__metrics_have_the_promised_form(made, recipe):
    run = made.path("run")
    metrics = read(run / "metrics.json")
    assert (metrics["recipe"], metrics["preset"], metrics["seed"], metrics["classes"]) == (recipe, "small", 0, [])
    assert set(metrics["teacher"]) == SYSTEM
    assert set(metrics["student"]) == SYSTEM | {"held_out"}
    assert metrics["student"]["bytes"] == (run / "student" / "model.safetensors").stat().st_size
    assert (
        metrics["teacher"]["parameters"]
        > metrics["student"]["parameters"]
        == sum(tensor.numel() for name, tensor in weights(run).items() if not name.startswith("cls."))
    )
    assert all(set(metrics[name]["latency_ms"]) == {"32", "128"} for name in ("teacher", "student"))
    assert all(set(flops) == {"32", "128"} for flops in metrics["flops"].values())
    blocks = metrics["data"]["blocks"]
    assert blocks["held_out"] == sum(blocks.values()) // 10
    assert metrics["data"]["tokens"] == {name: 16 * count for name, count in blocks.items()}
    assert metrics["general"]["updates"] == updates(run) == 2 * math.ceil(blocks["train"] / 8)
    assert metrics["general"]["blocks"] == 2 * blocks["train"]
    assert metrics["general"]["tokens"] == 16 * metrics["general"]["blocks"]


def test__the_loss_falls_and_the_best_on_held_out_text_is_kept(made, recipe):
    run = made.path("run")
    lines = [line for line in read(run / "metrics.jsonl") if line["stage"] == "general"]
    evaluated = {line["step"]: line["dev"] for line in lines if "dev" in line}
    metrics = read(run / "metrics.json")
    assert len(evaluated) == updates(run)
    assert (
        max(evaluated.values())
        == -metrics["student"]["held_out"]["loss"]
        == evaluated[metrics["general"]["best_update"]]
    )
    assert metrics["student"]["held_out"]["loss"] < -0.98 * evaluated[1]
    assert set(next(line for line in lines if "terms" in line)["terms"]) == TERMS[recipe]


def test__report_and_card_say_what_it_is_and_cite_the_paper(made, recipe):
    run, citation = made.path("run"), RECIPES[recipe].citation
    report, card = ((run / name).read_text(encoding="utf-8") for name in ("report.html", "README.md"))
    assert "<script" not in report
    assert recipe in report
    assert citation.split("arXiv:")[-1] in card
    assert f"pipeline_tag: {'fill-mask' if recipe == 'distilbert' else 'feature-extraction'}" in card
    assert "learnt no task" in card
    assert "tinybert distill tinybert" in card


def test__plain_transformers_loads_the_student(made, recipe):
    folder = made.path("run") / "student"
    model, tokenizer = AutoModel.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    assert type(model).__module__.startswith("transformers.")
    width = model.config.hidden_size
    assert tuple(model(**tokenizer("a very good film", return_tensors="pt"))[0].shape) == (1, 6, width)
    ours = trained(made.path("run"), "general")
    assert all(
        torch.equal(ours[f"bert.{name}"], value) for name, value in model.state_dict().items() if "pooler" not in name
    )
    if recipe == "distilbert":
        filling = AutoModelForMaskedLM.from_pretrained(folder).state_dict()
        assert all(torch.equal(ours[name], value) for name, value in filling.items() if name in ours)


def test__the_student_is_no_longer_what_it_started_as_and_the_teacher_is_what_it_was(made, recipe):
    started = load_file(stage(made.path("run"), "init") / "result" / "model" / "model.safetensors")
    now = trained(made.path("run"), "general")
    matrices = [name for name, value in now.items() if value.dim() == 2 and "layer." in name]
    assert matrices
    still = {name.partition("layer.1.")[2] for name in matrices if torch.equal(started[name], now[name])}
    behind_its_attention = {f"{part}.dense.weight" for part in ("attention.output", "intermediate", "output")}
    assert still == (behind_its_attention if recipe == "minilm" else set())  # of the last layer
    after, given = (load_file(made.path(name)) for name in ("teacher_after.safetensors", "teacher/model.safetensors"))
    assert after
    given = {name.removeprefix("bert."): value for name, value in given.items()}
    assert all(torch.equal(after[name], given[name]) for name in after)


@of_general
def test__held_out_blocks_are_never_learnt_from_and_all_others_are(made):
    data = read(made.path("run") / "metrics.json")["data"]
    seen = read(made.path("read.json"))
    learnt, held_out = seen["updates"].pop(data["digests"]["train"]), seen["besides"].pop(data["digests"]["held_out"])
    assert not seen["updates"]
    assert set(seen["besides"]) <= {data["digests"]["train"]}  # the initialisation looks at what will be learnt from
    assert not set(learnt) & set(held_out)
    assert sorted(learnt + held_out) == list(range(sum(data["blocks"].values())))
    assert len(held_out) == data["blocks"]["held_out"]


@of_general
def test__another_seed_is_evaluated_on_the_same_blocks_and_learns_otherwise(made, workshop):
    found, usual = workshop.distill("general", seed=7, also=SHORT), read(made.path("run") / "metrics.json")
    assert found["data"]["digests"] == usual["data"]["digests"]
    assert found["student"]["held_out"] != workshop.distill("general", also=SHORT, restart=True)["student"]["held_out"]


@pytest.mark.usefixtures("untrained")
def test__the_same_command_again_finds_everything_done(again, recipe):
    before, metrics = contents(again.path("run") / "student"), read(again.path("run") / "metrics.json")
    everything = {name: digest for name, (digest, _) in contents(again.path("run")).items()}
    assert distill(again, recipe) == metrics
    assert contents(again.path("run") / "student") == before
    assert {name: digest for name, (digest, _) in contents(again.path("run")).items()} == everything


def test__its_own_config_makes_the_same_student_again(again, recipe):
    config, output = str(again.path("run") / "config.yaml"), str(again.path("elsewhere") / "other")
    assert cli.main(["distill", recipe, "--config", config, "--output", output]) == 0
    assert equal(weights(Path(output)), weights(again.path("run")))


@of_general
@pytest.mark.usefixtures("untrained")
def test__another_corpus_or_cut_of_it_in_a_used_folder_is_refused_by_its_name(again):
    with pytest.raises(UserError, match=r"^train: changed since stage init .*; .*--restart begins anew$"):
        again.distill("general", train=again.corpus("other.txt", lines=60, seed=7))
    with pytest.raises(UserError, match=r"^general\.block_length, train: changed since stage init"):
        again.distill("general", also=("general.block_length=12",))
    with pytest.raises(UserError, match=r"^student\.attention_weight: changed since stage general"):
        again.distill("general", also=("student.attention_weight=0.5",))


@of_general
def test__restart_takes_another_corpus(again):
    before = weights(again.path("run"))
    other = again.corpus("other.txt", lines=60, seed=7)
    metrics = again.distill("general", train=other, restart=True, also=SHORT)
    assert metrics["general"]["updates"] == updates(again.path("run")) == 2
    assert not equal(weights(again.path("run")), before)


def test__killed_between_two_updates_it_goes_on_to_the_same_bits(again, recipe, monkeypatch):
    real, made, torn = fit.update, [], again.path("torn")

    def failing(learner, *others):
        made.append(learner.now.step)
        if len(made) == 8:
            raise KeyboardInterrupt
        return real(learner, *others)

    monkeypatch.setattr(fit, "update", failing)
    with pytest.raises(KeyboardInterrupt):
        distill(again, recipe, output=torn)
    assert not (torn / "student").exists()
    distill(again, recipe, output=torn)
    assert made == [*range(8), *range(5, 10)]  # the checkpoint is that of the first epoch
    assert equal(weights(torn), weights(again.path("run")))


@of_general
def test__keep_student_leaves_what_is_shipped(again, untrained):
    run = again.path("run")
    metrics = again.distill("general", also=("run.keep=student",))
    assert {path.name for path in run.iterdir()} - {".lock"} == FILES | {"student"}
    assert again.distill("general", also=("run.keep=student",)) == metrics
    with pytest.raises(UserError, match=r"train: changed since .* was finished; --restart begins anew"):
        again.distill("general", also=("run.keep=student",), train=again.corpus("other.txt", seed=7))


@pytest.mark.parametrize(
    ("student", "also"),
    [
        ("2x12", ("student.heads=2", "student.attention_heads=means", "student.init=random")),
        ("2x12", ("student.init=random",)),
        ("2x24", ("student.init=layers", "student.inner=41")),
    ],
)
def test__other_objectives_and_initialisations_learn_as_many_pieces_as_they_are_told(workshop, student, also):
    metrics = workshop.distill("general", student=student, also=(*also, "general.tokens=700"))
    assert metrics["general"]["updates"] == updates(workshop.path("run")) == 6  # of 8 x 16 pieces
    lines = read(workshop.path("run") / "metrics.jsonl")
    assert all(math.isfinite(line["loss"]) for line in lines if "loss" in line)
    dev = [line["dev"] for line in lines if "dev" in line]
    assert len(dev) == 6
    assert max(dev) > dev[0]


def test__a_text_that_is_too_short_for_the_pieces_asked_for_is_read_again(workshop):
    workshop.corpus(lines=25)
    metrics = workshop.distill("general", also=("general.tokens=768", "general.evaluate_every=6"))
    blocks = metrics["data"]["blocks"]["train"]
    assert 2 * blocks < metrics["general"]["blocks"] == 48
    assert metrics["general"]["updates"] == 48 // blocks * math.ceil(blocks / 8) + math.ceil(48 % blocks / 8)
    assert metrics["general"]["tokens"] == 768


def test__the_text_that_is_learnt_from_cannot_be_held_out(workshop):
    with pytest.raises(UserError, match="dev: is the text that is learnt from"):
        workshop.distill("general", dev=workshop.corpus("same.txt"), also=SHORT)


@of_general
def test__dev_is_held_out_in_the_place_of_a_part(made, workshop):
    """A file, or the same text in memory."""
    dev = workshop.corpus("dev.txt", lines=40, seed=3)
    found = workshop.distill("general", dev=dev, also=SHORT)["data"]
    usual = read(made.path("run") / "metrics.json")["data"]
    assert found["blocks"]["train"] == sum(usual["blocks"].values())
    assert found["digests"]["held_out"] != usual["digests"]["held_out"]
    texts = dev.read_text().splitlines()
    assert workshop.distill("general", dev=texts, dry_run=True, also=SHORT)["stages"][0]["updates"] == 2
    memory = workshop.distill("general", dev=texts, also=SHORT, output=workshop.path("memory"))
    assert memory["data"]["digests"] == found["digests"]


def changed(folder: Path, **settings: int) -> Path:
    """A checkpoint whose `config.json` says something else."""
    path = folder / "config.json"
    path.write_text(json.dumps(read(path) | settings))
    return folder


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize("dry_run", [True, False])
def test__a_student_that_reads_less_is_refused_before_the_text_is_read(workshop, dry_run):
    workshop.model()
    short = changed(workshop.model("short"), max_position_embeddings=12)
    with pytest.raises(UserError, match=r"^general\.block_length: 16 pieces, but .*short reads at most 12$"):
        workshop.distill("general", student=short, dry_run=dry_run)
    assert not workshop.path("run").joinpath("stages").exists()


def test__seeds_share_one_packed_text_and_what_is_of_no_use_any_more_goes(workshop):
    folder, packed = workshop.path("run"), []
    for settings in ((), ("general.block_length=24",)):
        workshop.distill("general", seeds=2, also=(*SHORT, *settings), restart=bool(settings))
        packed += [path.name for path in (folder / "stages").glob("corpus-*")]
        assert not list(folder.glob("seed-*/stages"))
    assert len(packed) == len(set(packed)) == 2
    for _ in range(2):
        summary = workshop.distill("general", seeds=2, also=(*SHORT, *settings, "run.keep=student"))
        assert summary["seeds"] == [1, 2]
        assert not (folder / "stages").exists()


@pytest.mark.usefixtures("untrained")
def test__what_train_is_decides_whether_minilm_learns_plain_text_or_a_task(workshop):
    corpus, folder = workshop.corpus(), workshop.path("wiki.en")
    folder.mkdir()
    shutil.copy(corpus, folder)
    for train in (corpus, folder, corpus.read_text().splitlines()):
        assert [one["name"] for one in distill(workshop, "minilm", train=train, dry_run=True)["stages"]] == ["general"]
    corpus.write_text("EU B-ORG\nrejects O\n" * 60)
    with pytest.raises(UserError, match=r"corpus\.txt: seems to be .* say --kind token-classification"):
        distill(workshop, "minilm", dry_run=True)
    given = {"teacher": "t", "student": "2x12", "train": str(folder), "output": str(workshop.path("run"))}
    for name, more, overrides, problem in (
        (
            "minilm",
            {"unlabeled": "u"},
            (),
            "--unlabeled: the recipe minilm learns from plain text, no task; leave it out",
        ),
        ("minilm", {"test": "t"}, (), "--test: the recipe minilm learns from plain text, no task; leave it out"),
        ("minilm", {}, ("prediction.lr=1",), "prediction.lr=1: --train is plain text; only a task reads it"),
        ("minilm", {}, ("data.max_length=9",), "data.max_length=9: --train is plain text; only a task reads it"),
        ("distilbert", {}, ("objective.soft=0",), "objective.soft=0: --train is plain text; only a task reads it"),
    ):
        with pytest.raises(UserError) as refused:
            request_for(name, flags=given | more, config=None, settings={}, overrides=overrides)
        assert [said.removeprefix("--set ") for said in refused.value.problems] == [problem]


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"test": "t.txt"}, "--test: the recipe general learns from plain text, no task; leave it out"),
        ({"kind": "classification"}, "--kind: the recipe general learns from plain text, no task; leave it out"),
        ({"source": "s.txt"}, "--source: the recipe general does not use it; leave it out"),
        ({"unlabeled": "u.txt"}, "--unlabeled: the recipe general does not use it; leave it out"),
        ({"teacher": None}, "--teacher is missing: the recipe general needs one"),
        ({"train": None}, "--train is missing"),
        ({"also": ("general.block_length=4",)}, "block_length=4: must be at least 8 pieces, got 4"),
        ({"also": ("general.tokens=0",)}, "tokens=0: must be at least 1, got 0"),
    ],
)
def test__what_cannot_be_is_refused_in_a_line_before_anything_is_written(workshop, changes, problem):
    arguments = {"teacher": "t", "student": "2x12", "train": "c.txt", "output": str(workshop.path("run"))}
    flags = arguments | {name: value for name, value in changes.items() if name != "also"}
    with pytest.raises(UserError) as refused:
        request_for("general", flags=flags, config=None, settings={}, overrides=changes.get("also", ()))
    assert any(said.endswith(problem) for said in refused.value.problems), refused.value.problems
    assert not workshop.path("run").exists()


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize(
    ("lines", "length", "problem"),
    [(1, 16, r"train: .*pieces.*give more text"), (60, 131, r"general\.block_length: 131 pieces, but .* at most 130")],
)
def test__too_little_text_and_too_long_blocks_are_told_in_a_line(workshop, lines, length, problem, dry_run):
    workshop.corpus(lines=lines)
    with pytest.raises(UserError, match=problem) as refused:
        workshop.distill("general", also=(f"general.block_length={length}",), dry_run=dry_run)
    assert len(refused.value.problems) == 1


@pytest.mark.usefixtures("untrained")
def test__a_text_of_one_block_has_nothing_to_hold_out(workshop):
    with pytest.raises(UserError, match=r"train: the text fills one block of 16 pieces; give more"):
        workshop.distill("general", train=["the film was very good and the plot was good it is a movie"])


def test__the_student_starts_the_next_training_with_its_weights(again, recipe):
    student = again.path("run") / "student"
    given = AutoModel.from_pretrained(student).state_dict()
    again.model("task", classes=("neg", "pos"))
    itself = () if recipe == "general" else (recipe,)
    for following in ("tinybert", "fine_tune", *itself):
        output, teacher = again.path(following), None if following == "fine_tune" else again.path("task")
        stages = [
            name for name in ("intermediate", "prediction", "distill") if hasattr(RECIPES[following].config(), name)
        ]
        short = tuple(f"{name}.max_steps=1" for name in stages or ["fine_tune"])
        again.distill(following, teacher=teacher, student=student, output=output, test=None, also=short)
        started = load_file(stage(output, "init") / "result" / "model" / "model.safetensors")
        body = [name for name in given if not name.startswith("pooler")]
        assert all(torch.equal(started[f"bert.{name}"], given[name]) for name in body)
        assert (stage(output, "init") / "result" / "directions.safetensors").exists() == (teacher is not None)
    assert tinybert.evaluate(again.path("tinybert"), data=again.splits()["dev"])["rows"] == 12


def test__within_tinybert_the_stage_comes_before_the_tasks_own(workshop):
    """The same start; what is learnt on plain text makes another student."""
    workshop.model(classes=("neg", "pos"))
    within = ("general.tokens=600", "general.block_length=16", "general.evaluate_every=5")
    short = ("intermediate.epochs=1", "prediction.epochs=1")
    workshop.distill(unlabeled=workshop.corpus(), also=(*within, *short), test=None, output=workshop.path("with"))
    workshop.distill(also=short, test=None, output=workshop.path("without"))
    assert steps_of(workshop.path("with")) == [
        "teacher",
        "init",
        "general",
        "projections",
        "intermediate",
        "prediction",
    ]
    assert updates(workshop.path("with")) == 5
    metrics = read(workshop.path("with") / "metrics.json")
    assert metrics["general"]["updates"] == 5
    assert 600 <= metrics["general"]["tokens"] == 16 * metrics["general"]["blocks"] <= 5 * 8 * 16
    assert metrics["general"]["held_out_loss"] > 0
    assert metrics["data"]["digests"]["unlabeled"] in (workshop.path("with") / "README.md").read_text()
    assert "general" not in read(workshop.path("without") / "metrics.json")
    starts = [
        load_file(stage(workshop.path(run), "init") / "result" / "model" / "model.safetensors")
        for run in ("with", "without")
    ]
    assert equal(*starts)
    assert not equal(starts[0], trained(workshop.path("with"), "general"))
    assert not equal(*(trained(workshop.path(run), "intermediate") for run in ("with", "without")))
    kept = {"output": workshop.path("with"), "test": None, "also": (*within, *short, "run.keep=student")}
    workshop.distill(unlabeled=workshop.corpus(), **kept)
    workshop.corpus().write_text("the plot was dull\n" * 60)
    with pytest.raises(UserError, match=r"^plain text: changed since .* was finished"):
        workshop.distill(unlabeled=workshop.corpus(), **kept)


@pytest.mark.usefixtures("untrained")
def test__within_tinybert_there_must_be_text(workshop):
    with pytest.raises(UserError, match=r"^general\.tokens: .*; give it with --unlabeled$"):
        workshop.distill(also=("general.tokens=600",))


@pytest.mark.usefixtures("untrained")
def test__within_tinybert_too_little_text_names_its_flag(workshop):
    workshop.model(classes=("neg", "pos"))
    for dry_run in (True, False):
        with pytest.raises(UserError, match=r"unlabeled: .*give more"):
            workshop.distill(unlabeled=["a film"], also=("general.tokens=600",), dry_run=dry_run)


@pytest.mark.usefixtures("untrained")
def test__a_dry_run_plans_what_the_run_did(again, recipe):
    run = read(again.path("run") / "metrics.json")
    before = sorted(again.folder.rglob("*"))
    plan = distill(again, recipe, dry_run=True)
    assert sorted(again.folder.rglob("*")) == before
    assert plan["text"]["blocks"] == sum(run["data"]["blocks"].values())
    assert plan["text"]["to_its_end"]
    (planned,) = plan["stages"]
    assert (planned["name"], planned["updates"]) == ("general", run["general"]["updates"])
    assert (plan["teacher"]["layers"], plan["student"]["layers"]) == (4, 2)


@pytest.mark.usefixtures("untrained")
def test__a_dry_run_of_tinybert_plans_the_stage_where_it_was_asked_for(workshop):
    workshop.model(classes=("neg", "pos"))
    within = ("general.tokens=600", "general.block_length=16")
    plan = workshop.distill(dry_run=True, unlabeled=workshop.corpus(), also=within)
    assert [(one["name"], one["updates"]) for one in plan["stages"]] == [
        ("general", 5),
        ("intermediate", 6),
        ("prediction", 6),
    ]
    assert plan["text"]["blocks"] > 1
    assert "text" not in workshop.distill(dry_run=True)
