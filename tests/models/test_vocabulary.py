"""What the pieces of a vocabulary are."""

import pytest

from tinybert.errors import UserError
from tinybert.models.vocabulary import Vocabulary


def test__special_pieces_neither_begin_nor_continue_a_word(tiny_tokenizer):
    vocabulary = Vocabulary(tiny_tokenizer)
    unused = set(range(len(vocabulary.pieces))) - set(tiny_tokenizer.get_vocab().values())
    assert set(vocabulary.special.nonzero()[0]) == {0, 1, 2, 3, 4} | unused
    assert not (vocabulary.starts_word & vocabulary.special).any()
    assert vocabulary.mask == 4


def test__pieces_inside_a_word_do_not_begin_one(tiny_tokenizer):
    vocabulary = Vocabulary(tiny_tokenizer)
    film, ending = tiny_tokenizer.convert_tokens_to_ids(["film", "##ing"])
    assert vocabulary.starts_word[film]
    assert not vocabulary.starts_word[ending]
    assert (vocabulary.text_of(film), vocabulary.text_of(ending)) == ("film", "ing")


def test__byte_level_pieces_begin_a_word_with_their_space(bpe_tokenizer):
    vocabulary = Vocabulary(bpe_tokenizer)
    film, inside, signs = bpe_tokenizer.convert_tokens_to_ids(["Ġfilm", "ing", "##"])
    assert vocabulary.starts_word[[film, inside, signs]].tolist() == [True, False, False]
    assert [vocabulary.text_of(piece) for piece in (film, inside, signs)] == ["film", "ing", "##"]


def test__sentencepiece_begins_a_word_with_its_space(unigram_tokenizer):
    vocabulary = Vocabulary(unigram_tokenizer)
    film, inside, signs, space = unigram_tokenizer.convert_tokens_to_ids(["▁film", "film", "##", "▁"])
    assert vocabulary.starts_word[[film, inside, signs, space]].tolist() == [True, False, False, True]
    assert [vocabulary.text_of(piece) for piece in (film, inside, signs, space)] == ["film", "film", "##", ""]
    assert vocabulary.marks[signs]


def test__a_tokenizer_without_a_mask_is_refused(tiny_tokenizer):
    import copy

    without = copy.deepcopy(tiny_tokenizer)
    without.mask_token = None
    with pytest.raises(UserError, match="no mask piece"):
        Vocabulary(without)


@pytest.fixture
def bpe_tokenizer():
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    special = ["<pad>", "<unk>", "<s>", "</s>", "<mask>"]
    names = ("Ġfilm", "ing", "film", "madeupword0000", "##", "<unk>NOTUSED", "<0xE2>")
    pieces = {piece: number for number, piece in enumerate([*special, *names])}
    backend = Tokenizer(models.WordLevel(pieces, unk_token="<unk>"))
    backend.pre_tokenizer, backend.decoder = pre_tokenizers.ByteLevel(), decoders.ByteLevel()
    named = {
        "pad_token": "<pad>",
        "unk_token": "<unk>",
        "cls_token": "<s>",
        "sep_token": "</s>",
        "mask_token": "<mask>",
    }
    return PreTrainedTokenizerFast(tokenizer_object=backend, **named)


def test__reserved_pieces_are_special(bpe_tokenizer):
    assert Vocabulary(bpe_tokenizer).special[8:].tolist() == [True, False, True, True]
