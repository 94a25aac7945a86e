"""Peak memory of `tinybert augment` by the number of rows written: it should not grow with them.

python benchmarks/augment_memory.py                          10,000, 100,000 and 1,000,000 rows by eda
python benchmarks/augment_memory.py 10000 50000              so many
python benchmarks/augment_memory.py --method bert_glove      by a masked LM and word vectors; an hour for a million

Each size is a process of its own; the peak is that of the whole process tree, looked at every 50 ms. Made-up reviews of
4 to 20 words; 19 copies of each, so that originals and copies are twenty times the rows read.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

COPIES = 19
TEXT = (
    "the a an this film movie story plot actor scene end music it he she was is felt looked very quite not never good "
    "great fine bad dull slow quick warm cold old new long short funny sad and but or of in with for at on"
)


def write_reviews(path: Path, rows: int) -> None:
    rng, words = random.Random(0), TEXT.split()
    with path.open("w", encoding="utf-8") as stream:
        stream.write("text\tlabel\n")
        for _ in range(rows):
            stream.write(f"{' '.join(rng.choices(words, k=rng.randint(4, 20)))}\t{rng.choice(['neg', 'pos'])}\n")


def peak_of(command: list[str]) -> tuple[int, int, float]:
    """Largest resident memory of a process and its children, its part that no file backs, and the seconds it took."""
    started, peak, anonymous = time.monotonic(), 0, 0
    process = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None:
        try:
            found = [one.memory_info() for one in (process, *process.children(recursive=True))]
        except psutil.NoSuchProcess:
            continue
        peak = max(peak, sum(one.rss for one in found))
        anonymous = max(anonymous, sum(one.rss - getattr(one, "shared", 0) for one in found))
        time.sleep(0.05)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: ended with {process.returncode}")
    return peak, anonymous, time.monotonic() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", type=int, default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--method", default="eda")
    options = parser.parse_args()
    print(f"{'rows out':>10} {'peak MB':>8} {'not of files':>12} {'seconds':>8}")
    for rows in options.rows:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_reviews(folder / "train.tsv", rows // (COPIES + 1))
            files = ["--train", str(folder / "train.tsv"), "--output", str(folder / "augmented.tsv")]
            command = [sys.executable, "-m", "tinybert", "augment", options.method, *files, "--copies", str(COPIES)]
            peak, anonymous, seconds = peak_of(command)
        print(f"{rows:>10,} {peak / 1e6:>8.0f} {anonymous / 1e6:>12.0f} {seconds:>8.0f}", flush=True)


if __name__ == "__main__":
    main()
