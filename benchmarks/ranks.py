"""What a second process is worth in general distillation: blocks a second of one process and of two, one thread each.

    python benchmarks/ranks.py --teacher T --train corpus.txt --student 4x312

Both are the same command on the same global batches; the second runs under torchrun. Reading, packing and
initialisation are not counted, nor are evaluations on held-out text. What the machine can give at most is shown by
commands that run at once and know nothing of each other: cores share memory and clock.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def main() -> None:
    options = parsed()
    many = options.ranks
    one = speed(options, 1)
    with ThreadPoolExecutor(many) as commands:
        apart = sum(commands.map(lambda _: speed(options, 1), range(many)))
    together = speed(options, many)
    for name, found in (("1 process", one), (f"{many} apart", apart), (f"{many} together", together)):
        print(f"{name:12} {found:6.2f} blocks/s, {found * options.length:8.0f} tokens/s, {found / one:.2f} x")


def speed(options: argparse.Namespace, ranks: int) -> float:
    """Blocks a second of a whole run, without its first update, in which memory is taken and kernels are made."""
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)] if ranks > 1 else []
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "run"
        files = ["--teacher", options.teacher, "--train", options.train, "--output", str(output)]
        tokens = options.updates * options.batch * options.length
        settings = {
            "run.threads": 1,
            "student.init": "random",
            "general.tokens": tokens,
            "general.batch_size": options.batch,
            "general.block_length": options.length,
            "general.held_out": 8,
            "general.evaluate_every": options.updates,
        }
        flags = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
        command = [sys.executable, *launcher, "-m", "tinybert", "distill", "general", *files, *flags]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
        command += ["--student", options.student, "--device", "cpu"]
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
        lines = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
        first, *_, last = (line for line in lines if line["stage"] == "general" and "loss" in line)
        return (last["step"] - first["step"]) * options.batch / (last["seconds"] - first["seconds"])


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", required=True)
    parser.add_argument("--train", required=True)
    parser.add_argument("--student", default="4x312")
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--updates", type=int, default=10)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--length", type=int, default=128)
    return parser.parse_args()


if __name__ == "__main__":
    main()
