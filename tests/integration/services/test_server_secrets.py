"""The server's secret is changed, and nothing that was made with the one before ends."""

import stat
import threading
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from tests.gateway import settings_for
from tests.integration.services.conftest import Hosts
from tollhouse.domain.actor import SHELL
from tollhouse.domain.errors import Conflict, InvalidKey, InvalidSetting
from tollhouse.providers.addresses import check_base_url
from tollhouse.services.keys import server_secrets
from tollhouse.services.keys.authentication import Authentication
from tollhouse.services.keys.keys import Keys
from tollhouse.services.keys.mint import KeyMint
from tollhouse.services.keys.server_secrets import ServerSecrets
from tollhouse.services.models.provider_keys import ProviderKeys
from tollhouse.services.models.providers import Providers
from tollhouse.services.repeats.idempotency import Answer, Idempotency
from tollhouse.store.database import Database
from tollhouse.store.records import AuditEntryRecord, ProviderRecord
from tollhouse.store.secret_key import FILE, confirm_secret_keys
from tollhouse.store.secret_ring import SecretRing
from tollhouse.store.vault import FernetVault


@dataclass
class Process:
    """What one process has of the server's secrets."""

    database: Database
    ring: SecretRing
    vault: FernetVault
    mint: KeyMint
    secrets: ServerSecrets
    providers: Providers
    keys: Keys
    authentication: Authentication

    def knows(self, key: str) -> bool:
        self.authentication.forget()
        try:
            return bool(self.authentication.principal(key).key_id)
        except InvalidKey:
            return False


def start(database: Database, home: Path, **settings: Any) -> Process:
    ring = SecretRing(settings_for(home, **settings))
    confirm_secret_keys(database, ring.secrets)
    vault, mint = FernetVault(*ring.secrets), KeyMint(*ring.secrets)
    ring.followed_by(vault.use)
    ring.followed_by(mint.use)
    secrets = ServerSecrets(database, ring, vault, mint)
    secrets.follow()
    providers = Providers(database, vault, Hosts(), check_base_url)
    return Process(
        database, ring, vault, mint, secrets, providers, Keys(database, mint), Authentication(database, mint)
    )


@pytest.fixture(autouse=True)
def known_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_secrets, "KNOWN_EVERYWHERE", timedelta(0))


@pytest.fixture
def process(database: Database, tmp_path: Path) -> Process:
    return start(database, tmp_path)


def add_providers(process: Process, count: int) -> None:
    for number in range(count):
        process.providers.add(f"p{number}", "openai", "https://host.example/v1", credential=f"sk-{number}")


def sealed(process: Process) -> list[str]:
    with process.database.read() as session:
        return [text or "" for text in session.scalars(select(ProviderRecord.credential).order_by(ProviderRecord.name))]


def test_a_key_and_a_credential_outlive_two_rotations_and_the_end_of_their_secret(
    process: Process, tmp_path: Path
) -> None:
    key = process.keys.create("before").key or ""
    add_providers(process, 3)
    other = start(process.database, tmp_path)
    for number in range(2):
        assert process.secrets.rotate(by=SHELL).rows == 3 + number, "and what is known of the keys of the first secret"
        other.secrets.follow()
        assert process.knows(key)
        assert other.knows(key)
    for one in (process, other, start(process.database, tmp_path)):
        one.secrets.follow()
        assert len(one.ring.secrets) == 3
    process.secrets.forget(by=SHELL)
    other.secrets.follow()
    for one in (process, other, start(process.database, tmp_path)):
        assert one.ring.secrets == process.ring.secrets[:1]
        assert one.knows(key)
        assert one.providers.credential_of("p2") == "sk-2"
        assert one.knows(one.keys.create("after").key or "")
    assert not process.knows(KeyMint("a secret that was never this gateway's").mint().key)
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.glob(f"{FILE}*")] == [FILE]


def test_a_further_key_of_a_provider_outlives_its_secret(process: Process) -> None:
    add_providers(process, 1)
    keys = ProviderKeys(process.database, process.vault)
    keys.add("p0", "second", "sk-further")
    process.secrets.rotate(by=SHELL)
    process.secrets.forget(by=SHELL)
    assert keys.credential_of("p0", "second") == "sk-further"


def test_an_answer_that_is_kept_for_its_idempotency_key_outlives_its_secret(process: Process) -> None:
    kept = Idempotency(process.database, process.vault)
    first = kept.once("usr_1", "a", "f", lambda: Answer(201, "sk-shown-once"))
    process.secrets.rotate(by=SHELL)
    process.secrets.forget(by=SHELL)
    again = kept.once("usr_1", "a", "f", lambda: Answer(201, "another"))
    assert (again.text, again.again, first.again) == ("sk-shown-once", True, False)


def test_what_is_sealed_after_a_rotation_needs_no_older_secret(process: Process) -> None:
    add_providers(process, 2)
    process.secrets.rotate(by=SHELL)
    alone = FernetVault(process.ring.secrets[0])
    assert [alone.unseal(text) for text in sealed(process)] == ["sk-0", "sk-1"]


def test_sealing_anew_that_was_cut_short_goes_on_where_it_was(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_providers(process, 7)
    monkeypatch.setattr(server_secrets, "CHUNK", 2)
    seal, left = process.vault.seal, [6]

    def dying(text: str) -> str:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return seal(text)

    with monkeypatch.context() as patch:
        patch.setattr(process.vault, "seal", dying)
        with pytest.raises(KeyboardInterrupt):
            process.secrets.rotate(by=SHELL)
    current = [process.vault.is_current(text) for text in sealed(process)]
    assert True in current
    assert False in current
    assert [process.vault.unseal(text) for text in sealed(process)] == [f"sk-{number}" for number in range(7)]
    assert process.secrets.reseal().rows == current.count(False)
    assert process.secrets.reseal().rows == 0
    assert all(process.vault.is_current(text) for text in sealed(process))


def test_a_rotation_that_died_after_it_wrote_the_file_loses_nothing(process: Process, tmp_path: Path) -> None:
    key = process.keys.create("before").key or ""
    add_providers(process, 1)
    process.ring.add()
    again = start(process.database, tmp_path)
    assert again.knows(key)
    assert again.providers.credential_of("p0") == "sk-0"
    again.secrets.forget(by=SHELL)
    assert again.knows(key)
    assert again.providers.credential_of("p0") == "sk-0"


def test_a_file_that_could_not_be_written_is_as_it_was(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    before = process.ring.secrets
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        process.secrets.rotate(by=SHELL)
    process.ring.refresh()
    assert process.ring.secrets == before


def test_a_credential_that_is_changed_meanwhile_stays_as_it_was_changed(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_providers(process, 1)
    seal = process.vault.seal

    def raced(text: str) -> str:
        if text == "sk-0":
            with process.database.write() as session:
                session.execute(update(ProviderRecord).values(credential=seal("sk-changed")))
        return seal(text)

    monkeypatch.setattr(process.vault, "seal", raced)
    process.secrets.rotate(by=SHELL)
    assert process.providers.credential_of("p0") == "sk-changed"


def test_rotations_at_once_lose_no_secret(process: Process, tmp_path: Path) -> None:
    rings = [SecretRing(settings_for(tmp_path)) for _ in range(4)]
    threads = [threading.Thread(target=ring.add) for ring in rings]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    process.ring.refresh()
    assert len(set(process.ring.secrets)) == 5
    assert all(set(ring.secrets) <= set(process.ring.secrets) for ring in rings)


def test_an_old_secret_is_not_forgotten_while_a_process_may_use_it(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_secrets, "KNOWN_EVERYWHERE", timedelta(seconds=10))
    process.secrets.rotate(by=SHELL)
    with pytest.raises(Conflict, match="Try again in a moment"):
        process.secrets.forget(by=SHELL)
    assert len(process.ring.secrets) == 2


@pytest.mark.parametrize("forgotten", [False, True])
def test_an_old_backup_of_the_file_is_refused(process: Process, tmp_path: Path, forgotten: bool) -> None:
    backup = (tmp_path / FILE).read_text()
    process.secrets.rotate(by=SHELL)
    if forgotten:
        process.secrets.forget(by=SHELL)
    (tmp_path / FILE).write_text(backup)
    with pytest.raises(InvalidSetting, match="not the one that this database was used with"):
        start(process.database, tmp_path)


def test_secrets_of_settings_are_changed_there_and_what_they_sealed_is_sealed_anew(
    database: Database, tmp_path: Path
) -> None:
    old, new = "o" * 32, "n" * 32
    before = start(database, tmp_path, secret_key=old)
    key = before.keys.create("before").key or ""
    add_providers(before, 1)
    with pytest.raises(Conflict, match="TOLLHOUSE_SECRET_KEY"):
        before.secrets.rotate(by=SHELL)
    # One host after the other: each knows the new one before any makes something with it.
    ahead = start(database, tmp_path, secret_key=old, previous_secret_keys=(new,))
    after = start(database, tmp_path, secret_key=new, previous_secret_keys=(old,))
    young = after.keys.create("young").key or ""
    assert ahead.knows(young)
    assert after.knows(key)
    start(database, tmp_path, secret_key=old, previous_secret_keys=(new,))
    assert after.secrets.reseal().rows == 1
    after.secrets.forget(by=SHELL)
    alone = start(database, tmp_path, secret_key=new)
    assert alone.knows(key)
    assert alone.knows(young)
    assert alone.providers.credential_of("p0") == "sk-0"
    assert not (tmp_path / FILE).exists()


def test_the_log_of_changes_has_each_and_no_secret(process: Process) -> None:
    process.secrets.rotate(by=SHELL)
    process.secrets.forget(by=SHELL)
    with process.database.read() as session:
        entries = list(session.scalars(select(AuditEntryRecord).order_by(AuditEntryRecord.id)))
    assert [entry.action for entry in entries] == ["secrets.rotate", "secrets.forget"]
    states = [(one.newest, one.at_hand, one.forgotten_at is None) for one in process.secrets.all()]
    assert states == [(True, True, True), (False, False, False)]
    assert [entry.subject_id for entry in entries] == [one.id for one in process.secrets.all()]


def test_a_file_that_is_damaged_while_it_runs_leaves_the_secrets_as_they_are(process: Process, tmp_path: Path) -> None:
    key = process.keys.create("before").key or ""
    (tmp_path / FILE).write_text("short\n")
    process.secrets.follow()
    assert process.knows(key)
