"""Initialisations compared on plain text: held-out loss, and checkpoints to compare on tasks, after equal budgets.

    python benchmarks/general_initialisation.py --teacher T --train corpus.txt --student 4x384 --output DIR

Leaves DIR/<init>/<tokens>/, plain transformers folders, and prints the loss of each. The learning rate is constant
from the first update on, so that every point is on the same curve. A folder that was used is refused.
"""

import argparse
import math
from dataclasses import replace
from pathlib import Path

from tinybert.engine.evaluate import held_out_loss
from tinybert.engine.fit import fit
from tinybert.export.hub import save_network
from tinybert.log import Log
from tinybert.machine import choose_device, prepare
from tinybert.models.inference import without_dropout
from tinybert.models.teacher import Teacher
from tinybert.recipes.general import Config, loss
from tinybert.run import Run, RunSettings
from tinybert.selectors.fixed import KeepAll
from tinybert.stages.general.reading import PlainText, read_plain_text
from tinybert.stages.general.settings import GeneralSettings
from tinybert.stages.general.training import pretrained_teacher
from tinybert.stages.initialisation import InitialStudent, StudentSettings, initialise
from tinybert.stages.teacher import TeacherNetwork

INITS = ("random", "layers", "project")


def main() -> None:
    options = parsed()
    prepare(options.threads, deterministic=True)
    marks = options.tokens // options.marks
    stage = GeneralSettings(tokens=options.tokens, lr=options.lr, schedule="constant")
    stage = replace(stage, evaluate_every=math.ceil(marks / (stage.batch_size * stage.block_length)))
    for init in options.init:
        student = StudentSettings(options.student, init=init)
        config = Config(teacher=TeacherNetwork(options.teacher), student=student, general=stage)
        folder = options.output / init
        folder.mkdir(parents=True)
        device = choose_device(None)
        run = Run(folder, options.seed, RunSettings(), device, Log(folder / "metrics.jsonl"))
        with run.listening():
            one_start(config, read_plain_text(options.train, None, config, run), run)


def one_start(config: Config, text: PlainText, run: Run) -> None:
    """Train one student; at each evaluation keep it as a folder and print its loss."""
    model = pretrained_teacher(config.teacher, run)
    initial, teacher = initialise(text, model, config.student, run), Teacher(model, "auto", run.device)
    objective = loss(initial, teacher, config, run.seed_for("projection")).to(run.device)
    stage = config.general.decided(len(text.train))
    seen = iter(range(0, stage.max_steps + stage.evaluate_every, stage.evaluate_every))

    def metric() -> float:
        tokens = min(next(seen), stage.max_steps) * stage.batch_size * config.general.block_length
        loss = held_out_loss(initial.student, objective, text.held_out, teacher)
        print(f"{config.student.init:8} {tokens:>10,} tokens  held-out loss {loss:.4f}", flush=True)
        keep(initial, text, run.folder / str(tokens))
        return -loss

    metric()
    artifact = run.begin("general")
    with without_dropout(initial.student):
        fit(initial.student, teacher, objective, text.train, stage, artifact, run, selector=KeepAll(), metric=metric)


def keep(initial: InitialStudent, text: PlainText, folder: Path) -> None:
    save_network(initial.student.body(), text.tokenizer, folder)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", required=True)
    parser.add_argument("--train", required=True)
    parser.add_argument("--student", default="4x384")
    parser.add_argument("--init", nargs="+", default=INITS, choices=INITS)
    parser.add_argument("--tokens", type=int, default=1_000_000)
    parser.add_argument("--marks", type=int, default=4, help="how often the student is evaluated and kept")
    parser.add_argument("--lr", type=float, default=3e-4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--output", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
