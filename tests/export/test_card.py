"""The model card: what the hub reads of it, what it says, and that no word of a user breaks it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard

from tinybert.export.card import CardFacts, last_part, licence_of, model_card, plain

STUDENT = {
    "dev": {"accuracy": 0.9123456, "macro_f1": 0.9, "mcc": 0.8},
    "test": {"accuracy": 0.9},
    "parameters": 14_350_000,
    "bytes": 57_400_000,
    "latency_ms": {"32": {"p50": 3.456, "p95": 4.0}, "128": {"p50": 9.0, "p95": 11.0}},
    "threads": 2,
}
RUN = {
    "recipe": "tinybert",
    "preset": "small",
    "seed": 7,
    "classes": ["bad", "good"],
    "student": STUDENT,
    "data": {"digests": {"train": "a1" * 32, "dev": "b2" * 32}},
    "notes": [],
}
FACTS = CardFacts(
    run=RUN,
    citation="Jiao et al. 2020, TinyBERT, arXiv:1909.10351",
    teacher="org/teacher",
    pipeline="text-classification",
    verb="classifying",
    paired=False,
    max_length=128,
    hardware="2 cores",
    versions={"torch": "2.13.0", "tinybert": "0.1.0"},
    options="truncation=True",
    note="It cuts after 128 pieces.",
)


def card_of(facts: CardFacts = FACTS, **run: Any) -> str:
    """A card; `run`: other values for keys of metrics.json."""
    return model_card(replace(facts, run={**RUN, **run}))


def front_matter(card: str) -> Any:
    return yaml.safe_load(card.split("\n---\n")[0].removeprefix("---\n"))


def test__the_hub_reads_its_front_matter() -> None:
    data = ModelCard(model_card(FACTS)).data
    assert data.library_name == "transformers"
    assert data.pipeline_tag == "text-classification"
    assert data.license == "unknown"
    assert data.tags == ["tinybert", "knowledge-distillation"]
    assert data.metrics == ["accuracy", "f1", "matthews_correlation"]
    found = {(r.dataset_split, r.metric_name): r.metric_value for r in data.eval_results}
    assert found == {
        ("dev", "accuracy"): 0.9123,
        ("dev", "macro_f1"): 0.9,
        ("dev", "mcc"): 0.8,
        ("test", "accuracy"): 0.9,
    }


def test__it_says_what_one_must_know() -> None:
    card = model_card(FACTS)
    for words in ("org/teacher", "bad, good", "seed 7", "Preset small", "a1" * 32, "torch 2.13.0", FACTS.citation):
        assert words in card, words
    assert "its licence" in card
    assert "Licence of the teacher: unknown: check before publishing." in card


def test__parts_of_the_data_have_figures_of_their_own() -> None:
    figures = {"ORG": {"precision": 0.5, "recall": 1.0, "f1": 0.6667}}
    assert "\n| ORG | 0.5000 | 1.0000 | 0.6667 |\n" in card_of(entities={"student": figures})
    questions = {"with an answer": {"exact_match": 0.25, "f1": 0.5, "rows": 8}}
    card = card_of(questions={"student": questions})
    assert "\n| questions | exact match | f1 | rows |\n" in card
    assert "\n| with an answer | 0.2500 | 0.5000 | 8 |\n" in card


def test__it_says_what_becomes_of_long_inputs() -> None:
    assert "\n- Inputs are cut after 128 pieces.\n" in model_card(FACTS)
    card = model_card(replace(FACTS, windows="reads longer ones in windows"))
    assert "cut after 128 pieces; `tinybert predict` reads longer ones in windows.\n" in card


def test__a_known_licence_is_named() -> None:
    card = model_card(replace(FACTS, licence="apache-2.0"))
    assert "Licence of the teacher: apache-2.0." in card
    assert front_matter(card)["license"] == "apache-2.0"


def test__without_a_teacher_it_says_what_it_was_made_out_of() -> None:
    card = model_card(replace(FACTS, teacher=None, origin="org/small", licence="mit"))
    assert "\nMade out of the checkpoint **org/small** and fine-tuned on labelled text with the recipe" in card
    assert "\nLicence of the checkpoint that it is made out of: mit. " in card
    assert "\n- It repeats the mistakes and prejudices of its training data.\n" in card
    assert "teacher" not in card
    assert front_matter(card)["license"] == "mit"
    assert "knowledge-distillation" not in front_matter(card)["tags"]


def test__without_a_teacher_and_a_checkpoint_it_is_made_of_its_data() -> None:
    card = model_card(replace(FACTS, teacher=None))
    assert "\nLearnt from labelled text with the recipe `tinybert`" in card
    assert "\nPublish it only under terms that its training data allows.\n" in card
    assert "teacher" not in card


def test__a_checkpoint_that_learns_from_a_teacher_is_named_too() -> None:
    card = model_card(replace(FACTS, origin="../general/student"))
    assert "\nLearnt from the teacher **org/teacher**, made out of the checkpoint **student**, with the recipe" in card


@pytest.mark.parametrize(
    "note",
    [
        "../train.tsv: data.quoting=auto chose csv",
        "train.tsv: data.quoting=auto chose none (line 7: a quotation mark)",
        "train.csv: the cells are separated by semicolons",
        "train.csv: not all rows have the same number of columns: 3 (9 rows), 4 (2 rows); those that some lack",
        "train: 1,600 rows; neg 799, pos 801",
        "unlabeled: 40 rows without labels",
        "dev: 6 of 60 rows of train, stratified (no --dev)",
    ],
)
def test__how_data_was_read_and_counted_is_no_limit(note: str) -> None:
    assert card_of(notes=[note]) == card_of(notes=[])


@pytest.mark.parametrize(
    "note",
    [
        "train: 12 of 600 rows are in test as well (exact)",
        "train: 5 rows dropped (data.drop_overlap=exact)",
        "train: 3 of 60 rows are left out, their labels stand for none: ? 3",
        "train: 2 of 61 rows have a text that others of them give another label: lines 3, 4",
        "dev: 12% of the pieces are unknown to the vocabulary",
        "prediction: ended after 16 of 40 updates, when its share of the time was up (--max-minutes)",
    ],
)
def test__warnings_are_limits(note: str) -> None:
    assert f"\n- {plain(note)}\n" in card_of(notes=[note])


@pytest.mark.parametrize("role", ["teacher", "origin"])
def test__no_folder_of_this_machine_appears(role: str) -> None:
    card = model_card(replace(FACTS, **{role: "/home/somebody/secret/network"}))
    assert "/home" not in card
    assert "secret" not in card
    assert "**network**" in card


def test__words_of_the_user_cannot_break_out() -> None:
    hostile = "<img src=x> | `x`\n---\n# title"
    facts = replace(FACTS, hardware=hostile, versions={hostile: hostile})
    card = card_of(facts, classes=[hostile, "good"], notes=[hostile], preset=hostile)
    assert "<img" not in card
    assert "\n# title" not in card
    assert card.count("\n---\n") == 1
    assert front_matter(card)["license"] == "unknown"


def test__a_hostile_name_stays_a_string_in_the_front_matter() -> None:
    card = card_of(recipe="y: [1\n---\n<script>")
    assert front_matter(card)["tags"][-1] == "y: [1\n---\n<script>"


def test__five_lines_show_how_to_use_it() -> None:
    card = model_card(FACTS, "student")
    code = card.split("```python\n")[1].split("```")[0]
    assert len(code.splitlines()) <= 5
    assert 'model="student"' in code
    compile(code, "card", "exec")
    assert "text_pair" not in code
    assert '{"text": "one text", "text_pair": "another"}' in model_card(replace(FACTS, paired=True))


def test__a_regression_has_no_classes() -> None:
    card = card_of(replace(FACTS, verb="scoring"), classes=[], student={"dev": {"pearson": 0.5}})
    assert "Classes" not in card
    assert "scoring texts" in card
    assert front_matter(card)["metrics"] == ["pearsonr"]


def test__an_undefined_metric_is_left_out_of_the_front_matter() -> None:
    student = {"dev": {"pearson": float("nan"), "spearman": 0.5}}
    card = card_of(replace(FACTS, verb="scoring"), classes=[], student=student)
    assert front_matter(card)["metrics"] == ["spearmanr"]
    assert "| nan |" in card


def test__a_student_without_a_task_has_its_held_out_loss() -> None:
    systems = {"teacher": {"parameters": 1}, "student": {"held_out": {"loss": 2.65562}}}
    card = card_of(replace(FACTS, verb=None), classes=[], **systems)
    (found,) = ModelCard(card).data.eval_results
    assert (found.dataset_name, found.metric_name, found.metric_value) == (
        "the run's own held-out data",
        "loss",
        2.6556,
    )
    assert "|  | held-out loss |" in card
    assert "| Teacher |  |" in card
    assert "| Student | 2.6556 |" in card


def test__a_run_without_measurements_has_a_card_too() -> None:
    card = card_of(student={}, data={"digests": {}})
    assert "model-index" not in front_matter(card)
    assert "Nothing was measured." in card


def test__each_system_is_a_row_and_each_figure_a_column_with_its_unit() -> None:
    teacher = {"dev": {"accuracy": 0.93, "f1": 0.92}, "parameters": 22_700_000, "bytes": 90_000_000}
    card = card_of(replace(FACTS, hardware="a machine | of mine"), teacher=teacher)
    for line in (
        "|  | dev accuracy | dev f1 | dev macro\\_f1 | dev mcc | test accuracy |\n| --- |",
        "| Teacher | 0.9300 | 0.9200 |  |  |  |\n| Student | 0.9123 |  | 0.9000 | 0.8000 | 0.9000 |",
        "| Teacher | 22.70 M | 90.0 MB |  |  |\n| Student | 14.35 M | 57.4 MB | 3.46 / 4.00 ms | 9.00 / 11.00 ms |",
        "Latency: one input, threads: 2; a machine \\| of mine.",
    ):
        assert line in card, line


@pytest.mark.parametrize(
    ("readme", "licence"),
    [
        ("---\nlanguage: en\nlicense: apache-2.0\ntags:\n- x\n---\n# Title", "apache-2.0"),
        ('---\nlicense: "mit"\n---\n', "mit"),
        ("---\nlicense:\n- cc-by-4.0\n- mit\n---\n", "cc-by-4.0"),
        ("\ufeff---\r\nlicense: bsd-3-clause\r\n---\r\n", "bsd-3-clause"),
        ("---\nlicense:\ntags:\n- x\n---\n", None),
        ("---\nlanguage: en\n---\nlicense: mit\n", None),
        ("license: mit", None),
        ("---\nlicense: [<script>]\n---\n", None),
        ("", None),
    ],
)
def test__the_licence_is_what_the_folder_s_card_declares(tmp_path: Path, readme: str, licence: str | None) -> None:
    (tmp_path / "README.md").write_bytes(readme.encode())
    assert licence_of(tmp_path) == licence


def test__no_card_or_a_binary_one_declares_no_licence(tmp_path: Path) -> None:
    assert licence_of(tmp_path) is None
    (tmp_path / "README.md").write_bytes(bytes(range(256)))
    assert licence_of(tmp_path) is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("good", "good"),
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("a | b", r"a \| b"),
        ("[x](javascript:y)", r"\[x\](javascript:y)"),
        ("`code` *bold* _it_", r"\`code\` \*bold\* \_it\_"),
        ("two\nlines\u2028three", "two lines three"),
        ("&lt; \\", r"&amp;lt; \\"),
    ],
)
def test__words_of_a_user_stay_words(text: str, shown: str) -> None:
    assert plain(text) == shown


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("/home/me/models/teacher", "teacher"),
        ("C:\\models\\teacher", "teacher"),
        ("../teacher", "teacher"),
        ("~/teacher", "teacher"),
        ("org/name", "org/name"),
        ("bert-base", "bert-base"),
    ],
)
def test__paths_lose_their_folders_and_hub_names_stay(name: str, shown: str) -> None:
    assert last_part(name) == shown
