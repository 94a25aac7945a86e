import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline
from transformers.utils import logging

from tinybert.export.hub import save_student
from tinybert.families import network_of


@pytest.fixture(autouse=True)
def _no_bars() -> Any:
    logging.disable_progress_bar()
    yield
    logging.enable_progress_bar()


@pytest.fixture
def student(tiny_bert: Callable[..., Any]) -> Any:
    model = tiny_bert(outputs=3)
    model.config.id2label = {0: "bad", 1: "so-so", 2: "good | <b>"}
    model.config.label2id = {name: number for number, name in model.config.id2label.items()}
    return model


def test__plain_transformers_loads_it_with_equal_logits(student: Any, tiny_tokenizer: Any, tmp_path: Path) -> None:
    save_student(student, tiny_tokenizer, tmp_path / "student", max_length=32)
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "student").eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "student")
    given = tokenizer(["a good film", "dull"], ["it was not", "bad"], padding=True, return_tensors="pt")
    with torch.no_grad():
        assert torch.equal(model(**given).logits, student.model(**given).logits)
    assert type(model) is type(student.model)
    assert model.config.id2label == student.config.id2label


def test__pipeline_answers_texts_and_pairs(student: Any, tiny_tokenizer: Any, tmp_path: Path) -> None:
    save_student(student, tiny_tokenizer, tmp_path / "student", max_length=32)
    ask = pipeline("text-classification", model=str(tmp_path / "student"), device="cpu")
    pair = {"text": "a good film", "text_pair": "it was not"}
    with torch.no_grad():
        expected = student.model(**tiny_tokenizer(pair["text"], pair["text_pair"], return_tensors="pt")).logits.softmax(
            -1
        )[0]
    answer = ask(pair, top_k=None)
    assert {line["label"]: line["score"] for line in answer} == pytest.approx(
        dict(zip(student.config.id2label.values(), expected.tolist(), strict=True)), abs=1e-6
    )
    assert ask("a good film")[0]["label"] in student.config.id2label.values()


def test__truncation_cuts_at_max_length_and_only_when_asked(student: Any, tiny_tokenizer: Any, tmp_path: Path) -> None:
    save_student(student, tiny_tokenizer, tmp_path / "student", max_length=9)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "student")
    assert tokenizer.model_max_length == 9
    assert len(tokenizer("good " * 20, truncation=True)["input_ids"]) == 9
    ask = pipeline("text-classification", model=str(tmp_path / "student"), device="cpu")
    assert 0 < ask("good " * 500, truncation=True)[0]["score"] <= 1


def test__padding_and_truncation_of_use_are_not_saved(student: Any, tiny_tokenizer: Any, tmp_path: Path) -> None:
    used = copy.deepcopy(tiny_tokenizer)
    used(["a", "a good film"], padding="max_length", truncation=True, max_length=5)
    assert used.backend_tokenizer.padding
    used.init_kwargs |= {"max_length": 5, "name_or_path": "/home/somebody/teacher", "is_local": True}
    save_student(student, used, tmp_path / "student", max_length=32)
    stored = json.loads((tmp_path / "student/tokenizer.json").read_text())
    assert stored["padding"] is None
    assert stored["truncation"] is None
    settings = json.loads((tmp_path / "student/tokenizer_config.json").read_text())
    assert not {"max_length", "name_or_path", "is_local"} & set(settings)
    assert used.backend_tokenizer.padding, "the caller's tokenizer stays as it was"
    assert used.model_max_length == tiny_tokenizer.model_max_length


def test__only_safetensors_and_text_and_no_local_path(student: Any, tiny_tokenizer: Any, tmp_path: Path) -> None:
    save_student(student, tiny_tokenizer, tmp_path / "student", max_length=32)
    files = sorted(path.name for path in (tmp_path / "student").iterdir())
    of_tokenizer = ["special_tokens_map.json", "tokenizer.json", "tokenizer_config.json"]
    assert files == ["config.json", "model.safetensors", *of_tokenizer]
    for path in (tmp_path / "student").iterdir():
        assert str(tmp_path).encode() not in path.read_bytes()


def test__saving_a_loaded_student_again_names_no_folder(student: Any, tiny_tokenizer: Any, tmp_path: Path) -> None:
    save_student(student, tiny_tokenizer, tmp_path / "first", max_length=32)
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path / "first")
    save_student(
        network_of(again), AutoTokenizer.from_pretrained(tmp_path / "first"), tmp_path / "second", max_length=32
    )
    for path in (tmp_path / "second").iterdir():
        assert path.read_bytes() == (tmp_path / "first" / path.name).read_bytes(), path.name


def test__pipeline_gives_a_regression_as_it_is(
    tiny_bert: Callable[..., Any], tiny_tokenizer: Any, tmp_path: Path
) -> None:
    model = tiny_bert(outputs=1)
    with torch.no_grad():
        model.model.classifier.bias.fill_(4.0)  # a sigmoid would give 0.98
        expected = model.model(**tiny_tokenizer("a film", return_tensors="pt")).logits.item()
    save_student(model, tiny_tokenizer, tmp_path / "student", max_length=32)
    ask = pipeline("text-classification", model=str(tmp_path / "student"), device="cpu")
    assert ask("a film")[0]["score"] == pytest.approx(expected, abs=1e-5)
    assert model.config.problem_type is None, "the caller's configuration stays as it was"


def test__an_older_student_is_replaced_whole(student: Any, tiny_tokenizer: Any, tmp_path: Path) -> None:
    (tmp_path / "student").mkdir()
    (tmp_path / "student/pytorch_model.bin").write_bytes(b"old")
    save_student(student, tiny_tokenizer, tmp_path / "student", max_length=32)
    assert not (tmp_path / "student/pytorch_model.bin").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["student"]
