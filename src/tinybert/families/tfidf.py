"""TF-IDF of words and a linear map: a floor without any network (Salton and Buckley 1988), in the form of one.

A text is a vector over n-grams of word ids, 1 + log of how often each occurs times how rare it is in training, of
length 1. Ids come from a tokenizer whose pieces are words (`data/words_tokenizer`), so that everything that reads
networks reads this one too, and its ONNX file takes the same inputs as any other's; it has ONNX's own operator for
counts of n-grams.
"""

from typing import Any, ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import PretrainedConfig

from tinybert.errors import UserError
from tinybert.families.own import OwnFamily, OwnNetwork, compared, first_text


@final
class TfidfConfig(PretrainedConfig):  # type: ignore[misc]  # transformers' is not typed
    """What config.json says.

    Attributes:
        vocab_size: How many ids there are.
        first_word: Ids below it are special.
        ngrams: Words of the longest n-gram, 1 to 3.
        features: How many n-grams count.
        separator: The id of the piece that ends the first text of a pair; None = one text is read.
    """

    model_type = "tfidf"

    def __init__(
        self,
        *,
        vocab_size: int = 30_522,
        first_word: int = 4,
        ngrams: int = 2,
        features: int = 50_000,
        separator: int | None = None,
        **of_all: Any,
    ) -> None:
        super().__init__(**of_all)
        self.vocab_size, self.first_word, self.separator = vocab_size, first_word, separator
        self.ngrams, self.features = ngrams, features


@final
class Tfidf(OwnNetwork):
    """Counts, weights, head; nothing of it is trained by gradients.

    Attributes:
        grams: The codes of the n-grams that count, ascending; see `codes`.
        idf: The inverse document frequency of each.
    """

    sizes: ClassVar = {"layers": "ngrams", "width": "features"}
    grams: Tensor

    def __init__(self, config: PretrainedConfig) -> None:
        super().__init__(config)
        self.register_buffer("grams", torch.zeros(config.features, dtype=torch.long))
        self.idf = nn.Parameter(torch.ones(config.features))
        self.classifier = nn.Linear(config.features * (1 if config.separator is None else 4), config.num_labels)

    @property
    def piece_vectors(self) -> Float[Tensor, "vocabulary width"]:
        """There are none.

        Raises:
            UserError: Always.
        """
        raise UserError("tfidf networks have no vectors of pieces; take another network")

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """The logits (batch, label) of words (batch, word); the separator parts pairs."""
        return self.answer([self.counts(words) for words in self.sides(input_ids, attention_mask)])

    def sides(self, input_ids: Tensor, attention_mask: Tensor) -> list[Tensor]:
        """The words of the text, or of both of a pair; 0 where a position is not one of them, all (batch, word)."""
        if self.config.separator is None:
            return [input_ids * attention_mask]
        first = first_text(input_ids, attention_mask, self.config.separator)
        return [input_ids * first, input_ids * (attention_mask - first)]

    def codes(self, words: Tensor) -> Tensor:
        """A number for each n-gram of words (batch, word), by its ids as digits; -1 where a part is no word."""
        size, found, codes, real = self.config.vocab_size, [], words, words >= self.config.first_word
        for length in range(1, self.config.ngrams + 1):
            if length > 1:
                codes = codes[:, :-1] * size + words[:, length - 1 :]
                real = real[:, :-1] & (words[:, length - 1 :] >= self.config.first_word)
            found.append(torch.where(real, codes, -1))
        return torch.cat(found, dim=1)

    def counts(self, words: Tensor) -> Tensor:
        """How often each n-gram that counts occurs (batch, feature)."""
        codes = self.codes(words)
        index = torch.searchsorted(self.grams, codes).clamp(max=len(self.grams) - 1)
        known = (self.grams[index] == codes).to(self.idf.dtype)
        return known.new_zeros(len(words), len(self.grams)).scatter_add_(1, index, known)

    def answer(self, counts: list[Tensor]) -> Tensor:
        """The logits of texts, or of pairs, by their counts."""
        weighted = [torch.where(often > 0, 1 + often.clamp(min=1).log(), 0.0) * self.idf for often in counts]
        features = [one / one.norm(dim=1, keepdim=True).clamp(min=1e-12) for one in weighted]
        logits: Tensor = self.classifier(features[0] if len(features) == 1 else compared(*features))
        return logits

    def flops(self, length: int, outputs: int) -> int:  # noqa: ARG002
        """The head; a multiply-add counted as two."""
        return 2 * self.classifier.in_features * outputs

    def for_onnx(self) -> nn.Module:
        """A copy whose counts are an operator of ONNX."""
        return _OnnxTfidf(self)


@final
class _OnnxTfidf(nn.Module):
    """What only an exporter can run."""

    def __init__(self, network: Tfidf) -> None:
        super().__init__()
        self.network = network
        size, longest, codes = network.config.vocab_size, network.config.ngrams, network.grams.tolist()
        by_length = [[code for code in codes if size ** (n - 1) <= code < size**n] for n in range(1, longest + 1)]
        digits = [
            [code // size**place % size for place in reversed(range(n))]
            for n, part in enumerate(by_length, 1)
            for code in part
        ]
        starts = [sum(n * len(part) for n, part in enumerate(by_length[:length], 1)) for length in range(longest)]
        self.operator: dict[str, Any] = {
            "mode": "TF",
            "min_gram_length": 1,
            "max_gram_length": longest,
            "max_skip_count": 0,
            "ngram_counts": starts,
            "ngram_indexes": list(range(len(codes))),
            "pool_int64s": [digit for gram in digits for digit in gram],
        }

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """See `Tfidf.forward`."""
        return self.network.answer([self._counts(words) for words in self.network.sides(input_ids, attention_mask)])

    def _counts(self, words: Tensor) -> Tensor:
        """Special ids are in no n-gram that counts, and neither is what is no word."""
        shape = (words.shape[0], len(self.network.grams))
        counts: Tensor = torch.onnx.ops.symbolic(
            "TfIdfVectorizer", (words,), self.operator, dtype=torch.float32, shape=shape
        )
        return counts


TFIDF = OwnFamily(Tfidf, TfidfConfig)
