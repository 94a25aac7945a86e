"""A tokenizer whose pieces are the words of some texts, for what has no pretrained vocabulary."""

from collections import Counter
from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")  # the first ids
_WORD = r"\b\w\w+\b"  # what scikit-learn takes for a word


def words_tokenizer(texts: Iterable[str], least: int, most: int) -> PreTrainedTokenizerFast:
    """Words in small letters; a text is [CLS] words [SEP], a pair has the second text's words and a [SEP] behind it.

    Args:
        texts: Where the words come from.
        least: In how many of them a word must occur.
        most: How many words at most; the commonest stay, of equally common ones the first by letters.
    """
    tokenizer = Tokenizer(models.WordLevel({}, unk_token=SPECIAL[1]))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(_WORD), behavior="removed", invert=True)
    found: Counter[str] = Counter()
    for text in texts:
        plain = tokenizer.normalizer.normalize_str(text)
        found.update({word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(plain)})
    known = sorted((word for word, count in found.items() if count >= least), key=lambda word: (-found[word], word))
    tokenizer.model = models.WordLevel(
        {word: number for number, word in enumerate((*SPECIAL, *known[:most]))}, unk_token=SPECIAL[1]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B [SEP]",
        special_tokens=[(name, SPECIAL.index(name)) for name in SPECIAL[2:]],
    )
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token"), SPECIAL, strict=True))
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_input_names=["input_ids", "attention_mask"], **names
    )
