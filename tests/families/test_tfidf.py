"""TF-IDF in the form of a network: by scikit-learn's arithmetic, in torch and in ONNX, whatever is beside a text."""

import numpy as np
import pytest
import torch
from sklearn.feature_extraction.text import TfidfVectorizer

from tinybert.data.encode import encode
from tinybert.data.examples import Examples
from tinybert.data.words_tokenizer import words_tokenizer
from tinybert.export.onnx import export_onnx
from tinybert.export.runtime import OnnxModel
from tinybert.families.tfidf import Tfidf, TfidfConfig
from tinybert.models.heads import Head
from tinybert.types import Batch, Example

TEXTS = ["A good film, a good plot!", "Naïve and dull, the film", "good", "it isn't a good film; it isn't dull", "?"]


@pytest.fixture
def words():
    return words_tokenizer(TEXTS, 1, 100)


def network(tokenizer, ngrams=2, *, pairs=False):
    """All n-grams of the texts count, with scikit-learn's weights; the head is random."""
    vectorizer = TfidfVectorizer(ngram_range=(1, ngrams), sublinear_tf=True).fit(TEXTS)
    ids = tokenizer.get_vocab()
    by_code = {}
    for gram, column in vectorizer.vocabulary_.items():
        code = 0
        for word in gram.split():
            code = code * len(ids) + ids[word]
        by_code[code] = column
    separator = tokenizer.sep_token_id if pairs else None
    config = TfidfConfig(vocab_size=len(ids), ngrams=ngrams, features=len(by_code), separator=separator)
    config.pad_token_id = tokenizer.pad_token_id
    Head(("neg", "so", "pos")).describe_in(config)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = Tfidf(config).eval()
    made.grams.copy_(torch.tensor(sorted(by_code)))
    columns = [by_code[code] for code in sorted(by_code)]
    made.idf.data = torch.from_numpy(vectorizer.idf_[columns]).float()
    return made, lambda texts: vectorizer.transform(texts).toarray()[:, columns]


def batch_of(tokenizer, texts, second=None):
    found = tokenizer(texts, second, padding=True, return_tensors="pt")
    return Batch.from_tokenizer(found)


def logits(made, batch):
    with torch.no_grad():
        return made(**made.inputs(batch))


@pytest.mark.parametrize("ngrams", [1, 2, 3])
def test__it_is_scikit_learns(words, ngrams):
    made, features = network(words, ngrams)
    texts = [*TEXTS, "the good good good film", "nothing known here", "plot"]
    expected = features(texts) @ made.classifier.weight.detach().numpy().T + made.classifier.bias.detach().numpy()
    np.testing.assert_allclose(logits(made, batch_of(words, texts)).numpy(), expected, atol=1e-6)


def test__pairs_are_two_texts_that_are_compared(words):
    made, features = network(words, pairs=True)
    first, second = TEXTS, TEXTS[1:] + TEXTS[:1]
    u, v = features(first), features(second)
    compared = np.concatenate([u, v, abs(u - v), u * v], axis=1)
    expected = compared @ made.classifier.weight.detach().numpy().T + made.classifier.bias.detach().numpy()
    np.testing.assert_allclose(logits(made, batch_of(words, first, second)).numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("pairs", [True, False])
@pytest.mark.parametrize("ngrams", [1, 2, 3])
def test__its_onnx_file_counts_the_same_and_padding_is_never_read(words, tmp_path, ngrams, pairs):
    made, _ = network(words, ngrams, pairs=pairs)
    report = export_onnx(made, words, tmp_path, max_length=16)
    assert report.parity_difference < 1e-5
    batch = batch_of(words, TEXTS, TEXTS[::-1] if pairs else None)
    alone = logits(made, batch)
    torch.testing.assert_close(OnnxModel(report.model, 1).batch_logits(batch), alone, atol=1e-5, rtol=1e-5)
    noisy = torch.where(batch.real, batch.input_ids, words.get_vocab()["good"])
    torch.testing.assert_close(logits(made, Batch(noisy, batch.token_type_ids, batch.real, None, batch.rows)), alone)


def test__words_are_those_of_scikit_learn(words, tmp_path):
    analyze = TfidfVectorizer().build_analyzer()
    assert [words.convert_ids_to_tokens(words(text)["input_ids"])[1:-1] for text in TEXTS] == [*map(analyze, TEXTS)]
    rows = encode(Examples.of([Example("unheard of film")]), words, 8, tmp_path / "rows.arrow")
    assert rows.unknown == pytest.approx(2 / 3)


def test__the_commonest_words_stay():
    assert set(words_tokenizer(TEXTS, 2, 100).get_vocab()) == {
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "good",
        "film",
        "dull",
    }
    assert set(words_tokenizer(TEXTS, 1, 2).get_vocab()) >= {"good", "film"}
    assert len(words_tokenizer(TEXTS, 1, 2)) == 6
