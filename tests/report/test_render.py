"""The page: what it says, that it is whole, and that nothing in a run can break or abuse it."""

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tinybert.errors import UserError
from tinybert.report.render import render

MakeRun = Callable[..., Path]
VOID = {"meta", "link", "hr", "br", "img", "line", "polyline", "path"}
EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"


class Page(HTMLParser):
    """Collects tags, attributes and text, and checks that every tag is closed in its place."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def _render(*runs: Path) -> Page:
    output = runs[0].parent / "report.html"
    render(list(runs), output)
    html = output.read_text(encoding="utf-8")
    assert len(html.encode()) < 1_000_000
    return Page(html)


def _harmless(page: Page) -> bool:
    """No script, no handler, nothing that a browser would fetch."""
    fetching = {"src", "srcset", "data", "action", "poster", "background", "xlink:href"}
    links = [value for name, value in page.attributes if name == "href"]
    return (
        not {"script", "iframe", "object", "embed", "img", "form", "base"} & set(page.tags)
        and not any(name.startswith("on") or name in fetching for name, _ in page.attributes)
        and all(link.startswith(("#", "data:,")) for link in links)
        and not any("url(" in value for name, value in page.attributes if name == "style")
    )


def test__the_headline_says_what_was_gained(make_run: MakeRun) -> None:
    page = _render(make_run())
    metrics = json.loads((Path(str(make_run("again"))) / "metrics.json").read_text())
    kept = 100 * metrics["student_int8"]["test"]["accuracy"] / metrics["teacher"]["test"]["accuracy"]
    assert f"14.6 MB instead of 438 MB, 51× faster, {kept:.1f} % of the teacher’s accuracy" in page.text


def test__the_page_shows_every_part_of_a_run(make_run: MakeRun) -> None:
    text = _render(make_run()).text
    for part in (
        "Side by side", "Is the difference real?", "exact McNemar test", "Intermediate", "attention", "Accuracy on dev",
        "Which classes are taken for which", "Most confident mistakes", "Answers that int8 changes on dev",
        "so-so, <b>really</b> positive negative",
        "Int8 answers that change with batch or padding 1.2 %", "Rows in train 8,635",
        "Rows of train that dev holds too (exact) 4",
        "Texts cut in train 3", "Unknown pieces in train 1.2 %", "quoting none", "AMD EPYC 9B14", "46 min",
        "preset small", "seed 1", "copies: 5", "22.4 G", "p95 232", "109 M", "Always predicting the commonest class",
    ):  # fmt: skip
        assert part in text, part
    assert "Dev figures." not in text


def test__every_figure_stands_in_its_system_s_column(make_run: MakeRun) -> None:
    run = make_run()
    text, metrics = _render(run).text, json.loads((run / "metrics.json").read_text())
    mcc = [f"{metrics[system]['test']['mcc']:.3f}" for system in ("teacher", "student", "student_int8")]
    assert f"MCC {' '.join(mcc)} " in text
    assert "Model file 438 MB 57.4 MB 7.6× smaller 14.6 MB 30× smaller" in text
    rows = [json.loads(line) for line in (run / "predictions.jsonl").read_text().splitlines()]
    teacher = sum(row["teacher"] == row["gold"] != row["label"] for row in rows)
    student = sum(row["label"] == row["gold"] != row["teacher"] for row in rows)
    assert f"the teacher alone is right on {teacher} and the student alone on {student};" in text
    assert (
        f"The student’s accuracy differs by {100 * (student - teacher) / len(rows):+.1f} points".replace("-", "−")
        in text
    )


def test__nothing_is_fetched_and_no_script_runs(make_run: MakeRun) -> None:
    run = make_run()
    page = _render(run)
    assert _harmless(page)
    html = (run.parent / "report.html").read_text()
    assert not re.search(r"https?://|@import|url\(", html)


@pytest.mark.parametrize("classes", [(EVIL, "pos"), ()])
def test__whatever_a_run_says_is_escaped(make_run: MakeRun, classes: tuple[str, ...]) -> None:
    run = make_run(
        classes=classes, rows=60, recipe=EVIL, preset=EVIL, notes=[EVIL], seconds={EVIL: 3.0}, evaluated_on="test"
    )
    (run / "config.yaml").write_text(f"teacher: {EVIL}\n")
    (run / "environment.json").write_text(json.dumps({EVIL: {EVIL: EVIL}}))
    lines = [json.loads(line) for line in (run / "predictions.jsonl").read_text().splitlines()]
    (run / "predictions.jsonl").write_text("".join(json.dumps({**line, "text": EVIL}) + "\n" for line in lines))
    log = [
        {"stage": EVIL, "step": step, "loss": 2.0 / step, "terms": {EVIL: 1.0, "b": 1}, "dev": 0.5} for step in (1, 2)
    ]
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in log))
    page = _render(run)
    assert _harmless(page)
    assert EVIL in page.text
    assert _harmless(_render(run, make_run("second", rows=60)))


def test__without_a_test_set_it_says_that_the_figures_are_optimistic(make_run: MakeRun) -> None:
    run = make_run(evaluated_on="dev")
    metrics = json.loads((run / "metrics.json").read_text())
    for system in ("teacher", "student", "student_int8"):
        del metrics[system]["test"]
    (run / "metrics.json").write_text(json.dumps(metrics))
    text = _render(run).text
    assert "Dev figures." in text
    assert "optimistic" in text
    assert "Quality on test" not in text


def test__regression_shows_scores(make_run: MakeRun) -> None:
    text = _render(make_run(classes=(), rows=150)).text
    for part in ("of the teacher’s Pearson correlation", "Predicted against gold", "Farthest off", "paired bootstrap"):
        assert part in text, part


def test__many_classes_list_their_commonest_confusions(make_run: MakeRun) -> None:
    page = _render(make_run(classes=[f"intent {i}" for i in range(40)], rows=400))
    assert "40 classes; the commonest confusions" in page.text


@pytest.mark.parametrize(
    "absent",
    [
        ["predictions.jsonl"], ["metrics.jsonl"], ["environment.json"], ["config.yaml"], ["metrics.json"],
        ["predictions.jsonl", "metrics.jsonl", "environment.json", "config.yaml"],
    ],
)  # fmt: skip
def test__a_missing_file_is_only_a_missing_part(make_run: MakeRun, absent: list[str]) -> None:
    run = make_run()
    for name in absent:
        (run / name).unlink()
    assert _harmless(_render(run))


@pytest.mark.parametrize(
    "absent",
    [
        ["teacher"],
        ["student_int8"],
        ["student", "student_int8"],
        ["data", "flops", "export", "notes", "seconds", "seed", "preset"],
    ],
)
def test__a_missing_system_is_only_a_missing_column(make_run: MakeRun, absent: list[str]) -> None:
    run = make_run(**dict.fromkeys(absent))
    page = _render(run, make_run("whole"))
    assert _harmless(page)
    assert _harmless(_render(run))


def test__classes_unknown_to_metrics_json_come_from_the_rows(make_run: MakeRun) -> None:
    run = make_run(rows=80)
    metrics = json.loads((run / "metrics.json").read_text())
    del metrics["classes"]
    (run / "metrics.json").write_text(json.dumps(metrics))
    assert "Classes 2: " in _render(run).text


def test__empty_values_do_not_break_it(make_run: MakeRun) -> None:
    bare = {"dev": {}, "test": None, "latency_ms": {}, "parameters": 0}
    run = make_run(
        student=bare, teacher={"latency_ms": None}, student_int8={}, data=None, confusion={}, classes=("a", "b")
    )
    (run / "metrics.jsonl").write_text(
        '{"stage": "x", "step": 1, "loss": 1.0}\n{"stage": "y"}\n[1]\n{"stage": "x", "st'
    )
    (run / "predictions.jsonl").write_text('{"row": 1, "label": "a", "scores": {"a": 1}}\n')
    assert _harmless(_render(run))


def test__a_loss_that_is_no_number_is_left_out(make_run: MakeRun) -> None:
    run = make_run()
    lines = [f'{{"stage": "x", "step": {step}, "loss": {loss}}}' for step, loss in enumerate(("1.5", "1.2", "NaN"))]
    (run / "metrics.jsonl").write_text("\n".join(lines))
    page = _render(run)
    assert any("from 1.50 to 1.20" in value for name, value in page.attributes if name == "aria-label")


def test__a_half_run_says_so(make_run: MakeRun) -> None:
    run = make_run()
    (run / "metrics.json").unlink()
    (run / "predictions.jsonl").unlink()
    assert "No figures yet" in _render(run).text


def test__seeds_are_one_group_with_mean_and_interval(make_run: MakeRun, tmp_path: Path) -> None:
    for seed in (1, 2, 10):
        make_run(f"all/seed-{seed}", seed=seed, rows=300)
    page = _render(tmp_path / "all")
    accuracies = [
        json.loads((tmp_path / f"all/seed-{seed}/metrics.json").read_text())["student_int8"]["test"]["accuracy"]
        for seed in (1, 2, 10)
    ]
    assert f"3 runs: accuracy {100 * sum(accuracies) / 3:.1f} % ±" in page.text
    assert page.text.index("all/seed-2") < page.text.index("all/seed-10")


def test__runs_of_the_same_files_are_one_group_and_a_run_given_twice_is_one(make_run: MakeRun, tmp_path: Path) -> None:
    places = {"one/run": "../train.tsv", "one/all/seed-2": "../../train.tsv", "other/run": "../train.tsv"}
    for place in ("one", "other"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "train.tsv").write_text("text\tlabel\n")
    runs = [make_run(name, seed=seed) for seed, name in enumerate(places)]
    for run, path in zip(runs, places.values(), strict=True):
        more = f"train: {path}\nlabels: {'too long for the name of a file, ' * 20}\n"
        (run / "config.yaml").write_text(f"{(run / 'config.yaml').read_text()}{more}")
    assert "2 runs: accuracy" in _render(*runs[:2]).text
    apart = _render(runs[0], runs[2]).text
    assert "2 runs of 2 settings compared" in apart
    assert "other/train.tsv" in apart
    assert _render(runs[0], runs[0]).text == _render(runs[0]).text


def test__different_settings_are_compared_row_by_row(make_run: MakeRun) -> None:
    page = _render(make_run("a"), make_run("b", student_shape="6x384"))
    assert "2 runs of 2 settings compared" in page.text
    assert "student: 6x384" in page.text
    assert "Student against the first run’s" in page.text


def test__a_run_on_plain_text_shows_its_held_out_loss_in_place_of_a_task_s_figures(make_general_run: MakeRun) -> None:
    page = _render(make_general_run())
    for part in (
        "57.4 MB instead of 438 MB, 27× faster, held-out loss 2.500", "128 blocks of held-out text",
        "Quality on held-out text Held-out loss lower is better – 2.500", "Held-out loss best 2.500",
        "Updates 300", "Tokens learnt from 1,228,800", "Best update 200", "Time of general 14 min",
        "Blocks in train 53,600", "Blocks in held-out text 128", "Tokens in held-out text 16,384",
    ):  # fmt: skip
        assert part in page.text, part
    for part in ("Dev figures.", "on dev", "kept", "of the teacher’s"):
        assert part not in page.text, part
    labels = [value for name, value in page.attributes if name == "aria-label"]
    assert "Held-out loss over stage general: best 2.500 at step 200." in labels


def test__seeds_on_plain_text_have_a_mean_held_out_loss(make_general_run: MakeRun, tmp_path: Path) -> None:
    for seed, loss in ((1, 2.0), (2, 2.5), (3, 3.0)):
        make_general_run(f"all/seed-{seed}", seed=seed, losses=(4.0, loss))
    text = _render(tmp_path / "all").text
    assert "3 runs: held-out loss 2.500 ± 0.500" in text
    assert "Held-out loss lower is better – 2.500 ± 0.500 1.26–3.74" in text
    assert "over rows. Runs" not in text  # a loss has no interval of its own


def test__held_out_losses_of_different_settings_stand_beside_each_other(make_general_run: MakeRun) -> None:
    first, second = make_general_run("a"), make_general_run("b", losses=(4.0, 2.25))
    (second / "config.yaml").write_text("recipe: general\nseed: 1\ngeneral:\n  lr: 0.001\n")
    text = _render(first, second).text
    assert "1 run · Held-out loss lr: 0.001 – 2.250" in text
    assert "lower is better; losses compare only where" in text


def test__a_task_learnt_after_plain_text_keeps_its_own_figures(make_run: MakeRun, make_general_run: MakeRun) -> None:
    run, general = make_run(), make_general_run("general")
    log = (general / "metrics.jsonl").read_text() + (run / "metrics.jsonl").read_text()
    (run / "metrics.jsonl").write_text(log)
    text = _render(run).text
    assert "Held-out loss best 2.500" in text
    assert "Accuracy on dev best" in text
    assert _harmless(_render(run, general))


def test__a_dozen_runs_stay_below_a_megabyte(make_run: MakeRun) -> None:
    page = _render(*(make_run(f"run-{i}", seed=i, rows=200) for i in range(14)))
    assert "2 more runs are in the tables above" in page.text


def test__the_same_run_gives_the_same_page(make_run: MakeRun) -> None:
    run = make_run()
    output = run.parent / "report.html"
    render([run], output)
    first = output.read_text()
    render([run], output)
    assert output.read_text() == first


def test__accessible_names_are_there(make_run: MakeRun) -> None:
    page = _render(make_run())
    assert page.tags.count("h1") == 1
    labels = [value for name, value in page.attributes if name == "aria-label"]
    assert any(label.startswith("Loss of stage intermediate over 2,000 steps") for label in labels)
    assert {value for name, value in page.attributes if name == "scope"} >= {"col", "row"}


def test__a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        render([tmp_path / "nowhere"], tmp_path / "report.html")
    with pytest.raises(UserError, match="holds no run"):
        render([tmp_path], tmp_path / "report.html")
    with pytest.raises(ValueError, match="no run folders"):
        render([], tmp_path / "report.html")


def test__a_damaged_file_is_named(make_run: MakeRun) -> None:
    run = make_run()
    (run / "metrics.json").write_text("{")
    with pytest.raises(UserError, match=r"metrics\.json: not JSON"):
        _render(run)
