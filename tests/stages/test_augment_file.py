"""`tinybert augment`: the file it writes, how it goes on after a kill, and what it refuses."""

import hashlib
import json
import random
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest

import runs
import tinybert
from augment.worlds import french
from recipes.workshop import Workshop, pairs, ratings, reviews
from tinybert import cli
from tinybert.augment import augmented_set
from tinybert.errors import UserError
from tinybert.stages import augment_file


@pytest.fixture
def workshop(tmp_path, tiny_tokenizer, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Workshop(tmp_path, tiny_tokenizer)


def rows_of(path):
    header, *lines = path.read_text(encoding="utf-8").splitlines()
    return [dict(zip(header.split("\t"), line.split("\t"), strict=True)) for line in lines]


def test__originals_and_copies_are_written_in_order_with_all_columns(workshop):
    reviewed = [{"id": f"r{n}", **row} for n, row in enumerate(reviews(12))]
    train = workshop.data("train.tsv", reviewed)
    found = tinybert.augment("eda", train=train, output="out.tsv", copies=4)
    written = rows_of(workshop.path("out.tsv"))
    order = [(int(row["origin"]), int(row["copy"])) for row in written]
    assert order == sorted(order)
    originals = [row for row in written if row["copy"] == "0"]
    assert [{key: row[key] for key in ("id", "text", "label")} for row in originals] == reviewed
    for row in written:
        original = originals[int(row["origin"]) - 1]
        assert (row["id"], row["label"]) == (original["id"], original["label"])
        assert row["copy"] == "0" or row["text"] != original["text"]
    assert len({row["text"] for row in written}) == len(written) == found["written"]
    assert found["rows"]["copies"] == len(written) - 12
    assert 0 < found["words_changed"] < 1
    assert found["output"] == "out.tsv"
    assert not workshop.path("out.tsv.work").exists()


def test__what_it_wrote_is_labelled_data_again(workshop):
    tinybert.augment("eda", train=reviews(12), output="out.jsonl", copies=2)
    from tinybert.data.settings import DataSettings
    from tinybert.tasks.read import load_labelled

    task, examples = load_labelled(workshop.path("out.jsonl"), DataSettings(), kind=None)
    assert task.classes == ("neg", "pos")
    assert len(examples) == len(workshop.path("out.jsonl").read_text().splitlines())


@pytest.mark.parametrize("form", [pairs, ratings])
def test__pairs_and_scores_are_augmented_too(workshop, form):
    train = workshop.data("train.tsv", form(10))
    tinybert.augment("eda", train=train, output="out.tsv", copies=4)
    written = rows_of(workshop.path("out.tsv"))
    originals = {row["origin"]: row for row in written if row["copy"] == "0"}
    for row in written:
        changed = [key for key in row if key.startswith("text") and row[key] != originals[row["origin"]][key]]
        assert len(changed) == (row["copy"] != "0")
        assert row["label"] == originals[row["origin"]]["label"]


def test__tags_go_along_through_shards_and_file(workshop):
    lines = "John B-PER\nSmith I-PER\nmade O\na O\ngood O\nfilm O\n\nthe O\nplot O\nof O\nParis B-LOC\nis O\ndull O\n\n"
    workshop.path("train.conll").write_text(lines)
    found = tinybert.augment("eda", train="train.conll", output="out.conll", copies=8)
    sentences = workshop.path("out.conll").read_text().strip().split("\n\n")
    assert len(sentences) == found["written"] > 4
    for sentence in sentences:
        origin, *words = sentence.splitlines()
        tags = [word.split()[-1] for word in words]
        assert origin.startswith("# origin=")
        assert tags.count("B-PER") + tags.count("B-LOC") <= 1
        assert all(tags[artifact - 1] in ("B-PER", "I-PER") for artifact, tag in enumerate(tags) if tag == "I-PER")


def test__answers_go_along_through_shards_and_file(workshop):
    context = "Ann Lee made a good film in Paris last year."
    question = {"id": "q", "question": "Who made it?", "answers": [{"text": "Ann Lee", "answer_start": 0}]}
    squad = {"version": "1.1", "data": [{"title": "t", "paragraphs": [{"context": context, "qas": [question]}]}]}
    workshop.path("train.json").write_text(json.dumps(squad))
    found = tinybert.augment("eda", train="train.json", output="out.json", copies=8)
    (article,) = json.loads(workshop.path("out.json").read_text())["data"]
    assert len(article["paragraphs"]) == found["written"] > 3
    for paragraph in article["paragraphs"]:
        (answer,) = paragraph["qas"][0]["answers"]
        start = answer["answer_start"]
        assert paragraph["context"][start : start + len(answer["text"])] == answer["text"] == "Ann Lee"


def test__the_same_command_again_finds_it_and_other_settings_are_named(workshop, capsys):
    train = workshop.data("train.tsv", reviews(12))
    first = tinybert.augment("eda", train=train, output="out.tsv", copies=4)
    bits = workshop.path("out.tsv").read_bytes()
    assert tinybert.augment("eda", train=train, output="out.tsv", copies=4) == first
    assert "out.tsv: found finished, nothing to do" in capsys.readouterr().err
    moved = workshop.path("moved.tsv")
    shutil.copy(train, moved)
    assert tinybert.augment("eda", train=moved, output="out.tsv", copies=4, run={"threads": 1}) == first
    with pytest.raises(UserError, match=r"augment.alpha, augment.copies, seed: changed since out.tsv was made; --re"):
        tinybert.augment("eda", train=train, output="out.tsv", copies=5, seed=3, set=("augment.alpha=0.2",))
    workshop.data("train.tsv", reviews(12, seed=9))
    with pytest.raises(UserError, match=r"file, train: changed since out.tsv was made"):
        tinybert.augment("eda", train=train, output="out.tsv", copies=4)
    assert workshop.path("out.tsv").read_bytes() == bits
    again = tinybert.augment("eda", train=train, output="out.tsv", copies=4, restart=True)
    assert workshop.path("out.tsv").read_bytes() != bits
    assert tinybert.augment("eda", train=train, output="out.tsv", copies=4) == again


def test__an_output_that_was_changed_or_is_somebody_elses_is_not_replaced(workshop):
    train = workshop.data("train.tsv", reviews(12))
    workshop.path("mine.tsv").write_text("mine")
    for restart in (False, True):
        with pytest.raises(UserError, match=r"--output mine.tsv: is there already, and not made by this command"):
            tinybert.augment("eda", train=train, output="mine.tsv", restart=restart)
    assert workshop.path("mine.tsv").read_text() == "mine"
    assert not workshop.path("mine.tsv.work").exists()
    tinybert.augment("eda", train=train, output="out.tsv")
    with workshop.path("out.tsv").open("a") as stream:
        stream.write("good\tpos\t99\t0\n")
    with pytest.raises(UserError, match=r"out.tsv: was changed since it was made"):
        tinybert.augment("eda", train=train, output="out.tsv")


def test__unfinished_work_goes_on_only_with_the_settings_it_was_begun_with(workshop, monkeypatch):
    train = workshop.data("train.tsv", reviews(12))
    expected = tinybert.augment("eda", train=train, output="whole.tsv", copies=4)
    monkeypatch.setattr(augment_file, "rewrite", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        tinybert.augment("eda", train=train, output="out.tsv", copies=4)
    monkeypatch.undo()
    monkeypatch.chdir(workshop.folder)
    assert not workshop.path("out.tsv").exists()
    with pytest.raises(
        UserError, match=r"augment.copies: changed since stage augment of out.tsv.work began; --restart b"
    ):
        tinybert.augment("eda", train=train, output="out.tsv", copies=3)
    found = tinybert.augment("eda", train=train, output="out.tsv", copies=4)
    assert {**found, "output": "whole.tsv"} == expected
    assert workshop.path("out.tsv").read_bytes() == workshop.path("whole.tsv").read_bytes()


def test__the_size_of_the_shards_changes_no_byte(workshop, monkeypatch):
    train = workshop.data("train.tsv", reviews(12))
    tinybert.augment("eda", train=train, output="one.tsv", copies=4)
    monkeypatch.setattr(augmented_set, "COPIES_PER_SHARD", 4)
    tinybert.augment("eda", train=train, output="many.tsv", copies=4)
    assert workshop.path("one.tsv").read_bytes() == workshop.path("many.tsv").read_bytes()


def test__a_teacher_counts_flips_and_drops_them_where_that_is_wanted(workshop):
    train, teacher = workshop.data("train.tsv", reviews(12)), workshop.model(classes=("neg", "pos"), seed=2)
    kept = tinybert.augment("eda", train=train, output="kept.tsv", teacher=teacher)
    dropped = tinybert.augment("eda", train=train, output="left.tsv", teacher=teacher, augment={"keep_flipped": False})
    flips = round(kept["flips"]["share"] * kept["flips"]["asked"])
    assert flips > 0
    assert dropped["rows"]["flipped"] == flips
    assert dropped["written"] == kept["written"] - flips
    answers = {}
    for row, said in zip(
        rows_of(workshop.path("left.tsv")),
        tinybert.predict(teacher, data=workshop.path("left.tsv")),
        strict=True,
    ):
        assert answers.setdefault(row["origin"], said["label"]) == said["label"]


def problems(*arguments, **named):
    with pytest.raises(UserError) as refused:
        tinybert.augment(*arguments, **named)
    return list(refused.value.problems)


def test__what_is_wrong_is_one_line_each_and_leaves_nothing(workshop):
    train = workshop.data("train.tsv", reviews(12))
    given = {"train": train, "output": "out.tsv"}
    before = sorted(workshop.folder.rglob("*"))
    there = "bert_glove, eda, cbert, tang, stationary"
    assert problems("translate", **given) == [f"there is no method 'translate'; there are {there}"]
    with pytest.raises(UserError) as refused:
        augment_file.request_for("eda", flags={}, config=None, settings={}, overrides=())
    assert refused.value.problems == ("--train is missing", "--output is missing")
    assert problems("eda", **given, copies=0) == ["--copies: must be at least 1, got 0"]
    assert problems("eda", **given, mlm="m") == ["--mlm: the method eda does not use it; leave it out"]
    assert problems("eda", **given, set=("augment.method=tang",))[0].startswith("augment.method: tang, but the command")
    assert problems("eda", **given, augment={"keep_flipped": False})[0].endswith("give --teacher")
    assert problems("eda", **given, data={"per_class": 3})[0].startswith("data.per_class: augment rewrites all rows")
    assert "out.xlsx" in problems("eda", train=train, output="out.xlsx")[0]
    assert problems("eda", train=train, output=train)[0].startswith(f"{train}: is the data that is augmented")
    assert problems("eda", train="none.tsv", output="out.tsv") == ["none.tsv: no such file"]
    assert "--teacher" in problems("eda", **given, teacher=workshop.model("headless"))[0]
    shutil.rmtree(workshop.path("headless"))
    assert sorted(workshop.folder.rglob("*")) == before


def test__a_bad_row_is_named_by_file_and_row(workshop, capsys):
    rows = reviews(12)
    rows[3]["label"] = ""
    train = workshop.data("train.tsv", rows)
    assert cli.main(["augment", "eda", "--train", str(train), "--output", "out.tsv"]) == 2
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("tinybert:")]
    assert len(said) == 1
    assert "train.tsv:5: " in said[0]


def test__a_second_process_is_refused_and_disturbs_nothing(workshop):
    from tinybert.folders import locked

    train = workshop.data("train.tsv", reviews(12))
    with locked(workshop.path("out.tsv.work")):
        assert "another tinybert process is working" in problems("eda", train=train, output="out.tsv")[0]
        assert workshop.path("out.tsv.work").exists()


def test__the_command_shows_figures_and_samples_or_one_json_object(workshop, capsys):
    train = str(workshop.data("train.tsv", reviews(12)))
    assert cli.main(["augment", "eda", "--train", train, "--output", "out.tsv", "--copies", "3"]) == 0
    shown = capsys.readouterr().out
    assert "words_changed: " in shown
    assert "original" in shown
    assert cli.main(["augment", "eda", "--train", train, "--output", "out.tsv", "--copies", "3", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    note = json.loads(workshop.path("out.tsv.quality.json").read_text())
    assert all(note[key] == value for key, value in found.items() if key != "output")


@pytest.mark.parametrize("preset", ["small", "paper"])
def test__its_presets_are_whole(preset):
    from tinybert.config import resolve
    from tinybert.stages.augment_file import Config

    assert resolve(Config, "augment", config=preset).preset == preset


@dataclass
class Augmenting(runs.Command):
    """`tinybert augment eda` in a process that may be killed."""

    @property
    def arguments(self):
        return ["augment", "eda", f"--train={self.data / 'train.tsv'}", f"--output={self.output}", *self.extra]

    @property
    def outcome(self):
        note = self.output.with_name(f"{self.output.name}.quality.json")
        return [hashlib.sha256(path.read_bytes()).hexdigest() for path in (self.output, note)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A command that ran to its end, and how often it changed the disk."""
    folder = tmp_path_factory.mktemp("whole")
    Workshop(folder, None).splits()
    command = Augmenting(folder, folder, folder / "out.tsv", extra=("--copies=3",), log=folder)
    small, count = ("small_shards", 9), ("count_changes", (str(folder / "out.tsv"), str(folder / "changes")))
    ended = command.run(small, count)
    assert ended.code == 0, ended.said
    return command, int((folder / "changes").read_text())


def test__dead_at_any_change_of_the_disk_it_ends_with_the_same_bytes(whole, tmp_path):
    command, changes = whole
    again, rng = command.into(tmp_path / "out.tsv"), random.Random(1)
    for artifact in sorted(rng.sample(range(1, changes), 4)):
        ended = again.run(("small_shards", 9), ("die_at", (str(again.output), artifact)))
        assert ended.code in (runs.DIED, 0), ended.said
    ended = again.run(("small_shards", 9))
    assert ended.code == 0, ended.said
    assert again.outcome == command.outcome
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.tsv", "out.tsv.quality.json"]


def test__told_to_stop_it_keeps_its_shards_and_goes_on(whole, tmp_path):
    command, _ = whole
    again = command.into(tmp_path / "out.tsv")
    started = again.start(("small_shards", 9), ("slow_shards", 0.2))
    stages = tmp_path / "out.tsv.work" / "stages"

    def there() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in stages.glob("augment-*/work/copies-*/result")}

    runs.wait_for(lambda: len(there()) >= 3, started)
    started.kill(signal.SIGTERM)
    ended = started.wait()
    assert ended.code == 143, ended.said
    assert ended.problems == ["tinybert: stopped by signal 15; the same command again continues"]
    kept = there()
    assert len(kept) >= 3
    started = again.start(("small_shards", 9), ("slow_shards", 0.2))
    runs.wait_for(lambda: len(there()) > len(kept) + 1, started)
    assert kept.items() <= there().items()
    assert started.wait().code == 0
    assert again.outcome == command.outcome


def test__texts_of_another_language_are_remarked_on_by_a_method_for_english(workshop, capsys):
    tinybert.augment("eda", train=french(), output="out.jsonl", copies=1)
    tinybert.augment("eda", train=reviews(12), output="english.jsonl", copies=1)
    assert capsys.readouterr().err.count("eda is for English, and only") == 1
