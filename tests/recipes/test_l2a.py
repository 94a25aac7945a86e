"""The claims of L2A's recipe: its pool, its variants, what it leaves, and that a resume changes nothing."""

import math

import numpy as np
import pyarrow.parquet as pq
import pytest
from safetensors.torch import load_file

import tinybert
from recipes.workshop import equal, on_one_processor, pairs, ratings, read, stage, steps_of, trained
from tinybert.data.encoded import EncodedRows
from tinybert.errors import UserError

pytestmark = [pytest.mark.usefixtures("processor"), on_one_processor]
HEADED = ("teacher.accept_weak=true",)
PAPER = ("l2a.train_generator=true", "l2a.source_text=sampled", "l2a.min_edits=0", "l2a.fill=independent")


@pytest.fixture
def make(workshop):
    """`make(*settings)`: a run by a teacher with a head; returns its folder."""

    def made(*settings: str, name: str = "run", **changes):
        if not workshop.path("teacher").exists():
            workshop.model(classes=changes.pop("classes", ("neg", "pos")))
        workshop.distill("l2a", also=(*HEADED, *settings), output=workshop.path(name), **changes)
        return workshop.path(name)

    return made


def pool(run):
    return pq.read_table(run / "augmented" / "augmented.parquet").to_pylist()


def test__the_pool_holds_what_it_should(make, workshop):
    run = make("l2a.source_limit=10")
    rows = pool(run)
    target = [row for row in rows if row["domain"] == "target"]
    source = [row for row in rows if row["domain"] == "source"]
    assert (len(target), len(source)) == (24 * 3, 10)
    assert all(row["distance"] >= 1 and row["log_probability"] < 0 for row in target if row["copy"] > 0)
    assert all(row["distance"] == 0 and row["log_probability"] is None for row in source)
    originals = {line.split("\t")[0] for line in workshop.path("source.tsv").read_text().splitlines()[1:]}
    assert {row["text"] for row in source} <= originals
    encoded = EncodedRows.open(stage(run, "pool") / "result" / "rows.arrow")
    assert len(encoded) == len(rows)
    assert encoded.labels is None


@pytest.mark.parametrize(
    ("settings", "target", "source"),
    [
        (("l2a.learn_from=source",), 0, 24),
        (("l2a.learn_from=source", "l2a.source_text=sampled", "l2a.source_samples=2"), 0, 48),
        (("l2a.source_text=both",), 72, 48),
    ],
)
def test__variants_learn_from_what_they_say(make, settings, target, source):
    domains = [row["domain"] for row in pool(make(*settings, "distill.epochs=1"))]
    assert (domains.count("target"), domains.count("source")) == (target, source)


def test__samples_are_learnt_from_as_they_were_drawn(make, tiny_tokenizer):
    """The pieces of a sample, also where its text would be read as others."""
    run = make("distill.epochs=1")
    encoded = EncodedRows.open(stage(run, "pool") / "result" / "rows.arrow")
    rows = pq.read_table(stage(run, "pool") / "result" / "examples.parquet").to_pylist()
    for number, row in enumerate(rows):
        pieces = encoded.batch(np.array([number])).input_ids[0].tolist()
        sample = row["sample"]
        assert pieces == (tiny_tokenizer(row["text"]).input_ids if sample is None else sample["pieces"])


def test__selection_is_written_down_and_originals_are_never_dropped(make):
    run = make("l2a.policy.init_keep=0.01", "l2a.reward_every=2")
    selection = read(run / "augmented" / "selection.json")
    assert len(selection["episodes"]) == 2
    for episode in selection["episodes"]:
        assert 0 <= episode["kept"] < 0.3
        assert set(episode["kept_by_domain"]) == {"target", "source"}
        assert set(episode["kept_by_class"]) == {"neg", "pos"}
        assert len(episode["rewards"]) == 12  # 96 rows, 8 a batch
        assert math.isclose(sum(episode["rewards"]), episode["return"], abs_tol=1e-9)
    assert {"text", "domain", "distance", "chance"} <= set(selection["most"][0])
    assert read(run / "metrics.json")["selection"] == selection
    lines = [line for line in read(run / "metrics.jsonl") if line["stage"] == "distill" and "kept" in line]
    assert sum(line["kept"] for line in lines) >= 2 * 24


def test__the_control_after_a_policy_shows_nothing_of_it(make, workshop):
    run = make()
    assert "selection" in read(run / "metrics.json")
    workshop.distill("l2a", also=("l2a.selector=keep_all",), restart_from="distill")
    assert "selection" not in read(run / "metrics.json")


def test__keep_all_is_the_control(make):
    run = make("l2a.selector=keep_all")
    assert not (run / "augmented" / "selection.json").exists()
    lines = [line for line in read(run / "metrics.jsonl") if line["stage"] == "distill" and "kept" in line]
    assert all(line["kept"] == 8 for line in lines)


def test__a_rule_keeps_the_source_where_the_teacher_says_its_gold_label(make, workshop):
    """As often as the policy's own view of it says so; the target is kept whatever the teacher says."""
    run = make("l2a.selector=agreement", "distill.epochs=1")
    assert not (run / "augmented" / "selection.json").exists()
    kept = sum(line["kept"] for line in read(run / "metrics.jsonl") if line["stage"] == "distill" and "kept" in line)
    source = workshop.path("source.tsv")
    told = list(tinybert.predict(workshop.path("teacher"), data=source))
    gold = [line.split("\t")[1] for line in source.read_text().splitlines()[1:]]
    assert kept == 72 + sum(line["label"] == label for line, label in zip(told, gold, strict=True)) < 96


def test__a_learnt_policy_chooses_for_a_student_that_starts_anew(make):
    """What it would rather drop is dropped: an untrained one keeps all, one that was pushed far does not."""
    untrained = ("l2a.policy.significance=1e-9", "l2a.policy.init_keep=0.99", "l2a.policy.init_keep_disputed=null")
    run = make("l2a.restart=true", *untrained)
    assert steps_of(run) == ["teacher", "init", "pool", "policy", "distill"]
    lines = [line for line in read(run / "metrics.jsonl") if "kept" in line]
    assert {line["stage"] for line in lines} == {"policy", "distill"}
    assert all(line["kept"] == 8 for line in lines if line["stage"] == "distill")
    assert not equal(trained(run, "policy"), trained(run, "distill"))
    pushed = make("l2a.restart=true", "l2a.policy.significance=1", "l2a.policy.lr=0.3", name="pushed")
    assert any(
        line["kept"] < 8 for line in read(pushed / "metrics.jsonl") if line["stage"] == "distill" and "kept" in line
    )


def test__balance_repeats_the_smaller_domain(make):
    run = make("l2a.balanced=true", "l2a.selector=keep_all", "distill.epochs=1")
    lines = [line for line in read(run / "metrics.jsonl") if line["stage"] == "distill" and "kept" in line]
    assert sum(line["kept"] for line in lines) == 2 * 72  # 24 source rows as often as it takes


@pytest.mark.parametrize("name", ["attention", "prediction"])
def test__any_objective_can_be_switched_off(make, name):
    run = make(f"objective.{name}=false", "distill.epochs=1")
    terms = [
        set(line["terms"]) for line in read(run / "metrics.jsonl") if line["stage"] == "distill" and "terms" in line
    ]
    assert set.union(*terms) == {"attention", "hidden", "prediction"} - {name}


def test__scores_are_learnt_and_rewarded_by_correlation(workshop):
    workshop.model(classes=())
    workshop.splits(ratings)
    workshop.masked_lm()
    workshop.data("source.tsv", ratings(24, 7))
    workshop.distill("l2a", also=(*HEADED, "l2a.reward=metric"))
    selection = read(workshop.path("run") / "augmented" / "selection.json")
    assert all(-1 <= episode["after"] <= 1 for episode in selection["episodes"])
    assert [bins[0] for bins in selection["episodes"][0]["response"]] == [0.05]  # a score has no doubt


def test__pairs_are_sampled_on_both_sides(workshop):
    workshop.model(classes=("neg", "pos"))
    workshop.splits(pairs)
    workshop.masked_lm()
    workshop.data("source.tsv", pairs(24, 7))
    workshop.distill("l2a", also=(*HEADED, "distill.epochs=1"))
    rows = pool(workshop.path("run"))
    original = {row["origin"]: row for row in rows if row["domain"] == "target" and row["copy"] == 0}
    drawn = [row for row in rows if row["domain"] == "target" and row["copy"] > 0]
    for side in ("text", "pair"):
        assert any(row[side] != original[row["origin"]][side] for row in drawn)


def test__without_a_source_there_are_samples_of_the_target_only(make, capsys):
    run = make(source=None)
    assert {row["domain"] for row in pool(run)} == {"target"}
    assert "no --source" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"source": None, "also": (*HEADED, "l2a.learn_from=source")}, "--source is missing"),
        ({"also": ("l2a.selector=keep_all", "l2a.train_generator=true")}, "keep_all"),
        ({"also": ("l2a.restart=true", "l2a.train_generator=true")}, "restart"),
        ({"source": None, "also": (*HEADED, "l2a.selector=agreement")}, "needs --source with gold labels"),
        ({"also": ("objective.attention=0", "objective.hidden=0", "objective.prediction=0")}, "objective"),
        ({"also": ("l2a.alpha=0",)}, "alpha"),
    ],
)
def test__what_cannot_be_is_refused_in_a_line(workshop, changes, complaint):
    workshop.model(classes=("neg", "pos"))
    with pytest.raises(UserError, match=complaint):
        workshop.distill("l2a", **changes)


def test__a_teacher_without_a_head_learns_source_first_where_that_has_labels(workshop):
    workshop.distill("l2a", also=HEADED)
    assert steps_of(workshop.path("run")) == ["teacher_source", "teacher", "init", "pool", "distill"]


def test__the_generator_learns_and_draws_other_words_at_the_same_positions(make):
    run = make(*PAPER, "l2a.generator.lr=1e-2", "distill.epochs=3")
    work = stage(run, "generator") / "work"
    editions = [stage(run, "pool") / "result", *(work / f"edition-{n}" / "result" for n in (1, 2))]
    drawn = [pq.read_table(edition / "examples.parquet").to_pylist() for edition in editions]
    assert not (work / "edition-3").exists()  # after the last epoch there is nothing to draw for
    changed = 0
    for first, *later in zip(*drawn, strict=True):
        for other in later:
            assert (other["row"], other["copy"]) == (first["row"], first["copy"])
            if first["sample"] is None:
                assert other["text"] == first["text"]
                continue
            assert other["sample"]["positions"] == first["sample"]["positions"]
            changed += other["sample"]["pieces"] != first["sample"]["pieces"]
    assert changed > 24
    weights = [load_file(work / f"generator-{n}" / "result" / "student.safetensors") for n in (1, 2)]
    assert not equal(*weights)
    rows = EncodedRows.open(editions[2] / "rows.arrow")
    for number, row in enumerate(drawn[2]):
        if row["sample"] is not None:
            assert rows.batch(np.array([number])).input_ids[0].tolist() == row["sample"]["pieces"]


@pytest.mark.parametrize("length", ["distill.max_steps=12", "distill.max_steps=5"])
def test__nothing_is_drawn_that_no_epoch_reads(make, length):
    """Twelve updates are one epoch; of five, a shorter one, some samples were never seen."""
    run = make(*PAPER, length)
    assert not list((stage(run, "generator") / "work").glob("*"))


@pytest.mark.parametrize(
    ("settings", "step", "at"),
    [
        (PAPER, "distill", 12),
        (("l2a.restart=true", "l2a.policy.first_states=true", "l2a.policy.significance=1"), "policy", 15),
        (("l2a.restart=true", "l2a.policy.lr=0.3", "l2a.policy.significance=1"), "distill", 3),
    ],
)
def test__a_killed_run_ends_with_the_same_student_and_the_same_policy(make, monkeypatch, settings, step, at):
    """A stop right after an episode, before the generator learns; within one, with either student of a restart."""
    import importlib

    fit = importlib.import_module("tinybert.engine.fit")
    whole = make(*settings, name="whole")
    real, done = fit.update, []

    def stopping(learner, *others):
        loss = real(learner, *others)
        if learner.artifact.name == step and not done and learner.now.step == at:
            done.append(at)
            learner.run.stop_signal = 15
        return loss

    monkeypatch.setattr(fit, "update", stopping)
    with pytest.raises(tinybert.errors.Interrupted):
        make(*settings, name="cut")
    cut = make(*settings, name="cut")
    assert equal(trained(whole, "distill"), trained(cut, "distill"))
    assert read(whole / "augmented" / "selection.json") == read(cut / "augmented" / "selection.json")


@pytest.mark.parametrize("preset", ["paper", "paper-literal"])  # the others take no other paths
def test__presets_run(make, preset):
    run = make("distill.epochs=2", name=preset, config=preset)
    assert read(run / "metrics.json")["preset"] == preset
    assert all(math.isfinite(line["loss"]) for line in read(run / "metrics.jsonl") if "loss" in line)
