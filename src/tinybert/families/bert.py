"""BERT (Devlin et al. 2019, arXiv:1810.04805): the layout that the others are told apart from."""

from tinybert.families.parts import Layout
from tinybert.families.transformer import TransformerFamily

BERT = TransformerFamily(Layout("bert", head_hidden="bert.pooler.dense", head_output="classifier", masked_lm=("cls",)))
