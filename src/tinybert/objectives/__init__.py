"""What a student is trained on: pure functions, with a thin module below each; one value per example."""

from tinybert.layer_maps import LayerMap, layer_map, patience_map
from tinybert.objectives.attention import AttentionScoreMSE
from tinybert.objectives.binary import GoldBinaryCrossEntropy, SoftBinaryCrossEntropy
from tinybert.objectives.cosine import CosineDistance
from tinybert.objectives.hidden import HiddenMSE
from tinybert.objectives.masked_lm import MaskedCrossEntropy, MaskedSoftCrossEntropy
from tinybert.objectives.patience import PatienceMSE
from tinybert.objectives.pieces import PieceCrossEntropy, PieceSoftCrossEntropy
from tinybert.objectives.prediction import GoldCrossEntropy, GoldMSE, LogitsMSE, ScoreMSE, SoftCrossEntropy
from tinybert.objectives.relation import RelationKL, SelfRelationKL
from tinybert.objectives.spans import SpanCrossEntropy, SpanSoftCrossEntropy
from tinybert.objectives.sum import Sum

__all__ = [
    "AttentionScoreMSE",
    "CosineDistance",
    "GoldBinaryCrossEntropy",
    "GoldCrossEntropy",
    "GoldMSE",
    "HiddenMSE",
    "LayerMap",
    "LogitsMSE",
    "MaskedCrossEntropy",
    "MaskedSoftCrossEntropy",
    "PatienceMSE",
    "PieceCrossEntropy",
    "PieceSoftCrossEntropy",
    "RelationKL",
    "ScoreMSE",
    "SelfRelationKL",
    "SoftBinaryCrossEntropy",
    "SoftCrossEntropy",
    "SpanCrossEntropy",
    "SpanSoftCrossEntropy",
    "Sum",
    "layer_map",
    "patience_map",
]
