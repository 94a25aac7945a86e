"""TinyBERT's augmentation: every copy has exactly the probability that the algorithm gives it."""

from itertools import product

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from conftest import VOCABULARY
from references import bert_glove as slow
from tinybert.augment import bert_glove
from tinybert.augment.bert_glove import BertGlove, BertGloveSettings
from tinybert.augment.candidates import Candidates
from tinybert.data.words import is_mark, words_of
from tinybert.models.masked_lm import MaskedLM
from tinybert.types import Answer, Augmenter, Example

PIECES = {piece: number for number, piece in enumerate(VOCABULARY)}  # some stand there twice; the last one counts
ALLOWED = [number for piece, number in PIECES.items() if piece == "[" or not piece.startswith(("[", "##"))]
MARKS = [number for number in ALLOWED if not VOCABULARY[number].isalnum()]
WORDS = [number for number in ALLOWED if VOCABULARY[number].isalnum()]
NEAR = {"filming": ("movie", "plot"), "badly": ("very", "dullness")}
TEXT = "The film was filming"
CLOSE = "It's a dull-ish (bad) film."
P = 0.3


class Near:
    """Word vectors of two words."""

    def nearest(self, words, count):
        return [NEAR.get(word.lower(), ())[:count] for word in words]


class Prescribed:
    """A stream that gives the numbers it was made with."""

    def __init__(self, numbers):
        self.numbers = np.array(numbers)

    def random(self, size):
        assert size == self.numbers.shape
        return self.numbers


@pytest.fixture
def make(mlm):
    def make(max_length=32, **settings):
        return BertGlove(BertGloveSettings(**settings), mlm, Near(), max_length)

    return make


def stream(row, copy):
    return np.random.default_rng([row, copy])


def twin(model, tokenizer, settings, text=TEXT):
    """The probability of every copy of a text, as texts."""

    def scores(pieces, position):
        ids = [tokenizer.cls_token_id, *pieces, tokenizer.sep_token_id]
        ids[position + 1] = tokenizer.mask_token_id
        with torch.no_grad():
            return model.model(torch.tensor([ids])).logits[0, position + 1].tolist()

    def spelled(word):
        return tokenizer(word, add_special_tokens=False).input_ids

    def allowed(word):
        if settings.punctuation == "any":
            return ALLOWED
        if word[0] in MARKS:
            return MARKS if settings.punctuation == "marks" else []
        return WORDS

    words = [spelled(word) for word in text.split()]
    near = {tuple(spelled(word)): [spelled(other) for other in others] for word, others in NEAR.items()}
    found = slow.outcomes(
        words,
        scores,
        lambda word: near[tuple(word)][: settings.candidates],
        allowed,
        settings.candidates,
        settings.probability,
        settings.context == "progressive",
        settings.keep_original,
    )
    return {" ".join(map(tokenizer.decode, copy)).replace(" ##", ""): share for copy, share in found.items()}


def every_draw(words, settings):
    """All that can be drawn, as numbers between the borders, with its probability."""
    options = [(0.999 * (1 - P) + P, 0.5, 1 - P)]
    options += [
        (0.999 * P, (k + 0.5) / settings.candidates, P / settings.candidates) for k in range(settings.candidates)
    ]
    for some in product(options, repeat=words):
        chance, choice, shares = zip(*some, strict=True)
        yield (chance, choice), float(np.prod(shares))


@pytest.mark.parametrize("context", ["original", "progressive"])
@pytest.mark.parametrize("keep_original", [True, False])
def test_call__every_copy_has_exactly_its_probability(context, keep_original, make, model, tiny_tokenizer):
    settings = BertGloveSettings(P, 2, context, keep_original=keep_original)
    draws = list(every_draw(4, settings))
    augment = make(probability=P, candidates=2, context=context, keep_original=keep_original)
    copies = augment([Example(TEXT, row=1)], len(draws), lambda _, copy: Prescribed(draws[copy - 1][0]))
    found = dict[str, float]()
    for made, (_, share) in zip(copies, draws, strict=True):
        found[made.text.lower()] = found.get(made.text.lower(), 0.0) + share
    expected = twin(model, tiny_tokenizer, settings)
    assert sum(expected.values()) == pytest.approx(1)
    assert len(expected) > 20
    assert found == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("punctuation", ["keep", "marks", "any"])
@pytest.mark.parametrize("context", ["original", "progressive"])
def test_call__marks_become_what_they_may_with_exactly_its_probability(
    punctuation, context, make, model, tiny_tokenizer
):
    text, rules = "film , very .", {"punctuation": punctuation, "context": context}
    settings = BertGloveSettings(P, 2, **rules)
    draws = list(every_draw(4, settings))
    augment = make(probability=P, candidates=2, **rules)
    copies = augment([Example(text, row=1)], len(draws), lambda _, copy: Prescribed(draws[copy - 1][0]))
    found = dict[str, float]()
    for made, (_, share) in zip(copies, draws, strict=True):
        found[made.text] = found.get(made.text, 0.0) + share
    assert found == pytest.approx(twin(model, tiny_tokenizer, settings, text), abs=1e-12)


@pytest.mark.parametrize("context", ["original", "progressive"])
@pytest.mark.parametrize("text", [CLOSE, "film!?film", "U.S. film, bad; bad."])
def test_call__words_that_come_for_marks_do_not_grow_together(text, context, make):
    augment = make(probability=1.0, candidates=40, punctuation="any", context=context)
    count = len(words_of(text))
    for made in augment([Example(text, row=1)], 30, stream):
        assert len(words_of(made.text)) == count
        assert "  " not in made.text


@pytest.mark.parametrize("punctuation", ["keep", "marks", "any"])
def test_call__parts_of_contractions_stay_unless_marks_are_words(punctuation, make):
    text = "It's bad, don't film what we can't."
    made = [copy.text for copy in make(probability=1.0, punctuation=punctuation)([Example(text, row=1)], 20, stream)]
    parts = ("'s ", " don't ", " can't")
    assert all(part in copy for part in parts for copy in made) is (punctuation != "any")
    assert len(set(made)) > 10


@pytest.mark.parametrize("context", ["original", "progressive"])
def test_call__marks_stay_or_become_marks(context, make):
    shape = [is_mark(word.text) for word in words_of(CLOSE)]
    for punctuation in ("keep", "marks"):
        found = set()
        for made in make(probability=1.0, context=context, punctuation=punctuation)([Example(CLOSE)], 20, stream):
            assert [is_mark(word.text) for word in words_of(made.text)] == shape
            found.add("".join(filter(is_mark, made.text.replace(" ", ""))))
        assert (found == {"'-()."}) is (punctuation == "keep")


def test_call__the_progressive_model_reads_the_pieces_of_the_text_so_far(make, tiny_tokenizer, monkeypatch):
    read, learn = [], Candidates.learn
    monkeypatch.setattr(Candidates, "learn", lambda self, some: read.append(list(some)) or learn(self, read[-1]))
    words = words_of(CLOSE)
    choices = np.random.default_rng(1).random(len(words))
    augment = make(probability=P, candidates=3, punctuation="any", context="progressive", keep_original=False)

    def copy_of(replaced):
        """The text in which so many words, from the first, are replaced."""
        numbers = [[float(word >= replaced) for word in range(len(words))], choices]
        (made,) = augment([Example(CLOSE)], 1, lambda *_: Prescribed(numbers))
        return made.text

    copies = [copy_of(replaced) for replaced in range(len(words))]
    read.clear()
    assert copy_of(len(words)) != copies[-1]
    filled = [number for number, word in enumerate(words) if len(tiny_tokenizer.tokenize(word.text)) == 1]
    assert [context.pieces for some in read for context in some] == [
        tuple(tiny_tokenizer(copies[number]).input_ids) for number in filled
    ]


def test_call__contexts_of_the_two_forms_differ(model, tiny_tokenizer):
    """Else the test above would not see which one is computed."""
    forms = [twin(model, tiny_tokenizer, BertGloveSettings(P, 2, context)) for context in ("original", "progressive")]
    assert forms[0].keys() != forms[1].keys()


def test_call__drawn_copies_fit_the_probabilities(make, model, tiny_tokenizer):
    """With real streams: the numbers are used as the exact test assumes."""
    copies, settings = 800, BertGloveSettings(P, 2)
    expected = twin(model, tiny_tokenizer, settings)
    found = [made.text.lower() for made in make(probability=P, candidates=2)([Example(TEXT, row=1)], copies, stream)]
    frequent = [text for text, share in expected.items() if share * copies >= 5]
    counts = [found.count(text) for text in frequent]
    shares = [copies * expected[text] for text in frequent]
    assert set(found) <= expected.keys()
    assert chisquare([*counts, copies - sum(counts)], [*shares, copies - sum(shares)]).pvalue > 0.01


EXAMPLES = [
    Example("The film was good, not bad.", label=1, row=1),
    Example("It is a very dull plot!", "And the movie was great.", label=0, row=2),
    Example("a", label=1, row=3),
    Example("The film was good, not bad.", label=0, row=4),
    Example("What was dull?", "The FILM was dull, and the plot was bad.", Answer(4, 8), row=5),
    Example("the film was filming", label=(0, 1, 0, 2), row=6, words=("the", "film", "was", "filming")),
]


@pytest.mark.parametrize("settings", [{}, {"context": "progressive"}, {"group_positions": 2}], ids=str)
def test_call__a_copy_does_not_depend_on_what_else_is_given(settings, make, monkeypatch):
    augment = make(probability=0.6, candidates=4, **settings)
    assert isinstance(augment, Augmenter)
    together = list(augment(EXAMPLES, 4, stream))
    assert [(made.row, made.copy) for made in together] == [(row, copy) for row in range(1, 7) for copy in range(1, 5)]
    apart = [made for example in reversed(EXAMPLES) for made in augment([example], 4, stream)]
    assert sorted(apart, key=lambda made: (made.row, made.copy)) == together
    monkeypatch.setattr(bert_glove, "TOGETHER", 8)
    assert list(augment(EXAMPLES, 4, stream)) == together
    assert list(augment(EXAMPLES, 2, stream)) == [made for made in together if made.copy <= 2]


@pytest.mark.parametrize("context", ["original", "progressive"])
def test_call__labels_sides_answers_and_tags_stay(context, make):
    for made in make(probability=1.0, candidates=3, context=context)(EXAMPLES, 4, stream):
        original = EXAMPLES[made.row - 1]
        assert "[MASK]" not in made.text
        assert (made.text == original.text) or (made.pair == original.pair)
        if isinstance(original.label, Answer):
            assert made.text == original.text
            assert made.pair[slice(*made.label)] == "FILM"
        else:
            assert made.label == original.label
        if original.words is not None:
            assert len(made.words) == len(original.words)
            assert made.text == " ".join(made.words)


def test_call__capitals_and_spacing_stay(make):
    text = " Filming  it,\tBADLY. "
    (made,) = make(probability=1.0, skip_nonletters=True, skip_stopwords=True)([Example(text, row=1)], 1, stream)
    assert made.text in (
        " Movie  it,\tVERY. ",
        " Movie  it,\tDULLNESS. ",
        " Plot  it,\tVERY. ",
        " Plot  it,\tDULLNESS. ",
    )


@pytest.mark.parametrize(
    ("settings", "stay"),
    [
        ({"skip_stopwords": True}, {"The", "was", "not", ",", "."}),
        ({"skip_nonletters": True}, {",", ".", "7"}),
        ({}, {",", "."}),
    ],
)
def test_call__words_that_are_to_be_skipped_stay(settings, stay, make):
    text = "The film , 7 , was not good ."
    made = list(make(probability=1.0, candidates=1, keep_original=False, **settings)([Example(text, row=1)], 1, stream))
    pairs = list(zip(text.split(), made[0].text.split(), strict=True))
    assert {before for before, after in pairs if before == after} == stay


@pytest.mark.parametrize("context", ["original", "progressive"])
def test_call__words_without_candidates_stay(context, make):
    augment = make(probability=1.0, context=context)
    (made,) = augment([Example("goodly ‽ plotting", row=1)], 1, stream)
    assert made.text == "goodly ‽ plotting"


@pytest.mark.parametrize("context", ["original", "progressive"])
def test_call__words_beyond_the_length_stay(context, make):
    text = "badly badly film was filming and the plot was dull"
    (made,) = make(max_length=9, probability=1.0, candidates=2, context=context)([Example(text, row=1)], 1, stream)
    assert made.text.split()[-3:] == text.split()[-3:]
    assert made.text != text


def test_call__a_tag_belongs_to_one_word(make, monkeypatch):
    monkeypatch.setitem(NEAR, "filming", ("a film", "plot"))
    augment = make(probability=1.0)
    made = {made.words[3] for made in augment([EXAMPLES[5]], 12, stream)}
    assert made == {"plot"}
    plain = Example("filming", row=7)
    assert {copy.text for copy in augment([plain], 12, stream)} == {"a film", "plot"}


@pytest.mark.parametrize("context", ["original", "progressive"])
def test_call__a_word_with_a_tag_stays_one_word(context, make):
    words = ("it's", "--", "film", ".")
    example = Example(" ".join(words), label=(0, 0, 1, 0), words=words, row=1)
    made = list(make(probability=1.0, punctuation="any", candidates=60, context=context)([example], 40, stream))
    assert all(len(copy.words) == 4 and copy.text == " ".join(copy.words) for copy in made)
    assert {is_mark(copy.words[3]) for copy in made} == {True, False}


@pytest.mark.parametrize(("group", "passes"), [(1, 6), (2, 3), (4, 2), (9, 1)])
def test_call__grouped_places_share_a_forward_pass(group, passes, make, monkeypatch):
    rows, fill = [], MaskedLM.fill
    monkeypatch.setattr(MaskedLM, "fill", lambda self, some, reduce: rows.extend(some) or fill(self, some, reduce))
    list(make(group_positions=group)([Example("the film was a good plot", row=1)], 40, stream))
    assert len(rows) == passes
    assert sorted(position for row in rows for position in row.positions) == [1, 2, 3, 4, 5, 6]
    gaps = [after - before for row in rows for before, after in zip(row.positions, row.positions[1:], strict=False)]
    assert min(gaps, default=passes) == passes  # as far apart as can be


def test_call__contexts_that_are_still_equal_are_shared(make, monkeypatch):
    rows, fill = [], MaskedLM.fill
    monkeypatch.setattr(MaskedLM, "fill", lambda self, some, reduce: rows.extend(some) or fill(self, some, reduce))
    list(make(context="progressive", candidates=1)([Example("the film was", row=1)], 60, stream))
    assert len(rows) == len({(tuple(row.pieces), *row.positions) for row in rows}) <= 1 + 2 + 4


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"probability": 0.0}, "probability must be above 0 and at most 1, got 0"),
        ({"probability": 1.5}, "got 1.5"),
        ({"candidates": 0}, "candidates must be at least 1"),
        ({"group_positions": 0}, "group_positions must be at least 1"),
        ({"group_positions": 2, "context": "progressive"}, "use context=original"),
    ],
)
def test_settings__what_cannot_be_is_refused(settings, said):
    with pytest.raises(ValueError, match=said):
        BertGloveSettings(**settings)
