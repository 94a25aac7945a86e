"""What the policy of L2A did: whether it changed, how much it kept of what, what it was rewarded with."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any, NamedTuple

from tinybert.report import words
from tinybert.report.charts import Chart, Frame, line_chart, thin
from tinybert.report.read import Line, RunFiles
from tinybert.report.values import mapping, number, numbers

_SAME = 0.05  # shares closer than this are called the same: so much moves by chance where samples are few
_CHANCE = 0.05  # what rewards that mean nothing would do with a higher one is not taken for learnt
_CHOSEN = 0.2  # classes whose shares are farther apart are chosen between


class EpisodeFigures(NamedTuple):
    """What was noted of an episode.

    Attributes:
        kept: Share kept of all samples.
        domains: Share kept by domain.
        classes: Share kept by the teacher's class.
        distances: Share kept by pieces rewritten.
        response: Chance to be kept over the teacher's entropy, in per cent.
        rewards: By update.
        gain: Their sum.
        after: The rewarded metric at the end.
        noise: How likely rewards that mean nothing would have pulled the policy as far, in all episodes so far.
    """

    kept: float | None
    domains: Mapping[str, float]
    classes: Mapping[str, float]
    distances: Mapping[str, float]
    response: Line
    rewards: Sequence[float]
    gain: float | None
    after: float | None
    noise: float | None


class ScoredSample(NamedTuple):
    """A sample, its domain, how many of its pieces were rewritten, and its chance to be kept."""

    text: str
    domain: str | None
    distance: float | None
    chance: float | None


class Selection(NamedTuple):
    """The section of a report; `most` and `least` are the samples likeliest to be kept and to be dropped."""

    episodes: Sequence[EpisodeFigures]
    most: Sequence[ScoredSample]
    least: Sequence[ScoredSample]

    @property
    def rewards(self) -> list[float]:
        """Of all updates."""
        return [reward for episode in self.episodes for reward in episode.rewards]

    @property
    def chances(self) -> list[float]:
        """Of the samples shown."""
        return [sample.chance for sample in (*self.least, *self.most) if sample.chance is not None]

    def shares(self, domain: str) -> list[float | None]:
        """Share kept of a domain, by episode."""
        return [episode.domains.get(domain) for episode in self.episodes]

    @property
    def one_sided(self) -> bool:
        """Whether it ended up keeping, or dropping, nearly everything."""
        kept = self.episodes[-1].kept
        return kept is not None and min(kept, 1 - kept) < _SAME

    @property
    def noise(self) -> float | None:
        """How likely rewards that mean nothing would have pulled the policy as far."""
        return self.episodes[-1].noise

    @property
    def by_chance(self) -> bool:
        """Whether nothing of it can be told from noise."""
        return self.noise is not None and self.noise > _CHANCE

    @property
    def by_class(self) -> bool:
        """Whether it chooses between classes."""
        shares = self.episodes[-1].classes.values()
        return bool(shares) and max(shares) - min(shares) >= _CHOSEN

    @property
    def moved(self) -> dict[str, float]:
        """Domains whose share changed from the first episode to the last, with the change."""
        changes = _changes(self.episodes[0].domains, self.episodes[-1].domains)
        return {name: change for name, change in changes.items() if abs(change) >= _SAME}

    @property
    def by_entropy(self) -> bool:
        """Whether the chances at one entropy changed.

        On average: a teacher so unsure, or so sure, may be rare, and the mean chance of a few samples is anything.
        """
        changes = _changes(dict(self.episodes[0].response), dict(self.episodes[-1].response))
        return bool(changes) and fmean(abs(change) for change in changes.values()) >= _SAME

    @property
    def indifferent(self) -> bool:
        """Whether every sample shown has about the same chance."""
        return bool(self.chances) and max(self.chances) - min(self.chances) < 2 * _SAME

    @property
    def quality(self) -> Line:
        """What is rewarded, after every update; x is the episode and the share of it that is over."""
        line: Line = []
        for before, episode in enumerate(self.episodes):
            end = line[-1][1] if line else 0.0
            quality = end if episode.after is None else episode.after - sum(episode.rewards)
            line.append((float(before), quality))
            for update, reward in enumerate(episode.rewards, start=1):
                quality += reward
                line.append((before + update / len(episode.rewards), quality))
        return [line[0], *thin(line[1:-1]), line[-1]] if len(line) > 2 else line

    @property
    def charts(self) -> list[Chart]:
        """By episode: what was kept and rewarded; and what the teacher's entropy changed."""
        return [chart for chart in _charts(self) if chart is not None]


def selection(run: RunFiles) -> Selection | None:
    """The section; None of a run in which nothing was chosen."""
    found = run.part("selection")
    episodes = [_episode(entry) for entry in map(mapping, _listed(found, "episodes")) if entry]
    most, least = ([_sample(mapping(entry)) for entry in _listed(found, name)] for name in ("most", "least"))
    return Selection(episodes, most, least) if episodes else None


def _changes(first: Mapping[Any, float], last: Mapping[Any, float]) -> dict[Any, float]:
    """From the first episode to the last, where both know a share."""
    return {key: last[key] - first[key] for key in last if key in first}


def _charts(found: Selection) -> Iterator[Chart | None]:
    episodes = found.episodes
    note = "Of the samples of each domain that the policy chose among. In episode 1 the policy was untrained."
    names = dict.fromkeys(name for episode in episodes for name in episode.domains)
    lines = {name: _over_episodes(found.shares(name)) for name in names}
    yield _chart("Share kept", note, lines, words.percent, Frame("episode", 1.0, [(1.0, 0.0), (1.0, 1.0)]))

    note = "Across: the teacher’s entropy, in per cent of the largest there is; at 0 it is sure, at 100 it guesses."
    lines = {"last episode": episodes[-1].response, "first episode": episodes[0].response if len(episodes) > 1 else []}
    frame = Frame("entropy", 0.0, [(0.0, 0.0), (100.0, 1.0)])
    chart = _chart("Chance to be kept, by entropy", note, lines, words.percent, frame)
    # Where the curves end is no more than another point of them.
    yield chart and chart._replace(series=[line._replace(last="") for line in chart.series])

    note = (
        "A metric, or minus the loss, on rows of dev, after each update; each reward is a step of it. "
        "Whole numbers are the ends of episodes."
    )
    yield _chart("Rewarded quality", note, {"quality": found.quality}, words.digits, Frame("episode"))
    lines = {"return": _over_episodes([episode.gain for episode in episodes])}
    note = "By how much that quality grew in each episode; the better a student is, the less is left to gain."
    yield _chart("Return", note, lines, words.signed, Frame("episode", 1.0, [(1.0, 0.0)]))


def _chart(
    title: str, note: str, lines: Mapping[str, Line], text: Callable[[float], str], frame: Frame
) -> Chart | None:
    """The lines that there are; None where all of them are points."""
    drawn = {name: line for name, line in lines.items() if line}
    if all(len(line) < 2 for line in drawn.values()):
        return None
    told = [f"{words.readable(name)} from {text(line[0][1])} to {text(line[-1][1])}" for name, line in drawn.items()]
    summary = f"{title}, over {frame.across}: {'; '.join(told)}."
    return line_chart(title, summary, drawn, text, frame)._replace(note=note)


def _over_episodes(values: Sequence[float | None]) -> Line:
    return [(float(episode), value) for episode, value in enumerate(values, start=1) if value is not None]


def _sample(entry: Mapping[str, Any]) -> ScoredSample:
    texts = [str(entry[side]) for side in ("text", "pair") if entry.get(side) is not None]
    domain = None if entry.get("domain") is None else str(entry["domain"])
    return ScoredSample(" / ".join(texts), domain, number(entry.get("distance")), number(entry.get("chance")))


def _episode(entry: Mapping[str, Any]) -> EpisodeFigures:
    pairs = [pair for pair in _listed(entry, "response") if isinstance(pair, list) and len(pair) == 2]
    points = [(number(entropy), number(chance)) for entropy, chance in pairs]
    return EpisodeFigures(
        number(entry.get("kept")),
        _shares(entry.get("kept_by_domain")),
        _shares(entry.get("kept_by_class")),
        _shares(entry.get("kept_by_distance")),
        sorted((100 * entropy, chance) for entropy, chance in points if entropy is not None and chance is not None),
        [reward for value in _listed(entry, "rewards") if (reward := number(value)) is not None],
        number(entry.get("return")),
        number(entry.get("after")),
        number(entry.get("noise")),
    )


def _shares(found: Any) -> dict[str, float]:
    return {name: min(max(share, 0.0), 1.0) for name, share in numbers(found).items()}


def _listed(found: Mapping[str, Any], name: str) -> list[Any]:
    """The entries under a name; none where there is no list."""
    entries = found.get(name)
    return entries if isinstance(entries, list) else []
