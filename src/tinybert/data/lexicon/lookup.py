"""Questions to the table: the synonyms of a word, and its part of speech.

A word that stands in the table as itself means what stands there, and what it is an irregular form of: `saw` is the
tool, to saw, and to see. Only other words are taken for regular forms: `films` is a form of the noun and of the verb
`film`, but `works`, which stands there as a noun, is no form of `work`. As the same part of speech an irregular form
is no regular one: `lives` comes of the noun `life` and of the verb `live`, not of a noun `live`.
"""

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from tinybert.data.lexicon.closed import CLOSED
from tinybert.data.lexicon.table import Entry, Irregular, packaged
from tinybert.data.words import is_mark

_TAGS: Final = {"n": "NOUN", "v": "VERB", "a": "ADJ", "r": "ADV"}  # in the order in which ties are settled
_ENDINGS: Final = {  # regular endings and what stands there in the base form; man page morphy(7) of WordNet
    "n": (
        ("s", ""),
        ("ses", "s"),
        ("xes", "x"),
        ("zes", "z"),
        ("ches", "ch"),
        ("shes", "sh"),
        ("men", "man"),
        ("ies", "y"),
    ),
    "v": (("s", ""), ("ies", "y"), ("es", "e"), ("es", ""), ("ed", "e"), ("ed", ""), ("ing", "e"), ("ing", "")),
    "a": (("er", ""), ("est", ""), ("er", "e"), ("est", "e")),
}
_KEPT = 1 << 16  # words whose entries are cached: more than the vocabulary of most data sets


@lru_cache(_KEPT)
def synonyms(word: str) -> tuple[str, ...]:
    """The words that share a sense with this one: of all its senses and parts of speech, the frequent ones first.

    Unlike the synonyms of EDA's code they are not cleaned (capitals and hyphens stay; some are several words), and a
    form of a word is no synonym of it: `film` is none of `films`. They come in their base form, as there.

    Args:
        word: In any case; without the punctuation around it.

    Example:
        >>> synonyms("garbage"), synonyms("Galore"), synonyms("film")[:2]
        (('refuse', 'food waste', 'scraps', 'drivel'), ('abounding',), ('movie', 'picture'))
    """
    key = _key(word)
    found = dict.fromkeys(other for entry in _entries(key) for sense in entry.senses for other in sense)
    return tuple(other for other in found if other.lower() != key)


@lru_cache(_KEPT)
def tag(word: str) -> str:
    """The part of speech a word mostly has, whatever stands around it.

    Closed classes first, then as what the word and the words it is a form of were seen most often; where none was seen,
    what has the most senses; NOUN for words unknown.

    Args:
        word: In any case; without the punctuation around it.

    Returns:
        NOUN VERB ADJ ADV; AUX DET PRON ADP CONJ PART; NUM (begins with a digit); PUNCT (no letter or digit).

    Example:
        >>> [tag(word) for word in "The saw , 3 films and entertaining blorps".split()]
        ['DET', 'VERB', 'PUNCT', 'NUM', 'NOUN', 'CONJ', 'ADJ', 'NOUN']
    """
    key = _key(word)
    if key in CLOSED:
        return CLOSED[key]
    if is_mark(key):
        return "PUNCT"
    if key[0].isdigit():
        return "NUM"
    seen, senses = Counter[str](), Counter[str]()
    for entry in _entries(key):
        seen[entry.part] += entry.seen
        senses[entry.part] += len(entry.senses)
    return _TAGS[max(_TAGS, key=lambda part: (seen[part], senses[part]))]


def knows(word: str) -> bool:
    """Whether a word, in any case, is English: of a closed class, or a form of one that stands in the table."""
    key = _key(word)
    return key in CLOSED or bool(_entries(key))


def _entries(key: str) -> list[Entry]:
    """What the table says of a word and of the words it is a form of."""
    listed = packaged()[key]
    found = [field for field in listed if isinstance(field, Entry)]
    bases = {} if found else _regular(key)
    bases |= {field.part: field.bases for field in listed if isinstance(field, Irregular)}
    return found + [entry for part in _TAGS for base in bases.get(part, ()) for entry in _of_part(base, part)]


def _regular(key: str) -> dict[str, Sequence[str]]:
    """By part of speech: the words that a word may be a regular form of."""
    return {
        part: list(dict.fromkeys(key.removesuffix(ending) + other for ending, other in endings if key.endswith(ending)))
        for part, endings in _ENDINGS.items()
    }


def _of_part(base: str, part: str) -> list[Entry]:
    return [field for field in packaged()[base] if isinstance(field, Entry) and field.part == part]


def _key(word: str) -> str:
    return word.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
