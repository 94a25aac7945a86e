"""What a word is: letters and digits between spaces, each mark by itself; where text is rewritten, each ideograph."""

from functools import cache
from typing import Any, Final

# Chinese characters, in blocks that BERT's tokenizer sets apart.
_IDEOGRAPH: Final = (
    "[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002a6df\U0002a700-\U0002ceaf\U0002f800-\U0002fa1f]"
)


@cache
def word_splitter(*, ideographs: bool = True) -> Any:
    """A pre-tokeniser of the library tokenizers that gives words with their offsets.

    Args:
        ideographs: Whether each Chinese character is a word, or a whole run of them.
    """
    from tokenizers import Regex
    from tokenizers.pre_tokenizers import BertPreTokenizer, Sequence, Split

    apart = [Split(Regex(_IDEOGRAPH), "isolated")] if ideographs else []
    return Sequence([*apart, BertPreTokenizer()])
