"""Rewards: rows drawn so that all labels have their share."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tinybert.stages.l2a.selector import stratified


@given(counts=st.lists(st.integers(1, 60), min_size=2, max_size=4), share=st.floats(0.05, 1), seed=st.integers(0, 99))
def test_evenly__gives_every_class_its_share(counts, share, seed):
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    count = max(1, int(share * len(labels)))
    drawn = stratified(labels, count, np.random.default_rng(seed))
    assert len(set(drawn.tolist())) == count
    assert drawn.tolist() == sorted(drawn.tolist())
    for label, all_ in enumerate(counts):
        assert abs((labels[drawn] == label).sum() - all_ * count / len(labels)) <= 1


def test_evenly__spreads_scores_and_takes_every_row_equally_often():
    scores = np.random.default_rng(0).random(40)
    ranks = scores.argsort().argsort()
    seen = np.zeros(40)
    for seed in range(400):
        drawn = stratified(scores, 10, np.random.default_rng(seed))
        assert sorted(ranks[drawn] // 4) == list(range(10))
        seen[drawn] += 1
    assert abs(seen / 400 - 0.25).max() < 0.1
