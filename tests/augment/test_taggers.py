import sys
from types import SimpleNamespace
from typing import Any

import pytest

from tinybert.augment.taggers import tagger_of
from tinybert.data.words import spaced_words_of
from tinybert.errors import UserError

TEXT = "The film's end, again!"


def tokens(text: str) -> list[Any]:
    """As a spaCy model cuts and tags `TEXT`."""
    cut = [
        ("The", 0, "DET"),
        ("film", 4, "NOUN"),
        ("'s", 8, "PART"),
        ("end", 11, "NOUN"),
        (",", 14, "PUNCT"),
        ("again", 16, "ADV"),
    ]
    return [SimpleNamespace(idx=start, pos_=tag) for _, start, tag in cut]


def load(name: str, exclude: list[str]) -> Any:
    if name != "en_small":
        raise OSError("[E050] Can't find model")
    return tokens


def test_tagger_of__wordnet_tags_word_by_word() -> None:
    assert tagger_of("wordnet")(TEXT, spaced_words_of(TEXT)) == ["DET", "NOUN", "NOUN", "ADV"]


def test_tagger_of__a_spacy_model_tags_words_by_the_token_they_begin_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spacy", SimpleNamespace(load=load))
    assert tagger_of("en_small")(TEXT, spaced_words_of(TEXT)) == ["DET", "NOUN", "NOUN", "ADV"]


def test_tagger_of__says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spacy", None)
    with pytest.raises(UserError, match=r"tinybert\[spacy\]"):
        tagger_of("en_small")
    monkeypatch.setitem(sys.modules, "spacy", SimpleNamespace(load=load))
    with pytest.raises(UserError, match="finds no model 'en_big'"):
        tagger_of("en_big")
