"""The stage `augment` inside a run: what it leaves, how it is found again, redone and reported."""

import json
import shutil

import pyarrow.parquet as pq
import pytest

from recipes.workshop import contents, finished_in, on_one_processor, read, sha256, stage, steps_of
from tinybert.data.encoded import EncodedRows
from tinybert.errors import UserError

pytestmark = [pytest.mark.usefixtures("processor"), on_one_processor]
EDA = ("augment.method=eda", "augment.copies=3")


@pytest.fixture(scope="module")
def finished(tiny_tokenizer, tmp_path_factory):
    """A finished run that augmented; never to be changed."""
    return finished_in(tmp_path_factory.mktemp("augmented"), tiny_tokenizer, also=EDA)


@pytest.fixture
def workshop(finished, workshop):
    """A copy of the finished run with its data."""
    shutil.copytree(finished.folder, workshop.folder, dirs_exist_ok=True)
    return workshop


def test__originals_come_with_their_copies_labels_and_figures(workshop):
    run = workshop.path("run")
    assert steps_of(run) == ["teacher", "init", "augment", "intermediate", "prediction"]
    table = pq.read_table(run / "augmented" / "augmented.parquet").to_pylist()
    originals = {row["origin"]: row for row in table if row["copy"] == 0}
    assert len(originals) == 24
    assert all(row["label"] == originals[row["origin"]]["label"] for row in table)
    rows = EncodedRows.open(stage(run, "augment") / "result" / "rows.arrow")
    assert len(rows) == len(table)
    assert rows.labels.tolist() == [("neg", "pos").index(row["label"]) for row in table]
    figures = read(run / "augmented" / "quality.json")
    assert figures["rows"]["copies"] == len(table) - 24
    assert figures["flips"]["asked"] == figures["rows"]["copies"]
    assert read(run / "metrics.json")["augmentation"] == figures
    steps = [line["step"] for line in read(run / "metrics.jsonl") if line["stage"] == "prediction" and "loss" in line]
    assert len(steps) == 2 * -(-len(table) // 8)  # the student learns from all of them


def test__the_report_shows_figures_and_samples(workshop):
    page = (workshop.path("run") / "report.html").read_text()
    assert "Augmented texts" in page
    assert read(workshop.path("run") / "augmented" / "quality.json")["samples"][0]["copy"] in page


@pytest.mark.usefixtures("untrained")
def test__it_is_found_again_and_its_public_copy_is_put_back(workshop):
    run = workshop.path("run")
    before = sha256(run / "augmented" / "augmented.parquet")
    shutil.rmtree(run / "augmented")
    workshop.distill(also=(*EDA, "run.checkpoint_every=200"))
    assert sha256(run / "augmented" / "augmented.parquet") == before


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize(
    ("also", "said"),
    [
        (("augment.copies=4",), r"augment\.copies: changed since stage augment .*--restart-from augment"),
        (("augment.alpha=0.3",), r"augment\.alpha: changed since stage augment"),
        (("augment.method=tang",), r"augment\.method, .*changed since stage augment"),
        (("augment.keep_flipped=false",), r"augment\.keep_flipped: changed since stage augment"),
    ],
)
def test__a_changed_setting_of_the_method_is_named(workshop, also, said):
    with pytest.raises(UserError, match=said):
        workshop.distill(also=(*EDA, *also))


def test__a_setting_that_the_method_does_not_read_is_refused(workshop):
    with pytest.raises(UserError, match=r"augment.candidates=3: method eda does not read it; bert_glove does"):
        workshop.distill(also=(*EDA, "augment.candidates=3"))


def test__restarting_from_it_makes_other_texts_for_other_settings(workshop):
    run = workshop.path("run")
    started, before = contents(stage(run, "init")), sha256(run / "augmented" / "augmented.parquet")
    workshop.distill(also=(*EDA, "augment.keep_flipped=false"), restart_from="augment")
    figures = read(run / "augmented" / "quality.json")
    assert contents(stage(run, "init")) == started
    assert (figures["rows"]["flipped"] > 0) == (sha256(run / "augmented" / "augmented.parquet") != before)
    assert json.loads((run / "metrics.json").read_text())["augmentation"] == figures


def test__a_dry_run_tells_copies_and_time(workshop):
    found = workshop.distill(also=EDA, dry_run=True)
    assert found["augmentation"].pop("pieces_at_most") > 96 * 3
    assert found["augmentation"] == {"method": "eda", "copies": 3, "rows_at_most": 96}
    assert [one["name"] for one in found["stages"]] == ["augment", "intermediate", "prediction"]
    assert found["stages"][1]["updates"] == 24
    with pytest.raises(UserError, match="nowhere: no such folder"):
        workshop.distill(also=("augment.method=bert_glove",), mlm="./nowhere", dry_run=True)


def test__files_that_the_method_does_not_use_are_refused(workshop):
    with pytest.raises(UserError, match="--vectors: the method eda does not use it"):
        workshop.distill(also=EDA, vectors=workshop.data("v.txt", [{"a": 1}]))
