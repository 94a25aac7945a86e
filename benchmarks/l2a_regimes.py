"""When L2A's selector is worth its price: who chooses, over regimes and seeds, in one table.

A cell is a regime, a system and a seed; the seed draws the target's rows, the source's, and all that training draws. A
finished cell is a line of RESULTS, and its run is removed; started again, the script runs what is missing and goes on
where a run was stopped. Cells of a regime and seed share their teacher, their pool and their first student. Then it
prints the test figures, and for each system the difference to "all kept", seed by seed, with a 95 % interval (Student's
t). Every system is given as many updates of the student as it needs for as many epochs of the same pool.

    python benchmarks/l2a_regimes.py --teacher ENCODER --train t.tsv --dev d.tsv --test e.tsv --source s.tsv \
      --text sentence --work DIR --results results.jsonl
"""

import argparse
import json
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

import tinybert
from tinybert.statistics import over_seeds

TARGET, SOURCE_TOO = "l2a.teacher_data=target", "l2a.teacher_data=source_then_target"
REGIMES: Final = {
    "weak teacher": (TARGET, False),  # it learns the target's few rows only, as the paper's
    "shuffled source": (SOURCE_TOO, True),  # half of the source's labels say nothing
    "clean source": (SOURCE_TOO, False),
}
FROM_NOTHING = "l2a.policy.init_keep_disputed=null"  # else it begins with the rule
METRIC = ("l2a.reward=metric", "l2a.reward_every=1", "l2a.policy.gamma=0.9", FROM_NOTHING)
SYSTEMS: Final[Mapping[str, tuple[str, ...]]] = {
    "all kept": ("l2a.selector=keep_all",),
    "agreement": ("l2a.selector=agreement",),
    "influence": (FROM_NOTHING,),
    "influence, restart": (FROM_NOTHING, "l2a.restart=true"),
    "influence, from the rule": (),
    "influence, from the rule, restart": ("l2a.restart=true",),
    "influence, from the rule, 90 %": ("l2a.policy.init_keep=0.9",),
    "metric": METRIC,
    "metric, restart": (*METRIC, "l2a.restart=true"),
    "fine-tuned on the target": ("fine_tune.lr=2e-4",),
    "fine-tuned on source, then target": ("fine_tune.lr=2e-4",),
}
CONTROL = "all kept"


def main() -> None:
    """Run what is missing, then print the tables."""
    options = parse()
    options.work.mkdir(parents=True, exist_ok=True)
    for regime, seed, system in cells(options):
        if (regime, system, seed) not in {key for key, _ in known(options.results)}:
            started = time.time()
            line = {"regime": regime, "system": system, "seed": seed, **cell(regime, system, seed, options)}
            with options.results.open("a", encoding="utf-8") as results:
                results.write(json.dumps({**line, "seconds": round(time.time() - started)}) + "\n")
    for regime in options.regimes:
        table(regime, dict(known(options.results)))


def parse() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("teacher", "train", "dev", "test", "source"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--student", default="4x192")
    parser.add_argument("--text", default="text", help="column; the label's is `label`")
    parser.add_argument(
        "--rows", type=int, default=6000, help="of the source that are drawn; overlaps are dropped then"
    )
    parser.add_argument("--per-class", type=int, default=40)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5], help="settings are chosen on others")
    parser.add_argument("--regimes", nargs="+", default=list(REGIMES)[:2], choices=REGIMES)
    parser.add_argument("--systems", nargs="+", default=list(SYSTEMS), choices=SYSTEMS)
    parser.add_argument("--set", nargs="*", default=(), help="further settings of all runs")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--results", type=Path, required=True)
    return parser.parse_args()


def cells(options: argparse.Namespace) -> Iterator[tuple[str, int, str]]:
    """Seed by seed, so that an unfinished table is one of fewer seeds."""
    for seed in options.seeds:
        for regime in options.regimes:
            for system in options.systems:
                yield regime, seed, system


def known(results: Path) -> Iterator[tuple[tuple[str, str, int], dict[str, Any]]]:
    """The lines there are, by regime, system and seed."""
    for line in results.read_text(encoding="utf-8").splitlines() if results.exists() else ():
        found = json.loads(line)
        yield (found["regime"], found["system"], found["seed"]), found


def cell(regime: str, system: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """One run; its figures."""
    teacher_data, shuffled = REGIMES[regime]
    tuned = system.startswith("fine-tuned")
    folder = options.work / f"{regime}-{seed}".replace(" ", "_") / system.replace(" ", "_").replace(",", "")
    of_source = None if system.endswith("the target") else drawn_source(seed, options, shuffled=shuffled)
    settings = [f"data.text={options.text}", f"data.per_class={options.per_class}", "data.drop_overlap=contained"]
    settings += [f"run.store={folder.parent / 'stages'}", *options.set, *SYSTEMS[system]]
    settings += [] if tuned else [teacher_data, "teacher.accept_weak=true"]
    paths = {name: getattr(options, name) for name in ("teacher", "train", "dev", "test")}
    tinybert.distill(
        "fine_tune" if tuned else "l2a", **paths, source=of_source, student=options.student, output=folder, seed=seed,
        set=tuple(settings),
    )  # fmt: skip
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    shutil.rmtree(folder)
    main, episodes = metrics["main_metric"], metrics.get("selection", {}).get("episodes", [])
    figures = {"metric": main, **{split: metrics["student"][split][main] for split in ("dev", "test")}}
    if not tuned:
        figures["teacher"] = metrics["teacher"]["test"][main]
    return figures | {name: [episode[name] for episode in episodes] for name in ("kept", "noise") if episodes}


def drawn_source(seed: int, options: argparse.Namespace, *, shuffled: bool) -> Path:
    """Some rows of the source as a file; `shuffled`: the labels of half of them have changed places."""
    path: Path = options.work / f"source-{seed}{'-shuffled' * shuffled}.tsv"
    if not path.exists():
        header, *lines = Path(options.source).read_text(encoding="utf-8").splitlines()
        rng, label = np.random.default_rng(seed), header.split("\t").index("label")
        rows = [lines[row].split("\t") for row in rng.permutation(len(lines))[: options.rows]]
        if shuffled:
            half = rng.permutation(len(rows))[: len(rows) // 2]
            for row, other in zip(half, rng.permutation([rows[row][label] for row in half]), strict=True):
                rows[row][label] = str(other)
        path.write_text("\n".join([header, *map("\t".join, rows)]) + "\n", encoding="utf-8")
    return path


def table(regime: str, found: Mapping[tuple[str, str, int], Mapping[str, Any]]) -> None:
    """Print a regime's rows."""
    print(f"\n{regime}\n\n| system | dev | test | by seed | minus all kept |\n|---|---|---|---|---|")
    for system in SYSTEMS:
        lines = {seed: line for (of, name, seed), line in found.items() if (of, name) == (regime, system)}
        if not lines:
            continue
        pairs = [seed for seed in sorted(lines) if (regime, CONTROL, seed) in found]
        gains = [lines[seed]["test"] - found[regime, CONTROL, seed]["test"] for seed in pairs]
        each = " ".join(f"{lines[seed]['test']:.4f}" for seed in sorted(lines))
        dev, test = (mean([line[split] for line in lines.values()]) for split in ("dev", "test"))
        print(f"| {system} | {dev} | {test} | {each} | {'' if system == CONTROL else mean(gains)} |")


def mean(values: list[float]) -> str:
    """Mean and 95 % interval."""
    if len(values) < 2:
        return " ".join(f"{value:.4f}" for value in values)
    middle, low, high = over_seeds(values)
    return f"{middle:.4f} ({low:.4f} to {high:.4f})"


if __name__ == "__main__":
    main()
