"""Presets and the order of layers."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tinybert import config
from tinybert.config import presets, resolve
from tinybert.errors import UserError
from tinybert.types import Stage


@dataclass(frozen=True)
class Settings:
    seed: int = 0
    teacher: str | None = None
    prediction: Stage = field(default_factory=Stage)


@pytest.fixture(autouse=True)
def packaged(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "presets" / "toy"
    folder.mkdir(parents=True)
    (folder / "small.yaml").write_text("prediction: {lr: 1, epochs: 1, warmup: 0}\n")
    (folder / "paper.yaml").write_text("prediction: {lr: 2}\n")
    monkeypatch.setattr(presets, "_PRESETS", folder.parent)
    monkeypatch.chdir(tmp_path)
    return folder


def test__names_are_those_of_the_packaged_files():
    assert config.preset_names("toy") == ("paper", "small")
    assert config.preset_names("unknown") == ()


def test__later_layers_win_preset_file_flags_settings_overrides(tmp_path):
    (tmp_path / "c.yaml").write_text("seed: 1\nteacher: a\nprediction: {lr: 3, batch_size: 4}\n")
    got = resolve(
        Settings,
        "toy",
        config="c.yaml",
        flags={"seed": 2, "teacher": None},
        settings={"prediction.batch_size": 5, "prediction.clip": 2},
        overrides=["prediction.clip=3"],
    )

    assert got.preset == "small"
    assert (got.settings.seed, got.settings.teacher) == (2, "a")
    assert got.settings.prediction == Stage(lr=3.0, epochs=1, warmup=0.0, batch_size=5, clip=3.0)


def test__a_preset_is_chosen_by_name_or_by_a_files_own_key(tmp_path):
    (tmp_path / "c.yaml").write_text("preset: paper\nseed: 4\n")

    assert resolve(Settings, "toy").settings.prediction.lr == 1
    assert resolve(Settings, "toy", config="paper").settings.prediction.lr == 2
    by_file = resolve(Settings, "toy", config=tmp_path / "c.yaml")
    assert (by_file.preset, by_file.settings.prediction.lr, by_file.settings.seed) == ("paper", 2, 4)


def test__an_unknown_preset_or_file_is_named_with_what_there_is(tmp_path):
    (tmp_path / "c.yaml").write_text("seed: 4\npreset: papr\n")

    with pytest.raises(UserError, match=r"--config papr: neither a preset of toy \(paper, small\) nor a file, tried /"):
        resolve(Settings, "toy", config="papr")
    with pytest.raises(UserError, match=r"c.yaml:2: preset: toy has no preset 'papr'; there are paper, small"):
        resolve(Settings, "toy", config="c.yaml")
    with pytest.raises(UserError, match=r"preset: toy has no preset '../toy/small'"):
        config.read_preset("toy", "../toy/small")


def test__a_mistake_in_a_preset_names_the_preset(packaged):
    (packaged / "small.yaml").write_text("seed: 1\nsed: 2\n")

    with pytest.raises(UserError, match=r"^preset small:2: sed: unknown key \(did you mean seed\?\)$"):
        resolve(Settings, "toy")
