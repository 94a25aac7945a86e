"""Twin of the packing of plain text: everything tokenised at once, put on end in one list, cut.

`tokenise` is a function from a text to its pieces, without special ones; `before` and `after` are put around a block.
"""


def shards_of(texts, shard_bytes):
    """Texts go to a shard until it has so many bytes."""
    shards, sizes = [], []
    for text in texts:
        if not shards or sizes[-1] >= shard_bytes:
            shards.append([])
            sizes.append(0)
        shards[-1].append(text)
        sizes[-1] += len(text.encode())
    return shards


def packed(texts, tokenise, block_length, before, after, shard_bytes):
    """The blocks in order, and how many pieces are left out."""
    blocks, left_out = [], 0
    body = block_length - len(before) - len(after)
    for shard in shards_of(texts, shard_bytes):
        pieces = [piece for text in shard for piece in tokenise(f" {text}")]
        while len(pieces) >= body:
            blocks.append([*before, *pieces[:body], *after])
            del pieces[:body]
        left_out += len(pieces)
    return blocks, left_out
