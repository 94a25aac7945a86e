"""A vocabulary that lost pieces: what it still reads as before, and how it reads the rest."""

import numpy as np
import pytest
from transformers import AutoTokenizer

from conftest import make_byte_tokenizer, make_unigram_tokenizer
from tinybert.data.words_tokenizer import words_tokenizer
from tinybert.errors import UserError
from tinybert.models.trimming import check_room, needed_pieces, trimmed_tokenizer
from tinybert.models.vocabulary import Vocabulary

KNOWN = ("the film was great", "a dull plot, and not very good", "it is the film")
NEW = ("greatly filming movies", "zebra was bad!", "movie")


@pytest.fixture(params=["wordpiece", "bpe", "unigram", "bytes", "words"])
def tokenizer(request, tiny_tokenizer):
    made = {
        "wordpiece": lambda: tiny_tokenizer,
        "bpe": lambda: make_byte_tokenizer([*KNOWN, *NEW]),
        "unigram": make_unigram_tokenizer,
        "bytes": lambda: make_unigram_tokenizer(spelt_in_bytes=True),
        "words": lambda: words_tokenizer([*KNOWN, *NEW], 1, 50),
    }
    return made[request.param]()


def pieces(tokenizer, *sides):
    return tokenizer.convert_ids_to_tokens(tokenizer(*sides)["input_ids"])


def used(tokenizer, texts=KNOWN):
    return np.bincount(np.concatenate([tokenizer(text)["input_ids"] for text in texts]), minlength=len(tokenizer))


def test__texts_of_kept_pieces_are_read_as_before_in_new_numbers(tokenizer, tmp_path):
    before = tokenizer.backend_tokenizer.to_str()
    kept = needed_pieces(tokenizer, used(tokenizer), None)
    trimmed = trimmed_tokenizer(tokenizer, kept)
    assert kept == sorted(set(kept))
    assert len(kept) < len(tokenizer) == len(tokenizer.get_vocab())
    for sides in (*((text,) for text in KNOWN), KNOWN[:2]):
        assert [kept[number] for number in trimmed(*sides)["input_ids"]] == tokenizer(*sides)["input_ids"]
        assert pieces(trimmed, *sides) == pieces(tokenizer, *sides)
    assert sorted(trimmed.get_vocab().values()) == list(range(len(kept)))
    assert trimmed.special_tokens_map == tokenizer.special_tokens_map
    assert tokenizer.backend_tokenizer.to_str() == before
    trimmed.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert [again(text)["input_ids"] for text in (*KNOWN, *NEW)] == [
        trimmed(text)["input_ids"] for text in (*KNOWN, *NEW)
    ]


def test__other_words_fall_into_kept_pieces_down_to_characters(tokenizer):
    kept = needed_pieces(tokenizer, used(tokenizer), None)
    trimmed = trimmed_tokenizer(tokenizer, kept)
    for text in NEW:
        known = set(tokenizer(text)["input_ids"]) <= set(kept)
        assert (pieces(trimmed, text) == pieces(tokenizer, text)) == known
        if trimmed.mask_token is None:  # words are never spelt
            continue
        spelt = [Vocabulary(trimmed).text_of(piece) for piece in trimmed(text)["input_ids"][1:-1]]
        assert "".join(spelt) == text.replace(" ", "")


def test__so_many_pieces_are_the_commonest_and_then_the_first(tiny_tokenizer):
    least = len(needed_pieces(tiny_tokenizer, np.zeros(len(tiny_tokenizer), np.int64), None))
    counts = np.zeros(len(tiny_tokenizer), np.int64)
    counts[tiny_tokenizer.convert_tokens_to_ids(["dull", "plot", "##ing"])] = (5, 9, 7)

    def beyond(most):
        kept = tiny_tokenizer.convert_ids_to_tokens(needed_pieces(tiny_tokenizer, counts, most))
        assert len(kept) == most
        return {piece for piece in kept if len(piece.removeprefix("##")) > 1 and not piece.startswith("[")}

    assert [beyond(least + more) for more in (0, 1, 2)] == [set(), {"plot"}, {"plot", "##ing"}]
    assert beyond(least + 5) == {"plot", "##ing", "dull", "the", "film"}
    check_room(tiny_tokenizer, least)
    with pytest.raises(UserError, match=rf"student.vocabulary={least - 1}: .* are {least}; take more, or train"):
        check_room(tiny_tokenizer, least - 1)


def test__a_piece_of_bpe_stays_only_with_all_that_it_is_merged_from():
    tokenizer = make_byte_tokenizer([*KNOWN, *NEW])
    counts = used(tokenizer, ("movie",))
    for most in range(261, 275):
        kept = needed_pieces(tokenizer, counts, most)
        assert len(kept) <= most
        trimmed = trimmed_tokenizer(tokenizer, kept)
        long = [piece for piece in tokenizer.convert_ids_to_tokens(kept) if len(piece) > 1 and "<" not in piece]
        assert all(pieces(trimmed, piece.replace("Ġ", " "))[1:-1] == [piece] for piece in long)
