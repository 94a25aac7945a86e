"""General distillation, TinyBERT's first stage (Jiao et al. 2020, arXiv:1909.10351, section 3.2).

From plain text to a student that knows no task yet: its embedding, layers and attention learn those of a teacher that
was not fine-tuned. Where this differs from the authors' code: blocks of one length are packed across the borders of
sentences instead of pairs of sentences; the gradient of several processes is the student's, and is summed.
"""

from dataclasses import dataclass, field

from tinybert.models.teacher import Teacher
from tinybert.objectives import AttentionScoreMSE, HiddenMSE, Sum, layer_map
from tinybert.recipes.recipe import LayerSettings, Recipe
from tinybert.run import Run, RunSettings
from tinybert.stages.general.reading import CorpusSettings
from tinybert.stages.general.settings import GeneralSettings
from tinybert.stages.general.training import figures_of, pretrained_teacher, train_general
from tinybert.stages.initialisation import InitialStudent, initialise
from tinybert.stages.job import Outcome, PlainText
from tinybert.stages.teacher import TeacherNetwork
from tinybert.types import Objective

CITATION = "Jiao et al. 2020, TinyBERT: Distilling BERT for Natural Language Understanding, arXiv:1909.10351"


@dataclass(frozen=True, kw_only=True)
class Config(LayerSettings):
    """Settings of the recipe."""

    data: CorpusSettings = field(default_factory=CorpusSettings)
    teacher: TeacherNetwork = field(default_factory=TeacherNetwork)
    general: GeneralSettings = field(default_factory=GeneralSettings)
    run: RunSettings = field(default_factory=RunSettings)

    @property
    def reads_text(self) -> bool:
        """Always."""
        return True


def distill(text: PlainText, config: Config, run: Run) -> Outcome:
    """A student is made and learns the teacher's layers on plain text."""
    model = pretrained_teacher(config.teacher, run)
    initial = initialise(text, model, config.student, run)
    teacher = Teacher(model, config.teacher.dtype, run.device)
    learnt = loss(initial, teacher, config, run.seed_for("projection"))
    report = train_general(initial.student, teacher, learnt, text, config.general, run)
    return Outcome(initial.student.body(), model.body(), {"general": figures_of(report, text)})


def loss(initial: InitialStudent, teacher: Teacher, config: Config, seed: int) -> Objective:
    """L_embd (Eq. 9) + L_hidn (Eq. 8) + L_attn (Eq. 7), each layer m from layer g(m); `seed` draws projections."""
    settings, student, known = config.student, initial.student.shape, teacher.shape
    g = layer_map(settings.layer_map, student.layers, known.layers)
    states = HiddenMSE(g, student.width, known.width, settings.projection, initial.directions, seed=seed)
    return Sum(states, (settings.attention_weight, AttentionScoreMSE(g, settings.attention_heads)))


SUMMARY = "layers only, on plain text: a student that can start any task"
RECIPE = Recipe("general", SUMMARY, CITATION, Config, distill)
