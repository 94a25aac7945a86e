"""A finished student without the pieces that it does not need."""

from dataclasses import replace
from typing import Any

from tinybert.data.encoded import EncodedRows
from tinybert.families.network import Network
from tinybert.models.trimming import needed_pieces, trimmed_tokenizer
from tinybert.run import Run
from tinybert.stages.initialisation import Vocabulary
from tinybert.stages.job import Job, Outcome
from tinybert.stages.reading import rows_of

WARNED_OF = 0.05  # share of more pieces in dev


def pieces_to_keep(learnt: EncodedRows, job: Job, wanted: Vocabulary, student: Network) -> list[int]:
    """The pieces that a student of certain rows keeps, by their ids; `wanted` is not `all`."""
    counts = learnt.piece_counts(int(student.config.vocab_size))
    return needed_pieces(job.tokenizer, counts, None if wanted == "train" else int(wanted))


def trim(outcome: Outcome, job: Job, wanted: Vocabulary, run: Run) -> tuple[Job, dict[str, Any]]:
    """Leave pieces out of a student and its tokenizer; training has the teacher's, so that both read the same.

    Args:
        outcome: Its student is changed.
        job: What it was made for.
        wanted: As of `student.vocabulary`.
        run: Keeps the rows as the student reads them now.

    Returns:
        The job with these rows, and figures about them; none where all pieces stay.
    """
    if wanted == "all":
        return job, {}
    student, tokenizer = outcome.student, job.tokenizer
    before = len(tokenizer)
    kept = pieces_to_keep(outcome.rows(job), job, wanted, student)
    student.keep_pieces(kept)
    encoder = replace(job.encoder, tokenizer=trimmed_tokenizer(tokenizer, kept))
    train, dev, test = rows_of(job.splits, encoder, replace(run, world=1))  # only the first process finishes a run
    trimmed = replace(job, train=train, dev=dev, test=test, encoder=encoder, of_teacher=job.as_teacher_reads)
    longer = float(dev.lengths.sum() / job.dev.lengths.sum()) - 1
    run.log.say(
        f"student: {len(kept):,} of {before:,} pieces stay; dev has {longer:.1%} more of them, "
        f"{dev.unknown:.2%} unknown ({job.dev.unknown:.2%} before)"
    )
    if longer > WARNED_OF:
        run.log.say("student: new texts have many words whose pieces were left out; take a larger student.vocabulary")
    unknown = {"before": job.dev.unknown, "after": dev.unknown}
    return trimmed, {"vocabulary": {"pieces": len(kept), "before": before, "longer": longer, "unknown": unknown}}
