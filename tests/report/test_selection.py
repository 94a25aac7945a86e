"""The section of a report on what a policy chose."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tinybert.files import write_json
from tinybert.report.read import read_run
from tinybert.report.render import render
from tinybert.report.selection import Selection, selection

BY_CHANCE = (
    "What the policy was rewarded for is indistinguishable from noise; what it came to prefer, it prefers by chance"
)


def episode(target: float = 0.5, source: float = 0.5, **others: Any) -> dict[str, Any]:
    """What is noted of one."""
    noted = {
        "kept": (target + source) / 2,
        "kept_by_domain": {"target": target, "source": source},
        "kept_by_distance": {"0": source, "2": target},
        "response": [[0.25, 0.5], [0.75, 0.5]],
        "rewards": [0.0, 0.25, -0.125],
        "return": 0.125,
        "after": 0.75,
    }
    return {**noted, **others}


def sample(text: str = "a film", chance: object = 0.9, **others: Any) -> dict[str, Any]:
    return {"text": text, "pair": None, "domain": "source", "distance": 1, "chance": chance, **others}


def noted(*episodes: object, least: object = 0.1, most: object = 0.9) -> dict[str, Any]:
    return {"episodes": list(episodes), "least": [sample(chance=least)], "most": [sample(chance=most)]}


def run_with(folder: Path, figures: object) -> Path:
    write_json(folder / "metrics.json", {"recipe": "l2a", "selection": figures})
    return folder


def read(folder: Path, *episodes: object, **ends: object) -> Selection:
    found = selection(read_run(run_with(folder, noted(*episodes, **ends))))
    assert found is not None
    return found


def page_of(*runs: Path) -> str:
    render(list(runs), runs[0] / "report.html")
    return (runs[0] / "report.html").read_text()


@pytest.mark.parametrize(
    ("episodes", "ends", "conclusion"),
    [
        ([episode(), episode(0.75, 0.25)], {}, "The policy came to keep more of target and less of source"),
        ([episode(0.75), episode(0.5)], {}, "The policy came to keep less of target"),
        ([episode(0.75), episode(0.5, noise=0.01)], {}, "The policy came to keep less of target"),
        ([episode(0.75), episode(0.5, noise=0.06)], {}, BY_CHANCE),
        (
            [episode(), episode(0.75, 0.25, kept_by_class={"neg": 0.9, "pos": 0.1})],
            {},
            "The policy chooses by class, which makes a student that prefers a class",
        ),
        (
            [episode(), episode(response=[[0.25, 0.25], [0.75, 0.75]])],
            {},
            "The policy came to prefer other samples, but keeps as much of each domain as in the first episode",
        ),
        ([episode(), episode(0.51)], {}, "The policy learnt next to nothing: it chooses much as it did untrained"),
        (
            [episode(), episode(0.51)],
            {"least": 0.48, "most": 0.53},
            "Selection did next to nothing: every sample has about the same chance to be kept",
        ),
        ([episode(), episode(0.99, 0.98)], {}, "The policy ended up keeping nearly everything"),
        ([episode(), episode(0.01, 0.02)], {}, "The policy ended up dropping nearly everything"),
        ([episode()], {}, "There was one episode: whether the policy changed cannot be seen"),
        (
            [episode(rewards=[0.0, 0.0])] * 2,
            {},
            "Every reward was 0: the policy had nothing to learn from",
        ),
    ],
)
def test__the_page_says_whether_the_policy_changed(tmp_path, episodes, ends, conclusion):
    assert f'<p class="conclusion">{conclusion}.</p>' in page_of(run_with(tmp_path / "run", noted(*episodes, **ends)))


def test__figures_are_told_in_words(tmp_path):
    page = page_of(run_with(tmp_path / "run", noted(episode(), episode(0.75, 0.25, after=0.875))))
    text = " ".join(re.sub("<[^>]*>", " ", page).split())
    for told in (
        "Of target it kept 50.0 % in the first episode, 75.0 % in the last.",
        "Of source it kept 50.0 % in the first episode, 25.0 % in the last.",
        "When it last saw them, it gave samples chances from 10.0 % to 90.0 % to be kept.",
        "Episodes 2 Updates 6 Rewards other than 0 4",
        "Kept of all it had a say in 50.0 % in the first episode, 50.0 % in the last",
        "Return, the sum of the rewards +0.125 in the first episode, +0.125 in the last",
        "Rewarded quality 0.625 before, 0.875 after",
        "Share kept by pieces rewritten 0 25 % 2 75 % Bars are the last episode, marks the first.",
    ):
        assert told in text, told


def test__curves_run_over_episodes(tmp_path):
    charts = {chart.title: chart for chart in read(tmp_path, episode(), episode(0.75, after=0.875)).charts}
    assert [*charts] == ["Share kept", "Chance to be kept, by entropy", "Rewarded quality", "Return"]
    assert [line.name for line in charts["Share kept"].series] == ["target", "source"]
    assert [*charts["Share kept"].x] == ["1", "2"]
    assert "target from 50.0 % to 75.0 %" in charts["Share kept"].summary
    assert len(charts["Rewarded quality"].series[0].points.split()) == 8
    assert "quality from 0.625 to 0.875" in charts["Rewarded quality"].summary
    assert [line.name for line in charts["Chance to be kept, by entropy"].series] == ["last episode", "first episode"]


def test__a_long_curve_keeps_its_ends(tmp_path):
    long = episode(rewards=[0.001] * 5000, **{"return": 5.0, "after": 6.0})
    (quality,) = (chart for chart in read(tmp_path, long).charts if chart.title == "Rewarded quality")
    assert quality.series[0].last == "6.00"
    assert len(quality.series[0].points.split()) < 200


def test__one_episode_has_nothing_beside_it(tmp_path):
    assert [chart.title for chart in read(tmp_path, episode()).charts] == [
        "Chance to be kept, by entropy",
        "Rewarded quality",
    ]
    assert "marks the first" not in page_of(tmp_path)


def test__distances_too_many_to_show_are_counted(tmp_path):
    many = episode(kept_by_distance={str(distance): 0.5 for distance in range(30)})
    assert "6 larger distances are not shown" in page_of(run_with(tmp_path / "run", noted(many)))


def test__the_page_shows_it(tmp_path):
    page = page_of(run_with(tmp_path / "run", noted(episode(), episode(0.75))))
    for part in ("What the policy kept", "more of target", "Likeliest to be dropped", "source, 1 piece rewritten"):
        assert part in page, part
    assert "marks the first" in page


def test__a_run_without_a_selector_has_no_section(tmp_path):
    for figures in (None, {}, {"episodes": []}):
        assert "What the policy kept" not in page_of(run_with(tmp_path / "run", figures))


def test__whatever_a_sample_says_is_escaped(tmp_path):
    evil = "<script>alert(1)</script>"
    ends = {name: [sample(evil, pair=evil, domain=evil)] for name in ("least", "most")}
    odd = episode(kept_by_domain={evil: 0.5}, kept_by_distance={evil: 0.5})
    page = page_of(run_with(tmp_path / "run", {"episodes": [odd, odd], **ends}))
    assert "&lt;script&gt;alert(1)&lt;/script&gt; / &lt;script&gt;" in page
    assert "<script" not in page


@pytest.mark.parametrize("value", [None, True, "x", [], {}, float("nan"), float("inf"), -1e9, 1e9])
def test__odd_values_are_no_error(tmp_path, value):
    shares = {"kept_by_domain": {"target": value}, "kept_by_distance": {"0": value}}
    lists = {"rewards": [value, 0.5], "response": [value, [value, 0.5], [0.5, value], [0.5, 0.5]]}
    odd = episode(kept=value, after=value, **shares, **lists, **{"return": value})
    runs = (
        value,
        {"episodes": value},
        {"episodes": [value, dict.fromkeys(episode(), value)], "least": value, "most": [value]},
        {"episodes": [odd, episode()], "least": [{}], "most": [sample(chance=value, distance=value)]},
        {"episodes": [episode(), odd]},
    )
    folders = [tmp_path / str(number) for number in range(len(runs))]
    for folder, figures in zip(folders, runs, strict=True):
        folder.mkdir()
        (folder / "metrics.json").write_text(json.dumps({"selection": figures}))
    page_of(*folders)


def test__seeds_are_shown_each(tmp_path):
    for seed in (1, 2):
        run_with(tmp_path / "runs" / f"seed-{seed}", noted(episode(), episode(0.75)))
    assert page_of(tmp_path / "runs").count("What the policy kept") == 2
