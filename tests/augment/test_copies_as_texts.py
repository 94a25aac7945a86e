"""Copies of every method, read as texts: no words grown together, no spacing that the original does not have."""

import re
from importlib.resources import files

import numpy as np
import pytest
import torch

from conftest import make_unigram_tokenizer
from tinybert.augment.bert_glove import BertGlove, BertGloveSettings
from tinybert.augment.cbert import Cbert
from tinybert.augment.eda import Eda, EdaSettings
from tinybert.augment.stationary import Stationary, StationarySettings
from tinybert.augment.tang import Tang
from tinybert.data.lexicon import synonyms
from tinybert.data.words import spaced_words_of
from tinybert.models.masked_lm import MaskedLM
from tinybert.types import Example

LINES = files("tinybert").joinpath("demo_data", "kitchen_train.tsv").read_text("utf-8").splitlines()[1:61]
ROWS = [Example(line.split("\t")[0], label=number % 2, row=number) for number, line in enumerate(LINES, 1)]
COPIES = 4
TOKEN = r"[^\W_]+|[^\w\s]|_"
IN_PLACE = {  # these put one word or mark in place of another
    "bert_glove, keep": lambda mlm: BertGlove(BertGloveSettings(), mlm, Near()),
    "bert_glove, marks": lambda mlm: BertGlove(BertGloveSettings(punctuation="marks"), mlm, Near()),
    "bert_glove, any": lambda mlm: BertGlove(BertGloveSettings(punctuation="any"), mlm, Near()),
    "bert_glove, progressive": lambda mlm: BertGlove(BertGloveSettings(context="progressive"), mlm, Near()),
    "bert_glove, paper": lambda mlm: BertGlove(
        BertGloveSettings(context="progressive", punctuation="any"), mlm, Near()
    ),
    "cbert": lambda mlm: Cbert(mlm, lambda example: example.label, max_length=60),
    "stationary": lambda mlm: Stationary(mlm, StationarySettings(), 60),
}


class Near:
    """Near to every word are the same two."""

    def nearest(self, words, count):
        return [("movie", "plot")[:count] for _ in words]


@pytest.fixture
def sentencepiece(tiny_model, processor):
    """A random masked LM of such pieces, in one of their two forms."""
    tokenizer = make_unigram_tokenizer(spelt_in_bytes=processor)
    return MaskedLM(tiny_model("xlm-roberta", 1, head="masked_lm"), tokenizer, torch.device("cpu"))


def stream(row, copy):
    return np.random.default_rng([row, copy])


def split(text):
    """Words and marks of a text, and what stands before, between and behind them."""
    return re.findall(TOKEN, text), re.split(TOKEN, text)


@pytest.mark.usefixtures("processor")
@pytest.mark.parametrize("method", IN_PLACE)
@pytest.mark.parametrize(("of", "rows"), [("mlm", ROWS), ("sentencepiece", ROWS[::4])], ids=["mlm", "sentencepiece"])
def test__words_and_marks_are_as_many_as_before_with_the_same_spaces(method, of, rows, request):
    """But a word that comes in place of a mark has a space where it would touch another."""
    changed = 0
    for made in IN_PLACE[method](request.getfixturevalue(of))(rows, COPIES, stream):
        (before, gaps), (after, spaces) = split(ROWS[made.row - 1].text), split(made.text)
        assert len(after) == len(before)
        for position, (gap, space) in enumerate(zip(gaps, spaces, strict=True)):
            touch = 0 < position < len(after) and after[position - 1][-1].isalnum() and after[position][0].isalnum()
            assert space == (gap or " " * touch), made.text
        changed += after != before
    assert changed > len(rows)


def spacing(text):
    """What each mark touches on either side, a word or a space; not a mark, which a deletion may bring beside it."""
    tokens, gaps = split(text)
    beside = [""] + ["word" if token.isalnum() else "mark" for token in tokens] + [""]
    return {
        (token, side, gaps[position + side] or other)
        for position, token in enumerate(tokens)
        for side, other in enumerate((beside[position], beside[position + 2]))
        if not token.isalnum() and (gaps[position + side] or other == "word")
    }


@pytest.mark.parametrize("augmenter", [Eda(EdaSettings(alpha=0.2)), Tang(ROWS, mask="MASK")], ids=["eda", "tang"])
def test__words_are_of_the_corpus_or_synonyms_and_marks_have_their_spaces(augmenter):
    corpus = {word.text.lower() for row in ROWS for word in spaced_words_of(row.text)} | {"mask"}
    for made in augmenter(ROWS, COPIES, stream):
        original = ROWS[made.row - 1].text
        new = {part for word in spaced_words_of(original) for other in synonyms(word.text) for part in other.split()}
        inside = {found for word in corpus | new for found in spacing(word) if found[2] == "word"}
        assert {word.text.lower() for word in spaced_words_of(made.text)} <= corpus | {
            part.lower().strip(".'") for part in new
        }
        assert spacing(made.text) <= spacing(original) | inside
        assert made.text == " ".join(made.text.split())
