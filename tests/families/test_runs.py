"""Whole runs with teachers of the newer families: wired from the command to a student that plain transformers loads."""

import json
from dataclasses import replace

import pandas
import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedTokenizerFast

import tinybert
from conftest import SPECIAL, VOCABULARY, families_that_start, make_tiny_model, make_unigram_tokenizer
from recipes.workshop import CLASSES, on_one_processor, quick_finish, read, reads_text, reviews, trained
from tinybert.errors import UserError

pytestmark = [on_one_processor, pytest.mark.usefixtures("processor")]
WITHOUT_HEAD = "masked_lm"


def teacher(workshop, kind, head=WITHOUT_HEAD):
    """A network of a family, deep enough to be cut; it has yet to learn the task."""
    folder = workshop.path("teacher")
    make_tiny_model(kind, layers=4, head=head).save(folder)
    workshop.tokenizer.save_pretrained(folder)
    return folder


def reading(characters):
    """A WordPiece tokenizer in the form of Chinese BERTs, with a piece for each of these characters."""
    pieces = {piece: number for number, piece in enumerate(dict.fromkeys((*SPECIAL, *characters)))}
    backend = Tokenizer(models.WordPiece(pieces, unk_token="[UNK]"))
    backend.normalizer, backend.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    ends = [(name, pieces[name]) for name in ("[CLS]", "[SEP]")]
    backend.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    named = {f"{name.strip('[]').lower()}_token": name for name in SPECIAL}
    return PreTrainedTokenizerFast(tokenizer_object=backend, model_max_length=64, **named)


@pytest.mark.parametrize(
    ("kind", "recipe"),
    [
        ("modernbert", "tinybert"),
        ("deberta-v2", "tinybert"),
        ("albert", "tinybert"),
        ("eurobert", "minilm"),
        ("gte", "pkd"),
        ("nomic_bert", "general"),
        ("jina_embeddings_v3", "minilm"),
    ],
)
def test__a_plain_bert_learns_from_a_teacher_of_another_family(kind, recipe, workshop):
    with quick_finish():
        workshop.distill(recipe, teacher=teacher(workshop, kind), student="bert:2x24", also=("student.inner=41",))
    student = workshop.path("run") / "student"
    content = json.loads((student / "config.json").read_text())
    assert (content["model_type"], content["num_hidden_layers"], content["vocab_size"]) == ("bert", 2, len(VOCABULARY))
    if not reads_text(recipe):
        loaded = AutoModelForSequenceClassification.from_pretrained(student)
        inputs = AutoTokenizer.from_pretrained(student)(["the film was very good"], return_tensors="pt")
        if content["type_vocab_size"] == 1:  # where the tokenizer of a published network gives no token types
            del inputs["token_type_ids"]
        with torch.no_grad():
            expected = loaded(**inputs).logits.softmax(dim=1)[0]
        [found] = tinybert.predict(student, data=[{"text": "the film was very good"}])
        assert found["scores"] == pytest.approx(dict(zip(("neg", "pos"), expected.tolist(), strict=True)), abs=1e-5)


@pytest.mark.parametrize("kind", ["modernbert", "deberta-v2", "eurobert", "jina_embeddings_v3"])
def test__layers_of_the_teachers_own_family_learn_on(kind, workshop):
    layers = ("student.inner=41", "augment.method=bert_glove", "augment.copies=1")
    how = {"teacher": teacher(workshop, kind), "mlm": workshop.path("teacher"), "student": "2x24", "also": layers}
    with quick_finish():
        workshop.distill("tinybert", **how)
    student = workshop.path("run") / "student"
    assert json.loads((student / "config.json").read_text())["model_type"] == kind
    [answer] = tinybert.predict(student, data=[{"text": "a film"}])
    assert answer["label"] in ("neg", "pos")
    assert trained(workshop.path("run"), "intermediate")


NEWER = ("ernie", "albert", "modernbert", "deberta-v2", "eurobert", "gte", "nomic_bert", "jina_embeddings_v3")


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["tinybert", "minilm", "fine_tune", "general"])
@pytest.mark.parametrize("kind", NEWER)
def test__every_family_teaches_by_every_way(kind, recipe, workshop):
    cut = kind in families_that_start("layers")
    rewritten = recipe == "tinybert"  # by the teacher's own masked-LM head
    also = (*(("augment.copies=1", "augment.method=bert_glove") if rewritten else ()), "student.init=random")
    with quick_finish():
        workshop.distill(
            recipe,
            teacher=teacher(workshop, kind),
            mlm=workshop.path("teacher") if rewritten else None,
            student="2x12" if cut else "bert:2x12",
            also=also,
        )
    content = read(workshop.path("run") / "student" / "config.json")
    assert (content["model_type"], content["num_hidden_layers"]) == (kind if cut else "bert", 2)


@pytest.mark.parametrize(
    ("kind", "student", "said"),
    [
        ("albert", "2x24", "albert networks are teachers only; take --student bert:2x24"),
        ("modernbert", "electra:2x24", "electra students need a teacher of that family; take bert:2x24"),
        ("modernbert", "2x21", "width 21 is not 3 heads of an even width; widths that work: 12, 18, 24, 30"),
        ("modernbert", "bert:2x25", "3 heads do not divide width 25; widths that work: 21, 24, 27, 30"),
    ],
)
def test__what_cannot_be_made_is_refused_with_what_can(kind, student, said, workshop):
    with pytest.raises(UserError, match=said):
        workshop.distill("tinybert", teacher=teacher(workshop, kind), student=student)


def test__chinese_is_rewritten_character_by_character(workshop):
    texts = ["这部电影很好看。", "情节太无聊了!"]
    workshop = replace(workshop, tokenizer=reading("".join(texts) + "真差"))
    rows = [{"text": texts[n % 2], "label": CLASSES[n % 2]} for n in range(24)]
    workshop.model(classes=CLASSES)
    how = {"train": rows, "dev": rows[:6], "test": None, "mlm": workshop.masked_lm()}
    with quick_finish():
        workshop.distill(**how, also=("augment.method=bert_glove", "augment.copies=2", "augment.probability=0.9"))
    rows = pandas.read_parquet(workshop.path("run") / "augmented" / "augmented.parquet").query("copy > 0")
    copies = set(rows["text"])
    assert len(copies) > 10
    assert {len(copy) for copy in copies} <= set(map(len, texts))  # no spaces came between them


def test__a_plain_bert_with_the_pieces_of_its_texts_learns_from_an_xlm_roberta(workshop):
    workshop = replace(workshop, tokenizer=make_unigram_tokenizer(), kind="xlm-roberta")
    rows = [row | {"text": f"très {row['text']} 好电影"} for row in reviews(24)]
    with quick_finish():
        metrics = workshop.distill(
            train=rows, dev=rows[:6], test=None, student="bert:2x12", also=("student.vocabulary=train",)
        )
    assert metrics["vocabulary"]["pieces"] < metrics["vocabulary"]["before"]
    [answer] = tinybert.predict(workshop.path("run"), data=[{"text": "好电影, a good film"}])
    assert answer["label"] in CLASSES


@pytest.mark.parametrize("how", ["layers", "project"])
def test__nothing_is_copied_across_families(how, workshop):
    asked = {"teacher": teacher(workshop, "modernbert"), "student": "bert:2x24", "also": (f"student.init={how}",)}
    with pytest.raises(UserError, match=f"init={how} makes no bert student of a modernbert teacher; take random"):
        workshop.distill("tinybert", **asked)


def test__a_bert_reads_no_more_than_512_pieces(workshop):
    folder = teacher(workshop, "modernbert")
    content = read(folder / "config.json") | {"max_position_embeddings": 1000}
    (folder / "config.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"data\.max_length: 600 pieces, but bert:2x24 reads at most 512"):
        workshop.distill("tinybert", teacher=folder, student="bert:2x24", also=("data.max_length=600",))
    with pytest.raises(UserError, match=r"general\.block_length: 600 pieces, but bert:2x24 reads at most 512"):
        workshop.distill("general", teacher=folder, student="bert:2x24", also=("general.block_length=600",))
