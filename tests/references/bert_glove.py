"""Twin of TinyBERT's augmentation (arXiv:1909.10351, Algorithm 1): the probability of every possible copy of a text.

A text is a list of words, each a list of pieces. `scores(pieces, position)` is the masked language model: the logits at
a position of a text in which it is masked, of which those of `allowed(word)` can be candidates. `near(word)` are
the candidates of words of several pieces, each a list of pieces again. With probability p a word becomes one of its
candidates, each as likely; otherwise it stays.
"""


def outcomes(words, scores, near, allowed, count, p, progressive, keep_original):
    """All copies with their probabilities: {words as a tuple of tuples of pieces: probability}."""
    found = {}
    _walk(words, 0, [], 1.0, (scores, near, allowed, count, p, progressive, keep_original), found)
    return found


def _walk(words, number, before, probability, rules, found):
    if number == len(words):
        copy = tuple(tuple(word) for word in before)
        found[copy] = found.get(copy, 0.0) + probability
        return
    p = rules[4]
    options = _candidates(words, number, before, rules)
    if not options:
        _walk(words, number + 1, [*before, words[number]], probability, rules, found)
        return
    _walk(words, number + 1, [*before, words[number]], probability * (1 - p), rules, found)
    for option in options:
        _walk(words, number + 1, [*before, option], probability * p / len(options), rules, found)


def _candidates(words, number, before, rules):
    scores, near, allowed, count, _, progressive, keep_original = rules
    if len(words[number]) > 1:
        return near(words[number])
    shown = [*before, *words[number:]] if progressive else words
    pieces = [piece for word in shown for piece in word]
    position = sum(len(word) for word in shown[:number])
    logits = scores(pieces, position)
    usable = [piece for piece in allowed(words[number]) if keep_original or piece != words[number][0]]
    return [[piece] for piece in sorted(usable, key=lambda piece: -logits[piece])[:count]]
