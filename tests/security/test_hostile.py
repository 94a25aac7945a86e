"""Folders and files made to do harm: refused in one line, and nothing of theirs is ever run."""

import json
import pickle
import shutil
import struct
from pathlib import Path

import pytest

import runs


class Bomb:
    """Unpickled, it makes a file."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self):
        return Path.touch, (self.canary,)


@pytest.fixture
def canary(tmp_path):
    """A path that must never come to be; it would, if a bomb went off."""
    path = tmp_path / "canary"
    pickle.loads(pickle.dumps(Bomb(path)))
    assert path.exists()
    path.unlink()
    return path


@pytest.fixture
def command(tmp_path, tiny_tokenizer):
    return runs.a_command(tmp_path, tiny_tokenizer, headless=False)


def refused(command, canary, *words):
    ended = command.run(("without_pickle_and_network", None))
    assert ended.code == 2, ended.said
    assert len(ended.problems) == 1, ended.said
    for word in words:
        assert word in ended.problems[0]
    assert "Traceback" not in ended.said
    assert not canary.exists()


def rewrite(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def only_a_pickle(teacher, canary):
    (teacher / "model.safetensors").unlink()
    (teacher / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(canary)))
    return "pickle"


def a_pickle_under_a_good_name(teacher, canary):
    (teacher / "model.safetensors").write_bytes(pickle.dumps(Bomb(canary)))
    return "model.safetensors"


def an_index_that_points_at_a_pickle(teacher, canary):
    (teacher / "model.safetensors").unlink()
    (teacher / "weights.bin").write_bytes(pickle.dumps(Bomb(canary)))
    (teacher / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"x": "weights.bin"}}))
    return "weights.bin"


def an_index_that_points_outside(teacher, canary):
    (teacher / "model.safetensors").rename(teacher.parent / "outside.safetensors")
    (teacher / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"x": "../outside.safetensors"}}))
    return "weight_map"


def code_of_its_own(teacher, canary):
    (teacher / "modeling_evil.py").write_text(
        f"from pathlib import Path\nPath({str(canary)!r}).touch()\nclass Evil: pass\n"
    )
    own = {"AutoConfig": "modeling_evil.Evil", "AutoModelForSequenceClassification": "modeling_evil.Evil"}
    rewrite(teacher / "config.json", auto_map=own)
    return "auto_map"


def a_tokenizer_with_code_of_its_own(teacher, canary):
    (teacher / "tokenization_evil.py").write_text(
        f"from pathlib import Path\nPath({str(canary)!r}).touch()\nclass Evil: pass\n"
    )
    rewrite(teacher / "tokenizer_config.json", auto_map={"AutoTokenizer": ["tokenization_evil.Evil", None]})
    return "auto_map"


def a_kind_of_network_nobody_knows(teacher, canary):
    rewrite(teacher / "config.json", model_type="../../evil")
    return "config.json"


def weights_to_be_unpacked(teacher, canary):
    rewrite(teacher / "config.json", quantization_config={"quant_method": "bitsandbytes", "load_in_8bit": True})
    return "quantised"


def a_header_of_petabytes(teacher, canary):
    (teacher / "model.safetensors").write_bytes(struct.pack("<Q", 2**50) + b"{}")
    return "model.safetensors"


def a_tensor_that_claims_petabytes(teacher, canary):
    header = json.dumps({"x": {"dtype": "F32", "shape": [2**40, 2**10], "data_offsets": [0, 2**52]}}).encode()
    (teacher / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    return "model.safetensors"


def sizes_that_fill_the_memory(teacher, canary):
    rewrite(teacher / "config.json", vocab_size=2**40)
    return str(teacher)


def nested_for_ever(teacher, canary):
    (teacher / "config.json").write_text("[" * 100_000)
    return "config.json"


def a_configuration_that_is_no_object(teacher, canary):
    (teacher / "config.json").write_text('["bert"]')
    return "config.json"


def a_tokenizer_that_is_rubbish(teacher, canary):
    (teacher / "tokenizer.json").write_bytes(b"\x80\x04\x95" + bytes(300))
    return str(teacher)


HOSTILE = (
    only_a_pickle,
    a_pickle_under_a_good_name,
    an_index_that_points_at_a_pickle,
    an_index_that_points_outside,
    code_of_its_own,
    a_tokenizer_with_code_of_its_own,
    a_kind_of_network_nobody_knows,
    weights_to_be_unpacked,
    a_header_of_petabytes,
    a_tensor_that_claims_petabytes,
    sizes_that_fill_the_memory,
    nested_for_ever,
    a_configuration_that_is_no_object,
    a_tokenizer_that_is_rubbish,
)


@pytest.mark.parametrize("harm", HOSTILE, ids=lambda harm: harm.__name__)
def test__a_hostile_teacher_is_refused_and_runs_nothing(command, canary, harm):
    refused(command, canary, harm(command.teacher, canary))


@pytest.mark.parametrize("harm", HOSTILE[:5:2], ids=lambda harm: harm.__name__)
def test__a_hostile_student_is_refused_and_runs_nothing(command, canary, harm):
    """Its checkpoint is read by the same rules."""
    hostile = command.teacher.with_name("hostile")
    shutil.copytree(command.teacher, hostile)
    refused(command.with_extra(f"--student={hostile}"), canary, harm(hostile, canary))


YAMLS = {
    "a pickle of YAML": "a: !!python/object/apply:os.mkdir ['{canary}']\n",
    "a module of YAML": "seed: !!python/name:os.system\n",
    "laughs": "".join(
        f"l{level}: &l{level} [{', '.join([f'*l{level - 1}' if level else 'lol'] * 9)}]\n" for level in range(12)
    ),
    "a ring": "teacher: &ring\n  dtype: *ring\n",
    "nested for ever": "seed: " + "[" * 2_000 + "\n",
}


@pytest.mark.parametrize("name", YAMLS)
def test__a_hostile_configuration_is_refused_and_runs_nothing(command, canary, tmp_path, name):
    (tmp_path / "evil.yaml").write_text(YAMLS[name].replace("{canary}", str(canary)))
    ended = command.with_extra(f"--config={tmp_path / 'evil.yaml'}").run(("without_pickle_and_network", None))
    assert ended.code == 2, ended.said
    assert 1 <= len(ended.problems) <= 12
    assert max(map(len, ended.problems)) < 2000
    assert "Traceback" not in ended.said
    assert not canary.exists()


def test__a_checkpoint_with_other_tensors_in_it_is_not_believed(command, canary):
    """A pickle put where a stage's result lies: its hash is not that of the manifest, and it is never opened."""
    assert command.run().code == 0
    for path in command.output.glob("stages/prediction-*/result/student.safetensors"):
        path.write_bytes(pickle.dumps(Bomb(canary)))
    shipped = command.weights
    ended = command.run(("without_pickle_and_network", None))
    assert ended.code == 0, ended.said
    assert "damaged" in ended.said
    assert command.weights == shipped
    assert not canary.exists()


def test__a_folder_of_links_is_read_like_one_of_files(command, tmp_path):
    """As the hub's own cache is: links to blobs elsewhere. What is linked to is never written."""
    blobs = command.teacher.rename(tmp_path / "blobs")
    command.teacher.mkdir()
    for blob in blobs.iterdir():
        (command.teacher / blob.name).symlink_to(blob)
    before = {path: path.read_bytes() for path in blobs.iterdir()}
    assert command.run().code == 0
    assert {path: path.read_bytes() for path in blobs.iterdir()} == before


def test__a_link_in_the_run_folder_is_replaced_and_not_followed(command, tmp_path):
    """Someone else's folder in the place of ours stays as it is."""
    assert command.run().code == 0
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "model.safetensors").write_text("mine")
    metrics = command.output / "metrics.json"
    (command.output / "report.html").unlink()
    metrics.unlink()
    metrics.symlink_to(tmp_path / "elsewhere" / "model.safetensors")
    assert command.run().code == 0
    assert (tmp_path / "elsewhere" / "model.safetensors").read_text() == "mine"
    assert json.loads(metrics.read_text())["recipe"] == "tinybert"
