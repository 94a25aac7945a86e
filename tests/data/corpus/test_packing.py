from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tokenizers import processors

from references.packing import packed as slow
from tinybert import files
from tinybert.data.corpus import layout, packing
from tinybert.data.corpus.blocks import Blocks
from tinybert.data.corpus.layout import Form, Shard, shard_is_whole
from tinybert.data.corpus.packing import pack
from tinybert.errors import UserError

WORDS = ("the", "film", "is", "good", "bad", "very", "plotted", "dullness", "x9", "été", "not.", "(great)")


def made_up(count: int, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, size=rng.integers(1, 12))) for _ in range(count)]


def blocks_of(folder: Path) -> list[list[int]]:
    blocks = Blocks.open(folder)
    return list(blocks.batch(np.arange(len(blocks))).input_ids.tolist())


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture
def tokenise(tiny_tokenizer: Any) -> Any:
    return lambda text: tiny_tokenizer.convert_tokens_to_ids(tiny_tokenizer.tokenize(text))


@pytest.mark.parametrize(("block_length", "shard_bytes"), [(3, 50), (8, 300), (16, 1_000), (64, 10**9)])
def test_pack__is_its_slow_twin(
    block_length: int, shard_bytes: int, tiny_tokenizer: Any, tokenise: Any, tmp_path: Path
) -> None:
    texts = made_up(200)
    pack(iter(texts), tiny_tokenizer, block_length, tmp_path, shard_bytes=shard_bytes)
    expected, left_out = slow(texts, tokenise, block_length, [2], [3], shard_bytes)
    assert blocks_of(tmp_path) == expected
    shards = [Shard.open(path) for path in sorted(tmp_path.glob("*.arrow"))]
    assert sum(shard.left_out for shard in shards) == left_out


def test_pack__takes_any_number_of_texts_and_blocks_at_once(
    tiny_tokenizer: Any, tokenise: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = made_up(100)
    expected, _ = slow(texts, tokenise, 8, [2], [3], 10**9)
    for number, (pieces, characters) in enumerate([(8, 1), (1, 500), (100, 100), (10**6, 10**6)]):
        monkeypatch.setattr(layout, "_AT_ONCE", pieces)
        monkeypatch.setattr(packing, "_AT_ONCE", characters)
        pack(texts, tiny_tokenizer, 8, tmp_path / str(number))
        assert blocks_of(tmp_path / str(number)) == expected
    assert len({Blocks.open(tmp_path / str(number)).digest for number in range(4)}) == 1


def test_pack__does_not_depend_on_the_number_of_processes(tiny_tokenizer: Any, tmp_path: Path) -> None:
    texts = made_up(150)
    for world in (1, 2, 5):
        for rank in reversed(range(world)):
            pack(iter(texts), tiny_tokenizer, 8, tmp_path / str(world), rank=rank, world=world, shard_bytes=500)
    assert contents(tmp_path / "1") == contents(tmp_path / "2") == contents(tmp_path / "5")
    assert len(contents(tmp_path / "1")) > 5


@pytest.mark.parametrize("how", ["missing", "shortened", "emptied", "changed"])
def test_pack__makes_only_what_is_not_whole(
    how: str, tiny_tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = made_up(150)
    pack(texts, tiny_tokenizer, 8, tmp_path, shard_bytes=500)
    before = contents(tmp_path)
    damaged = bytearray(before["000002.arrow"])
    place = damaged.index(np.array(blocks_of(tmp_path)[0][:1], np.uint16).tobytes() + b"\0", 512)
    damaged[place] ^= 64
    path = tmp_path / "000002.arrow"
    path.write_bytes({"shortened": damaged[:-30], "emptied": b"", "changed": bytes(damaged)}.get(how, b""))
    if how == "missing":
        path.unlink()
    made: list[Path] = []
    whole = packing.written
    monkeypatch.setattr(packing, "written", lambda target, form: (made.append(target), whole(target, form))[1])
    pack(texts, tiny_tokenizer, 8, tmp_path, shard_bytes=500)
    assert made == [path]
    assert contents(tmp_path) == before


def test_pack__goes_on_where_it_was_killed(tiny_tokenizer: Any, tmp_path: Path) -> None:
    texts = made_up(150)
    pack(texts, tiny_tokenizer, 8, tmp_path / "whole", shard_bytes=500)

    def until_killed() -> Any:
        yield from texts[:100]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pack(until_killed(), tiny_tokenizer, 8, tmp_path / "killed", shard_bytes=500)
    assert 3 < len(list((tmp_path / "killed").iterdir())) < len(contents(tmp_path / "whole"))
    assert not [name for name in contents(tmp_path / "killed") if name.startswith(files.TEMPORARY)]
    pack(texts, tiny_tokenizer, 8, tmp_path / "killed", shard_bytes=500)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def test_pack__of_another_length_replaces_what_is_there(tiny_tokenizer: Any, tokenise: Any, tmp_path: Path) -> None:
    texts = made_up(50)
    pack(texts, tiny_tokenizer, 8, tmp_path, shard_bytes=500)
    pack(texts, tiny_tokenizer, 10, tmp_path, shard_bytes=500)
    assert blocks_of(tmp_path) == slow(texts, tokenise, 10, [2], [3], 500)[0]


def test_pack__text_that_spells_special_pieces_is_text(tiny_tokenizer: Any, tmp_path: Path) -> None:
    pack(["the [SEP] film [MASK]", "[CLS] is [PAD] good [UNK]"], tiny_tokenizer, 7, tmp_path)
    inside = [piece for block in blocks_of(tmp_path) for piece in block[1:-1]]
    spelled = tiny_tokenizer.convert_ids_to_tokens(inside)
    assert not set(spelled) & {"[SEP]", "[MASK]", "[CLS]", "[PAD]", "[UNK]"}
    assert "".join(spelled[:8]).replace("##", "") == "the[sep]film["


def test_pack__special_pieces_that_sentencepiece_reads_in_a_text_are_left_out(
    unigram_tokenizer: Any, tmp_path: Path
) -> None:
    pack(["the <s> film<mask>", "</s> is <pad> good <unk>"], unigram_tokenizer, 3, tmp_path)
    inside = unigram_tokenizer.convert_ids_to_tokens([block[1] for block in blocks_of(tmp_path)])
    assert [piece for piece in inside if piece != "▁"] == ["▁the", "▁film", "▁is", "▁good", "<unk>"]


def test_pack__leaves_the_tokenizer_as_it_was(tiny_tokenizer: Any, tmp_path: Path) -> None:
    backend = tiny_tokenizer.backend_tokenizer
    backend.enable_truncation(5)
    backend.enable_padding(length=9)
    try:
        pack(made_up(20), tiny_tokenizer, 8, tmp_path)
        assert (backend.truncation["max_length"], backend.padding["length"]) == (5, 9)
        assert backend.encode_special_tokens is False
    finally:
        backend.no_truncation()
        backend.no_padding()
    assert 0 not in [piece for block in blocks_of(tmp_path) for piece in block]


def test_pack__puts_around_a_block_what_the_tokenizer_puts_around_a_text(tiny_tokenizer: Any, tmp_path: Path) -> None:
    backend = tiny_tokenizer.backend_tokenizer
    usual = backend.post_processor
    texts = made_up(20)
    try:
        backend.post_processor = processors.RobertaProcessing(("[SEP]", 3), ("[PAD]", 0))
        pack(texts, tiny_tokenizer, 8, tmp_path / "roberta")
        backend.post_processor = processors.TemplateProcessing(single="$A", pair="$A $B", special_tokens=[])
        pack(texts, tiny_tokenizer, 8, tmp_path / "bare")
    finally:
        backend.post_processor = usual
    assert {(block[0], block[-1]) for block in blocks_of(tmp_path / "roberta")} == {(0, 3)}
    bare = [piece for block in blocks_of(tmp_path / "bare") for piece in block]
    assert not {0, 1, 2, 3, 4} & set(bare)


def test_pack__stops_after_so_many_bytes(tiny_tokenizer: Any, tokenise: Any, tmp_path: Path) -> None:
    texts = made_up(100)
    read: list[str] = []
    pack((read.append(text) or text for text in texts), tiny_tokenizer, 8, tmp_path, limit_bytes=1_000)
    taken = read[:-1]  # the one after the last is looked at
    assert len("".join(taken[:-1]).encode()) < 1_000 <= len("".join(taken).encode())
    assert blocks_of(tmp_path) == slow(taken, tokenise, 8, [2], [3], 10**9)[0]


def test_pack__says_how_far_it_is(tiny_tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "_STRIDE", 100)
    texts, steps = made_up(100), []
    for rank in range(2):
        pack(texts, tiny_tokenizer, 8, tmp_path, rank=rank, world=2, shard_bytes=500, advance=steps.append)
    assert sum(steps) == 2 * len("".join(texts).encode())
    assert len(steps) > 20


@pytest.mark.parametrize(("texts", "pieces"), [([], 0), (["the film", "is good"], 4)])
def test_open__says_how_much_text_is_missing(
    texts: list[str], pieces: int, tiny_tokenizer: Any, tmp_path: Path
) -> None:
    pack(texts, tiny_tokenizer, 64, tmp_path)
    with pytest.raises(UserError, match=f"^train: the text has {pieces} pieces and a block takes 62 of them; give"):
        Blocks.open(tmp_path)


def test_form__refuses_blocks_without_room(tiny_tokenizer: Any) -> None:
    with pytest.raises(ValueError, match="a block of 2 pieces has no room for text"):
        Form.of(tiny_tokenizer, 2)


def test_form__has_wide_pieces_only_where_needed(tiny_tokenizer: Any) -> None:
    form = Form.of(tiny_tokenizer, 8)
    assert form.schema.field("pieces").type == pa.list_(pa.uint16(), 8)
    wide = form._replace(wide=True)
    assert wide.schema.field("pieces").type == pa.list_(pa.int32(), 8)
    assert wide.blocks(np.array([70_000] * 6)).tolist() == [[2, *[70_000] * 6, 3]]


def test_is_whole__sees_every_damage(tiny_tokenizer: Any, tmp_path: Path) -> None:
    form, path = Form.of(tiny_tokenizer, 8), tmp_path / "000000.arrow"
    pack(made_up(40), tiny_tokenizer, 8, tmp_path)
    whole, blocks = path.read_bytes(), blocks_of(tmp_path)
    rng = np.random.default_rng(0)
    for _ in range(150):
        place = int(rng.integers(len(whole)))
        path.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << int(rng.integers(8)))]) + whole[place + 1 :])
        assert not shard_is_whole(path, form) or blocks_of(tmp_path) == blocks  # a byte between what is read
        path.write_bytes(whole[:place])
        assert not shard_is_whole(path, form)
