"""A full disk, a forbidden one, and folders with unusual names: one line, the right exit code, nothing lost."""

import errno
import os
import random
import shutil
import subprocess

import pytest

import runs


@pytest.fixture(scope="module")
def whole(tmp_path_factory, tiny_tokenizer):
    """A command that ran to its end, how often it changed the disk, and what came out."""
    folder = tmp_path_factory.mktemp("whole")
    command = runs.a_command(folder, tiny_tokenizer)
    ended = command.run(("count_changes", (str(folder / "run"), str(folder / "changes"))))
    assert ended.code == 0, ended.said
    return command, int((folder / "changes").read_text())


def test__a_disk_that_fills_up_anywhere_is_one_line_and_room_brings_the_same_bits(whole, tmp_path):
    """Eight times the disk is full from some change on, each a little deeper into the run; then there is room."""
    command, changes = whole
    again, rng = command.into(tmp_path / "run"), random.Random(6)
    refused = 0
    for place in sorted(rng.sample(range(1, changes * 2 // 3), 8)):
        ended = again.run(("no_room", (str(again.output), place)))
        if ended.code == 0:  # so much was done before that this one came to the end
            continue
        refused += 1
        assert ended.code == 75, (place, ended.said)
        assert len(ended.problems) == 1
        assert "free some and run the same command again" in ended.problems[0]
        assert "Traceback" not in ended.said
        assert not list(again.output.rglob("tinybert-crash-*"))
    assert refused >= 4
    assert again.run().code == 0
    assert again.outcome == command.outcome


@pytest.mark.parametrize("what", ["checkpoint", "result", "folder"])
def test__no_room_at_any_change_of_one_save_leaves_what_was_there(tmp_path, what):
    assert runs.call(runs.fill_everywhere, what, str(tmp_path)) == 0


def test__a_small_disk_that_grows_step_by_step_brings_the_same_bits(whole, tmp_path):
    """A real file system that is really full; libraries written in Rust and C++ write to it too.

    `teacher.cache=auto` stores nothing on so small a disk, and what is computed anew differs in its last bits.
    """
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("may not mount a small disk here")
    try:
        command, _ = whole
        again = command.into(disk / "run").with_log(tmp_path).with_settings("teacher.cache=1MB")
        codes = []
        for kilobytes in (64, 128, 192, 256, 384, 512, 768, 4096):
            subprocess.run(["mount", "-o", f"remount,size={kilobytes}k", disk], check=True, capture_output=True)
            ended = again.run()
            codes.append(ended.code)
            assert ended.code in (0, 75), (kilobytes, ended.said)
            assert len(ended.problems) == (ended.code == 75), ended.said
            assert "Traceback" not in ended.said
        assert codes.count(75) >= 4
        assert codes[-1] == 0
        assert again.outcome == command.outcome
    finally:
        subprocess.run(["umount", disk], check=True, capture_output=True)


def test__what_the_system_refuses_is_one_line(whole, tmp_path):
    command, changes = whole
    again, rng = command.into(tmp_path / "run"), random.Random(7)
    for number, place in enumerate(sorted(rng.sample(range(1, changes // 3), 4))):
        code = (errno.EACCES, errno.EIO, errno.EROFS)[number % 3]
        ended = again.run(("not_allowed", (str(again.output), place, code)))
        assert ended.code in (0, 2), (place, ended.said)  # 0: it was refused where a leftover is tidied up
        assert len(ended.problems) == (ended.code == 2), ended.said
        assert "Traceback" not in ended.said
    assert again.run().code == 0
    assert again.outcome == command.outcome


def test__a_folder_that_may_not_be_written_is_one_line(whole, tmp_path):
    command, _ = whole
    (tmp_path / "locked").mkdir(mode=0o555)
    refused = command.into(tmp_path / "locked" / "run").with_log(tmp_path)
    ended = refused.run(*[("as_nobody", str(refused.output))] * (os.geteuid() == 0))
    assert ended.code == 2, ended.said
    assert ended.problems == [f"tinybert: {refused.output}: Permission denied"]
    assert not list((tmp_path / "locked").iterdir())


@pytest.mark.parametrize("name", ["Läufe mit Abstand/実行-😀", "it's --output=x [1] {2} $HOME %s"])
def test__a_folder_may_be_called_anything(whole, tmp_path, name):
    command, _ = whole
    strange = tmp_path / name
    shutil.copytree(command.teacher, strange / "the teacher é")
    shutil.copytree(command.data, strange / "die Daten")
    again = runs.Command(strange / "the teacher é", strange / "die Daten", strange / "out put ü", log=tmp_path)
    ended = again.run()
    assert ended.code == 0, ended.said
    assert again.outcome == command.outcome


def test__an_output_that_is_a_file_or_holds_something_else_is_refused(whole, tmp_path):
    command, _ = whole
    (tmp_path / "file").write_text("mine")
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("mine")
    for name in ("file", "thesis", "file/below"):
        ended = command.into(tmp_path / name).with_log(tmp_path).run()
        assert ended.code == 2, ended.said
        assert len(ended.problems) == 1
    assert sorted(path.name for path in (tmp_path / "thesis").iterdir()) == ["chapter.tex"]
    assert (tmp_path / "file").read_text() == "mine"
