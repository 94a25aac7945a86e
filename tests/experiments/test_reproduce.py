"""The command as a whole, over children that train nothing; one table is run in earnest, in the budget `paper`."""

import csv
import json
import os
import re
import signal
import threading
import time
from collections import Counter
from concurrent.futures import Future
from contextlib import nullcontext

import pytest

import tinybert
from recipes.workshop import Workshop, on_one_processor, quick_finish, quickest
from tinybert.cli import main
from tinybert.errors import Interrupted, UserError
from tinybert.experiments import children, runs
from tinybert.experiments.reproduce import prepared

MINE = """
budgets: {small: {teacher: t, student: 2x8, seeds: 3}, paper: {teacher: t, student: 2x16, seeds: 1}}
data:
  reviews: {title: Reviews, train: train.tsv, test: test.tsv, metrics: [accuracy, f1]}
  others: {train: other.tsv, test: test.tsv, settings: {data.per_class: 4}}
rows:
  plain: {recipe: fine_tune, size: 9M, printed: {reviews: [.7, .65]}}
  patient: {recipe: pkd, without: [others], settings: {distill.lr: 2.0e-5}}
  layers: {recipe: tinybert}
  layers again: {like: layers}
tables:
  first: {title: all of it, rows: [plain, patient, layers, layers again]}
  second: {title: one row, rows: [patient], data: [reviews]}
"""

WORDS = (("good", 1), ("bad", 0))
SPREAD = """
budgets: {small: {teacher: nowhere, student: 2x8, seeds: 1}}
data:
  reviews: {train: train.tsv, dev: train.tsv, test: test.tsv}
rows:
  words: {recipe: tfidf}
  single words: {recipe: tfidf, student: 1x50}
  ill: {recipe: static}
"""


def reproduce(stub, name=None, **changes):
    given = {"data": stub.folder / "data", "output": stub.folder / "out"}
    return tinybert.reproduce(name or stub.write(MINE), **given | changes)


def lines_of(stub, table="first"):
    with (stub.folder / "out" / f"{table}.csv").open(newline="") as stream:
        return {(line["data"], line["row"], line["metric"]): line for line in csv.DictReader(stream)}


def test__each_run_is_carried_out_once_seed_by_seed_and_never_again(stub):
    found = reproduce(stub, seeds=2)
    assert found["runs"] == 10
    names = (f"{table}{ending}" for table in ("first", "second") for ending in (".md", ".csv", "-pairs.csv"))
    assert found["tables"] == ["mine.html", *names]
    assert Counter(recipe for recipe, _, _ in stub.calls) == {"fine_tune": 4, "pkd": 2, "tinybert": 4}
    assert [seed for _, seed, _ in stub.calls] == sorted(seed for _, seed, _ in stub.calls)
    assert not (stub.folder / "out" / "stages" / "reviews" / "seed-1").exists()
    reproduce(stub, seeds=2, parallel=2)
    assert len(stub.calls) == 10


def test__a_table_says_what_is_better_and_what_cannot_be_told_apart(stub):
    reproduce(stub)
    lines = lines_of(stub)
    best, worse, same = (lines["reviews", row, "accuracy"] for row in ("patient", "plain", "layers again"))
    assert 0.85 < float(best["mean"]) < 0.95
    assert best["values"].startswith("1:0.")
    assert (best["tied"], worse["tied"]) == ("false", "false")
    assert float(worse["difference"]) == pytest.approx(float(worse["mean"]) - float(best["mean"]))
    assert float(worse["difference_low"]) < float(worse["difference"]) < float(worse["difference_high"]) < 0
    assert float(worse["p_holm"]) < 0.05
    assert same["mean"] == lines["reviews", "layers", "accuracy"]["mean"]
    assert (
        lines["others", "layers", "accuracy"]["tied"] == lines["others", "layers again", "accuracy"]["tied"] == "true"
    )
    assert ("others", "patient", "accuracy") not in lines

    with (stub.folder / "out" / "first-pairs.csv").open(newline="") as stream:
        pairs = {(line["data"], line["minus"], line["row"]): line for line in csv.DictReader(stream)}
    assert len(pairs) == 6 + 3
    assert pairs["reviews", "layers", "layers again"]["tied"] == "true"
    assert float(pairs["reviews", "plain", "patient"]["difference"]) == pytest.approx(-float(worse["difference"]))

    page = (stub.folder / "out" / "first.md").read_text()
    assert "| patient | 14.0 M | **9" in page
    assert "| plain | 7.00 M |" in page
    assert "| 9M | 70.0 % / 65.0 % |" in page
    assert " = |" in page.split("## others")[1]
    assert " = |" not in page.split("## Reviews")[1].split("## others")[0]


def test__the_page_shows_what_is_cheap_and_good_and_draws_lines_over_sizes(stub):
    wide = "  more: {train: other.tsv, test: test.tsv, x: 60}\n"
    text = MINE.replace("metrics: [accuracy, f1]", "metrics: [accuracy, f1], x: 20").replace(
        "rows:\n", f"{wide}rows:\n", 1
    )
    longer = "layers again: {like: layers, settings: {prediction.epochs: 2}}"
    text = text.replace("layers again: {like: layers}", longer)
    reproduce(stub, stub.write(text.replace("title: all of it", "title: <b>, chart: lines")), seeds=2)
    page = (stub.folder / "out" / "mine.html").read_text()
    assert "first: &lt;b&gt;" in page
    assert page.count('class="line-0"') == 2  # legend and line
    assert '<strong class="value">9' in page
    folder = next((stub.folder / "out" / "runs" / "reviews" / "seed-2").glob("pkd-*/"))
    assert f'href="runs/reviews/seed-2/{folder.name}/report.html"' in page
    points = re.findall(r'<i class="(point[ front]*)"[^>]*title="(.*?): .*?, (.*?)"', page.split("of one text →")[1])
    assert [point[:2] for point in points[:4]] == [
        ("point front", "plain"),
        ("point front", "patient"),
        ("point", "layers"),
        ("point", "layers again"),
    ]
    assert points[2][2] == points[3][2]  # networks of one size, measured while the machine was more or less busy


def test__the_command_of_a_cell_remakes_it(stub):
    reproduce(stub, only=["reviews"], seeds=1)
    command = lines_of(stub)["reviews", "patient", "accuracy"]["command"]
    _, _, told = next(call for call in stub.calls if call[0] == "pkd")
    assert command.split()[:3] == ["tinybert", "distill", "pkd"]
    assert command.split()[3:] == told
    assert "distill.lr=2e-05" in told
    assert lines_of(stub)["others", "plain", "accuracy"]["command"].startswith("tinybert reproduce")
    assert (stub.folder / "out" / "first.md").read_text().count("not run") == 3


def test__a_table_is_filled_data_set_by_data_set_by_the_commands_in_its_cells(stub):
    reproduce(stub, only=["reviews"], seeds=1)
    before = lines_of(stub)["reviews", "patient", "accuracy"]
    told = lines_of(stub)["others", "plain", "accuracy"]["command"].split()
    assert told[:5] == ["tinybert", "reproduce", str(stub.folder / "mine.yaml"), "--only", "others"]
    done = len(stub.calls)
    assert reproduce(stub, told[2], only=["others"], seeds=1)["runs"] == 2
    assert len(stub.calls) == done + 2
    lines = lines_of(stub)
    assert lines["reviews", "patient", "accuracy"] == before
    assert lines["others", "plain", "accuracy"]["seeds"] == "1"
    (stub.folder / "data" / "test.tsv").unlink()
    with pytest.raises(UserError, match=r"test\.tsv"):
        reproduce(stub, told[2], only=["others"], seeds=1)


def test__another_teacher_in_the_same_place_makes_other_runs_and_one_that_moved_makes_none(stub):
    teacher = stub.folder / "teacher"
    teacher.mkdir()
    (teacher / "config.json").write_text('{"hidden_size": 12, "num_hidden_layers": 2, "model_type": "bert"}')
    reproduce(stub, teacher=teacher, seeds=1)
    done = len(stub.calls)
    reproduce(stub, teacher=teacher.rename(stub.folder / "moved"), seeds=1)
    assert len(stub.calls) == done
    (stub.folder / "moved" / "model.safetensors").write_bytes(b"others")
    runs._content.cache_clear()  # of a command
    reproduce(stub, teacher=stub.folder / "moved", seeds=1)
    assert len(stub.calls) == 2 * done


def test__labels_of_rows_are_no_markup(stub):
    text = MINE.replace("layers again", '"layers | <i>"')
    reproduce(stub, stub.write(text), seeds=1)
    page = (stub.folder / "out" / "first.md").read_text()
    lines = [line for line in page.split("## Reviews")[1].splitlines() if line.startswith("|")][:6]
    assert "| layers \\| &lt;i> |" in page
    assert len({line.replace("\\|", "").count("|") for line in lines}) == 1


def test__a_run_that_fails_leaves_a_cell_that_says_so_and_the_others_go_on(stub, monkeypatch):
    monkeypatch.setenv("STUB_FAILS", "pkd")
    with pytest.raises(UserError) as error:
        reproduce(stub, seeds=2)
    assert len(error.value.problems) == 3
    assert "exit 2: the teacher is ill; give a better one; all it said is in pkd-" in error.value.problems[0]
    assert error.value.problems[-1].startswith("2 of 10 runs failed")
    assert lines_of(stub)["reviews", "patient", "accuracy"]["failed"].startswith("seed 1: the teacher is ill")
    assert "| patient |  | failed |" in (stub.folder / "out" / "first.md").read_text()
    assert lines_of(stub)["reviews", "layers", "accuracy"]["seeds"] == "2"
    monkeypatch.delenv("STUB_FAILS")
    reproduce(stub, seeds=2)
    assert Counter(recipe for recipe, _, _ in stub.calls) == {"fine_tune": 4, "pkd": 4, "tinybert": 4}


def test__a_table_does_not_mix_versions_of_the_code(stub, monkeypatch):
    reproduce(stub, seeds=1)
    monkeypatch.setattr("tinybert.experiments.reproduce.digest_of_code", lambda: "another")
    reproduce(stub, seeds=1)  # nothing is missing: what is there may be shown
    with pytest.raises(UserError, match="5 runs were made by another version of the code"):
        reproduce(stub, seeds=2)
    noted = next((stub.folder / "out" / "runs" / "reviews" / "seed-1").glob("pkd-*.json"))
    noted.write_text(json.dumps(json.loads(noted.read_text()) | {"code": "another"}))
    with pytest.raises(UserError, match="made by 2 versions of the code"):
        reproduce(stub, seeds=1)


def test__of_a_grid_the_best_on_dev_counts(stub):
    rows = "plain: {recipe: fine_tune, grid: {fine_tune.lr: [0.1, 0.2], fine_tune.batch_size: [8, 16]}}"
    data = "data: {reviews: {train: train.tsv, test: test.tsv}}"
    mine = stub.write(f"budgets: {{small: {{teacher: t, student: 2x8, seeds: 1}}}}\n{data}\nrows: {{{rows}}}\n")
    assert reproduce(stub, mine)["runs"] == 4
    told = [" ".join(told) for _, _, told in stub.calls]
    assert sum("fine_tune.lr=0.1" in one for one in told) == sum("fine_tune.batch_size=8" in one for one in told) == 2
    assert lines_of(stub, "mine")["reviews", "plain", "accuracy"]["seeds"] == "1"


def test__a_signal_ends_children_and_the_same_command_goes_on(stub, monkeypatch):
    monkeypatch.setenv("STUB_SLEEPS", "pkd")

    def stop_when_it_sleeps():
        while not any(recipe == "pkd" for recipe, _, _ in stub.calls):
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop_when_it_sleeps).start()
    began = time.monotonic()
    with pytest.raises(Interrupted):
        reproduce(stub, seeds=1)
    assert time.monotonic() - began < 20
    monkeypatch.delenv("STUB_SLEEPS")
    reproduce(stub, seeds=1)
    assert Counter(recipe for recipe, _, _ in stub.calls) == {"fine_tune": 2, "pkd": 2, "tinybert": 2}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("rows: {a: {recipe: pkd}}", "mine.yaml: data is missing"),
        (MINE + "\ntable: 3", r"mine.yaml:\d+: table: unknown key"),
        (
            MINE.replace("like: layers", "like: layer"),
            r"mine.yaml:10: rows.layers again.like: there is no other layer in rows",
        ),
        (MINE.replace("data: [reviews]", "data: [review]"), r"mine.yaml:13: .* no data.review in this file"),
        (MINE.replace("recipe: pkd", "recipe: pkd, rate: 3"), r"mine.yaml:8: rate: unknown key"),
        (MINE.replace("other.tsv", "absent.tsv"), r"absent.tsv: no such file; --data is the folder that holds it"),
        (MINE.replace("title: Reviews,", "prepare: magic,"), r"data.reviews.prepare: there is no 'magic'"),
    ],
)
def test__what_cannot_be_is_said_in_one_line(stub, text, problem):
    with pytest.raises(UserError, match=problem):
        reproduce(stub, stub.write(text))


def test__names_that_are_none_are_refused(stub, capsys):
    with pytest.raises(UserError, match="there is no experiment 'l2a-table9'; there are l2a-table1, "):
        reproduce(stub, "l2a-table9")
    with pytest.raises(UserError, match="--only review: no such data set; there are reviews, others"):
        reproduce(stub, only=["review"])
    assert main(["reproduce", "all", "--data", "d", "--output", "o", "--budget", "big"]) == 2
    assert "--budget big: there are small, paper" in capsys.readouterr().err


def test__a_share_of_the_teachers_layers_is_a_shape(monkeypatch):
    monkeypatch.setattr(runs, "_sizes", lambda teacher: (12, 768))
    assert [runs._student(given, "t") for given in ("1/3", "1/2", "4x312", "teacher")] == [
        "4x768",
        "6x768",
        "4x312",
        "t",
    ]


def test__what_is_common_reaches_only_those_who_read_it(stub):
    """A floor has no teacher, and the budget's shape is that of a Transformer."""
    file = stub.write(
        MINE.split("rows:")[0] + "rows: {floor: {recipe: tfidf}, fast: {recipe: static}, own: {recipe: pkd}}"
    )
    work = prepared(str(file), "small", {"seeds": 1}, stub.folder / "data", stub.folder / "out", (), ["reviews"])
    given = {cell.row: set(cell.runs[0].flags) for cell in next(iter(work.cells.values()))}
    assert given == {"floor": set(), "fast": {"teacher"}, "own": {"teacher", "student"}}


class InProcess:
    """A child that is no process: the command line at its quickest."""

    def __init__(self, command, **_):
        with quick_finish():
            self.code = main([*command[len(children.PROGRAM) :]])

    def wait(self, timeout=None):
        return self.code


class InLine(nullcontext):
    """Threads that are none: signals are for the main one."""

    def submit(self, function, *arguments):
        done = Future()
        done.set_result(function(*arguments))
        return done

    def shutdown(self, **_):
        pass

    def __enter__(self):
        return self


@on_one_processor
@pytest.mark.usefixtures("processor")
def test__the_budget_of_the_paper_runs(tmp_path, tiny_tokenizer, monkeypatch, capsys):
    monkeypatch.setattr(children.subprocess, "Popen", InProcess)
    monkeypatch.setattr(children, "ThreadPoolExecutor", InLine)
    workshop = Workshop(tmp_path, tiny_tokenizer)
    workshop.splits()
    settings = ", ".join(one.replace("=", ": ", 1) for one in quickest("fine_tune"))
    (tmp_path / "mine.yaml").write_text(
        f"budgets: {{paper: {{teacher: {workshop.model()}, student: 2x12, config: paper, seeds: 2}}}}\n"
        "data: {reviews: {train: train.tsv, dev: dev.tsv, test: test.tsv}}\n"
        f"rows: {{control: {{recipe: fine_tune, settings: {{{settings}}}}}}}\n"
    )
    given = ["--data", str(tmp_path), "--output", str(tmp_path / "out"), "--budget", "paper"]
    assert main(["reproduce", str(tmp_path / "mine.yaml"), *given, "--dry-run", "--json"]) == 0
    planned = json.loads(capsys.readouterr().out)
    assert (planned["runs"], planned["missing"]) == (2, 2)
    assert main(["reproduce", str(tmp_path / "mine.yaml"), *given, "--json"]) == 0
    assert "mine.md" in json.loads(capsys.readouterr().out)["tables"]
    assert (tmp_path / "out" / "mine.md").read_text().count("| control |") == 1


@pytest.mark.slow
def test__runs_are_spread_by_ray_and_those_that_fail_are_told(stub):
    ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")
    rows = "text\tlabel\n" + "".join(f"{word} film {n}\t{label}\n" for n in range(9) for word, label in WORDS)
    for name in ("train", "test", "other"):
        (stub.folder / "data" / f"{name}.tsv").write_text(rows)
    mine = stub.write(SPREAD)
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        with pytest.raises(UserError, match="1 of 3 runs failed"):
            reproduce(stub, mine, parallel=2, set=["run.executor=ray", "run.threads=1"])
    finally:
        ray.shutdown()
    found = lines_of(stub, "mine")
    assert float(found["reviews", "words", "accuracy"]["mean"]) > 0.9
    assert ("reviews", "ill", "accuracy") not in found or not found["reviews", "ill", "accuracy"]["mean"]


def test__an_executor_that_there_is_not_is_refused(stub):
    with pytest.raises(UserError, match=r"--set run\.executor=slurm: must be local or ray, got 'slurm'"):
        reproduce(stub, set=["run.executor=slurm"])
    for unread in ("run.address=auto", "run.workers=2"):
        with pytest.raises(UserError, match=rf"--set {re.escape(unread)}: executor=local does not read it"):
            reproduce(stub, set=[unread])
