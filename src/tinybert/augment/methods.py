"""The methods of augmentation: one module each. This dictionary is the only list of them."""

from collections.abc import Mapping

from tinybert.augment import bert_glove, cbert, eda, stationary, tang
from tinybert.augment.method import Method

METHODS: Mapping[str, Method] = {
    "bert_glove": bert_glove.METHOD,
    "eda": eda.METHOD,
    "cbert": cbert.METHOD,
    "tang": tang.METHOD,
    "stationary": stationary.METHOD,
}
