"""The large network of a benchmark: a folder, or one of BERT base's sizes with random weights, which costs the same."""

from pathlib import Path

import torch
from transformers import BertConfig, BertForMaskedLM

from tinybert.export.hub import save_network
from tinybert.families import network_of
from tinybert.models.embedded import folder_of_minilm
from tinybert.models.loading import load_tokenizer

TEXTS = Path(__file__).parents[1] / "src" / "tinybert" / "demo_data" / "kitchen_train.tsv"


def large(given: str | None, folder: Path) -> Path:
    """The folder that was given; else `folder`, with a masked LM of 12x768 and the tokenizer of all-MiniLM-L6-v2."""
    if given is not None:
        return Path(given)
    torch.manual_seed(0)
    save_network(network_of(BertForMaskedLM(BertConfig()).eval()), load_tokenizer(folder_of_minilm()), folder)
    return folder
