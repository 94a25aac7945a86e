"""The documentation keeps up with the code: commands parse, code compiles, tables and trees are those of today."""

import contextlib
import importlib.util
import inspect
import re
import shlex
import textwrap
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlparse

import pytest

import tinybert
from tinybert import api, cli
from tinybert.augment.methods import METHODS
from tinybert.config import parse_layers, preset_names, read_preset, read_yaml, resolve
from tinybert.recipes import RECIPES
from tinybert.stages import augment_file
from tinybert.terminal import Call

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "tinybert"
PAGES = [
    ROOT / "README.md",
    ROOT / "ARCHITECTURE.md",
    ROOT / "CHANGELOG.md",
    ROOT / "benchmarks/README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
RUN = "<!-- run -->"  # before a block of Python that is run, not only compiled
FENCE = re.compile(r"^(?P<run><!-- run -->\n)?```(?P<language>\w*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


class Block(NamedTuple):
    """A fenced block of a page."""

    page: str
    line: int
    language: str
    text: str
    runs: bool

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(*languages: str) -> list[Block]:
    found = []
    for page in PAGES:
        content = page.read_text(encoding="utf-8")
        for match in FENCE.finditer(content):
            line = content[: match.start("text")].count("\n")
            name = page.relative_to(ROOT).as_posix()
            found.append(Block(name, line, match["language"], match["text"], match["run"] is not None))
    return [block for block in found if block.language in languages]


def commands(block: Block) -> list[list[str]]:
    """The words of each command line, without comments, pipes and redirections."""
    lines = block.text.replace("\\\n", " ").splitlines()
    parts = [part for line in lines for part in line.split("#")[0].split("|")]
    return [words for part in parts if (words := shlex.split(re.split(r"\s>\s", part)[0]))]


def tinybert_arguments(words: list[str]) -> list[str] | None:
    """What follows the program's name; None where another program is called."""
    if words[0] == "tinybert":
        return words[1:]
    return words[words.index("-m") + 2 :] if words[1:] and "-m" in words and "tinybert" in words else None


def parsed(arguments: list[str]) -> Call:
    call = cli.app(args=arguments, prog_name="tinybert", standalone_mode=False)
    assert isinstance(call, Call)
    return call


@pytest.mark.parametrize("block", blocks("bash"), ids=str)
def test__every_command_line_of_ours_parses(block):
    for words in commands(block):
        arguments = tinybert_arguments(words)
        if arguments is None:
            continue
        call = parsed(arguments)
        assert set(call.arguments) <= set(inspect.signature(getattr(api, call.command)).parameters)
        if "method" in call.arguments:
            assert call.arguments["method"] in METHODS
            named = {"augment": {"method": call.arguments["method"]}}
            resolve(augment_file.Config, "augment", flags=named, overrides=call.arguments["set"])
        if "recipe" in call.arguments:
            assert call.arguments["recipe"] in RECIPES
            files = {name: call.arguments.get(name) for name in ("train", "unlabeled")}
            check_settings(call.arguments["recipe"], call.arguments["config"], call.arguments["set"], files)


def check_settings(
    recipe: str, config: str | None, overrides: tuple[str, ...], files: Mapping[str, str | None] | None = None
) -> None:
    """Keys and values behind `--set`, and the name of a preset."""
    if config is not None and not config.endswith(".yaml"):
        assert config in preset_names(recipe)
    resolve(RECIPES[recipe].config, recipe, flags=files or {}, overrides=overrides)


def test__command_lines_are_found_at_all():
    words = [words for block in blocks("bash") for words in commands(block)]

    assert sum(tinybert_arguments(one) is not None for one in words) > 20


def test__every_make_target_exists():
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    named = {words[1] for block in blocks("bash") for words in commands(block) if words[0] == "make"}

    assert {"demo", "test"} <= named <= set(targets)


@pytest.mark.parametrize("block", blocks("yaml"), ids=str)
def test__every_yaml_block_is_a_file_of_settings(block, tmp_path):
    path = tmp_path / "settings.yaml"
    path.write_text(block.text, encoding="utf-8")
    mapping, origin = read_yaml(path)
    recipe = "tinybert"
    preset = str(mapping.pop("preset", "small"))

    settings = parse_layers(RECIPES[recipe].config, [read_preset(recipe, preset), (mapping, origin)])

    assert settings != RECIPES[recipe].config()


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test__every_python_block_compiles_and_uses_names_that_exist(block):
    code = compile(block.text, str(block), "exec")

    used = set(re.findall(r"\btinybert\.(\w+)\(", block.text))
    assert used <= set(tinybert.__all__)
    if block.runs:
        exec(code, {"__name__": "page"})


def test__some_python_block_is_run():
    assert any(block.runs for block in blocks("python"))


@pytest.mark.parametrize("block", [block for block in blocks("python") if "tinybert.distill(" in block.text], ids=str)
def test__calls_of_distill_in_the_pages_have_arguments_that_exist(block, monkeypatch):
    from tinybert import launch, plan

    class Asked(Exception):  # noqa: N818
        pass

    def stop(*_: object, **__: object) -> None:
        raise Asked

    monkeypatch.setattr(launch, "launch", stop)
    monkeypatch.setattr(plan, "plan", stop)
    call = textwrap.dedent(block.text)

    with contextlib.suppress(FileNotFoundError), pytest.raises(Asked):  # settings are checked before anything starts
        exec(compile(call, str(block), "exec"), {"__name__": "page"})


@pytest.mark.parametrize("name", [name for name in tinybert.__all__ if name != "__version__"])
def test__every_public_name_is_documented_with_the_arguments_it_has(name):
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    signature = re.search(rf"`tinybert\.{name}\((.*?)\)`", page)

    assert signature, f"docs/python.md does not have tinybert.{name}"
    shown = set(re.findall(r"\w+", signature[1]))
    assert shown <= set(inspect.signature(getattr(api, name)).parameters)


def test__the_version_is_documented():
    assert "`tinybert.__version__`" in (ROOT / "docs" / "python.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("recipe", RECIPES)
def test__every_recipe_has_its_method_card(recipe):
    card = (ROOT / "docs" / "recipes" / f"{recipe}.md").read_text(encoding="utf-8")

    arxiv = re.search(r"arXiv:[\d.]+\d", RECIPES[recipe].citation)
    assert arxiv
    assert arxiv[0] in card
    assert f"tinybert distill {recipe} " in card
    assert "## How this differs" in card


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test__links_between_files_resolve(page):
    content = FENCE.sub("", page.read_text(encoding="utf-8"))
    local = [link.split("#")[0] for link in LINK.findall(content) if not urlparse(link).scheme]

    assert [link for link in local if not (page.parent / link).exists()] == []


def test__pages_that_the_sources_name_exist():
    named = {
        name
        for folder in (SOURCE, ROOT / "tests", ROOT / "benchmarks", ROOT / "examples")
        for path in folder.rglob("*.*")
        if path.suffix in (".py", ".yaml", ".md")
        for name in re.findall(r"\bdocs/[\w/-]+\.(?:md|py)\b", path.read_text(encoding="utf-8"))
    }

    assert sorted(name for name in named if not (ROOT / name).exists()) == []
    assert "docs/presets.md" in named


def test__every_page_is_reached_from_the_index():
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    linked = {(ROOT / "docs" / link).resolve() for link in LINK.findall(index)}

    pages = set((ROOT / "docs").rglob("*.md")) - {ROOT / "docs" / "index.md"}
    assert sorted(pages - linked) == []


def test__the_tables_that_come_from_the_code_are_up_to_date():
    path = ROOT / "docs" / "make_tables.py"
    spec = importlib.util.spec_from_file_location("make_tables", path)
    assert spec is not None
    assert spec.loader is not None
    tables = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tables)

    for page in tables.TABLES:
        assert page.read_text(encoding="utf-8") == tables.page(page), "run .venv/bin/python docs/make_tables.py"


def architecture_block(after: str) -> list[str]:
    return ARCHITECTURE.split(after)[1].split("```\n")[1].splitlines()


def test__the_tree_of_the_architecture_has_every_package_and_nothing_else():
    rooms = [line.split()[0] for line in architecture_block("## Packages") if line]

    there = [f"{path.name}/" if path.is_dir() else path.name for path in SOURCE.iterdir() if path.name != "__pycache__"]
    assert len(rooms) == len(set(rooms))
    assert sorted(rooms) == sorted(there)


def test__the_layers_of_the_architecture_are_those_that_are_enforced():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")

    groups = "\n".join(architecture_block("## Packages")).split("\n\n")
    shown = [{line.split()[0].rstrip("/").removesuffix(".py") for line in group.splitlines()} for group in groups]
    assert shown[:-1] == [set(layer.split(" | ")) for layer in layers]


def test__files_that_the_architecture_names_exist():
    named = re.findall(r"`([\w/]+/[\w.]+)`", ARCHITECTURE)  # as in models/hf.py; <name> stands for any
    missing = [name for name in named if not any((place / name).exists() for place in (ROOT, SOURCE))]

    assert [name for name in missing if not name.startswith(("student/", "teacher/", "export/"))] == []


def test__no_page_says_where_it_was_written():
    texts = {page: page.read_text(encoding="utf-8") for page in PAGES}
    homes = ("/home/", "/root/", "/work/", "/tmp/", str(Path.home()))

    assert [page.name for page, text in texts.items() if any(home in text for home in homes)] == []
