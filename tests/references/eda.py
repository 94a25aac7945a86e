"""Twin of EDA's operations: what can become of a list of words, with exact probabilities.

Wei and Zou 2019 (arXiv:1901.11196), section 2. Words are plain lower-case strings; `synonyms` lists those of every word
that has any and is no stop word. Probabilities are fractions.
"""

from fractions import Fraction
from itertools import permutations, product


def replaced(words, synonyms, count):
    """`count` different words become one of their synonyms, wherever they stand."""
    found = {}
    distinct = sorted({word for word in words if synonyms.get(word)})
    orders = list(permutations(distinct))
    for order in orders:
        chosen = order[:count]
        choices = list(product(*(synonyms[word] for word in chosen)))
        for choice in choices:
            change = dict(zip(chosen, choice, strict=True))
            _add(found, tuple(change.get(word, word) for word in words), Fraction(1, len(orders) * len(choices)))
    return found


def inserted(words, synonyms, count):
    """`count` times a synonym of a word of the original comes in at any position of what there is by then."""
    now = {tuple(words): Fraction(1)}
    sources = [word for word in words if synonyms.get(word)]
    for _ in range(count if sources else 0):
        after = {}
        for sentence, share in now.items():
            for source in sources:
                for synonym in synonyms[source]:
                    for position in range(len(sentence) + 1):
                        longer = (*sentence[:position], synonym, *sentence[position:])
                        _add(after, longer, share / len(sources) / len(synonyms[source]) / (len(sentence) + 1))
        now = after
    return now


def swapped(words, count, tags=None):
    """`count` times two words change places; of words with tags only such as have the same tag."""
    tags = tags or [0] * len(words)
    now = {tuple(words): Fraction(1)}
    partners = [[b for b in range(len(words)) if b != a and tags[a] == tags[b]] for a in range(len(words))]
    firsts = [position for position, others in enumerate(partners) if others]
    for _ in range(count if firsts else 0):
        after = {}
        for sentence, share in now.items():
            for one in firsts:
                for other in partners[one]:
                    changed = list(sentence)
                    changed[one], changed[other] = changed[other], changed[one]
                    _add(after, tuple(changed), share / len(firsts) / len(partners[one]))
        now = after
    return now


def deleted(words, probability):
    """Each word goes with a probability; if all would go, one of them stays; a single word stays."""
    if len(words) == 1:
        return {tuple(words): Fraction(1)}
    found = {}
    for going in product([True, False], repeat=len(words)):
        share = Fraction(1)
        for one in going:
            share *= probability if one else 1 - probability
        rest = tuple(word for word, gone in zip(words, going, strict=True) if not gone)
        if rest:
            _add(found, rest, share)
        else:
            for word in words:
                _add(found, (word,), share / len(words))
    return found


def _add(found, outcome, share):
    found[outcome] = found.get(outcome, Fraction(0)) + share
