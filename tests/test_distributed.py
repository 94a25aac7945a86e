"""Two processes (gloo on this machine) learn what one learns; one that dies does not leave the other waiting."""

import re
import signal
import time
from dataclasses import dataclass

import pytest
from safetensors.torch import load_file

import runs
from recipes.workshop import CLASSES, FP32, Workshop

# Its gradient is zero but for rounding, which Adam blows up: softmax does not see what is added to all scores of a row.
NOT_LEARNT = "key.bias"
KEY = re.compile("-[0-9a-f]{20}")  # of an artifact: the last bits of what two processes learn may differ


@pytest.fixture(scope="module")
def training(tmp_path_factory, tiny_tokenizer):
    """The folder of a `runs.Training`: networks without dropout and 22 rows, which no batch divides."""
    from tinybert.data.encode import encode
    from tinybert.data.examples import Examples
    from tinybert.types import Example

    folder = tmp_path_factory.mktemp("training")
    command = runs.a_command(folder, tiny_tokenizer, headless=False, dropout=0.0)
    lines = (command.data / "train.tsv").read_text().splitlines()[1:23]
    rows = [Example(line.split("\t")[0], label=number % 2, row=number + 1) for number, line in enumerate(lines)]
    encode(Examples.of(rows), tiny_tokenizer, 24, folder / "rows.arrow")
    Workshop(folder, tiny_tokenizer).model("student", CLASSES, 2, width=12, seed=1, dropout=0.0)
    return folder


def apart(one, two):
    """The largest difference of two sets of weights."""
    return max(float((one[name] - two[name]).abs().max()) for name in one if not name.endswith(NOT_LEARNT))


@pytest.mark.parametrize(
    ("accumulate", "keep"), [(3, None), (1, frozenset({0, 5, 6, 13})), (3, frozenset({0, 5, 6, 13}))]
)
def test__two_processes_learn_what_one_learns_however_uneven_the_kept_rows_lie(training, accumulate, keep):
    one, lines_of_one = runs.Training(training, 0, accumulate, keep).learn()
    two, lines_of_two = runs.Training(training, runs.free_port(), accumulate, keep).learn()
    assert len(lines_of_one) == 18
    for alone, together in zip(lines_of_one, lines_of_two, strict=True):
        assert (alone["step"], alone["kept"]) == (together["step"], together["kept"])
        assert together["loss"] == pytest.approx(alone["loss"], abs=1e-5)
        assert together["terms"] == pytest.approx(alone["terms"], abs=1e-5)
    assert apart(one, two) < 1e-5
    if keep is not None:
        assert {line["kept"] for line in lines_of_one} >= {0.0, 1.0}  # nobody keeps any; one keeps one, the other none
    assert lines_of_one[-1]["loss"] < lines_of_one[1]["loss"] or keep is not None  # something was learnt


@pytest.fixture(scope="module")
def command(tmp_path_factory, tiny_tokenizer):
    """The whole command, without dropout; the teacher has its head, since an initialisation from one fine-tuned a
    last bit differently may choose its directions quite differently."""
    gentle = tuple(
        f"{training}.lr=0.0001" for training in runs.TRAININGS
    )  # Adam blows rounding up in the first updates
    folder = tmp_path_factory.mktemp("command")
    return runs.a_command(folder, tiny_tokenizer, headless=False, dropout=0.0).with_settings(
        *gentle, *FP32, "student.vocabulary=train"
    )


@pytest.fixture(scope="module")
def together(command):
    """What two processes make of it."""
    shared = command.into(command.output.with_name("two"))
    for ended in [started.wait() for started in runs.on_two(shared)]:
        assert ended.code == 0, ended.said
    return shared


def test__a_whole_run_of_two_processes_is_that_of_one(command, together):
    assert command.run().code == 0
    for (*alone, loss, dev), (*shared, other_loss, other_dev) in zip(command.lines, together.lines, strict=True):
        assert alone == shared
        assert (loss or 0) == pytest.approx(other_loss or 0, abs=1e-5)
        assert dev == other_dev
    weights = [load_file(one.output / "student" / "model.safetensors") for one in (command, together)]
    assert apart(*weights) < 1e-5


def test__only_the_first_process_writes_and_speaks(command, together):
    one, two = (
        {KEY.sub("", path.relative_to(output).as_posix()) for path in output.rglob("*")}
        for output in (command.output, together.output)
    )
    assert one == two
    said = sorted(path.read_text() for path in together.output.parent.glob("two.*.txt"))
    for line in ("done: ", "report: ", "on cpu, 2 processes, in"):
        assert sorted(text.count(line) for text in said) == [0, 1]


def test__both_processes_stop_for_a_signal_that_reached_one_and_go_on_to_the_same_bits(command, together, tmp_path):
    shared = command.into(tmp_path / "run")
    first, second = runs.on_two(shared, ("slowly", 0.02))
    runs.wait_for(lambda: len(shared.lines) > 4, first, second)
    second.kill(signal.SIGTERM)
    assert [started.wait(30).code for started in (first, second)] == [143, 143]
    assert [started.wait(60).code for started in runs.on_two(shared)] == [0, 0]
    assert shared.outcome == together.outcome


@pytest.mark.parametrize("dead", [1, pytest.param(0, marks=pytest.mark.slow)])
def test__a_process_that_is_killed_ends_the_other_and_the_run_goes_on_to_the_same_bits(
    command, together, tmp_path, dead
):
    shared = command.into(tmp_path / "run")
    both = runs.on_two(shared, ("slowly", 0.02))
    runs.wait_for(lambda: any(stage == "intermediate" for stage, *_ in shared.lines), *both)
    began = time.monotonic()
    both[dead].kill()
    ended = both[1 - dead].wait(60)
    assert time.monotonic() - began < 60
    assert ended.code == 75, ended.said
    assert len(ended.problems) == 1
    assert "another process of this run has ended" in ended.problems[0]
    assert both[dead].wait(5).code == -signal.SIGKILL
    assert [started.wait(60).code for started in runs.on_two(shared)] == [0, 0]
    assert shared.outcome == together.outcome


def test__a_mistake_is_said_once_and_ends_both(together):
    other = together.with_settings("prediction.lr=0.1")
    ended = [started.wait(60) for started in runs.on_two(other)]
    assert [one.code for one in ended] == [2, 75], ended
    assert "prediction.lr" in ended[0].problems[0]
    assert ended[1].problems[0].startswith("tinybert: process 1: another process of this run has ended")
    assert not list(together.output.rglob("tinybert-crash-*"))


@dataclass
class Texts:
    """General distillation on a corpus of many shards.

    Attributes:
        command: For one process.
        together: What two have made of it.
        packed: Each shard that was packed, and by which of the two.
    """

    command: runs.Command
    together: runs.Command
    packed: list[list[str]]


def small_shards(folder):
    """The hook that makes many of them and notes them in a folder."""
    return ("small_corpus_shards", (500, str(folder / "packed.txt")))


@pytest.fixture(scope="module")
def texts(tmp_path_factory, tiny_tokenizer):
    folder = tmp_path_factory.mktemp("texts")
    command = runs.a_command(folder, tiny_tokenizer, dropout=0.0, settings=(*runs.GENERAL, *FP32), recipe="general")
    together = command.into(folder / "two")
    for ended in [started.wait() for started in runs.on_two(together, small_shards(folder))]:
        assert ended.code == 0, ended.said
    lines = (folder / "packed.txt").read_text().splitlines()
    return Texts(command, together, [line.split() for line in lines])


def test__two_processes_share_a_corpus_and_learn_what_one_learns(texts, tmp_path):
    shards = [shard for shard, _ in texts.packed]
    assert len(shards) == len(set(shards)) > 10
    assert {rank for _, rank in texts.packed} == {"0", "1"}
    ended = texts.command.run(small_shards(tmp_path))
    assert ended.code == 0, ended.said
    for (*alone, loss, dev), (*shared, other_loss, other_dev) in zip(
        texts.command.lines, texts.together.lines, strict=True
    ):
        assert alone == shared
        assert (loss or 0, dev or 0) == pytest.approx((other_loss or 0, other_dev or 0), abs=1e-5)
    weights = [load_file(one.output / "student" / "model.safetensors") for one in (texts.command, texts.together)]
    assert apart(*weights) < 1e-5


def test__on_plain_text_too_a_killed_process_ends_the_other_and_the_run_goes_on_to_the_same_bits(texts, tmp_path):
    shared = texts.together.into(tmp_path / "run")
    first, second = runs.on_two(shared, small_shards(tmp_path), ("slowly", 0.02))
    runs.wait_for(lambda: len(shared.lines) > 12, first, second)
    second.kill()
    ended = first.wait(60)
    assert ended.code == 75, ended.said
    assert "another process of this run has ended" in ended.problems[0]
    assert [started.wait(60).code for started in runs.on_two(shared, small_shards(tmp_path))] == [0, 0]
    assert shared.outcome == texts.together.outcome
    assert len((tmp_path / "packed.txt").read_text().splitlines()) == len(texts.packed)  # nothing is packed again
