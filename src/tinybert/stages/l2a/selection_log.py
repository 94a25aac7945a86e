"""What people may want to see of a run of L2A: the pool's texts, and what the policy made of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tinybert import files
from tinybert.run import Run
from tinybert.selectors.reinforced import Reinforced
from tinybert.stages.augment import FOLDER, publish
from tinybert.stages.l2a.pool import Pool

SELECTION = "selection.json"  # in the folder `augmented` of a run


@dataclass(frozen=True)
class SelectionLog:
    """Writes it.

    Attributes:
        pool: What there was to choose from.
        classes: Names of the classes; empty = scores.
        run: In whose folder it is written.
    """

    pool: Pool
    classes: Sequence[str]
    run: Run

    def begin(self) -> None:
        """Show the pool."""
        if self.run.is_main:
            publish(self.pool.folder, self.run.folder / FOLDER)

    def note(self, selector: Reinforced) -> None:
        """Write down the episodes so far, and which samples the policy likes most and least now."""
        episodes = [self._named(episode) for episode in selector.episodes]
        ends = {name: self._samples(pairs) for name, pairs in selector.extremes().items()}
        files.write_json(self.run.folder / FOLDER / SELECTION, {"episodes": episodes, **ends})
        last = episodes[-1]
        kept = ", ".join(f"{share:.2f} of {domain}" for domain, share in last["kept_by_domain"].items())
        self.run.log.say(f"l2a: episode {len(episodes)}: kept {kept or 'nothing'}; the return is {last['return']:+.4f}")

    def figures(self) -> dict[str, Any]:
        """What `metrics.json` says of the choice; nothing where nobody chose."""
        noted = self.run.folder / FOLDER / SELECTION
        return {"selection": files.read_json(noted)} if noted.exists() else {}

    def _named(self, episode: Mapping[str, Any]) -> dict[str, Any]:
        """An episode with the names of the classes; without them where the teacher gives scores."""
        by_class = dict(zip(self.classes, episode["kept_by_class"], strict=False))
        return {**episode, "kept_by_class": by_class}

    def _samples(self, pairs: Sequence[Sequence[float]]) -> list[dict[str, Any]]:
        """Rows and their chances, texts instead of rows; read together, since that reads the whole pool."""
        texts = self.pool.texts([int(row) for row, _ in pairs])
        shown = [{name: text[name] for name in ("text", "pair", "domain", "distance")} for text in texts]
        return [{**text, "chance": round(chance, 4)} for text, (_, chance) in zip(shown, pairs, strict=True)]
