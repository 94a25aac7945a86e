"""Ray makes the same shards to the byte; where it is not installed, what stands in for it in this process does."""

import sys
from functools import partial
from types import ModuleType, SimpleNamespace

import pyarrow as pa
import pytest

from augment.worlds import run_in
from tinybert.augment.eda import Eda
from tinybert.augment.executors import EXECUTORS, in_this_process, on_ray
from tinybert.augment.making import copy_maker
from tinybert.data.examples import Examples
from tinybert.errors import UserError
from tinybert.models.loading import load_masked_lm
from tinybert.types import Example

worker = partial(copy_maker, Eda, 3, 5)  # Ray's workers know tinybert, but no module of the tests


def parts():
    texts = (f"a good film and a bad plot, number {n}" for n in range(1, 21))
    found = Examples.of(Example(text, None, n % 2, n) for n, text in enumerate(texts, 1))
    return [(number, found[number * 5 : number * 5 + 5]) for number in range(4)]


def test__the_executors_are_those_that_can_be_named():
    from typing import get_args, get_type_hints

    from tinybert.run import RunSettings

    assert set(get_args(get_type_hints(RunSettings)["executor"])) == set(EXECUTORS)


def test__this_process_makes_one_shard_after_the_other(tmp_path):
    ticks = []
    found = list(in_this_process(worker, parts(), ticks.append, run_in(tmp_path)))
    assert [number for number, _ in found] == [0, 1, 2, 3]
    assert sum(ticks) == 20


def test__without_ray_the_user_is_told_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"run.executor=ray: Ray is not installed; pip install 'tinybert\[ray\]'"):
        list(on_ray(worker, parts(), lambda _: None, run_in(tmp_path, executor="ray")))


class _Dataset:
    """A data set of Ray's whose actors are called here."""

    def __init__(self, rows, override_num_blocks):
        assert override_num_blocks == len(rows)
        self.rows = rows

    def map_batches(self, actor, *, fn_constructor_kwargs, **_):
        self.actor = actor(**fn_constructor_kwargs)
        return self

    def iter_batches(self, **_):
        return (self.actor(pa.Table.from_pylist([row])) for row in self.rows)


@pytest.fixture
def stand_in(monkeypatch):
    """A module `ray` that knows a cluster of four processors at no address."""

    def init(address, **_):
        if address != "local":
            raise ConnectionError(address)

    ray, data = ModuleType("ray"), ModuleType("ray.data")
    data.DataContext = SimpleNamespace(get_current=SimpleNamespace)
    data.ActorPoolStrategy, data.from_items = SimpleNamespace, _Dataset
    ray.data, ray.init, ray.is_initialized = data, init, lambda: False
    ray.cluster_resources, ray.shutdown = lambda: {"CPU": 4.0}, lambda: None
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setitem(sys.modules, "ray.data", data)


@pytest.mark.usefixtures("stand_in")
def test__actors_make_the_same_bytes(tmp_path):
    ticks = []
    usual = dict(in_this_process(worker, parts(), lambda _: None, run_in(tmp_path)))
    assert dict(on_ray(worker, parts(), ticks.append, run_in(tmp_path, executor="ray", threads=1))) == usual
    assert sum(ticks) == 20


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize(
    ("make", "address", "said"),
    [
        (partial(load_masked_lm, "./nowhere"), None, "no such folder"),
        (worker, "ray://nobody:1", "run.address=ray://nobody:1: no Ray cluster is there; start one, or leave it out"),
    ],
)
def test__what_an_actor_or_the_cluster_refuses_is_one_line(make, address, said, tmp_path):
    with pytest.raises(UserError, match=said) as caught:
        list(on_ray(make, parts(), lambda _: None, run_in(tmp_path, executor="ray", address=address)))
    assert len(caught.value.problems) == 1


@pytest.mark.filterwarnings("ignore")  # Ray's own
def test__ray_makes_the_same_bytes_with_any_number_of_workers_and_passes_on_what_is_wrong(tmp_path):
    ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")
    usual = dict(in_this_process(worker, parts(), lambda _: None, run_in(tmp_path)))
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        for workers in (1, 2):
            run = run_in(tmp_path, executor="ray", workers=workers)
            ticks = []
            assert dict(on_ray(worker, parts(), ticks.append, run)) == usual
            assert sum(ticks) == 20
        with pytest.raises(UserError, match="no such folder"):
            list(on_ray(partial(load_masked_lm, "./nowhere"), parts(), lambda _: None, run))
    finally:
        ray.shutdown()
