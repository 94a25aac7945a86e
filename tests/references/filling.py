"""Twin of the masked-LM sampler: softmax, the K best, and a draw by the running sum, one number at a time."""

import math


def softmax(logits, allowed, temperature):
    usable = [number for number, is_allowed in enumerate(allowed) if is_allowed]
    largest = max(logits[number] for number in usable)
    weights = {number: math.exp((logits[number] - largest) / temperature) for number in usable}
    total = math.fsum(weights.values())
    return [weights.get(number, 0.0) / total for number in range(len(logits))]


def top_candidates(logits, allowed, count):
    usable = [number for number, is_allowed in enumerate(allowed) if is_allowed]
    return sorted(sorted(usable, key=lambda number: -logits[number])[:count])


def drawn(probabilities, uniform):
    passed = 0.0
    for number, probability in enumerate(probabilities):
        passed += probability
        if probability and uniform < passed:
            return number
    return max(number for number, probability in enumerate(probabilities) if probability)
