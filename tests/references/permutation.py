"""Twin of the order of blocks: one index at a time, in Python's numbers without a limit.

Luby & Rackoff 1988 (Feistel network), Black & Rogaway 2002 (cycle walking), Steele et al. 2014 (splitmix64).
"""

WORD = 2**64


def mixed(word):
    word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9 % WORD
    word = (word ^ (word >> 27)) * 0x94D049BB133111EB % WORD
    return word ^ (word >> 31)


def permuted(index, size, key, rounds=10):
    half = 1
    while 4**half < size:
        half += 1
    while True:
        left, right = divmod(index, 2**half)
        for number in range(rounds):
            hashed = mixed((right + mixed((key + (number + 1) * 0x9E3779B97F4A7C15) % WORD)) % WORD)
            left, right = right, left ^ (hashed % 2**half)
        index = left * 2**half + right
        if index < size:
            return index
