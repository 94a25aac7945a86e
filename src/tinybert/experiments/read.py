"""Experiments out of YAML files: ours and a user's; every problem is one line with its place in the file.

A file may describe several tables over the same rows. A row or a data set that says `small:` or `paper:` is laid over
by what stands there; one that is `like` another begins as that one.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from tinybert.config import Origin, parse, read_yaml
from tinybert.errors import UserError
from tinybert.experiments.spec import BUDGETS, Budget, BudgetName, DataSet, Experiment, Layout, Row

PACKAGED: Final = Path(__file__).parent / "packaged"
ALL: Final = "all"

T = TypeVar("T")


def experiments_named(name: str, budget: BudgetName) -> list[Experiment]:
    """One of our tables, all of them, or those of a user's file.

    Raises:
        UserError: If there is neither, or a file says what cannot be.
    """
    files = sorted(PACKAGED.glob("*.yaml"))
    if name.endswith((".yaml", ".yml")) or Path(name).is_file():
        return list(read_experiments(Path(name), budget))
    found = [one for file in files for one in read_experiments(file, budget)]
    chosen = [one for one in found if name in (ALL, one.name)]
    if not chosen:
        known = ", ".join([*(one.name for one in found), ALL])
        raise UserError(f"there is no experiment {name!r}; there are {known}; or give a YAML file of your own")
    return chosen


def read_experiments(path: Path, budget: BudgetName) -> Iterator[Experiment]:
    """The tables of a file, in order.

    Raises:
        UserError: One line per problem, with its place in the file.
    """
    content = _File(path, budget)
    rows, data = content.rows(), content.data()
    common = content.one(Budget, "budgets", budget)
    everything = {"title": path.stem, "rows": [*rows]}
    for name, mapping in (content.section("tables") or {path.stem: everything}).items():
        layout = content.parsed(Layout, mapping, ("tables", name))
        shown = layout.data or tuple(data)
        unknown = [f"rows.{row}" for row in layout.rows if row not in rows]
        if unknown := [*unknown, *(f"data.{column}" for column in shown if column not in data)]:
            raise UserError(f"{content.origin.where(('tables', name))}: there is no {', '.join(unknown)} in this file")
        chosen = {label: rows[label] for label in layout.rows}, {column: data[column] for column in shown}
        called = name if path.parent == PACKAGED else str(path)
        yield Experiment(name, content.paper, layout, common, budget, *chosen, called)


class _File:
    """One YAML file in one budget; a class because errors name its lines."""

    def __init__(self, path: Path, budget: BudgetName) -> None:
        self.mapping, self.origin = read_yaml(path)
        self.budget = budget
        known = ("paper", "budgets", "data", "rows", "tables")
        if unknown := [key for key in self.mapping if key not in known]:
            problems = (f"{self.origin.where((key,))}: unknown key (there are {', '.join(known)})" for key in unknown)
            raise UserError(*problems)
        if missing := [key for key in ("data", "rows") if not self.section(key)]:
            raise UserError(*(f"{path}: {key} is missing; see docs/experiments.md" for key in missing))

    @property
    def paper(self) -> str | None:
        """Whose tables these are."""
        return None if (paper := self.mapping.get("paper")) is None else str(paper)

    def section(self, name: str) -> dict[str, Any]:
        """A mapping of mappings; empty where it is missing."""
        found = self.mapping.get(name) or {}
        if not isinstance(found, dict) or not all(isinstance(value, dict) for value in found.values()):
            raise UserError(f"{self.origin.where((name,))}: must be a mapping of names to settings")
        return found

    def rows(self) -> dict[str, Row]:
        """The rows that name a recipe; others are there to be `like`."""
        full = self._whole("rows")
        named = {label: mapping for label, mapping in full.items() if "recipe" in _in_budget(mapping, self.budget)}
        return {label: self.parsed(Row, mapping, ("rows", label)) for label, mapping in named.items()}

    def data(self) -> dict[str, DataSet]:
        """All data sets."""
        return {name: self.parsed(DataSet, mapping, ("data", name)) for name, mapping in self._whole("data").items()}

    def one(self, schema: type[T], section: str, name: str) -> T:
        """One entry of a section, which may be missing."""
        return self.parsed(schema, self.section(section).get(name, {}), (section, name))

    def parsed(self, schema: type[T], mapping: Mapping[str, Any], path: tuple[str, ...]) -> T:
        """An entry in this budget, checked."""
        inside = tuple(part for name in path for part in name.split("."))
        lines = {key[len(inside) :]: line for key, line in self.origin.lines.items() if key[: len(inside)] == inside}
        lines = {key[1:]: line for key, line in lines.items() if key[:1] == (self.budget,)} | lines
        origin = Origin(self.origin.name, {key: line for key, line in lines.items() if key})
        return parse(schema, _in_budget(mapping, self.budget), origin=origin)

    def _whole(self, section: str) -> dict[str, dict[str, Any]]:
        """The entries of a section, each over the one that it is `like`."""
        given = self.section(section)

        def whole(name: str, above: tuple[str, ...] = ()) -> dict[str, Any]:
            own = {key: value for key, value in given[name].items() if key != "like"}
            if (other := given[name].get("like")) is None:
                return own
            if other not in given or other in (*above, name):
                where = self.origin.where((section, *name.split("."), "like"))
                raise UserError(f"{where}: there is no other {other} in {section}")
            return _laid(whole(str(other), (*above, name)), own)

        return {name: whole(name) for name in given}


def _in_budget(mapping: Mapping[str, Any], budget: str) -> dict[str, Any]:
    common = {key: value for key, value in mapping.items() if key not in BUDGETS}
    return _laid(common, cast(Mapping[str, Any], mapping.get(budget) or {}))


def _laid(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """One mapping over another, key by key."""
    both = {k for k in above if isinstance(above[k], dict) and isinstance(below.get(k), dict)}
    return {**below, **{key: _laid(below[key], value) if key in both else value for key, value in above.items()}}
