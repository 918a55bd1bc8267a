import json
import shlex

from tollhouse.services.bootstrap import Prepared
from tollhouse.up.banner import banner

ADDRESS = "http://127.0.0.1:8000"


def _call(text: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if line.startswith("curl ")]
    return shlex.split(line)


def test_the_first_start_shows_the_secrets_and_a_call_that_carries_the_key() -> None:
    text = banner(ADDRESS, Prepared("a@b", "smollm2-135m", "pass-word", "sk-th-abc"))
    call = _call(text)
    assert call[1] == f"{ADDRESS}/v1/chat/completions"
    assert "Authorization: Bearer sk-th-abc" in call
    assert json.loads(call[-1])["model"] == "smollm2-135m"
    assert "a@b / pass-word" in text


def test_a_later_start_shows_no_secret_and_says_how_to_get_a_key() -> None:
    text = banner(ADDRESS, Prepared("a@b", "echo"))
    assert "Authorization: Bearer $TOLLHOUSE_API_KEY" in _call(text)
    assert "tollhouse keys create --name NAME" in text
    assert "None" not in text
    assert "shown this once" not in text
