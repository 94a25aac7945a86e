"""Parts of speech of the words of a text: from WordNet by frequency, or from a spaCy model that the user names."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, Final

from tinybert.data.lexicon import tag
from tinybert.data.words import Word
from tinybert.errors import UserError

WORDNET: Final = "wordnet"
Tagger = Callable[[str, Sequence[Word]], list[str]]  # from a text and some of its words to their tags


def tagger_of(name: str) -> Tagger:
    """The tagger of that name: `wordnet`, or a spaCy model.

    Raises:
        UserError: If spaCy or its model is not installed.
    """
    return most_frequent if name == WORDNET else _by_model(_loaded(name))


def most_frequent(text: str, words: Sequence[Word]) -> list[str]:
    """The tag each word mostly has, whatever stands around it; see `data.lexicon.tag`."""
    del text
    return [tag(word.text) for word in words]


def _loaded(name: str) -> Any:
    try:
        spacy = import_module("spacy")
    except ImportError:
        raise UserError(
            "augment.tagger: spaCy is not installed; pip install 'tinybert[spacy]', or use wordnet"
        ) from None
    try:
        return spacy.load(name, exclude=["parser", "lemmatizer", "ner"])
    except OSError:
        raise UserError(f"augment.tagger: spaCy finds no model {name!r}; install it, or use {WORDNET}") from None


def _by_model(model: Any) -> Tagger:
    def tags(text: str, words: Sequence[Word]) -> list[str]:
        """The tag of the token in which each word begins: spaCy cuts "film's" in two."""
        tokens = [(token.idx, token.pos_) for token in model(text)]
        starts = [start for start, _ in tokens]
        return [str(tokens[bisect_right(starts, word.start) - 1][1]) for word in words]

    return tags
