"""Plain text for general distillation: read as a stream, packed into blocks, a few of them held out."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerFast

from tinybert.data.corpus.blocks import Blocks
from tinybert.data.corpus.packing import pack
from tinybert.data.corpus.texts import digest_of, is_stream, size_of, texts_of
from tinybert.data.encode import digest_of_tokenizer
from tinybert.data.hub import PREFIX
from tinybert.data.read import path_of
from tinybert.data.recognise import looks_like_conll, wrong_form
from tinybert.errors import UserError
from tinybert.log import PLAIN_LINE_EVERY
from tinybert.models.heads import has_masked_lm_head
from tinybert.models.loading import load_config, load_tokenizer
from tinybert.models.student import is_shape
from tinybert.run import HELD_OUT_SEED, Run, RunPlan, stream
from tinybert.stages.job import PlainText
from tinybert.stages.reading import check_room

LOOKED_AT = 5_000_000  # bytes of text that a dry run packs
TEXT_BYTES_PER_PIECE = 8  # of text; English has about 4.5: so much of an endless stream is read that it is enough


@dataclass(frozen=True)
class CorpusSettings:
    """Settings of the group `data`, of plain text.

    Attributes:
        text: Column of the text, where the data have columns; None = `text`.
    """

    text: str | None = None


def read_plain_text(source: Any, dev: Any, settings: Any, run: Run, name: str = "train") -> PlainText:
    """Pack a corpus, or find it packed.

    Args:
        source: See `texts_of`.
        dev: Text to hold out instead of a part of the corpus; None = a part.
        settings: Of the recipe: `teacher.path`, `student.path`, `data` and the group `general`.
        run: Its folder keeps the blocks; those held out are the same whatever its seed.
        name: What messages call the corpus.

    Raises:
        UserError: If it cannot be read, or there is too little of it.
    """
    path = path_of(source)
    if path is not None and path.suffix.lower() == ".txt" and path.is_file() and looks_like_conll(path):
        raise wrong_form(path)
    general, tokenizer = settings.general, load_tokenizer(settings.teacher.path)
    blocks = _packed(source, tokenizer, settings, run, name)
    if dev is not None:
        others = _packed(dev, tokenizer, settings, run, "dev")
        if others.digest == blocks.digest:
            raise UserError("dev: is the text that is learnt from; give another, or none")
        held_out, _ = others.split(min(general.held_out, len(others)), stream(HELD_OUT_SEED, "general", "dev"))
        return PlainText(blocks, held_out, tokenizer, name, apart=True)
    if len(blocks) < 2:
        raise UserError(f"{name}: the text fills one block of {general.block_length} pieces; give more")
    aside = general.set_aside(len(blocks))
    held_out, train = blocks.split(aside, stream(HELD_OUT_SEED, "general", "held out"))
    return PlainText(train, held_out, tokenizer, name)


def check_fit(settings: Any) -> None:
    """What the networks do not allow, said before a corpus is packed, which may take an hour.

    Raises:
        UserError: If blocks are too long, a head is missing, or the heads do not fit each other.
    """
    teacher, student = settings.teacher.path, settings.student.path
    checkpoints = (teacher,) if is_shape(student) else (teacher, student)
    check_room("general.block_length", settings.general.block_length, checkpoints, settings)
    instead = "" if settings.reads_text else ", or leave out general.tokens"
    if settings.fills_masks and not has_masked_lm_head(teacher):
        raise UserError(f"teacher: {teacher} has no masked-LM head to learn from; take one that has{instead}")
    if settings.fills_masks and not is_shape(student):
        _check_table(student, teacher, instead)


def _check_table(student: str, teacher: str, instead: str) -> None:
    """Networks with the same tokenizer may still have rows to spare in their tables, and then give other logits."""
    sizes = [load_config(path).vocab_size for path in (student, teacher)]
    if sizes[0] != sizes[1]:
        raise UserError(
            f"student: the table of {student} has {sizes[0]} pieces, the teacher's {sizes[1]}; take a shape{instead}"
        )


def _packed(source: Any, tokenizer: PreTrainedTokenizerFast, settings: Any, run: Run, name: str) -> Blocks:
    """The blocks of a corpus, found by content or made; all processes of a run make some of them."""
    # Beside a task the column is always `text`.
    column = settings.data.text if settings.reads_text else None
    length = settings.general.block_length
    if run.plan is not None:
        return _looked_at(source, column, tokenizer, length, run.folder / name, run.plan)
    limit = _limit(source, settings.general.tokens)
    text, how = digest_of(source, column, name, limit), digest_of_tokenizer(tokenizer)
    artifact = run.store.entry("corpus", text=text, tokenizer=how, column=column, block_length=length, limit=limit)
    with run.making(artifact) as missing:
        if missing:
            texts, told = texts_of(source, column, name), _telling(size_of(source), run)
            ranks = {"rank": run.rank, "world": run.world}
            pack(texts, tokenizer, length, artifact.work, **ranks, limit_bytes=limit, advance=told)
            run.wait()
            if run.is_main:
                artifact.seal()
    return Blocks.open(artifact.result, name)


def _looked_at(
    source: Any, column: str | None, tokenizer: PreTrainedTokenizerFast, length: int, folder: Path, plan: RunPlan
) -> Blocks:
    """Of much text the beginning; how many blocks the whole has is guessed by its size."""
    sizes: list[int] = []
    texts = texts_of(source, column, folder.name)
    pack(texts, tokenizer, length, folder, limit_bytes=LOOKED_AT, advance=sizes.append)
    blocks, size = Blocks.open(folder, folder.name), sum(sizes)
    if size >= LOOKED_AT:
        blocks = blocks.repeated(round(len(blocks) * max((size_of(source) or size) / size, 1)))
    seen = {"looked_at_mb": round(size / 1e6, 1), "to_its_end": size < LOOKED_AT, "blocks": len(blocks)}
    plan.facts.setdefault("text", seen)  # what is held out comes second
    return blocks


def _telling(size: int | None, run: Run) -> Callable[[int], None]:
    """Says now and then how much text is behind; how much there is in all is a guess, or unknown."""
    spoke, behind = time.monotonic(), 0
    whole = "" if size is None else f" of about {size / 1e6:,.0f}"

    def advance(more: int) -> None:
        nonlocal spoke, behind
        behind += more
        if time.monotonic() - spoke > PLAIN_LINE_EVERY:
            spoke = time.monotonic()
            run.log.say(f"data: {behind / 1e6:,.0f}{whole} MB of text packed")

    return advance


def _limit(source: Any, tokens: int | None) -> int | None:
    """How much of a stream is read; what has an end is read to it: what stands first need not be like the rest."""
    streamed = source.startswith(PREFIX) if isinstance(source, str) else is_stream(source)
    return tokens * TEXT_BYTES_PER_PIECE if streamed and tokens is not None else None
