import gzip
import importlib.util
from hashlib import sha256
from pathlib import Path
from types import ModuleType

import pytest

from tinybert.data.lexicon.table import Entry, Irregular, Table, packaged

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "tools" / "make_wordnet_table.py"
WORDNET = ROOT.parent / "shared" / "data" / "wordnet"
ASSETS = ROOT / "src" / "tinybert" / "assets" / "wordnet"
FILES = {  # a WordNet of eight senses, in the format of its own files
    "index.noun": """\
  1 This software and database is being provided to you, the LICENSEE
  2
  3 WordNet 3.0 Copyright 2006
film n 2 3 @ ~ + 2 2 00000020 00000010
movie n 1 1 @ 1 1 00000020
moving_picture n 1 1 @ 1 0 00000020
paris n 1 1 @ 1 0 00000030
""",
    "data.noun": """\
  1 This software and database is being provided to you, the LICENSEE
00000010 06 n 01 film 0 001 @ 00000020 n 0000 | a thin sheet; "film"
00000020 10 n 03 movie 0 film 0 moving_picture 0 001 @ 00000010 n 0000 | a show
00000030 15 n 02 Paris 0 City_of_Light 0 000 | a city
""",
    "index.verb": "film v 1 1 @ 1 1 00000010\nsee v 1 1 @ 1 0 00000020\nwitness v 1 1 @ 1 0 00000020\n",
    "data.verb": "00000010 36 v 01 film 0 000 | make a film\n00000020 39 v 02 see 0 witness 0 000 | perceive\n",
    "index.adj": "galore a 1 1 & 1 0 00000010\nabounding a 1 1 & 1 0 00000010\n",
    "data.adj": "00000010 00 s 02 abounding 0 galore(ip) 0 000 | in plenty\n",
    "index.adv": "well r 1 0 1 0 00000010\n",
    "data.adv": "00000010 02 r 01 well 0 000 | in a good way\n",
    "cntlist.rev": "film%1:06:00:: 2 3\nfilm%1:10:00:: 1 4\nfilm%2:36:00:: 1 2\ngalore%5:00:00:many:00 1 6\n",
    "noun.exc": "attorneys_general attorney_general\n",
    "verb.exc": "saw see\nseen see\n",
    "adj.exc": "seer see\nseer seer\n",
    "adv.exc": "better well\n",
}
LINES = [
    "abounding\ta0:galore",
    "better\tr>well",
    "film\tn7:movie,moving picture;\tv2:",
    "galore\ta6:abounding",
    "movie\tn0:film,moving picture",
    "paris\tn0:City of Light",
    "saw\tv>see",
    "see\tv0:witness",
    "seen\tv>see",
    "seer\ta>",
    "well\tr0:",
    "witness\tv0:see",
]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_wordnet_table", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def small(tmp_path: Path) -> Path:
    folder = tmp_path / "wordnet"
    folder.mkdir()
    for name, content in FILES.items():
        (folder / name).write_text(content, encoding="ascii")
    return folder


def test_table__of_a_small_wordnet(script: ModuleType, small: Path) -> None:
    assert script.table(small).splitlines() == LINES


def test_table__is_read_back_as_it_was_meant(script: ModuleType, small: Path) -> None:
    table = Table.of(script.table(small).encode())
    assert table["film"] == [Entry("n", 7, (("movie", "moving picture"), ())), Entry("v", 2, ((),))]
    assert table["saw"] == [Irregular("v", ("see",))]
    assert table["seer"] == [Irregular("a", ())]
    assert [table[line.split("\t")[0]] != [] for line in LINES] == [True] * len(LINES)
    assert [table[word] for word in ("", "aa", "fil", "filmy", "zz", "movie\t")] == [[]] * 6


def test_write__gives_the_same_bytes_from_plain_and_packed_files(
    script: ModuleType, small: Path, tmp_path: Path
) -> None:
    script.write(small, tmp_path / "once")
    for name, content in FILES.items():
        (small / name).unlink()
        (small / f"{name}.gz").write_bytes(gzip.compress(content.encode()))
    script.write(small, tmp_path / "again")
    assert {path.name for path in (tmp_path / "once").iterdir()} == {"LICENSE", "table.txt.gz"}
    for path in (tmp_path / "once").iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()


def test_notice__is_the_top_of_the_files(script: ModuleType, small: Path) -> None:
    assert script.notice(small) == (
        "This software and database is being provided to you, the LICENSEE\n\nWordNet 3.0 Copyright 2006\n"
    )


def test_packaged_table__comes_with_its_licence_and_is_small() -> None:
    assert "WordNet 3.0 Copyright 2006 by Princeton University" in (ASSETS / "LICENSE").read_text(encoding="utf-8")
    assert sum(path.stat().st_size for path in ASSETS.iterdir()) < 2_000_000


@pytest.mark.skipif(not WORDNET.is_dir(), reason="no folder shared/data/wordnet beside the repository")
def test_packaged_table__is_what_the_script_makes_of_wordnet(script: ModuleType) -> None:
    """Of the contents: other builds of zlib pack the same text into other bytes."""
    made = sha256(script.table(WORDNET).encode()).hexdigest()
    assert sha256(packaged().text).hexdigest() == made
    assert (ASSETS / "LICENSE").read_text(encoding="utf-8") == script.notice(WORDNET)
