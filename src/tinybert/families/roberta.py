"""RoBERTa (Liu et al. 2019, arXiv:1907.11692) and its own: XLM-RoBERTa and CamemBERT, whose pieces are SentencePiece's.

Positions are counted from the padding piece's id, which is 1 in every published model of these three.
"""

from tinybert.families.parts import Layout
from tinybert.families.transformer import TransformerFamily

ROBERTA, XLM_ROBERTA, CAMEMBERT = (
    TransformerFamily(Layout(name, first_position=2)) for name in ("roberta", "xlm-roberta", "camembert")
)
