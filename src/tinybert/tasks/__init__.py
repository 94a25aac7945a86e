"""Kinds of task, a module each: whatever depends on the kind is there, and nobody else asks for it."""

from collections.abc import Mapping

from tinybert.tasks.base import Task
from tinybert.tasks.classification import Classification
from tinybert.tasks.multi_label import MultiLabel
from tinybert.tasks.question_answering import QuestionAnswering
from tinybert.tasks.regression import Regression
from tinybert.tasks.token_classification import TokenClassification
from tinybert.types import Kind

# In the order in which they are asked whether a source or a model is theirs.
TASKS: Mapping[Kind, type[Task]] = {
    "token-classification": TokenClassification,
    "question-answering": QuestionAnswering,
    "classification": Classification,
    "regression": Regression,
    "multi-label": MultiLabel,
}
