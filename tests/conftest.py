"""Shared fixtures: a tokenizer and networks so small that a test takes milliseconds; no test reaches the network.

Nothing of tinybert is imported at the top: this file is read before the import hook that checks shapes is in place.
"""

import os
import socket
import string
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, get_args

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # HF_HUB_OFFLINE=0 pytest -m hub
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import jaxtyping
import numpy as np
import pytest
import torch
from hypothesis import settings

from recipes.workshop import Workshop, hurry_finish

_jaxtyped, _checked_once = jaxtyping.jaxtyped, set[Any]()


def _checking_shapes(made: Any = None, **how: Any) -> Any:
    """`jaxtyped` for what has shapes among its types; plain types are mypy's to check, which costs no test anything.

    A function inside of another is checked when it is first made: it would cost more each time than most of them do.
    """
    if made is None:
        return partial(_checking_shapes, **how)
    if not any(map(_has_shape, getattr(made, "__annotations__", {}).values())):
        return made
    if "<locals>" in made.__qualname__ and (code := getattr(made, "__code__", None)) is not None:
        if code in _checked_once:
            return made
        _checked_once.add(code)
    return _jaxtyped(made, **how)


def _has_shape(hint: Any) -> bool:
    return (isinstance(hint, type) and issubclass(hint, jaxtyping.AbstractArray)) or any(
        map(_has_shape, get_args(hint))
    )


jaxtyping.jaxtyped = _checking_shapes  # what --jaxtyping-packages decorates everything with

settings.register_profile("unhurried", deadline=None)  # a busy machine is no reason to fail
settings.load_profile("unhurried")

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORDS = ("the", "a", "film", "movie", "plot", "is", "was", "very", "not", "good", "bad", "great", "dull", "and", "it")
ENDINGS = ("##ing", "##ed", "##s", "##ly", "##ness")
LETTERS = string.ascii_lowercase + string.digits
SPELLING = (*LETTERS, *(f"##{letter}" for letter in LETTERS), *string.punctuation, "é", "##é")
VOCABULARY = (*SPECIAL, *WORDS, *ENDINGS, *SPELLING)
UNIGRAMS = (  # by rank: what comes first is preferred
    *("<s>", "<pad>", "</s>", "<unk>", "<mask>"),
    *(f"▁{word}" for word in (*WORDS, "très", "我们")),
    *("film", "ing", "ly", "##", "电影", "▁"),
    *LETTERS,
    *(mark for mark in string.punctuation if mark not in "~^`|"),
    *"éè好",
)
BYTES = tuple(f"<0x{byte:02X}>" for byte in "☃~".encode())


def pytest_report_header() -> str:
    """Which processor this is, and that the tests do not depend on it."""
    known = getattr(torch.cpu, "get_capabilities", dict)()  # older torch cannot say
    has = [name for name, there in known.items() if there is True and "bf16" in name]
    return f"processor: {', '.join(has) or 'no bf16'}; what follows it runs `without bf16` and `with bf16`"


@pytest.fixture(autouse=True)
def no_network(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that asks another machine for something fails, unless it is marked `hub`."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            pytest.fail(f"tried to connect to {address}")
        connect(self, address)

    if request.node.get_closest_marker("hub") is None:
        monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(scope="session", autouse=True)
def nobody_waits_for_the_disk() -> Iterator[None]:
    """A tenth of all time otherwise; only a power cut shows the difference. What is synced when: test_files.py."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def nobody_asks_the_processor() -> Iterator[None]:
    """A test fails in which a dtype or a kernel is that of whatever machine this is: numbers would be, too."""

    def refuse() -> None:
        pytest.fail("follows this machine's processor; take the fixture `processor`, or fp32")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cpu, "get_capabilities", refuse, raising=False)
        yield


@pytest.fixture(scope="module", params=[False, True], ids=["without bf16", "with bf16"])
def processor(request: pytest.FixtureRequest) -> Iterator[bool]:
    """Whether the processor reports bfloat16, which it computes in any case; what follows `auto` runs both ways."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": request.param}, raising=False)
        patch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
        yield request.param


@pytest.fixture(scope="session")
def tiny_tokenizer() -> Any:
    """A lower-casing WordPiece tokenizer in BERT's format that spells every ASCII word; [PAD] is 0."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    pieces = {piece: number for number, piece in enumerate(VOCABULARY)}
    backend = Tokenizer(models.WordPiece(pieces, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=True, strip_accents=False)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", pieces["[CLS]"]), ("[SEP]", pieces["[SEP]"])],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        model_max_length=64,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
        **{f"{name.strip('[]').lower()}_token": name for name in SPECIAL},
    )


@pytest.fixture(scope="session", params=[False, True], ids=["unknown", "bytes"])
def unigram_tokenizer(request: pytest.FixtureRequest) -> Any:
    """SentencePiece in both of its forms; see `make_unigram_tokenizer`."""
    return make_unigram_tokenizer(spelt_in_bytes=request.param)


@pytest.fixture
def tiny_model() -> Callable[..., Any]:
    """`tiny_model("roberta", layers, width, heads, inner, outputs, head)`: random weights, biases too; eval mode.

    `head` is "classifier" (default), "masked_lm" or "none". The same arguments and seed give the same weights.
    """
    return make_tiny_model


@pytest.fixture
def with_such_a_head(request: pytest.FixtureRequest) -> None:
    """Skip a test's `model_type` where transformers has no `head` of that kind for it."""
    from tinybert.families import TRANSFORMERS

    kind, head = (request.node.callspec.params[name] for name in ("model_type", "head"))
    if head == "answers" and TRANSFORMERS[kind].answer_head is None:
        pytest.skip(f"transformers has no head of {kind} for questions")


@pytest.fixture
def tiny_bert() -> Callable[..., Any]:
    """`tiny_bert(layers, width, heads, outputs)`: a random BERT with a task head in eval mode."""

    def make(layers: int = 2, width: int = 24, heads: int = 3, outputs: int = 2, **others: Any) -> Any:
        return make_tiny_model("bert", layers, width, heads, outputs=outputs, **others)

    return make


@pytest.fixture
def make_batch() -> Callable[..., Any]:
    """`make_batch(lengths, pad=0, outputs=2, seed=0)`: random pieces padded to the longest; labels are classes."""

    def make(lengths: Sequence[int] = (7, 3, 5), pad: int = 0, outputs: int = 2, seed: int = 0) -> Any:
        from tinybert.types import Batch

        generator = torch.Generator().manual_seed(seed)
        shape = (len(lengths), max(lengths))
        real = torch.arange(shape[1]) < torch.tensor(lengths)[:, None]
        pieces = torch.randint(len(SPECIAL), len(VOCABULARY), shape, generator=generator)
        types = (torch.arange(shape[1]) >= torch.tensor(lengths)[:, None] // 2).long() * real
        labels = torch.randint(outputs, shape[:1], generator=generator)
        return Batch(pieces.masked_fill(~real, pad), types, real, labels, torch.arange(shape[0]))

    return make


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    """`write("train.tsv", content)`: the path of a file with that content, given as text or bytes."""

    def make(name: str, content: str | bytes) -> str:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return make


@pytest.fixture
def streams() -> Callable[[str], np.random.Generator]:
    """A run's random streams."""
    return lambda name: np.random.default_rng([7, *name.encode()])


@pytest.fixture
def workshop(tmp_path: Path, tiny_tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    """A folder for tiny runs whose finish is quick."""
    hurry_finish(monkeypatch)  # not `quick_finish`: a test's own patches are undone after a fixture's
    return Workshop(tmp_path, tiny_tokenizer)


@pytest.fixture
def untrained(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test in which any stage makes an update fails."""
    from tinybert.engine import fit

    monkeypatch.setattr(fit, "update", lambda *_: pytest.fail("something was trained"))


def make_tiny_model(
    model_type: str,
    layers: int = 2,
    width: int = 24,
    heads: int = 3,
    inner: int = 41,
    outputs: int = 2,
    head: str = "classifier",
    seed: int = 0,
) -> Any:
    """See the fixture `tiny_model`."""
    import transformers

    from tinybert.families import network_of

    auto_class = {
        "classifier": "AutoModelForSequenceClassification",
        "masked_lm": "AutoModelForMaskedLM",
        "tags": "AutoModelForTokenClassification",
        "answers": "AutoModelForQuestionAnswering",
    }
    auto = getattr(transformers, auto_class.get(head, "AutoModel"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = auto.from_config(tiny_config(model_type, layers, width, heads, inner, outputs)).eval()
        with torch.no_grad():
            for parameter in model.parameters():  # biases and LayerNorms too, so that mixing them up shows
                parameter += 0.1 * torch.randn_like(parameter)
    return network_of(model)


def tiny_config(model_type: str, layers: int, width: int, heads: int, inner: int, outputs: int) -> Any:
    """The configuration of a tiny network of one of the supported architectures, by Hugging Face's own names."""
    from transformers import AutoConfig

    common = {"vocab_size": len(VOCABULARY), "num_labels": outputs, "max_position_embeddings": 67}
    common |= {"pad_token_id": padding_of(model_type)}
    if model_type == "distilbert":
        sizes = {"n_layers": layers, "dim": width, "n_heads": heads, "hidden_dim": inner}
    else:
        sizes = {
            "num_hidden_layers": layers,
            "hidden_size": width,
            "num_attention_heads": heads,
            "intermediate_size": inner,
        }
    common |= _OF_FAMILIES.get(model_type, {})
    return AutoConfig.for_model(model_type, **common, **sizes, initializer_range=0.2)


_ONE_TYPE: dict[str, Any] = {"type_vocab_size": 1}
_NO_SPECIAL_PIECES: dict[str, Any] = dict.fromkeys(("bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id"))
_OF_FAMILIES: dict[str, dict[str, Any]] = {
    "electra": {"embedding_size": 13},
    "albert": {"embedding_size": 13},
    "ernie": {"use_task_id": True},
    "roberta": _ONE_TYPE,
    "xlm-roberta": _ONE_TYPE,
    "camembert": _ONE_TYPE,
    "jina_embeddings_v3": _ONE_TYPE,
    "modernbert": {"local_attention": 4, **_NO_SPECIAL_PIECES},  # two pieces to either side
    "eurobert": {"num_key_value_heads": 1, "mask_token_id": SPECIAL.index("[MASK]"), **_NO_SPECIAL_PIECES},
    # As DeBERTa-v3 is; `tests/families/test_deberta.py` has the other forms.
    "deberta-v2": {
        "relative_attention": True,
        "pos_att_type": ["c2p", "p2c"],
        "share_att_key": True,
        "position_buckets": 4,
        "norm_rel_ebd": "layer_norm",
        "position_biased_input": False,
        "type_vocab_size": 0,
    },
}


def families_that_start(how: str) -> tuple[str, ...]:
    """The families of transformers out of whose networks students can be made in a way; see `student.init`."""
    from tinybert.families import TRANSFORMERS

    return tuple(name for name, family in TRANSFORMERS.items() if how in family.starts)


def padding_of(model_type: str) -> int:
    """The padding piece of a tiny network, from which some count positions."""
    from tinybert.families import FAMILIES

    return FAMILIES[model_type].padding or 0


def make_unigram_tokenizer(spelt_in_bytes: bool = False) -> Any:
    """A SentencePiece tokenizer that spells most ASCII words; <pad> is 1.

    XLM-RoBERTa's own form cuts off spaces before there are pieces, and a letter that it does not know is <unk>;
    `spelt_in_bytes`, a piece counts the space before it as its own, and such a letter is several pieces.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast, XLMRobertaTokenizer

    scores = [(piece, -number / 8) for number, piece in enumerate((*UNIGRAMS, *BYTES))]
    if not spelt_in_bytes:
        return XLMRobertaTokenizer(vocab=scores[: len(UNIGRAMS)], model_max_length=64)
    backend = Tokenizer(models.Unigram(scores, unk_id=3, byte_fallback=True))
    backend.pre_tokenizer, backend.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    named = {
        f"{name}_token": piece for name, piece in zip(("cls", "pad", "sep", "unk", "mask"), UNIGRAMS, strict=False)
    }
    return PreTrainedTokenizerFast(tokenizer_object=backend, model_max_length=64, **named)


def make_byte_tokenizer(texts: Sequence[str]) -> Any:
    """A byte-level BPE tokenizer in RoBERTa's format that knows the words of some texts."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer, backend.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        special_tokens=special, initial_alphabet=alphabet, vocab_size=330, show_progress=False
    )
    backend.train_from_iterator([*texts] * 9, trainer)
    backend.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    names = dict(zip(("bos", "pad", "eos", "unk", "mask"), special, strict=True))
    others = {"cls_token": "<s>", "sep_token": "</s>"}
    return PreTrainedTokenizerFast(tokenizer_object=backend, **{f"{k}_token": v for k, v in names.items()}, **others)
