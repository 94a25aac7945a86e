import logging
import sys
import warnings

import pytest

from tinybert.export.quiet import quiet


def test__nothing_gets_out(capfd: pytest.CaptureFixture[str]) -> None:
    with quiet():
        print("print")
        print("stderr", file=sys.stderr)
        logging.getLogger("exporter").warning("logged")
        warnings.warn("warned", stacklevel=1)
    assert capfd.readouterr() == ("", "")


def test__warnings_and_logging_are_as_before(caplog: pytest.LogCaptureFixture) -> None:
    handlers = list(logging.getLogger().handlers)
    with quiet():
        pass
    assert logging.getLogger().handlers == handlers
    logging.getLogger("after").warning("heard")
    assert caplog.messages == ["heard"]
    with pytest.warns(UserWarning, match="seen"):
        warnings.warn("seen", stacklevel=1)


def test__an_unconfigured_root_logger_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The quantiser calls logging.warning(), which would add a handler for the rest of the process."""
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    with quiet():
        logging.warning("once")
    assert logging.getLogger().handlers == []


def test__exceptions_pass_and_logging_comes_back(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(KeyError), quiet():
        raise KeyError("x")
    logging.getLogger("after").warning("heard")
    assert caplog.messages == ["heard"]
