"""What a run says and records."""

import json

import pytest

from tinybert import log as log_module
from tinybert.log import Log


def test__what_was_recorded_of_a_stage_after_a_step_can_be_forgotten(tmp_path):
    log = Log(tmp_path / "metrics.jsonl")
    log.forget("a")
    for stage, step in (("a", 1), ("a", 2), ("b", 1), ("a", 3)):
        log.record({"stage": stage, "step": step})
    with (tmp_path / "metrics.jsonl").open("a") as stream:
        stream.write('{"stage": "b", "st')  # half a line, as a full disk leaves it
    log.forget("a", after=1)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines == [{"stage": "a", "step": 1}, {"stage": "b", "step": 1}]
    log.forget("b")
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 1


def test__what_another_run_recorded_of_a_stage_is_taken_over_once(tmp_path):
    first, second = Log(tmp_path / "first.jsonl"), Log(tmp_path / "second.jsonl")
    for stage in ("a", "b"):
        first.record({"stage": stage, "step": 1, "loss": float("nan")})
    assert second.lines_of("a") == ""
    for _ in range(2):
        second.recall("a", first.lines_of("a"))
    assert (tmp_path / "second.jsonl").read_text() == first.lines_of("a") != ""


def test__a_silent_log_writes_nothing(tmp_path, capsys):
    log = Log(tmp_path / "metrics.jsonl", silent=True)
    log.record({"step": 1})
    log.say("hello")
    assert not (tmp_path / "metrics.jsonl").exists()
    assert capsys.readouterr().err == ""


def test__progress_without_a_terminal_is_a_plain_line_now_and_then(capsys, monkeypatch):
    monkeypatch.setattr(log_module, "PLAIN_LINE_EVERY", 0.0)
    with Log().progress("training", total=4) as bar:
        bar.advance(2, loss=0.5)
    printed = capsys.readouterr().err
    assert "training: 2/4  loss 0.5" in printed
    assert "s left" in printed


def test__what_is_said_is_not_read_as_markup(capsys):
    Log().say("[bold]5 rows[/bold] of file [1]")
    assert capsys.readouterr().err == "[bold]5 rows[/bold] of file [1]\n"


def test__numbers_go_to_tensorboard_where_it_was_asked_for(tmp_path):
    pytest.importorskip("tensorboard", reason="the extra `tensorboard` is not installed")
    log = Log(tmp_path / "metrics.jsonl", board=tmp_path / "board")
    log.record({"stage": "prediction", "step": 3, "loss": 0.25, "terms": {"hidden": 0.125}})
    assert list((tmp_path / "board").iterdir())
