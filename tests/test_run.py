"""Run folders: seed streams, stage chain, lock, restart, signals."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tinybert.errors import Interrupted, UserError
from tinybert.folders import forget_stages, locked, refuse_foreign, refuse_unknown_stage
from tinybert.log import Log
from tinybert.machine import choose_device
from tinybert.run import Run, RunSettings


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


def test__a_finished_stage_is_found_again_and_an_unfinished_one_is_not(tmp_path):
    made = []

    def make(folder: Path) -> None:
        made.append(folder)
        (folder / "value.txt").write_text("4")

    for _ in range(2):
        result = a_run(tmp_path).once("init", {"student.heads": 2}, make)
        assert (result / "value.txt").read_text() == "4"
    assert len(made) == 1


def test__a_damaged_result_is_made_again(tmp_path):
    result = a_run(tmp_path).once("init", {}, lambda folder: (folder / "value.txt").write_text("4") and None)
    (result / "value.txt").write_text("5")
    again = a_run(tmp_path).once("init", {}, lambda folder: (folder / "value.txt").write_text("4") and None)
    assert (again / "value.txt").read_text() == "4"


def test__a_changed_setting_names_the_key_and_the_stage(tmp_path):
    a_run(tmp_path, **{"prediction.lr": 1e-5}).stage("prediction", {"prediction.lr": 1e-5})
    with pytest.raises(UserError, match=r"prediction\.lr.*stage prediction.*--restart-from prediction"):
        a_run(tmp_path, **{"prediction.lr": 2e-5}).stage("prediction", {"prediction.lr": 2e-5})


def test__changed_data_name_the_setting_that_changed_them(tmp_path):
    a_run(tmp_path, **{"data.per_class": None}).stage("teacher", {"train": "one digest"})
    with pytest.raises(UserError, match=r"data\.per_class.*stage teacher"):
        a_run(tmp_path, **{"data.per_class": 40}).stage("teacher", {"train": "another"})


def test__another_stage_in_the_place_of_one_names_what_led_there(tmp_path):
    a_run(tmp_path, **{"augment.method": "none"}).stage("prediction", {})
    with pytest.raises(
        UserError, match=r"^augment\.method: changed since stage prediction .*--restart-from prediction"
    ):
        a_run(tmp_path, **{"augment.method": "eda"}).stage("augment", {})
    with pytest.raises(UserError, match=r"^the recipe: changed since stage prediction"):
        a_run(tmp_path, **{"augment.method": "none"}).stage("distill", {})
    assert [path.name for path in (tmp_path / "stages").iterdir()] == ["1-prediction"]


def test__a_stage_depends_on_the_ones_before_it(tmp_path):
    before = a_run(tmp_path)
    before.stage("teacher", {"seed": 1})
    assert before.stage("student", {}).fingerprint != a_run(tmp_path / "b").stage("student", {}).fingerprint


def test__restart_from_a_stage_forgets_it_and_what_follows(tmp_path):
    run = a_run(tmp_path)
    for name in ("teacher", "init", "prediction"):
        run.once(name, {}, lambda folder: (folder / "x").write_text("x") and None)
        run.log.record({"stage": name})
    for shown in ("teacher", "augmented"):
        (tmp_path / shown).mkdir()
        (tmp_path / shown / "x").write_text("x")
    forget_stages(tmp_path, "init", {"teacher": "teacher", "init": "augmented/x"})
    assert (tmp_path / "teacher" / "x").exists()
    assert not list((tmp_path / "augmented").iterdir())
    assert [path.name for path in (tmp_path / "stages").iterdir()] == ["1-teacher"]
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines == [{"stage": "teacher"}]
    forget_stages(tmp_path, "init", {})  # not reached any more: nothing to forget
    forget_stages(tmp_path, None, {"teacher": "teacher"})
    assert not list((tmp_path / "stages").iterdir())
    assert not (tmp_path / "teacher").exists()


def test__a_stage_that_some_run_has_reached_can_be_restarted_from(tmp_path):
    a_run(tmp_path / "a").once("teacher", {}, lambda folder: (folder / "x").write_text("x") and None)
    refuse_unknown_stage([tmp_path / "a", tmp_path / "b"], "teacher")
    with pytest.raises(UserError, match="there are: teacher"):
        refuse_unknown_stage([tmp_path / "a", tmp_path / "b"], "nonsense")
    with pytest.raises(UserError, match="there are: none yet"):
        refuse_unknown_stage([tmp_path / "b"], "teacher")


def test__a_second_process_on_the_same_folder_is_refused(tmp_path):
    code = "from tinybert.folders import locked; from pathlib import Path\n"
    code += f"with locked(Path({str(tmp_path)!r})): print('got it')"
    with locked(tmp_path):
        other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert other.returncode == 1
    assert "another tinybert process" in other.stderr
    assert "got it" in subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout


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
    refuse_foreign(tmp_path / "new")
    refuse_foreign(tmp_path)
    (tmp_path / "thesis.doc").write_text("mine")
    with pytest.raises(UserError, match="holds no run"):
        refuse_foreign(tmp_path)
    (tmp_path / "config.yaml").write_text("")
    refuse_foreign(tmp_path)
    with pytest.raises(UserError, match="is a file"):
        refuse_foreign(tmp_path / "thesis.doc")
