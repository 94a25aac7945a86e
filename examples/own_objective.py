"""An objective of your own, tried by hand on two networks of transformers.

python examples/own_objective.py [TEACHER_FOLDER]

Without an argument the teacher that `distill_in_memory.py` leaves behind is used. An objective gives one value per
example and never sees a model: what networks show arrives as traces. `own_recipe.py` trains with one from end to end.
"""

import sys

import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from tinybert.objectives import SoftCrossEntropy, Sum
from tinybert.types import Batch, Objective, Signal, Trace

TEXTS = [
    "A sturdy pan that heats evenly.",
    "The handle broke within a week.",
    "Sharp, light, easy to clean.",
    "Useless.",
]


class LastStateCosine(Objective):
    """Term `states`: the student's last hidden states point where the teacher's do."""

    def __init__(self, student_layer, teacher_layer):
        """Say what is needed of each network; nothing else is recorded."""
        super().__init__()
        self.ours, self.theirs = Signal("hidden_states", student_layer), Signal("hidden_states", teacher_layer)
        self.needs_student, self.needs_teacher = frozenset({self.ours}), frozenset({self.theirs})

    def terms(self, student, teacher, batch):
        """One minus the cosine, averaged over the real pieces of each example."""
        gap = 1 - torch.cosine_similarity(student[self.ours], teacher[self.theirs], dim=-1)
        return {"states": torch.where(batch.real, gap, 0.0).sum(dim=1) / batch.real.sum(dim=1)}


folder = sys.argv[1] if len(sys.argv) > 1 else "runs/in-memory/teacher"
tokenizer = AutoTokenizer.from_pretrained(folder)
teacher = AutoModelForSequenceClassification.from_pretrained(folder)
layers = teacher.config.num_hidden_layers
torch.manual_seed(0)
student = AutoModelForSequenceClassification.from_config(
    AutoConfig.from_pretrained(folder, num_hidden_layers=layers // 2)
)

inputs = tokenizer(TEXTS, padding=True, return_tensors="pt")
batch = Batch.from_tokenizer(inputs)
with torch.no_grad():
    shown = Trace.from_transformers(teacher(**inputs, output_hidden_states=True))

objective = Sum(SoftCrossEntropy(), (0.5, LastStateCosine(layers // 2, layers)))
optimizer = torch.optim.AdamW(student.parameters(), lr=1e-3)
for step in range(41):
    trace = Trace.from_transformers(student(**inputs, output_hidden_states=True))
    terms = {name: values.mean() for name, values in objective.terms(trace, shown, batch).items()}
    if step % 10 == 0:
        print(f"update {step:2}:", ", ".join(f"{name} {value:.3f}" for name, value in terms.items()))
    optimizer.zero_grad()
    sum(terms.values()).backward()
    optimizer.step()
