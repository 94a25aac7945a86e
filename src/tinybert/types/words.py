"""What a word is: letters and digits between spaces, and each mark and each Chinese character by itself."""

from functools import cache
from typing import Any, Final

# The blocks that BERT's tokenizer sets apart. export/predict.py and web/static/model.js have them too.
_IDEOGRAPH: Final = (
    "[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002a6df\U0002a700-\U0002ebef\U0002f800-\U0002fa1f]"
)


@cache
def word_splitter() -> Any:
    """A pre-tokeniser of the library tokenizers that gives words with their offsets."""
    from tokenizers import Regex
    from tokenizers.pre_tokenizers import BertPreTokenizer, Sequence, Split

    return Sequence([Split(Regex(_IDEOGRAPH), "isolated"), BertPreTokenizer()])
