"""The recipes, one paper, one file, and what a recipe of your own is made of. `RECIPES` is the only list of ours."""

from typing import Final

from tinybert.families import network_of
from tinybert.models.teacher import Teacher
from tinybert.recipes import (
    augmented_kd,
    bilstm_soft,
    distilbert,
    fine_tune,
    general,
    l2a,
    minilm,
    pkd,
    static,
    tfidf,
    tinybert,
)
from tinybert.recipes.recipe import Recipe, TaskSettings
from tinybert.run import Run
from tinybert.stages.augment import augmented
from tinybert.stages.common_settings import AugmentingSettings
from tinybert.stages.distiller import Distiller
from tinybert.stages.initialisation import initialise
from tinybert.stages.job import Job, Outcome
from tinybert.stages.teacher import task_teacher

RECIPES: Final = {
    one.RECIPE.name: one.RECIPE
    for one in (tinybert, general, l2a, augmented_kd, pkd, distilbert, minilm, bilstm_soft, static, tfidf, fine_tune)
}

__all__ = [
    "RECIPES",
    "AugmentingSettings",
    "Distiller",
    "Job",
    "Outcome",
    "Recipe",
    "Run",
    "TaskSettings",
    "Teacher",
    "augmented",
    "initialise",
    "network_of",
    "task_teacher",
]
