"""Finished models at work: every form a model has, every form rows have."""

import io
import json
import re
import sys
from types import SimpleNamespace

import numpy as np
import pandas
import pytest
import torch
from tokenizers import Tokenizer

import tinybert
from conftest import make_unigram_tokenizer
from recipes.workshop import Workshop, hurry_finish, pairs, ratings, reviews
from tinybert import cli
from tinybert.errors import UserError
from tinybert.export.hub import save_student
from tinybert.models.loading import load_classifier, load_tokenizer

TEXTS = [{"text": text} for text in ("the film was good", "bad plot", "it is a very very good movie and plot")]


@pytest.fixture(scope="module")
def workshop(tiny_tokenizer, tmp_path_factory):
    made = Workshop(tmp_path_factory.mktemp("predictor"), tiny_tokenizer)
    made.model("model", classes=("neg", "pos"))
    made.model("scores", classes=())
    made.data("reviews.tsv", reviews(10))
    return made


@pytest.fixture(scope="module")
def exported(workshop):
    made = tinybert.export(workshop.path("model"), output=workshop.path("export"), web=True)
    assert (made["page"] / "index.html").exists()
    return workshop.path("export")


def positives(model, data, **how):
    return [row["scores"]["pos"] for row in tinybert.predict(model, data=data, **how)]


def test__rows_are_numbered_from_1_and_scores_add_up(workshop):
    answers = list(tinybert.predict(workshop.path("model"), data=TEXTS))
    assert [answer["row"] for answer in answers] == [1, 2, 3]
    for answer in answers:
        assert set(answer) == {"row", "label", "scores"}
        assert sum(answer["scores"].values()) == pytest.approx(1)
        assert answer["label"] == max(answer["scores"], key=answer["scores"].get)
    assert json.loads(json.dumps(answers)) == answers


def test__what_is_cut_or_left_out_is_said(workshop, capsys):
    rows = [*reviews(9), {"text": " ", "label": "pos"}]
    long = ["data.max_length=5", "data.skip_bad=0.2"]
    list(tinybert.predict(workshop.path("model"), data=rows[:9], set=long))
    assert "8 of 9 texts (88.9%) are longer than 5 pieces and cut" in capsys.readouterr().err
    found = tinybert.evaluate(workshop.path("model"), data=rows, set=long)
    assert found["rows"] == 9
    assert "1 of 10 rows are bad and left out" in capsys.readouterr().err


def test__answers_come_in_the_order_of_the_rows_whatever_their_lengths(workshop):
    rows = reviews(150)
    together = positives(workshop.path("model"), rows)
    assert together == pytest.approx([positives(workshop.path("model"), [row])[0] for row in rows[:5]] + together[5:])
    assert positives(workshop.path("model"), rows[::-1]) == pytest.approx(together[::-1], abs=1e-6)


def test__every_form_of_a_model_says_the_same(workshop, exported):
    """A run folder, its student, an export folder, an ONNX file."""
    run = workshop.path("run")
    tokenizer = load_tokenizer(workshop.path("model"))
    save_student(load_classifier(workshop.path("model")).model, tokenizer, run / "student", max_length=32)
    said = [positives(model, TEXTS) for model in (run, run / "student", exported, exported / "onnx/model.onnx")]
    assert said[0] == said[1]
    assert np.allclose(said[0], said[2], atol=1e-5)
    assert said[2] == said[3]
    small = positives(exported / "onnx/model_quantized.onnx", TEXTS)
    assert np.allclose(said[0], small, atol=0.2)
    assert said[3] != small
    figures = [tinybert.evaluate(model, data=workshop.path("reviews.tsv")) for model in (run, exported)]
    assert figures[0] == figures[1]


def test__every_form_of_a_student_of_sentencepiece_says_the_same(tmp_path, monkeypatch):
    """From a teacher of such pieces over copies by such a masked LM to files that other programs read."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict, raising=False)
    hurry_finish(monkeypatch)
    workshop = Workshop(tmp_path, make_unigram_tokenizer(), "xlm-roberta")
    workshop.model(classes=("neg", "pos"))
    originals = [row | {"text": f"le très  {row['text']}, 好电影 !"} for row in reviews(24)]
    copied = ("augment.method=bert_glove", "augment.copies=2")
    workshop.distill(train=originals, dev=reviews(8), test=None, mlm=workshop.masked_lm(), also=copied)
    run, exported = workshop.path("run"), workshop.path("export")
    copies = pandas.read_parquet(run / "augmented" / "augmented.parquet").query("copy > 0")
    assert len(copies) > 24
    for text, origin in zip(copies["text"], copies["origin"], strict=True):
        assert len(text.split(" ")) == len(originals[origin - 1]["text"].split(" "))
        assert re.fullmatch(r"\w+ \w+  .*\w, \w+ !", text)
    tinybert.export(run / "student", output=exported, int8=True)
    texts = [{"text": text} for text in ("le film très  good", "好电影, a <mask> plot \u2603", "bad " * 40)]
    said = [
        positives(model, texts) for model in (run, run / "student", exported, exported / "onnx/model_quantized.onnx")
    ]
    assert said[0] == said[1]
    assert np.allclose(said[0], said[2], atol=1e-5)
    assert np.allclose(said[0], said[3], atol=0.2)
    alone = Tokenizer.from_file(str(exported / "tokenizer.json"))
    for text in texts:
        assert (
            alone.encode(text["text"]).ids == load_tokenizer(run / "student")(text["text"], truncation=True).input_ids
        )


def test__a_text_that_is_too_long_is_cut_alike_in_every_form(workshop, exported):
    """The network has room for 130 pieces, its tokenizer cuts at 64."""
    texts = [{"text": "good film " * 351 + "bad"}]
    whole, onnx = (positives(model, texts) for model in (workshop.path("model"), exported))
    assert np.allclose(whole, onnx, atol=1e-5)
    assert whole == positives(workshop.path("model"), texts, set=("data.max_length=64",))


def test__evaluate_counts_the_rows_it_rests_on(workshop):
    figures = tinybert.evaluate(workshop.path("model"), data=workshop.path("reviews.tsv"), set=("data.max_length=8",))
    assert set(figures) == {"accuracy", "f1", "macro_f1", "mcc", "rows", "truncated", "windowed"}
    assert figures["rows"] == 10
    assert figures["truncated"] > 0
    answers = list(
        tinybert.predict(workshop.path("model"), data=workshop.path("reviews.tsv"), set=("data.max_length=8",))
    )
    right = np.mean([answer["label"] == row["label"] for answer, row in zip(answers, reviews(10), strict=True)])
    assert figures["accuracy"] == pytest.approx(right)


def test__a_regression_answers_with_scores(workshop):
    rows = ratings(6)
    answers = list(tinybert.predict(workshop.path("scores"), data=rows))
    assert [set(answer) for answer in answers] == [{"row", "score"}] * 6
    figures = tinybert.evaluate(workshop.path("scores"), data=rows)
    expected = np.corrcoef([answer["score"] for answer in answers], [row["label"] for row in rows])[0, 1]
    assert figures["pearson"] == pytest.approx(expected)


def test__pairs_are_read_as_pairs(workshop):
    rows = pairs(4)
    turned = [{"text_a": row["text_b"], "text_b": row["text_a"]} for row in rows]
    assert positives(workshop.path("model"), rows) != pytest.approx(positives(workshop.path("model"), turned), abs=1e-6)


@pytest.mark.parametrize("learnt", [True, False])
@pytest.mark.parametrize("ask", [tinybert.predict, tinybert.evaluate])
def test__the_other_form_of_rows_than_the_model_learnt_is_refused(workshop, tmp_path, ask, learnt):
    model = workshop.model("noted", classes=("neg", "pos"))
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"text_pairs": learnt}))
    right, wrong = (pairs(4), reviews(4)) if learnt else (reviews(4), pairs(4))
    assert ask(model, data=right)
    file = workshop.data("wrong.tsv", wrong)
    said = (
        f"has single texts, but {model} learnt pairs of texts; name both (data.text_a, data.text_b), or take another "
        if learnt
        else f"has pairs, but {model} learnt single texts; name the one to read (data.text), or take another "
    )
    for data, name in ((file, file), (wrong, "data")):
        with pytest.raises(UserError) as refused:
            list(ask(model, data=data))
        assert refused.value.problems == (f"{name}: {said}model",)


@pytest.mark.parametrize("form", ["tsv", "csv", "jsonl", "list", "frame"])
def test__rows_come_in_any_form(workshop, tmp_path, form):
    frame, target = pandas.DataFrame(TEXTS), tmp_path / f"rows.{form}"
    if form == "jsonl":
        frame.to_json(target, orient="records", lines=True)
    elif form in ("tsv", "csv"):
        frame.to_csv(target, sep="\t" if form == "tsv" else ",", index=False)
    data = {"list": TEXTS, "frame": frame}.get(form, target)
    assert positives(workshop.path("model"), data) == positives(workshop.path("model"), TEXTS)


@pytest.mark.parametrize("as_json", [True, False])
def test__standard_input_is_lines_of_text_or_of_json(workshop, monkeypatch, capsys, as_json):
    lines = [json.dumps(row) if as_json else row["text"] for row in TEXTS]
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO("\n".join(lines).encode() + b"\n")))
    assert cli.main(["predict", str(workshop.path("model")), "--data", "-"]) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert answers == list(tinybert.predict(workshop.path("model"), data=TEXTS))


def test__a_row_that_is_passed_over_leaves_a_gap_in_the_numbers(workshop):
    rows = [TEXTS[0], {"text": " "}, TEXTS[1]]
    with pytest.raises(UserError, match="data:2: "):
        list(tinybert.predict(workshop.path("model"), data=rows))
    answers = list(tinybert.predict(workshop.path("model"), data=rows, set=("data.skip_bad=0.5",)))
    assert [answer["row"] for answer in answers] == [1, 3]


def test__answers_and_errors_call_a_row_of_a_file_by_the_same_number(workshop, capsys):
    file = workshop.data("gap.tsv", [TEXTS[0], {"text": " "}, TEXTS[1]])
    with pytest.raises(UserError, match=r"gap\.tsv:3: .*\(row 2; "):
        list(tinybert.predict(workshop.path("model"), data=file))
    answers = list(tinybert.predict(workshop.path("model"), data=file, set=("data.skip_bad=0.5",)))
    assert [answer["row"] for answer in answers] == [1, 3]
    assert "the first: row 2, " in capsys.readouterr().err
    labelled = workshop.data("labelled.tsv", [*reviews(2), {"text": "a film", "label": "joy"}])
    with pytest.raises(UserError, match=r"labelled\.tsv:4: unknown label 'joy'.*\(row 3; "):
        tinybert.evaluate(workshop.path("model"), data=labelled)


def test__columns_may_have_other_names(workshop):
    rows = [{"sentence": row["text"], "sentiment": row["label"]} for row in reviews(10)]
    figures = tinybert.evaluate(workshop.path("model"), data=rows, set=("data.text=sentence", "data.label=sentiment"))
    assert figures == tinybert.evaluate(workshop.path("model"), data=reviews(10))


@pytest.mark.parametrize(
    ("model", "how", "complaint"),
    [
        ("model", {"kind": "regression"}, "--kind regression: .* is a model for classification"),
        ("scores", {"kind": "classification"}, "--kind classification: .* is a model for regression"),
        ("model", {"set": ("data.max_length=131",)}, r"data.max_length: .* reads at most 130 pieces"),
        ("model", {"set": ("data.positve=pos",)}, r"--set data.positve=pos: .*did you mean positive"),
        ("model", {"set": ("data.positive=joy",)}, r"data.positive=joy: no such class"),
    ],
)
def test__what_does_not_fit_the_model_is_refused(workshop, model, how, complaint):
    with pytest.raises(UserError, match=complaint):
        tinybert.evaluate(workshop.path(model), data=reviews(4), **how)


def test__labels_that_the_model_does_not_know_are_refused(workshop):
    with pytest.raises(UserError, match="unknown label 'joy'; known are: neg, pos"):
        tinybert.evaluate(workshop.path("model"), data=[{"text": "good", "label": "joy"}])


def test__a_model_that_is_not_there_is_looked_for_on_the_hub(workshop):
    with pytest.raises(UserError, match=r"nobody/nothing: no such folder, and the hub's local cache does not hold it"):
        tinybert.evaluate("nobody/nothing", data=reviews(4))
    with pytest.raises(UserError, match=r"gone.onnx|config.json"):
        tinybert.evaluate(workshop.path("gone.onnx"), data=reviews(4))
    (workshop.path("unfinished")).mkdir(exist_ok=True)
    with pytest.raises(UserError, match=r"config\.json: no such file"):
        tinybert.evaluate(workshop.path("unfinished"), data=reviews(4))


def test__a_body_without_a_head_cannot_answer(workshop):
    body = workshop.model("body")
    with pytest.raises(UserError, match="has no task head"):
        tinybert.evaluate(body, data=reviews(4))
