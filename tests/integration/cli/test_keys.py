import re
import stat
from pathlib import Path

import pytest

from tollhouse.wiring import Services


def test_a_brand_new_home_is_made_ready_in_silence(tollhouse) -> None:
    result = tollhouse("keys", "list", "--json")
    assert result.stdout == "[]\n"
    assert result.stderr == ""
    assert stat.S_IMODE(tollhouse.home.stat().st_mode) == 0o700


def test_a_key_is_shown_when_it_is_made_and_never_again(tollhouse) -> None:
    made = tollhouse.json("keys", "create", "--name", "my program")
    assert re.fullmatch(r"sk-th-[0-9A-Za-z]{40}", made["key"])
    (listed,) = tollhouse.json("keys", "list")
    assert listed["id"] == made["id"]
    assert listed["name"] == "my program"
    assert listed["models"] is None
    assert listed["created_at"].endswith("Z")
    assert "key" not in listed
    assert made["key"] not in tollhouse("keys", "list").output


def test_for_people_the_key_stands_on_a_line_of_its_own(tollhouse) -> None:
    first, _, told = tollhouse("keys", "create", "--name", "x").stdout.splitlines()
    assert re.fullmatch(r"sk-th-[0-9A-Za-z]{40}", first)
    assert "shown this once" in told


def principal_name(tollhouse, key: str) -> str:
    services: Services = tollhouse.services()
    try:
        return services.authentication.principal(key).name
    finally:
        services.close()


def test_a_rotated_key_keeps_its_id_and_changes_its_secret(tollhouse) -> None:
    made = tollhouse.json("keys", "create", "--name", "x")
    rotated = tollhouse.json("keys", "rotate", made["id"])
    assert rotated["id"] == made["id"]
    assert rotated["key"] != made["key"]
    assert principal_name(tollhouse, rotated["key"]) == "x"
    with pytest.raises(Exception, match="does not exist"):
        principal_name(tollhouse, made["key"])


def test_a_revoked_key_says_so_and_is_not_rotated(tollhouse) -> None:
    made = tollhouse.json("keys", "create", "--name", "x")
    assert tollhouse.json("keys", "revoke", made["id"])["revoked_at"]
    assert "revoked 20" in tollhouse("keys", "list").stdout
    assert "make another" in tollhouse.error("keys", "rotate", made["id"])


def test_an_expiry_without_an_offset_is_utc(tollhouse) -> None:
    made = tollhouse.json("keys", "create", "--name", "x", "--expires", "2190-05-01T12:00")
    assert made["expires_at"] == "2190-05-01T12:00:00Z"
    elsewhere = tollhouse.json("keys", "create", "--name", "x", "--expires", "2190-05-01T12:00+02:00")
    assert elsewhere["expires_at"] == "2190-05-01T10:00:00Z"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--name", " "), "name: it is empty."),
        (("--name", "a\x1b[2J"), "control characters"),
        (("--name", "x", "--expires", "2020-01-01"), "the moment is past"),
        (("--name", "x", "--expires", "soon"), "'soon' is not a time"),
        (("--name", "x", "--model", "nope"), "tollhouse models list"),
        ((), "Missing option '--name'"),
    ],
)
def test_wrong_usage_ends_with_2_and_a_sentence(tollhouse, arguments: tuple[str, ...], sentence: str) -> None:
    assert sentence in tollhouse.error("keys", "create", *arguments, status=2)


def test_a_key_that_is_not_there_is_work_that_failed(tollhouse) -> None:
    assert tollhouse.error("keys", "revoke", "key_nope") == (
        "There is no key 'key_nope'; `tollhouse keys list` shows them."
    )


def test_a_damaged_database_is_a_sentence(tollhouse) -> None:
    tollhouse("keys", "list")
    for file in tollhouse.home.glob("tollhouse.db*"):
        file.unlink()
    (tollhouse.home / "tollhouse.db").write_bytes(b"no database at all" * 1000)
    assert "backup" in tollhouse.error("keys", "list")


def test_a_home_that_cannot_be_made_is_a_sentence(tollhouse, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    home = str(tmp_path / "file" / "home")
    assert "set TOLLHOUSE_HOME" in tollhouse.error("keys", "list", TOLLHOUSE_HOME=home)


def test_a_database_that_does_not_answer_is_a_sentence_without_its_password(tollhouse) -> None:
    sentence = tollhouse.error(
        "keys",
        "list",
        TOLLHOUSE_DATABASE_URL="postgresql://someone:hidden@127.0.0.1:9/x",
        TOLLHOUSE_SECRET_KEY="s" * 40,
    )
    assert "check TOLLHOUSE_DATABASE_URL" in sentence
    assert "hidden" not in sentence


def test_a_database_of_ones_own_is_migrated_by_oneself(tollhouse, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'own.db'}"
    assert "run `tollhouse db upgrade`" in tollhouse.error(
        "keys", "list", TOLLHOUSE_DATABASE_URL=url, TOLLHOUSE_SECRET_KEY="s" * 40
    )
