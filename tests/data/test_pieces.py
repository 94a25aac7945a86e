"""Words and their pieces, for tokenizers that mark continuations and for those that mark spaces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import make_byte_tokenizer
from tinybert.data.pieces import PieceSpan, pieces_within, tokenize
from tinybert.data.words import words_of


@pytest.fixture(scope="module")
def byte_tokenizer():
    return make_byte_tokenizer(["a good film, a good film (good)", "it is good ... good ... ..."])


def spelled(tokenized, tokenizer):
    return [
        None if span is None else tokenizer.convert_ids_to_tokens(list(tokenized.pieces[span.start : span.end]))
        for span in tokenized.spans
    ]


def test_read__each_word_has_its_pieces(tiny_tokenizer):
    (tokenized,) = tokenize(["The  filming, was GOOD!"], tiny_tokenizer, 64)
    assert [word.text for word in tokenized.words] == ["The", "filming", ",", "was", "GOOD", "!"]
    assert spelled(tokenized, tiny_tokenizer) == [["the"], ["film", "##ing"], [","], ["was"], ["good"], ["!"]]
    assert tokenized.pieces[0] == tiny_tokenizer.cls_token_id
    assert tokenized.pieces[-1] == tiny_tokenizer.sep_token_id
    assert (tokenized.span_of(1), tokenized.piece_of(1)) == (PieceSpan(2, 4), None)
    assert tokenized.piece_of(4) == tiny_tokenizer.convert_tokens_to_ids("good")


def test_read__words_that_were_cut_off_have_none(tiny_tokenizer):
    (tokenized,) = tokenize(["the filming was good"], tiny_tokenizer, 4)
    assert len(tokenized.pieces) == 4
    assert tokenized.spans == [PieceSpan(1, 2), None, None, None]
    assert tokenized.piece_of(2) is None
    with pytest.raises(ValueError, match="word 1 has no pieces of its own"):
        tokenized.span_of(1)


def test_read__spaces_belong_to_no_word_and_shared_pieces_to_none(byte_tokenizer):
    (tokenized,) = tokenize(["good film (good) é ..."], byte_tokenizer, 64)
    assert [word.text for word in tokenized.words] == ["good", "film", "(", "good", ")", "é", ".", ".", "."]
    found = spelled(tokenized, byte_tokenizer)
    assert found[:5] == [["good"], ["Ġfilm"], ["Ġ("], ["good"], [")"]]
    assert len(found[5]) >= 2  # one letter of two bytes
    assert found[6:] == [None, None, None]  # one piece for all three


def test_read__sentencepiece_gives_words_their_letters_and_not_the_space_before(unigram_tokenizer):
    (tokenized,) = tokenize(["The très  filming, l'film 好电影 \u2603 good"], unigram_tokenizer, 64)
    *found, snowman, good = spelled(tokenized, unigram_tokenizer)
    assert found == [
        ["<unk>", "h", "e"],
        ["▁très"],
        ["▁film", "ing"],
        [","],
        ["l"],
        ["'"],
        ["film"],
        ["好"],
        None,
        None,
    ]
    assert snowman in (["<unk>"], ["<0xE2>", "<0x98>", "<0x83>"])
    assert good == ["▁good"]


def test_read__leaves_the_tokenizer_as_it_was(tiny_tokenizer):
    tokenize(["the film"], tiny_tokenizer, 3)
    assert tiny_tokenizer.backend_tokenizer.truncation is None
    assert len(tiny_tokenizer("the film was good").input_ids) == 6


def test_pieces_within__a_space_before_matters_where_the_tokenizer_writes_it(tiny_tokenizer, byte_tokenizer):
    assert pieces_within("film", tiny_tokenizer, after_space=True) == pieces_within(
        "film", tiny_tokenizer, after_space=False
    )
    with_space, without = (pieces_within("film", byte_tokenizer, after_space=there) for there in (True, False))
    assert byte_tokenizer.convert_ids_to_tokens(with_space) == ["Ġfilm"]
    assert byte_tokenizer.convert_ids_to_tokens(without)[0] == "f" or without != with_space


@given(text=st.text(max_size=40))
def test_read__pieces_of_words_are_apart_and_in_order(text, tiny_tokenizer):
    (tokenized,) = tokenize([text], tiny_tokenizer, 64)
    assert list(tokenized.words) == words_of(text)
    assert len(tokenized.spans) == len(tokenized.words)
    places = [place for span in tokenized.spans if span is not None for place in range(span.start, span.end)]
    assert places == sorted(set(places))
    assert all(0 < place < len(tokenized.pieces) - 1 for place in places)
