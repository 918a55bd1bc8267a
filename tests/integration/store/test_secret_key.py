"""The secret key in the home, or from a setting."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.gateway import settings_for
from tollhouse.domain.errors import InvalidSetting
from tollhouse.store.database import Database
from tollhouse.store.secret_key import FILE, SHORTEST, confirm_not_lost, confirm_secret_keys, load_secret_keys
from tollhouse.wiring import build, prepare

RACER = """
import sys
from pathlib import Path
from tollhouse.settings import load
from tollhouse.store.secret_key import load_secret_keys
settings = load({"TOLLHOUSE_HOME": sys.argv[1]}, Path(sys.argv[1]) / ".env")
print("ready", flush=True)
sys.stdin.readline()
print(*load_secret_keys(settings))
"""


def test_a_key_is_made_once_and_nobody_else_can_read_it(tmp_path: Path) -> None:
    home = tmp_path / "new" / "home"
    (key,) = load_secret_keys(settings_for(home))
    assert len(key) >= SHORTEST
    assert load_secret_keys(settings_for(home)) == (key,)
    assert stat.S_IMODE((home / FILE).stat().st_mode) == 0o600
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert [path.name for path in home.iterdir()] == [FILE]


def test_processes_that_start_at_once_agree_on_one_key(tmp_path: Path) -> None:
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    keys = {racer.communicate(timeout=20)[0] for racer in racers}
    assert keys == {(tmp_path / FILE).read_text()}
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_a_draft_that_a_killed_start_left_is_in_nobodys_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("os.link", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        patch.setattr(Path, "unlink", lambda *_, **__: None)
        with pytest.raises(KeyboardInterrupt):
            load_secret_keys(settings_for(tmp_path))
    assert len(list(tmp_path.iterdir())) == 1
    assert load_secret_keys(settings_for(tmp_path))


@pytest.mark.parametrize("content", [b"", b"short\n", b"\xff\xfe" * 40], ids=["empty", "short", "not text"])
def test_a_damaged_key_is_not_replaced_by_a_new_one(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(InvalidSetting, match="is damaged: put its backup in its place"):
        load_secret_keys(settings_for(tmp_path))
    assert (tmp_path / FILE).read_bytes() == content


def test_a_home_that_is_no_folder_is_named(tmp_path: Path) -> None:
    home = tmp_path / "file"
    home.write_text("")
    with pytest.raises(InvalidSetting, match=r"secret\.key cannot be used .*check the permissions"):
        load_secret_keys(settings_for(home))


def test_a_key_from_a_setting_writes_nothing(tmp_path: Path) -> None:
    key = "k" * SHORTEST
    assert load_secret_keys(settings_for(tmp_path, secret_key=key)) == (key,)
    assert list(tmp_path.iterdir()) == []


def test_a_key_from_a_setting_is_long_enough(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match="must have 32 characters") as raised:
        load_secret_keys(settings_for(tmp_path, secret_key="k" * (SHORTEST - 1)))
    assert "kkk" not in raised.value.message


def test_a_database_that_is_not_embedded_needs_the_key_from_a_setting(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match=r"TOLLHOUSE_SECRET_KEY must be set .*openssl rand"):
        load_secret_keys(settings_for(tmp_path, database_url="postgresql://db/tollhouse"))
    assert list(tmp_path.iterdir()) == []


def test_a_database_knows_the_key_that_it_was_used_with(database: Database) -> None:
    confirm_secret_keys(database, ["a" * 32])
    confirm_secret_keys(database, ["a" * 32])
    with pytest.raises(InvalidSetting, match=r"put back the file secret\.key"):
        confirm_secret_keys(database, ["b" * 32])
    confirm_secret_keys(database, ["a" * 32])


def test_a_key_that_another_first_start_made_meanwhile_is_not_lost(tmp_path: Path, database: Database) -> None:
    settings = settings_for(tmp_path)
    confirm_not_lost(database, settings)
    confirm_secret_keys(database, load_secret_keys(settings))
    confirm_not_lost(database, settings)
    (tmp_path / FILE).unlink()
    with pytest.raises(InvalidSetting, match=r"put back the file secret\.key"):
        confirm_not_lost(database, settings)


def test_a_lost_key_stops_the_start_and_loses_nothing(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    prepare(settings)
    kept = (tmp_path / FILE).read_text()
    (tmp_path / FILE).unlink()
    with pytest.raises(InvalidSetting, match="not the one that this database was used with"):
        prepare(settings)
    services = build(settings, "cli")
    with pytest.raises(InvalidSetting, match="not the one that this database was used with"):
        services.keys.create("void")
    services.close()
    assert not (tmp_path / FILE).exists(), "what is put back must not meet another"
    (tmp_path / FILE).write_text(kept)
    prepare(settings)
