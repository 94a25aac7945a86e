"""The store: keys come from contents, results are whole or absent, two who want the same make it once."""

import multiprocessing
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tinybert.artifacts import Artifact, Store, digest_of_input
from tinybert.layer_maps import layer_map
from tinybert.objectives.attention import AttentionScoreMSE
from tinybert.objectives.hidden import HiddenMSE
from tinybert.objectives.prediction import SoftCrossEntropy
from tinybert.objectives.sum import Sum
from tinybert.types import Stage


@dataclass(frozen=True)
class Inner:
    size: int = 3


@dataclass(frozen=True)
class Settings:
    lr: float = 0.1
    layers: tuple[int, ...] = (3, 6)
    inner: Inner = Inner()


def key(**inputs: object) -> str:
    return Store(Path("nowhere")).entry("step", **inputs).key


def fill(text: str):
    return lambda folder: (folder / "value.txt").write_text(text)


def objective(name: str = "uniform", seed: int = 1, temperature: float = 1.0, weight: float = 1.0) -> Sum:
    g = layer_map(name, 2, 4)
    return Sum(HiddenMSE(g, 12, 24, seed=seed), (weight, AttentionScoreMSE(g)), SoftCrossEntropy(temperature))


def test__equal_inputs_have_one_key_and_their_names_are_those_of_the_settings():
    first, second = (Store(Path("nowhere")).entry("fit", stage=Settings(), seed=3) for _ in range(2))
    assert first == second
    assert first.inputs == {"stage.lr": 0.1, "stage.layers": [3, 6], "stage.inner.size": 3, "seed": 3}


@pytest.mark.parametrize(
    "other",
    [
        {"stage": Settings(lr=0.2)},
        {"stage": Settings(layers=(3, 7))},
        {"stage": Settings(inner=Inner(4))},
        {"seed": 4},
        {"rows": torch.ones(3)},
        {"rows": torch.zeros(1, 3)},
        {"rows": torch.zeros(3, dtype=torch.int32)},
        {"rows": np.zeros(3)},
        {"rows": None},
        {"version": 2},
    ],
)
def test__whatever_differs_changes_the_key(other):
    given = {"stage": Settings(), "seed": 3, "rows": torch.zeros(3)}
    assert key(**given) != key(**{**given, **other})


@pytest.mark.parametrize("other", [{"name": "top"}, {"seed": 2}, {"temperature": 2.0}, {"weight": 0.5}])
def test__an_objective_is_known_by_its_class_and_all_it_was_made_from(other):
    assert key(objective=objective()) == key(objective=objective().eval())
    assert key(objective=objective()) != key(objective=objective(**other))
    assert key(objective=objective()) != key(objective=SoftCrossEntropy())


def test__an_artifact_enters_by_its_key_and_contents_by_their_digest():
    class Rows:
        digest = "abc"

    class Network:
        def digest(self) -> str:
            return "abc"

    assert digest_of_input(Rows()) == digest_of_input(Network()) == "abc"
    assert digest_of_input(Artifact("step", "the key", Path("anywhere"))) == "the key"


@pytest.mark.parametrize("value", [print, Path("rows.arrow"), object(), Stage])
def test__what_has_no_contents_is_refused(value):
    with pytest.raises(TypeError, match="cannot be an input of a step"):
        key(value=value)


def test__a_result_is_whole_or_absent(tmp_path):
    made = Store(tmp_path).entry("step")
    with pytest.raises(ZeroDivisionError):
        made.make(lambda folder: 1 // 0 if fill("half")(folder) else None)
    assert not made.whole
    assert not list(made.folder.iterdir())
    made.make(fill("4"))
    assert made.whole
    (made.result / "value.txt").write_text("5")
    assert not made.whole
    made.make(fill("4"))
    assert made.whole


def test__work_may_become_the_result(tmp_path):
    made = Store(tmp_path).entry("step")
    made.work.mkdir(parents=True)
    fill("4")(made.work)
    made.seal()
    assert made.whole
    assert not made.work.exists()


def test__what_a_killed_process_left_is_swept_when_another_begins(tmp_path):
    made = Store(tmp_path).entry("step")
    (made.work / ".tmp-12-abc").mkdir(parents=True)
    with made.locked(pytest.fail):
        assert not list(made.work.iterdir())


def make_slowly(root: Path, number: int, waiting: object) -> None:
    made = Store(root, shared=True).entry("step", rows="the same")
    with made.locked(lambda _: waiting.set()):
        if not made.whole:
            time.sleep(0.3)
            with (root / "made").open("a") as stream:
                stream.write(f"{number}\n")
            made.make(fill("4"))


def test__of_two_processes_that_want_the_same_one_makes_it_and_the_other_waits(tmp_path):
    fork = multiprocessing.get_context("fork")
    waiting = fork.Event()
    both = [fork.Process(target=make_slowly, args=(tmp_path, number, waiting)) for number in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join(30)
    assert waiting.is_set()
    assert len((tmp_path / "made").read_text().splitlines()) == 1


def test__a_store_of_ones_own_keeps_what_is_named_or_was_used_and_a_shared_one_all(tmp_path):
    for shared, left in ((False, {"rows", "teacher"}), (True, {"rows", "teacher", "outputs", "old"})):
        before = Store(tmp_path, shared=shared)
        for name in ("rows", "teacher", "outputs", "old"):
            before.entry(name).make(fill(name))
        store = replace(before, _used=set())
        store.entry("rows")
        store.entry("outputs")
        store.tidy({before.entry("teacher").folder.name}, passing={"outputs"})
        assert {path.name.split("-")[0] for path in tmp_path.iterdir()} == left
