import io
from dataclasses import replace
from pathlib import Path

import pytest

from tollhouse.settings import Settings
from tollhouse.up.run import _environment, address
from tollhouse.up.terminal import Terminal

SETTINGS = Settings(home=Path("/srv/th"), port=8123)


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8123"),
        ("0.0.0.0", "http://127.0.0.1:8123"),  # noqa: S104 - not bound
        ("::", "http://[::1]:8123"),
        ("gateway.example", "http://gateway.example:8123"),
    ],
)
def test_the_address_shown_is_one_that_a_client_here_can_use(host: str, url: str) -> None:
    assert address(replace(SETTINGS, host=host)) == url


def test_the_gateways_processes_read_the_settings_that_up_uses() -> None:
    env = _environment(SETTINGS, Terminal(io.StringIO()))
    assert env == {
        "TOLLHOUSE_HOME": "/srv/th",
        "TOLLHOUSE_HOST": "127.0.0.1",
        "TOLLHOUSE_PORT": "8123",
        "PROMETHEUS_MULTIPROC_DIR": str(SETTINGS.metrics_folder),
    }


def test_logs_are_text_on_a_terminal_unless_a_setting_says_otherwise() -> None:
    assert _environment(SETTINGS, Terminal(Screen()))["TOLLHOUSE_LOG_FORMAT"] == "text"
    assert "TOLLHOUSE_LOG_FORMAT" not in _environment(replace(SETTINGS, log_format="json"), Terminal(Screen()))


def test_a_step_is_one_line_with_its_time_and_a_failed_one_is_silent() -> None:
    out = io.StringIO()
    terminal = Terminal(out)
    with terminal.step("redis"):
        pass
    assert out.getvalue().split() == ["redis", "0.0", "s"]
    with pytest.raises(KeyError), terminal.step("model"):
        raise KeyError
    assert "model" not in out.getvalue()
