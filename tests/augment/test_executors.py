"""Ray makes the same shards to the byte; skipped where it is not installed."""

from functools import partial

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
    import sys

    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"run.executor=ray: Ray is not installed; pip install 'tinybert\[ray\]'"):
        list(on_ray(worker, parts(), lambda _: None, run_in(tmp_path, executor="ray")))


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
