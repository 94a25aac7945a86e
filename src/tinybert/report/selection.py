"""What the policy of L2A did: whether it changed, how much it kept of what, what it was rewarded with."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any, NamedTuple

from tinybert.report import words
from tinybert.report.charts import Chart, Frame, line_chart, thin
from tinybert.report.facts import Fact
from tinybert.report.read import Line, RunFiles
from tinybert.report.values import mapping, number

_SAME = 0.05  # shares closer than this are called the same: so much moves by chance where samples are few
_CHOSEN = 0.2  # classes whose shares are farther apart are chosen between
_BARS = 24  # distances; more would make a long list

_Text = Callable[[float], str]


class Kept(NamedTuple):
    """Share kept of the samples at a distance, in the last episode and, if that is another, in the first."""

    distance: str
    last: float
    first: float | None


class Sample(NamedTuple):
    """A sample, where it comes from, and its chance to be kept."""

    text: str
    origin: str
    chance: str


class Selection(NamedTuple):
    """The section of a report.

    Attributes:
        verdict: What came of it, in a sentence without its full stop.
        sentences: The figures it rests on.
        facts: Counts and sums.
        charts: By episode: what was kept and rewarded; and what the teacher's entropy changed.
        distances: What was kept by distance, the smallest distances first.
        farther: Distances beyond those.
        samples: By title, those likeliest to be kept, and to be dropped.
    """

    verdict: str
    sentences: Sequence[str]
    facts: Sequence[Fact]
    charts: Sequence[Chart]
    distances: Sequence[Kept]
    farther: int
    samples: Mapping[str, Sequence[Sample]]


class _Episode(NamedTuple):
    """What was noted of an episode; shares by domain, class and distance, chances over per cent of entropy."""

    kept: float | None
    domains: Mapping[str, float]
    classes: Mapping[str, float]
    distances: Mapping[str, float]
    response: Line
    rewards: Sequence[float]
    gain: float | None
    after: float | None


def selection(run: RunFiles) -> Selection | None:
    """The section; None of a run in which nothing was chosen."""
    found = run.part("selection")
    episodes = [_episode(mapping(entry)) for entry in _listed(found, "episodes") if mapping(entry)]
    if not episodes:
        return None
    entries = [mapping(entry) for name in ("least", "most") for entry in _listed(found, name)]
    chances = [chance for entry in entries if (chance := number(entry.get("chance"))) is not None]
    first, last = episodes[0].distances if len(episodes) > 1 else {}, episodes[-1].distances
    return Selection(
        _verdict(episodes, chances),
        list(_sentences(episodes, chances)),
        list(_facts(episodes)),
        [chart for chart in _charts(episodes) if chart is not None],
        [Kept(distance, share, first.get(distance)) for distance, share in last.items()][:_BARS],
        max(0, len(last) - _BARS),
        _samples(found),
    )


def _verdict(episodes: Sequence[_Episode], chances: Sequence[float]) -> str:
    """Whether the policy did anything."""
    first, last = episodes[0], episodes[-1]
    if not any(reward for episode in episodes for reward in episode.rewards):
        return "Every reward was 0: the policy had nothing to learn from"
    if last.kept is not None and min(last.kept, 1 - last.kept) < _SAME:
        return f"The policy ended up {'keeping' if last.kept > 0.5 else 'dropping'} nearly everything"
    if len(episodes) == 1:
        return "There was one episode: whether the policy changed cannot be seen"
    by_domain = _changes(first.domains, last.domains)
    by_entropy = [abs(change) for change in _changes(dict(first.response), dict(last.response)).values()]
    if last.classes and max(last.classes.values()) - min(last.classes.values()) >= _CHOSEN:
        return "The policy chooses by class, which makes a student that prefers a class"
    if moved := [name for name, change in by_domain.items() if abs(change) >= _SAME]:
        told = (f"{'more' if by_domain[name] > 0 else 'less'} of {words.readable(name)}" for name in moved)
        return f"The policy came to keep {' and '.join(told)}"
    # Their mean: a teacher so unsure, or so sure, may be rare, and the mean chance of a few samples is anything.
    if by_entropy and fmean(by_entropy) >= _SAME:
        return "The policy came to prefer other samples, but keeps as much of each domain as in the first episode"
    if chances and max(chances) - min(chances) < 2 * _SAME:
        return "Selection did next to nothing: every sample has about the same chance to be kept"
    return "The policy learnt next to nothing: it chooses much as it did untaught"


def _changes(first: Mapping[Any, float], last: Mapping[Any, float]) -> dict[Any, float]:
    """From the first episode to the last, where both know a share."""
    return {key: last[key] - first[key] for key in last if key in first}


def _sentences(episodes: Sequence[_Episode], chances: Sequence[float]) -> Iterator[str]:
    for name in episodes[-1].domains:
        if told := _course([episode.domains.get(name) for episode in episodes], words.percent):
            yield f"Of {words.readable(name)} it kept {told}."
    if classes := episodes[-1].classes:
        told = ", ".join(f"{words.percent(share)} of {name}" for name, share in classes.items())
        yield f"By the teacher’s class it kept {told} in the last episode."
    if chances:
        least, most = words.percent(min(chances)), words.percent(max(chances))
        yield f"When it last saw them, it gave samples chances from {least} to {most} to be kept."
    yield (
        "A student gets better without a selector, too: whether choosing helped, "
        "only a run with l2a.selector=keep_all beside this one tells."
    )


def _facts(episodes: Sequence[_Episode]) -> Iterator[Fact]:
    rewards = [reward for episode in episodes for reward in episode.rewards]
    yield Fact("Episodes", f"{len(episodes):,}")
    yield Fact("Updates", f"{len(rewards):,}")
    yield Fact("Rewards other than 0", f"{sum(reward != 0 for reward in rewards):,}")
    if told := _course([episode.kept for episode in episodes], words.percent):
        yield Fact("Kept of all it had a say in", told)
    if told := _course([episode.gain for episode in episodes], _signed):
        yield Fact("Return, the sum of the rewards", told)
    if None not in (episodes[0].after, episodes[-1].after):
        line = _quality(episodes)
        before, after = line[0][1], line[-1][1]
        yield Fact("Rewarded quality", f"{words.digits(before)} before, {words.digits(after)} after")


def _course(values: Sequence[float | None], text: _Text) -> str | None:
    """The first known value and the last in words; None where none is known."""
    known = [text(value) for value in values if value is not None]
    if len(known) < 2:
        return known[0] if known else None
    return f"{known[0]} in the first episode, {known[-1]} in the last"


def _charts(episodes: Sequence[_Episode]) -> Iterator[Chart | None]:
    yield _kept_chart(episodes)
    yield _response_chart(episodes)
    note = (
        "A metric, or minus the loss, on rows of dev, after each update; each reward is a step of it. "
        "Whole numbers are the ends of episodes."
    )
    yield _chart("Rewarded quality", note, {"quality": _quality(episodes)}, words.digits, Frame("episode"))
    gains = {"return": _over_episodes([episode.gain for episode in episodes])}
    note = "By how much that quality grew in each episode; the better a student is, the less is left to gain."
    yield _chart("Return", note, gains, _signed, Frame("episode", 1.0, [(1.0, 0.0)]))


def _kept_chart(episodes: Sequence[_Episode]) -> Chart | None:
    names = dict.fromkeys(name for episode in episodes for name in episode.domains)
    lines = {name: _over_episodes([episode.domains.get(name) for episode in episodes]) for name in names}
    note = "Of the samples of each domain that the policy had a say in. The untaught policy chose in episode 1."
    return _chart("Share kept", note, lines, words.percent, Frame("episode", 1.0, [(1.0, 0.0), (1.0, 1.0)]))


def _response_chart(episodes: Sequence[_Episode]) -> Chart | None:
    lines = {"last episode": episodes[-1].response}
    if len(episodes) > 1:
        lines["first episode"] = episodes[0].response
    note = "Across: the teacher’s entropy, in per cent of the largest there is; at 0 it is sure, at 100 it guesses."
    frame = Frame("entropy", 0.0, [(0.0, 0.0), (100.0, 1.0)])
    chart = _chart("Chance to be kept, by entropy", note, lines, words.percent, frame)
    # Where the curves end is no more than another point of them.
    return chart and chart._replace(series=[line._replace(last="") for line in chart.series])


def _chart(title: str, note: str, lines: Mapping[str, Line], text: _Text, frame: Frame) -> Chart | None:
    """The lines that there are; None where all of them are points."""
    drawn = {name: line for name, line in lines.items() if line}
    if all(len(line) < 2 for line in drawn.values()):
        return None
    told = [f"{words.readable(name)} from {text(line[0][1])} to {text(line[-1][1])}" for name, line in drawn.items()]
    summary = f"{title}, over {frame.across}: {'; '.join(told)}."
    return line_chart(title, summary, drawn, text, frame)._replace(note=note)


def _over_episodes(values: Sequence[float | None]) -> Line:
    return [(float(episode), value) for episode, value in enumerate(values, start=1) if value is not None]


def _quality(episodes: Sequence[_Episode]) -> Line:
    """What is rewarded, after every update; x is the episode and the share of it that is over."""
    line: Line = []
    for before, episode in enumerate(episodes):
        end = line[-1][1] if line else 0.0
        quality = end if episode.after is None else episode.after - sum(episode.rewards)
        line.append((float(before), quality))
        for update, reward in enumerate(episode.rewards, start=1):
            quality += reward
            line.append((before + update / len(episode.rewards), quality))
    return [line[0], *thin(line[1:-1]), line[-1]] if len(line) > 2 else line


def _signed(value: float) -> str:
    return f"{'+' if value > 0 else ''}{words.digits(value)}"


def _samples(found: Mapping[str, Any]) -> dict[str, list[Sample]]:
    named = {"Likeliest to be kept": "most", "Likeliest to be dropped": "least"}
    listed = {title: [_sample(mapping(entry)) for entry in _listed(found, name)] for title, name in named.items()}
    return {title: samples for title, samples in listed.items() if samples}


def _sample(entry: Mapping[str, Any]) -> Sample:
    texts = [str(entry[side]) for side in ("text", "pair") if entry.get(side) is not None]
    chance = number(entry.get("chance"))
    return Sample(" / ".join(texts), ", ".join(_origin(entry)), "" if chance is None else words.percent(chance))


def _origin(entry: Mapping[str, Any]) -> Iterator[str]:
    if entry.get("domain") is not None:
        yield str(entry["domain"])
    if (distance := number(entry.get("distance"))) is not None:
        yield f"{words.plural(int(distance), 'piece')} rewritten" if distance else "as it was"


def _episode(entry: Mapping[str, Any]) -> _Episode:
    pairs = [pair for pair in _listed(entry, "response") if isinstance(pair, list) and len(pair) == 2]
    points = [(number(doubt), number(chance)) for doubt, chance in pairs]
    return _Episode(
        number(entry.get("kept")),
        _shares(entry.get("kept_by_domain")),
        _shares(entry.get("kept_by_class")),
        _shares(entry.get("kept_by_distance")),
        sorted((100 * doubt, chance) for doubt, chance in points if doubt is not None and chance is not None),
        [reward for value in _listed(entry, "rewards") if (reward := number(value)) is not None],
        number(entry.get("return")),
        number(entry.get("after")),
    )


def _shares(found: Any) -> dict[str, float]:
    known = {str(name): share for name, value in mapping(found).items() if (share := number(value)) is not None}
    return {name: min(max(share, 0.0), 1.0) for name, share in known.items()}


def _listed(found: Mapping[str, Any], name: str) -> list[Any]:
    """The entries under a name; none where there is no list."""
    entries = found.get(name)
    return entries if isinstance(entries, list) else []
