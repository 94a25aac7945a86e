"""A student whose scores are probabilities: one temperature, fitted on dev and folded into its head."""

from collections.abc import Mapping
from typing import Any

from tinybert.engine.evaluate import student_logits
from tinybert.families.network import Network
from tinybert.models.heads import note_temperature
from tinybert.run import Run
from tinybert.stages.job import Job
from tinybert.stages.systems import System, final_rows
from tinybert.tasks.calibration import calibration_error, fitted_temperature


def calibrate(model: Network, job: Job, run: Run) -> float:
    """Divide a student's logits by the temperature at which gold labels of dev are likeliest, in its weights.

    So every program gives the same scores, whatever it loads.

    Returns:
        The temperature; 1 where answers have no probability, or the labels of dev are the teacher's own.
    """
    if job.splits.dev_labels == "teacher":
        return 1.0
    known = job.task.decisions(student_logits(model, job.dev, run), job.dev)
    if known is None:
        return 1.0
    temperature = fitted_temperature(known)
    model.divide_logits(temperature)
    note_temperature(model.config, temperature)
    return temperature


def calibration_figures(job: Job, systems: Mapping[str, System], temperature: float) -> dict[str, Any]:
    """How far each system's confidence is from its accuracy on the split that counts, and the student's was before."""
    split, rows = final_rows(job)
    told = {name: system.task.decisions(system.logits[split], rows) for name, system in systems.items()}
    known = {name: decisions for name, decisions in told.items() if decisions is not None}
    if not known:
        return {}
    student = known["student"]
    before = calibration_error(student._replace(logits=student.logits * temperature))
    errors = {name: calibration_error(decisions) for name, decisions in known.items()}
    return {"calibration": {"temperature": temperature, "before": before, **errors}}
