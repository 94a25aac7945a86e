"""Near words out of a masked language model's embeddings."""

from conftest import VOCABULARY
from references import vectors as slow
from tinybert.augment.neighbours import PieceNeighbours


def test_nearest__are_whole_words_near_the_mean_of_the_pieces(mlm):
    vectors = dict(zip(VOCABULARY, mlm.piece_vectors.double().tolist(), strict=True))
    words = {piece: vectors[piece] for piece in VOCABULARY if piece.isalpha() and len(piece) > 2}
    mean = [(a + b) / 2 for a, b in zip(vectors["film"], vectors["##ing"], strict=True)]
    del words["film"]  # its own piece
    expected = slow.nearest({**words, "filming": mean}, "filming", 4)
    assert set(PieceNeighbours(mlm).nearest(["filming"], 4)[0]) == set(expected)


def test_nearest__words_of_unknown_letters_have_none(mlm):
    near = PieceNeighbours(mlm)
    assert near.nearest(["‽", "filming", "‽"], 2)[::2] == [(), ()]


def test_nearest__the_same_whatever_is_asked_for_together(mlm):
    both = PieceNeighbours(mlm).nearest(["filming", "badly"], 3)
    assert both == [PieceNeighbours(mlm).nearest([word], 3)[0] for word in ("filming", "badly")]
