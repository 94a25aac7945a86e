"""A run that is killed, told to stop, or damaged in between ends with the same bits as one that is left alone."""

import json
import random
import re
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

import runs


@dataclass
class Whole:
    """A run that nothing happened to."""

    command: runs.Command
    outcome: object
    seconds: float
    changes: int


@pytest.fixture(scope="module")
def whole(tmp_path_factory, tiny_tokenizer):
    folder = tmp_path_factory.mktemp("whole")
    command = runs.a_command(folder, tiny_tokenizer)
    runs.call(print)  # the server that forks is there from here on
    ended = command.run(("count_changes", (str(folder / "run"), str(folder / "changes"))))
    assert ended.code == 0, ended.said
    began = time.monotonic()
    assert command.into(folder / "again").run().code == 0
    seconds = time.monotonic() - began
    assert command.into(folder / "again").outcome == command.outcome  # X1: the same seed gives the same bits
    return Whole(command, command.outcome, seconds, int((folder / "changes").read_text()))


def killed_at_random(whole, folder, kills, *, seed):
    """SIGKILL at random times, the same command again; a run that ends before its kill is compared, the next begins."""
    rng, left, number = random.Random(seed), kills, 0
    while True:
        command = whole.command.into(folder / f"run{number}")
        started = command.start()
        if left:
            time.sleep(rng.uniform(0, whole.seconds))
            started.kill()
        ended = started.wait()
        if ended.code == -signal.SIGKILL:
            left -= 1
            continue
        assert ended.code == 0, ended.said
        assert command.outcome == whole.outcome
        assert not list(command.output.rglob(".tmp-*"))
        if not left:
            return
        number += 1


def test__killed_five_times_at_random_a_run_ends_with_the_same_bits(whole, tmp_path):
    killed_at_random(whole, tmp_path, 5, seed=1)


@pytest.mark.slow
def test__killed_fifty_times_at_random_a_run_ends_with_the_same_bits(whole, tmp_path):
    killed_at_random(whole, tmp_path, 50, seed=2)


def test__dead_at_a_change_of_the_disk_a_run_ends_with_the_same_bits(whole, tmp_path):
    """Five deaths exactly where something is written, renamed or removed, each a little deeper into the run."""
    command, rng = whole.command.into(tmp_path / "run"), random.Random(3)
    for place in sorted(rng.sample(range(1, whole.changes), 5)):
        ended = command.run(("die_at", (str(command.output), place)))
        assert ended.code in (runs.DIED, 0), ended.said
    assert command.run().code == 0
    assert command.outcome == whole.outcome


@pytest.mark.parametrize("what", ["checkpoint", "result", "folder"])
def test__dead_at_any_change_of_one_save_what_was_there_is_there_or_what_is_new(tmp_path, what):
    assert runs.call(runs.die_everywhere, what, str(tmp_path)) == 0


def stop_at(command, lines, number):
    """Send a signal once metrics.jsonl has so many lines; how it ended, and after how many seconds."""
    started = command.start(("slowly", 0.02))
    runs.wait_for(lambda: len(command.lines) >= lines, started)
    sent = time.monotonic()
    started.kill(number)
    ended = started.wait()
    return ended, time.monotonic() - sent


def test__a_signal_ends_a_run_soon_with_a_checkpoint_and_the_next_one_goes_on(whole, tmp_path):
    command, rng = whole.command.into(tmp_path / "run"), random.Random(4)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
        ended, took = stop_at(command, len(command.lines) + rng.randint(1, 8), number)
        assert ended.code == 128 + number, ended.said
        assert took < 10
        assert ended.problems == [f"tinybert: stopped by signal {int(number)}; the same command again continues"]
        assert "Traceback" not in ended.said
        stage, step, *_ = command.lines[-1]
        (saved,) = command.output.glob(f"stages/{stage}-*/work/step-{step:08d}")
        assert (saved / "manifest.json").exists()
    assert command.run().code == 0
    assert command.outcome == whole.outcome


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test__a_signal_between_stages_ends_a_run_at_once(whole, tmp_path, number):
    command = whole.command.into(tmp_path / "run")
    started = command.start(("slow_finish", 30.0))
    runs.wait_for(lambda: "export: ONNX" in started.said.read_text(), started)
    started.kill(number)
    ended = started.wait(10)
    assert ended.code == 128 + number, ended.said
    assert len(ended.problems) == 1
    assert command.run().code == 0
    assert command.outcome == whole.outcome


@pytest.fixture(scope="module")
def stopped(whole, tmp_path_factory):
    """A run that stopped in its last stage, with two checkpoints there."""
    command = whole.command.into(tmp_path_factory.mktemp("stopped") / "run")
    started = command.start(("slowly", 0.06))
    runs.wait_for(lambda: len(list(command.output.glob("stages/prediction-*/work/step-*"))) == 2, started)
    started.kill(signal.SIGTERM)
    assert started.wait().code == 143
    assert len(list(command.output.glob("stages/prediction-*/work/step-*"))) == 2
    return command.output


def damage(path: Path, how: str, rng: random.Random) -> None:
    content = bytearray(path.read_bytes())
    if how == "delete":
        path.unlink()
    elif how == "truncate":
        path.write_bytes(content[: rng.randrange(len(content))])
    else:
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        path.write_bytes(content)


def survives_damage(whole, stopped, folder, sample):
    """Damage one file after the other, each in a fresh copy of the stopped run: it is redone, to the same bits."""
    rng = random.Random(5)
    kept = [path.relative_to(stopped) for path in sorted(stopped.rglob("stages/*/**/*"))]
    kept = [path for path in kept if (stopped / path).is_file() and path.name != ".lock"] + [Path("steps.json")]
    cases = [(path, how) for path in kept for how in ("flip", "truncate", "delete")]
    for number, (path, how) in enumerate(sample(rng, cases)):
        command = whole.command.into(folder / f"run{number}")
        shutil.copytree(stopped, command.output)
        damage(command.output / path, how, rng)
        ended = command.run()
        assert ended.code == 0, (path, how, ended.said)
        assert "Traceback" not in ended.said
        assert command.weights == whole.outcome[0], (path, how, ended.said)
        assert sorted(command.lines, key=str) == sorted(whole.outcome[1], key=str), (path, how)
        looked_at = "result" in path.parts and not path.parts[1].startswith("teacher_outputs-")  # of a finished stage
        if looked_at or path.parent.name.startswith("step-"):
            assert re.search("damaged", ended.said), (path, how)
        shutil.rmtree(command.output)


def test__a_damaged_file_is_found_and_redone_to_the_same_bits(whole, stopped, tmp_path):
    survives_damage(whole, stopped, tmp_path, lambda rng, cases: rng.sample(cases, 8))


@pytest.mark.slow
def test__any_damaged_file_is_found_and_redone_to_the_same_bits(whole, stopped, tmp_path):
    survives_damage(whole, stopped, tmp_path, lambda rng, cases: cases)


def test__with_no_whole_checkpoint_left_a_stage_begins_again_and_repeats_no_line(whole, stopped, tmp_path):
    command = whole.command.into(tmp_path / "run")
    shutil.copytree(stopped, command.output)
    for state in command.output.glob("stages/*/work/*/state.json"):
        state.unlink()
    assert command.run().code == 0
    assert command.outcome == whole.outcome


def test__restarting_redoes_everything_and_leaves_nothing_of_before(whole, stopped, tmp_path):
    """Also the teacher that was fine-tuned before, which other settings make another one."""
    command = whole.command.into(tmp_path / "run")
    shutil.copytree(stopped, command.output)
    other = command.with_settings("fine_tune.lr=0.001")
    refused = other.run()
    assert refused.code == 2
    assert "fine_tune.lr" in refused.problems[0]
    assert "--restart-from teacher" in refused.problems[0]
    before = (command.output / "teacher" / "model.safetensors").read_bytes()
    assert other.with_extra("--restart-from=teacher").run().code == 0
    assert (command.output / "teacher" / "model.safetensors").read_bytes() != before
    assert command.with_extra("--restart").run().code == 0
    assert (command.output / "teacher" / "model.safetensors").read_bytes() == before
    assert command.outcome == whole.outcome


def test__a_finished_run_is_found_and_nothing_in_it_changes(whole):
    before = {path: path.stat().st_mtime_ns for path in whole.command.output.rglob("*.safetensors")}
    ended = whole.command.run()
    assert ended.code == 0
    assert "finish: found, nothing to do" in ended.said
    assert {path: path.stat().st_mtime_ns for path in whole.command.output.rglob("*.safetensors")} == before
    assert whole.command.outcome == whole.outcome
    assert json.loads((whole.command.output / "metrics.json").read_text())["recipe"] == "tinybert"


def test__a_whole_run_with_onnx_and_latencies_is_killed_and_resumed_by_the_real_command(whole, tmp_path):
    """Nothing is left out here: killed in the middle, then the same command to its end in a fresh interpreter."""
    command = whole.command.into(tmp_path / "run")
    process = command.start(whole=True)
    runs.wait_for(lambda: any(stage == "intermediate" for stage, *_ in command.lines), process)
    process.kill()
    assert process.wait().code == -signal.SIGKILL
    ended = command.interpreter().wait()
    assert ended.code == 0, ended.said
    assert command.outcome == whole.outcome
    assert json.loads((command.output / "metrics.json").read_text())["student_int8"]["bytes"] > 0
