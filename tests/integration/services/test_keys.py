"""API keys: made, listed, revoked, rotated, and refused in every process."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text

from tests.ledgers import MINT
from tollhouse.domain.errors import (
    Conflict,
    ExpiredKey,
    InvalidField,
    InvalidKey,
    MissingKey,
    NotFound,
    RevokedKey,
)
from tollhouse.services.keys.authentication import Authentication
from tollhouse.services.keys.keys import Keys
from tollhouse.services.keys.mint import KeyMint
from tollhouse.services.models.models import Models, NewModel
from tollhouse.services.models.routes import Routes, RouteTerms
from tollhouse.store.database import Database
from tollhouse.store.records import ApiKeyRecord


@pytest.fixture
def authentication(database: Database) -> Authentication:
    return Authentication(database, MINT)


def test_a_new_key_is_shown_once_and_can_be_used(keys: Keys, authentication: Authentication) -> None:
    made = keys.create("  billing jobs ")
    assert made.key is not None
    assert (made.name, made.hint, made.models, made.revoked_at) == ("billing jobs", made.key[-4:], None, None)
    assert authentication.principal(made.key).key_id == made.id
    assert [(key.id, key.key) for key in keys.all()] == [(made.id, None)]


def test_the_key_itself_is_not_in_the_database(keys: Keys, database: Database) -> None:
    key = keys.create("tests").key or ""
    with database.read() as session:
        row = session.scalars(select(ApiKeyRecord)).one()
    kept = " ".join(str(getattr(row, column.name)) for column in ApiKeyRecord.__table__.columns)
    assert key not in kept
    assert key[6:30] not in kept
    assert row.digest == MINT.digest(key)


def test_keys_are_listed_oldest_first_with_the_revoked_ones(keys: Keys) -> None:
    ids = []
    for name in ("c", "a", "b"):
        ids.append(keys.create(name).id)
        time.sleep(0.002)  # ids of one millisecond have no order
    keys.revoke(ids[1])
    assert [key.id for key in keys.all()] == ids
    assert [key.revoked_at is not None for key in keys.all()] == [False, True, False]


def test_a_revoked_key_is_refused(keys: Keys, authentication: Authentication) -> None:
    made = keys.create("tests")
    keys.revoke(made.id)
    with pytest.raises(RevokedKey, match="keys create"):
        authentication.principal(made.key)


def test_to_revoke_a_key_again_changes_nothing(keys: Keys) -> None:
    id = keys.create("tests").id
    first = keys.revoke(id).revoked_at
    assert first is not None
    assert keys.revoke(id).revoked_at == first


def test_a_rotated_key_has_a_new_secret_and_the_old_one_ends(keys: Keys, authentication: Authentication) -> None:
    old = keys.create("tests", expires_at=datetime.now(UTC) + timedelta(days=1))
    new = keys.rotate(old.id)
    assert (new.id, new.name, new.expires_at) == (old.id, old.name, old.expires_at)
    assert new.key != old.key
    assert authentication.principal(new.key).key_id == old.id
    with pytest.raises(InvalidKey):
        authentication.principal(old.key)
    assert len(keys.all()) == 1


def test_a_revoked_key_cannot_be_rotated_back_to_life(keys: Keys) -> None:
    id = keys.create("tests").id
    keys.revoke(id)
    with pytest.raises(Conflict, match="make another"):
        keys.rotate(id)


def test_a_key_that_does_not_exist_cannot_be_changed(keys: Keys) -> None:
    for change in (keys.revoke, keys.rotate):
        with pytest.raises(NotFound, match="keys list"):
            change("key_nobody")


def test_a_key_may_be_for_some_models_only(
    keys: Keys, models: Models, host: str, authentication: Authentication
) -> None:
    models.register([NewModel("small", host), NewModel("large", host)])
    made = keys.create("tests", models=["small", "large", "small"])
    assert made.models == ("large", "small")
    principal = authentication.principal(made.key)
    assert principal.may_use("small")
    assert not principal.may_use("other")


def test_an_empty_list_of_models_means_all_of_them(keys: Keys, authentication: Authentication) -> None:
    made = keys.create("tests", models=[])
    assert made.models is None
    assert authentication.principal(made.key).may_use("anything")


def test_a_key_for_a_model_that_does_not_exist_is_not_made(keys: Keys) -> None:
    with pytest.raises(InvalidField, match="there is no model 'gone'"):
        keys.create("tests", models=["gone"])
    assert keys.all() == []


def test_a_key_may_be_for_whatever_a_model_is_called_by(
    keys: Keys, models: Models, host: str, database: Database
) -> None:
    models.register([NewModel("small", host), NewModel("star/*", host)])
    Routes(database).set("small", RouteTerms(aliases=("default",)))
    assert keys.create("tests", models=["default", "star/one", "star/*"]).models == ("default", "star/*", "star/one")
    for name in ("star/o*", "sta", "default2", "*", "star/\u202e"):
        with pytest.raises(InvalidField, match="there is no model"):
            keys.create("tests", models=[name])


def test_a_keys_tags_are_those_that_budgets_are_for(
    keys: Keys, authentication: Authentication, database: Database
) -> None:
    made = keys.create("tests", tags=["Blue", "blue", " TEAM/x "])
    assert made.tags == ("blue", "team/x")
    assert authentication.principal(made.key).tags == ("blue", "team/x")
    with database.write() as session:
        session.get_one(ApiKeyRecord, made.id).tags = ["Older", "b"]
    authentication.forget()
    assert authentication.principal(made.key).tags == ("older", "b")
    for tags in (["=x"], ["a,b"], [f"t{number}" for number in range(17)]):
        with pytest.raises(InvalidField) as refused:
            keys.create("tests", tags=tags)
        assert refused.value.param == "tags"


@pytest.mark.parametrize("network", ["::ffff:127.0.0.0/104", "::ffff:10.0.0.1", "fe80::1%eth0"])
def test_a_network_that_nobody_would_be_found_in_is_refused(keys: Keys, network: str) -> None:
    with pytest.raises(InvalidField, match="is not a network"):
        keys.create("tests", networks=[network])


def test_a_key_ends_when_it_expires(keys: Keys, authentication: Authentication) -> None:
    made = keys.create("tests", expires_at=datetime.now(UTC) + timedelta(seconds=0.3))
    assert authentication.principal(made.key)
    time.sleep(0.31)
    with pytest.raises(ExpiredKey):
        authentication.principal(made.key)


def test_a_key_cannot_expire_in_the_past(keys: Keys) -> None:
    with pytest.raises(InvalidField, match="past"):
        keys.create("tests", expires_at=datetime.now(UTC) - timedelta(seconds=1))


def test_a_key_needs_a_name_that_can_be_shown(keys: Keys) -> None:
    for name in ("", "  ", "x" * 201, "a\x00b", "a\x1b[2Jb", "a\nb"):
        with pytest.raises(InvalidField) as raised:
            keys.create(name)
        assert raised.value.param == "name"
    assert keys.all() == []


def test_no_key_is_told_how_to_get_one(authentication: Authentication) -> None:
    for key in (None, ""):
        with pytest.raises(MissingKey, match="keys create"):
            authentication.principal(key)


def test_a_key_that_was_never_ours_is_refused_without_the_database(
    authentication: Authentication, database: Database
) -> None:
    with database.write() as session:
        session.execute(text("DROP TABLE api_keys"))
    with pytest.raises(InvalidKey, match="not one of this gateway's"):
        authentication.principal(KeyMint("another secret that is long enough").mint().key)


def test_a_key_of_ours_that_the_database_does_not_know_is_refused(authentication: Authentication) -> None:
    with pytest.raises(InvalidKey, match="does not exist"):
        authentication.principal(MINT.mint().key)


def test_a_known_key_is_not_looked_up_again(keys: Keys, authentication: Authentication, database: Database) -> None:
    made = keys.create("tests")
    first = authentication.principal(made.key)
    with database.write() as session:
        session.execute(text("DROP TABLE api_keys"))
    assert authentication.principal(made.key) is first


def test_a_key_read_before_a_change_is_not_kept_after_it(
    keys: Keys, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    authentication = Authentication(database, MINT)
    made = keys.create("tests")
    read = database.read

    def read_slowly() -> Any:
        session = read()
        # The change, and the news of it, come while the row is on its way.
        monkeypatch.setattr(database, "read", read)
        authentication.forget()
        return session

    monkeypatch.setattr(database, "read", read_slowly)
    assert authentication.principal(made.key)
    keys.revoke(made.id)
    with pytest.raises(RevokedKey):
        authentication.principal(made.key)


@pytest.mark.parametrize("change", [Keys.revoke, Keys.rotate])
def test_an_ended_key_is_refused_by_another_process_within_a_second(
    keys: Keys, start_process: Callable[..., Any], change: Callable[[Keys, str], Any]
) -> None:
    made = keys.create("tests")
    other = start_process()
    assert other.authentication.principal(made.key)
    change(keys, made.id)
    deadline = time.monotonic() + 1
    while time.monotonic() < deadline:
        try:
            other.authentication.principal(made.key)
        except (RevokedKey, InvalidKey):
            return
        time.sleep(0.01)
    pytest.fail("the key was still good a second later")
