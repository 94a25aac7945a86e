"""Our own tables are what their recipes take, in both budgets; their data are cut the same way everywhere."""

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest

from tinybert.errors import UserError
from tinybert.experiments import runs
from tinybert.experiments.prepare import RECIPES, files_of
from tinybert.experiments.read import experiments_named
from tinybert.experiments.reproduce import prepared
from tinybert.experiments.spec import BUDGETS, DataSet
from tinybert.request import request_for

NAMES = [one.name for one in experiments_named("all", "small")]


@pytest.mark.parametrize("budget", BUDGETS)
def test__every_run_of_our_tables_is_one_that_its_recipe_takes(budget, monkeypatch):
    def no_files(name, data, folder, work, seed):
        roles = [role for role in ("train", "dev", "test", "source", "unlabeled") if getattr(data, role)]
        return {role: f"{role}.tsv" for role in roles or ("train", "dev", "test", "source")}

    monkeypatch.setattr(runs, "files_of", no_files)
    monkeypatch.setattr(runs, "_sizes", lambda teacher: (12, 768))
    work = prepared("all", budget, {"teacher": "t", "mlm": "m", "seeds": 1}, Path("d"), Path("o"))
    runs_of_one_grid_point = {run.key: run for cells in work.cells.values() for cell in cells for run in cell.runs[:1]}
    for run in runs_of_one_grid_point.values():
        flags = {**run.files, **run.flags, "seed": run.seed, "output": "o"}
        config = flags.pop("config", None)
        settings = [f"{name}={value}" for name, value in run.settings.items()]
        asked = request_for(run.recipe, flags=flags, config=config, settings={}, overrides=settings)
        assert asked.preset == (config or asked.recipe.preset)
    assert {cell.row for cells in work.cells.values() for cell in cells} == {
        row for one in work.experiments for row in one.rows
    }


def test__tables_share_the_runs_of_the_rows_that_they_share(monkeypatch):
    monkeypatch.setattr(runs, "files_of", lambda *_: {"train": "t", "test": "e", "source": "s"})
    monkeypatch.setattr(runs, "_sizes", lambda teacher: (12, 768))
    work = prepared(
        "all", "small", {"teacher": "t", "student": "4x8", "seeds": 1}, Path("d"), Path("o"), (), ["helpfulness"]
    )
    by_row = {cell.row: cell.runs[0].folder for cell in work.cells["l2a-table1"]}
    assert {cell.runs[0].folder for cell in work.cells["l2a-table2"] if cell.row in by_row} <= set(by_row.values())
    assert by_row["Teacher-FT"] == by_row["L2A"]
    assert len(set(by_row.values())) == len(by_row) - 1


def test__the_printed_figures_are_as_many_as_metrics():
    for one in experiments_named("all", "small"):
        for row in one.rows.values():
            assert all(
                len(row.printed[data]) in (0, len(one.data[data].metrics)) for data in set(row.printed) & set(one.data)
            )


def test__the_example_of_the_docs_is_an_experiment(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "experiments.md").read_text(encoding="utf-8")
    (tmp_path / "mine.yaml").write_text(page.split("```text\n")[1].split("```")[0])
    (mine,) = experiments_named(str(tmp_path / "mine.yaml"), "small")
    assert mine.rows["TinyBERT, 5 copies"].settings == {"augment.copies": 5}
    assert mine.rows["PKD"].grid == {"distill.lr": (2e-5, 5e-5)}
    assert (mine.budget.seeds, mine.data["reviews"].metrics) == (5, ("accuracy", "macro_f1"))
    assert {name for name in NAMES if f"| `{name}` |" in page} == set(NAMES)


@pytest.fixture
def folder(tmp_path):
    """Public data in the form in which they are published, some hundred rows of each."""

    def write(name, lines):
        path = tmp_path / "public" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = "\n".join(lines) + "\n"
        path.write_bytes(gzip.compress(text.encode())) if name.endswith(".gz") else path.write_text(text)

    rows = [f'{n}\ta "{n}\tb {n}\t{("entailment", "neutral", "contradiction")[n % 3]}' for n in range(9)]
    write("mnli/dev_matched_gold.txt", ["index\tpremise\thypothesis\tgold_label", *rows])
    write("snli/dev.csv", ["premise,hypothesis,label", '"a, quoted",b,entailment'])
    pairs = [f"p{n},h{n},{'entailment' if n % 5 < 2 else 'not_entailment'}" for n in range(2126)]
    write("scitail/dev.csv", ["premise,hypothesis,label", *pairs])
    review = (
        "<review>\n<helpful>\n{} of {}\n</helpful>\n<title>A & B</title>\n<review_text>\n{}  text {}\n</review_text>"
    )
    for domain in ("kitchen", "electronics", "books"):
        for part in ("positive", "negative"):
            reviews = [review.format(n % 3, n % 4, domain, n) + "</review>" for n in range(40)]
            write(f"amazon_blitzer/{domain}/{part}.review.gz", reviews)
    return tmp_path / "public"


def test__contradictions_are_dropped_and_scitail_is_cut_in_three(folder):
    parts = RECIPES["natural_language_inference"](folder)
    assert {name: len(rows) for name, rows in parts.items()} == {"train": 426, "dev": 500, "test": 1200, "source": 7}
    assert Counter(row["label"] for row in parts["source"]) == {"entailment": 4, "not_entailment": 3}
    assert parts["source"][0]["text_a"] == 'a "0'
    assert parts["source"][-1] == {"text_a": "a, quoted", "text_b": "b", "label": "entailment"}
    shares = [Counter(row["label"] for row in parts[name])["entailment"] / len(parts[name]) for name in ("dev", "test")]
    assert shares == pytest.approx([0.4, 0.4], abs=0.002)
    texts = [row["text_a"] for name in ("train", "dev", "test") for row in parts[name]]
    assert len(set(texts)) == 2126


def test__a_review_counts_from_two_votes_on(folder):
    parts = RECIPES["helpfulness"](folder)
    kitchen = [row for name in ("train", "dev", "test") for row in parts[name]]
    assert len(kitchen) == len(parts["source"]) == 40
    assert {row["label"] for row in kitchen} == {0.0, 0.5, 1.0, 1 / 3, 2 / 3} & {
        n % 3 / (n % 4) for n in range(40) if n % 4 > 1
    }
    assert all(row["text"].startswith("A & B. kitchen text") for row in kitchen)
    assert RECIPES["helpfulness_from_books"](folder)["source"][0]["text"].startswith("A & B. books")


def test__files_are_made_once_and_source_is_drawn_anew_for_each_seed(folder, tmp_path):
    data = DataSet(prepare="natural_language_inference", source_rows=3)
    first, again, other = (files_of("nli", data, folder, tmp_path / "made", seed) for seed in (1, 1, 2))
    assert first == again
    assert first["train"] == other["train"]
    drawn = [Path(found["source"]).read_text().splitlines() for found in (first, other)]
    assert drawn[0] != drawn[1]
    assert [len(lines) for lines in drawn] == [3, 3]
    assert all(json.loads(line)["label"] for line in drawn[0])


def test__of_a_table_the_header_stays(tmp_path):
    (tmp_path / "s.tsv").write_text("text\tlabel\na\t1\nb\t0\nc\t1\n")
    found = files_of("x", DataSet(train="s.tsv", source="s.tsv", source_rows=2), tmp_path, tmp_path / "made", 5)
    lines = Path(found["source"]).read_text().splitlines()
    assert (lines[0], len(lines)) == ("text\tlabel", 3)


def test__a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"dev_matched_gold.txt: no such file; --data is the folder that holds it"):
        files_of("nli", DataSet(prepare="natural_language_inference"), tmp_path, tmp_path / "made", 1)
    assert files_of("x", DataSet(train="hf:a:b:train"), tmp_path, tmp_path / "made", 1) == {"train": "hf:a:b:train"}
