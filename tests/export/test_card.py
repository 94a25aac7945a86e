from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard

from tinybert.export.card import CardFacts, licence_of, model_card
from tinybert.export.card_results import System

STUDENT = System(
    metrics={"dev": {"accuracy": 0.9123456, "macro_f1": 0.9, "mcc": 0.8}, "test": {"accuracy": 0.9}},
    parameters=14_350_000,
    bytes=57_400_000,
    latency_ms={"32": {"p50": 3.4, "p95": 4.0}, "128": {"p50": 9.0, "p95": 11.0}},
    threads=2,
)
FACTS = CardFacts(
    recipe="tinybert",
    citation="Jiao et al. 2020, TinyBERT, arXiv:1909.10351",
    teacher="org/teacher",
    kind="classification",
    classes=("bad", "good"),
    paired=False,
    max_length=128,
    systems={"student": STUDENT},
    data={"train": "a1" * 32, "dev": "b2" * 32},
    seed=7,
    preset="small",
    hardware="2 cores",
    versions={"torch": "2.13.0", "tinybert": "0.1.0"},
)


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


def test__a_known_licence_is_named() -> None:
    card = model_card(replace(FACTS, teacher_licence="apache-2.0"))
    assert "Licence of the teacher: apache-2.0." in card
    assert front_matter(card)["license"] == "apache-2.0"


def test__no_folder_of_this_machine_appears() -> None:
    card = model_card(replace(FACTS, teacher="/home/somebody/secret/teacher"))
    assert "/home" not in card
    assert "secret" not in card
    assert "**teacher**" in card


def test__words_of_the_user_cannot_break_out() -> None:
    hostile = "<img src=x> | `x`\n---\n# title"
    card = model_card(replace(FACTS, classes=(hostile, "good"), notes=(hostile,), hardware=hostile, preset=hostile))
    assert "<img" not in card
    assert "\n# title" not in card
    assert card.count("\n---\n") == 1
    assert front_matter(card)["license"] == "unknown"


def test__a_hostile_name_stays_a_string_in_the_front_matter() -> None:
    card = model_card(replace(FACTS, recipe="y: [1\n---\n<script>"))
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
    card = model_card(
        replace(FACTS, kind="regression", classes=(), systems={"student": System({"dev": {"pearson": 0.5}})})
    )
    assert "Classes" not in card
    assert "scoring texts" in card
    assert front_matter(card)["metrics"] == ["pearsonr"]


def test__an_undefined_metric_is_left_out_of_the_front_matter() -> None:
    systems = {"student": System({"dev": {"pearson": float("nan"), "spearman": 0.5}})}
    card = model_card(replace(FACTS, kind="regression", classes=(), systems=systems))
    assert front_matter(card)["metrics"] == ["spearmanr"]
    assert "| nan |" in card


def test__a_student_without_a_task_has_its_held_out_loss() -> None:
    systems = {"student": System({"held_out": {"loss": 2.65562}})}
    card = model_card(replace(FACTS, kind=None, classes=(), systems=systems))
    (found,) = ModelCard(card).data.eval_results
    assert (found.dataset_name, found.metric_name, found.metric_value) == (
        "the run's own held-out data",
        "loss",
        2.6556,
    )
    assert "| Student | 2.6556 |" in card


def test__a_run_without_measurements_has_a_card_too() -> None:
    card = model_card(replace(FACTS, systems={}, data={}))
    assert "model-index" not in front_matter(card)
    assert "Nothing was measured." in card


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
