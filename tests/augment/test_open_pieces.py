"""Which pieces of an example may be rewritten, and where their characters stand."""

import pytest

from tinybert.augment.open_pieces import Position, edit_of, pieces_of
from tinybert.data.words import Edit
from tinybert.models.vocabulary import Vocabulary
from tinybert.types import Example


@pytest.fixture
def vocabulary(tiny_tokenizer):
    return Vocabulary(tiny_tokenizer)


@pytest.fixture
def bytes_only():
    """Every byte is a piece, so that one letter may be several."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    pieces = ["<s>", "</s>", "<mask>", "<unk>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    backend = Tokenizer(models.BPE({piece: number for number, piece in enumerate(pieces)}, []))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0))
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, cls_token="<s>", sep_token="</s>", mask_token="<mask>", unk_token="<unk>"
    )
    return Vocabulary(tokenizer)


def test_in_pieces__each_place_has_its_characters(vocabulary, tiny_tokenizer):
    example = Example("A  filming", "was \u2603", row=1)
    found = pieces_of(example, vocabulary, 64)
    names = tiny_tokenizer.convert_ids_to_tokens(list(found.pieces))
    assert names == ["[CLS]", "a", "film", "##ing", "[SEP]", "was", "[UNK]", "[SEP]"]
    assert found.types == (0, 0, 0, 0, 0, 1, 1, 1)
    assert found.positions == (
        Position(1, "text", 0, 1),
        Position(2, "text", 3, 7),
        Position(3, "text", 7, 10),
        Position(5, "pair", 0, 3),
    )


def test_in_pieces__a_space_is_no_place_and_shares_no_letter(unigram_tokenizer):
    example = Example("A  très filming", "好电影 \u2603", row=1)
    found = pieces_of(example, Vocabulary(unigram_tokenizer), 64)
    texts = {"text": example.text, "pair": example.pair}
    shown = [texts[position.side][position.start : position.end] for position in found.positions]
    assert shown == ["A", "très", "film", "ing", "好", "电影"]


def test_in_pieces__marks_and_contractions_stay(vocabulary):
    example = Example("It's (not) a film-plot!", "and 's bad, don't")
    found = pieces_of(example, vocabulary, 64)
    texts = {"text": example.text, "pair": example.pair}
    pieces = [texts[position.side][position.start : position.end] for position in found.positions]
    assert pieces == ["It", "not", "a", "film", "plot", "and", "bad"]


def test_in_pieces__nothing_beyond_the_cut(vocabulary):
    found = pieces_of(Example("good film good film"), vocabulary, 4)
    assert (len(found.pieces), [position.number for position in found.positions]) == (4, [1, 2])


def test_in_pieces__special_pieces_that_are_spelt_out_stay(vocabulary):
    found = pieces_of(Example("good [MASK] film [SEP]"), vocabulary, 64)
    assert [position.number for position in found.positions] == [1, 3]


def test_in_pieces__pieces_that_share_a_letter_stay(bytes_only):
    found = pieces_of(Example("a\u2603b"), bytes_only, 64)
    assert len(found.pieces) == 7
    assert [(position.start, position.end) for position in found.positions] == [(0, 1), (2, 3)]


def test_edit_of__it_takes_over_capitals(vocabulary, tiny_tokenizer):
    example = Example("GOOD film", "Bad film")
    dull = tiny_tokenizer.convert_tokens_to_ids("dull")
    positions = pieces_of(example, vocabulary, 64).positions
    assert edit_of(example, positions[0], dull, vocabulary) == Edit(0, 4, "DULL")
    assert edit_of(example, positions[2], dull, vocabulary) == Edit(0, 3, "Dull")
