"""Checkpoints: whole or absent; damage is found and the one before serves."""

import shutil

import pytest
import torch

from tinybert.engine import checkpoint
from tinybert.errors import ResourceError


def artifact_with(world, steps=(1, 2, 3)):
    run = world.run()
    artifact = run.begin("training")
    for step in steps:
        checkpoint.save(
            artifact, run, step, {"student": {"w": torch.full((3,), float(step))}, "best": {}}, {"step": step}
        )
    return artifact, run


def test__the_newest_two_are_kept_and_the_newest_serves(make_world):
    artifact, run = artifact_with(make_world())
    assert sorted(path.name for path in artifact.work.iterdir()) == ["step-00000002", "step-00000003"]
    found = checkpoint.newest(artifact, run)
    assert found.counters == {"step": 3}
    assert torch.equal(found.tensors["student"]["w"], torch.full((3,), 3.0))
    assert found.tensors["best"] == {}


def test__no_checkpoint_is_none(make_world):
    run = make_world().run()
    assert checkpoint.newest(run.begin("training"), run) is None


@pytest.mark.parametrize("name", ["student.safetensors", "best.safetensors", "state.json", "manifest.json"])
@pytest.mark.parametrize("damage", ["flip", "truncate", "delete"])
def test__any_damage_is_found_and_the_one_before_serves(make_world, capsys, name, damage):
    artifact, run = artifact_with(make_world())
    path = artifact.work / "step-00000003" / name
    content = bytearray(path.read_bytes())
    if damage == "delete":
        path.unlink()
    elif damage == "truncate":
        path.write_bytes(content[: len(content) // 2])
    else:
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    assert checkpoint.newest(artifact, run).counters == {"step": 2}
    assert "step-00000003 is damaged" in capsys.readouterr().err


def test__too_little_room_is_said_before_anything_is_written(make_world, monkeypatch):
    artifact, run = artifact_with(make_world())
    usage = shutil.disk_usage(artifact.folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=3))
    with pytest.raises(ResourceError, match="free some and run the same command again"):
        checkpoint.save(artifact, run, 4, {"student": {"w": torch.zeros(3)}}, {})
    assert checkpoint.newest(artifact, run).counters == {"step": 3}


def test__a_checkpoint_of_another_machine_is_used_with_a_warning(make_world, capsys, monkeypatch):
    artifact, run = artifact_with(make_world())
    monkeypatch.setattr(torch, "get_num_threads", lambda: 999)
    assert checkpoint.newest(artifact, run).counters == {"step": 3}
    assert "the last bits may differ" in capsys.readouterr().err


def test__no_pickle_is_written(make_world):
    artifact, _ = artifact_with(make_world())
    assert {path.suffix for path in artifact.work.rglob("*") if path.is_file()} == {".safetensors", ".json"}
