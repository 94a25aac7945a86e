"""First weights of a BiLSTM's table: those of words of which there are vectors."""

import torch

from tinybert.data.vectors import WordVectors
from tinybert.errors import UserError
from tinybert.families.bilstm import BiLSTM
from tinybert.models.vocabulary import Vocabulary


def take_vectors(network: BiLSTM, vectors: WordVectors, vocabulary: Vocabulary) -> int:
    """Give pieces that are whole words the vectors of these words, in place.

    Args:
        network: As wide as the vectors.
        vectors: Of words, each of length 1.
        vocabulary: Of the network.

    Returns:
        How many pieces have one.

    Raises:
        UserError: If no piece has one.
    """
    pieces = vocabulary.starts_word.nonzero()[0]
    known, found = vectors.of([vocabulary.text_of(piece) for piece in pieces.tolist()])
    if not known.any():
        raise UserError("--vectors: none of its words is a piece of the teacher's vocabulary; take its language")
    with torch.no_grad():
        network.embeddings.weight[torch.from_numpy(pieces[known])] = torch.from_numpy(found[known])
    return int(known.sum())
