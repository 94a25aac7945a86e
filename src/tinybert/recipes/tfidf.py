"""A floor: TF-IDF of words and pairs of words, and a linear model on gold labels, no network and no teacher.

What a student costs has to be set against what takes seconds. Features as in scikit-learn's `TfidfVectorizer` (Salton
and Buckley 1988; Wang and Manning 2012 for pairs of words); they are counted, and weights found, by scikit-learn
(Pedregosa et al. 2011, arXiv:1201.0490), and then served as any student is, without it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from tinybert.recipes.recipe import Recipe, TaskSettings
from tinybert.run import Run
from tinybert.stages.job import Job, Outcome
from tinybert.stages.tfidf import TfidfStudent, fitted_tfidf

CITATION = "Pedregosa et al. 2011, Scikit-learn: Machine Learning in Python, JMLR 12, arXiv:1201.0490"


@dataclass(frozen=True, kw_only=True)
class Config(TaskSettings):
    """Settings of the recipe; a floor has no paper to follow, so `paper` and `small` are the same."""

    student: TfidfStudent = field(default_factory=TfidfStudent)

    def unread(self) -> Iterator[tuple[str, str]]:
        """Besides: nothing teaches, and nothing is trained by gradients."""
        yield from super().unread()
        for name in ("teacher", "fine_tune", "export.qat", "run.dtype", "run.checkpoint_every"):
            yield name, "the recipe tfidf has no teacher, and trains nothing by gradients"


def distill(job: Job, config: Config, run: Run) -> Outcome:
    """Of linear models w on features x(text) = tf · idf / ||tf · idf||, tf = 1 + ln(count), that which is best on dev.

    Classes: argmin C Σ log-loss(w·x, y) + ||w||² / 2, of several labels one regression each; scores: argmin
    C Σ (w·x - y)² + ||w||². C is one of `stages.tfidf.STRENGTHS`.
    """
    return Outcome(fitted_tfidf(job, config.student, config.data.class_weights == "balanced", run), None)


SUMMARY = "a floor: TF-IDF of words and a linear model on gold labels; takes seconds"
RECIPE = Recipe("tfidf", SUMMARY, CITATION, Config, distill, needs_teacher=False, answers="texts")
