"""First weights of a BiLSTM: random, but for pieces that are words of which there are vectors."""

import torch
from transformers import PretrainedConfig

from tinybert.data.vectors import WordVectors
from tinybert.errors import UserError
from tinybert.families.bilstm import BILSTM, BiLSTM
from tinybert.models.vocabulary import Vocabulary


def random(config: PretrainedConfig, seed: int) -> BiLSTM:
    """A network with initial weights, drawn from a seed alone; eval mode."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return BILSTM.create(config, "")


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
