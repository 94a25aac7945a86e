"""A run asks nobody for anything and opens no pickle."""

import runs


def test__a_whole_run_opens_no_pickle_and_no_connection(tmp_path, tiny_tokenizer):
    """Both end the process at once here, so the run's own end shows that neither was tried."""
    command = runs.a_command(tmp_path, tiny_tokenizer)
    ended = command.run(("without_pickle_and_network", None))
    assert ended.code == 0, ended.said
    again = command.into(tmp_path / "stopped")
    started = again.start(("without_pickle_and_network", None), ("slowly", 0.02))
    runs.wait_for(lambda: len(again.lines) > 20, started)
    started.kill(15)
    assert started.wait().code == 143
    assert again.run(("without_pickle_and_network", None)).code == 0  # nor is one opened to resume
    assert again.outcome == command.outcome


def test__the_watch_itself_sees_a_pickle_and_a_connection():
    assert runs.call(runs.touch_what_is_forbidden, "pickle") == 99
    assert runs.call(runs.touch_what_is_forbidden, "connection") == 99
    assert runs.call(runs.touch_what_is_forbidden, "nothing") == 0


def test__nothing_that_is_written_is_a_pickle(tmp_path, tiny_tokenizer):
    command = runs.a_command(tmp_path, tiny_tokenizer)
    assert command.run().code == 0
    endings = {path.suffix for path in command.output.rglob("*") if path.is_file()}
    assert endings <= {".safetensors", ".json", ".jsonl", ".yaml", ".md", ".html", ".arrow", ".onnx", ""}
    assert {path.name for path in command.output.rglob("*") if path.is_file() and not path.suffix} <= {".lock"}
