"""Twin of Tang's augmentation: what can become of a list of words, with exact probabilities.

Tang et al. 2019 (arXiv:1903.12136), section 4.3. `tags` is the tag of each word of the sentence; `corpus` lists the
words of each tag, as often as they occur. A result of nothing but masks is drawn again.
"""

from fractions import Fraction
from itertools import product


def rewritten(words, tags, corpus, p_mask, p_pos, p_ngram, mask="[MASK]", longest=5):
    found = {}
    fates = [_fates(word, tag, corpus, p_mask, p_pos, mask) for word, tag in zip(words, tags, strict=True)]
    for combination in product(*(fate.items() for fate in fates)):
        share = Fraction(1)
        for _, part in combination:
            share *= part
        sentence = tuple(word for word, _ in combination)
        _add(found, sentence, share * (1 - p_ngram))
        for size in range(1, longest + 1):
            kept = min(size, len(sentence))
            starts = range(len(sentence) - kept + 1)
            for start in starts:
                _add(found, sentence[start : start + kept], share * p_ngram / longest / len(starts))
    valid = {sentence: share for sentence, share in found.items() if share and any(word != mask for word in sentence)}
    whole = sum(valid.values())
    return {sentence: share / whole for sentence, share in valid.items()}


def _fates(word, tag, corpus, p_mask, p_pos, mask):
    """What a single word can become."""
    fate = {}
    _add(fate, mask, p_mask)
    _add(fate, word, 1 - p_mask - p_pos)
    for other in corpus[tag]:
        _add(fate, other, p_pos / len(corpus[tag]))
    return fate


def _add(found, outcome, share):
    found[outcome] = found.get(outcome, Fraction(0)) + share
