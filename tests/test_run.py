"""Run folders: seed streams, stage chain, lock, restart, signals."""

import json
import os
import signal
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch

from tinybert.artifacts import Store
from tinybert.errors import Interrupted, UserError
from tinybert.folders import Record, check_run_folder, check_stage_name, check_version, forget_steps, locked
from tinybert.log import Log
from tinybert.machine import choose_device
from tinybert.run import Run, RunSettings

CHANGED_LR = r"^prediction\.lr: changed since stage prediction.*--restart-from prediction"


def a_run(folder: Path, **config: object) -> Run:
    return Run(
        folder, 7, RunSettings(), torch.device("cpu"), Log(folder / "metrics.jsonl", silent=False), config=config
    )


def test__a_stream_depends_on_its_name_and_the_seed_and_on_nothing_else(tmp_path):
    run = a_run(tmp_path)
    first = run.rng("augment", 3).random(4)
    run.rng("other").random(100)
    assert np.array_equal(first, run.rng("augment", 3).random(4))
    assert not np.array_equal(first, run.rng("augment", 4).random(4))
    assert run.seed_for("a", "b") != run.seed_for("ab")
    assert 0 <= run.seed_for("x") < 2**63
    other = Run(tmp_path, 8, RunSettings(), torch.device("cpu"), Log(silent=True))
    assert run.seed_for("x") != other.seed_for("x")
    assert not np.array_equal(first, other.rng("augment", 3).random(4))


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test__a_student_computes_in_what_was_said_or_in_bf16_where_the_processor_does(tmp_path, processor, device):
    def of(**settings: str) -> torch.dtype:
        return Run(tmp_path, 7, RunSettings(**settings), torch.device(device), Log(silent=True)).student_dtype

    assert of() == (torch.bfloat16 if processor and device == "cpu" else torch.float32)
    assert of(dtype="fp32") == torch.float32
    assert of(dtype="bf16") == torch.bfloat16


def fill(folder: Path) -> None:
    (folder / "value.txt").write_text("4")


def test__a_finished_step_is_found_again(tmp_path):
    made = []
    for _ in range(2):
        found = a_run(tmp_path).step("init", lambda folder: made.append(folder) or fill(folder), heads=2)
        assert (found.result / "value.txt").read_text() == "4"
    assert len(made) == 1


def test__a_damaged_result_is_made_again(tmp_path, capsys):
    made = a_run(tmp_path).step("init", fill)
    (made.result / "value.txt").write_text("5")
    assert (a_run(tmp_path).step("init", fill).result / "value.txt").read_text() == "4"
    assert "init: the stored result is damaged" in capsys.readouterr().err


def test__a_changed_setting_names_the_key_and_the_step(tmp_path):
    for lr, said in ((1e-5, nullcontext()), (2e-5, pytest.raises(UserError, match=CHANGED_LR))):
        with said:
            a_run(tmp_path, **{"prediction.lr": lr}).begin("prediction", prediction={"lr": lr})


def test__changed_contents_name_the_setting_that_changed_them(tmp_path):
    a_run(tmp_path, **{"train": "t.tsv", "data.per_class": None}).begin("teacher", train="one digest")
    with pytest.raises(UserError, match=r"^data\.per_class, train: changed since stage teacher"):
        a_run(tmp_path, **{"train": "t.tsv", "data.per_class": 40}).begin("teacher", train="another")


def test__another_step_in_the_place_of_one_names_what_led_there(tmp_path):
    a_run(tmp_path, **{"augment.method": "none"}).begin("prediction")
    with pytest.raises(
        UserError, match=r"^augment\.method: changed since stage prediction .*--restart-from prediction"
    ):
        a_run(tmp_path, **{"augment.method": "eda"}).begin("augment")
    with pytest.raises(UserError, match=r"^the recipe: changed since stage prediction"):
        a_run(tmp_path, **{"augment.method": "none"}).begin("distill")
    assert [step.name for step in Record(tmp_path).steps] == ["prediction"]


def test__a_record_that_is_damaged_counts_as_none_and_what_is_stored_is_found(tmp_path):
    made = a_run(tmp_path).step("init", fill)
    (tmp_path / "steps.json").write_text("{")
    assert a_run(tmp_path).step("init", pytest.fail) == made
    assert [step.name for step in Record(tmp_path).steps] == ["init"]


def test__runs_that_share_a_store_make_the_same_once_and_neither_removes_it(tmp_path):
    runs = [a_run(tmp_path / name) for name in "ab"]
    for run in runs:
        run.store = Store(tmp_path / "store", shared=True)
    made = runs[0].step("teacher", fill, train="the same")
    assert runs[1].step("teacher", pytest.fail, train="the same") == made
    runs[1].store.tidy(())
    assert made.whole
    forget_steps(tmp_path / "b", runs[1].store, None, {})
    assert not made.whole


def test__restart_from_a_step_forgets_it_and_what_follows(tmp_path):
    run = a_run(tmp_path)
    made = {}
    for name in ("teacher", "init", "prediction"):
        made[name] = run.step(name, fill)
        run.log.record({"stage": name})
    for shown in ("teacher", "augmented"):
        (tmp_path / shown).mkdir()
        (tmp_path / shown / "x").write_text("x")
    forget_steps(tmp_path, run.store, "init", {"teacher": "teacher", "init": "augmented/x"})
    assert (tmp_path / "teacher" / "x").exists()
    assert not list((tmp_path / "augmented").iterdir())
    assert [name for name in made if made[name].whole] == ["teacher"]
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines == [{"stage": "teacher"}]
    forget_steps(tmp_path, run.store, "init", {})  # not reached any more: nothing to forget
    assert made["teacher"].whole
    forget_steps(tmp_path, run.store, None, {"teacher": "teacher"})
    assert not made["teacher"].whole
    assert not (tmp_path / "teacher").exists()


def test__a_step_that_some_run_has_reached_can_be_restarted_from(tmp_path):
    a_run(tmp_path / "a").step("teacher", fill)
    check_stage_name([tmp_path / "a", tmp_path / "b"], "teacher")
    with pytest.raises(UserError, match="there are: teacher"):
        check_stage_name([tmp_path / "a", tmp_path / "b"], "nonsense")
    with pytest.raises(UserError, match="there are: none yet"):
        check_stage_name([tmp_path / "b"], "teacher")


@pytest.mark.parametrize("left", ["stages/1-teacher/begun.json", "kept.json"])
def test__a_run_of_an_earlier_version_is_refused_until_it_is_begun_anew(tmp_path, left):
    check_version(tmp_path)
    (tmp_path / left).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / left).write_text("{}")
    with pytest.raises(UserError, match="holds a run of an earlier version, which cannot go on; --restart begins anew"):
        check_version(tmp_path)
    forget_steps(tmp_path, Store(tmp_path / "stages"), None, {})
    check_version(tmp_path)


def test__a_second_process_on_the_same_folder_is_refused(tmp_path):
    code = (
        "from pathlib import Path\nfrom tinybert.errors import UserError\nfrom tinybert.folders import locked\n"
        "for _ in range(2):\n"
        "    try:\n"
        f"        with locked(Path({str(tmp_path)!r})): print('got it', flush=True)\n"
        "    except UserError as error: print(error, flush=True)\n"
        "    input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        with locked(tmp_path):
            refused = other.stdout.readline()
        other.stdin.write("\n")
        other.stdin.flush()
        assert other.stdout.readline() == "got it\n"
        other.communicate("\n")
    assert "another tinybert process" in refused


def test__what_a_killed_process_left_is_swept(tmp_path):
    (tmp_path / "stages").mkdir()
    (tmp_path / "stages" / ".tmp-123-abc").mkdir()
    (tmp_path / ".tmp-9-file").write_text("half")
    with locked(tmp_path):
        assert not list(tmp_path.rglob(".tmp-*"))


def test__a_signal_waits_for_the_step_inside_a_loop_and_stops_at_once_outside(tmp_path):
    run, before = a_run(tmp_path), signal.getsignal(signal.SIGINT)
    with run.listening():
        with run.deferring_signals():
            os.kill(os.getpid(), signal.SIGTERM)
            assert run.stop_signal == signal.SIGTERM
        with pytest.raises(Interrupted) as stopped:
            os.kill(os.getpid(), signal.SIGINT)
        assert stopped.value.exit_code == 130
    assert signal.getsignal(signal.SIGINT) is before


def test__an_unusable_device_is_the_users_error():
    assert choose_device("cpu") == torch.device("cpu")
    with pytest.raises(UserError, match="--device nonsense"):
        choose_device("nonsense")


@pytest.mark.parametrize("bad", [{"threads": 0}, {"checkpoint_every": 0.0}])
def test__settings_that_cannot_be_are_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        RunSettings(**bad)


def test__a_folder_with_something_else_in_it_is_refused(tmp_path):
    check_run_folder(tmp_path / "new")
    check_run_folder(tmp_path)
    (tmp_path / "thesis.doc").write_text("mine")
    with pytest.raises(UserError, match="holds no run"):
        check_run_folder(tmp_path)
    (tmp_path / "config.yaml").write_text("")
    check_run_folder(tmp_path)
    with pytest.raises(UserError, match="is a file"):
        check_run_folder(tmp_path / "thesis.doc")
