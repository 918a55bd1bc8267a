import pytest

from tests.ledgers import make_key
from tollhouse.domain.errors import InvalidField, NotFound
from tollhouse.services.money.limits import Limits
from tollhouse.store.changes import current_version
from tollhouse.store.database import Database


@pytest.fixture
def limits(database: Database) -> Limits:
    return Limits(database)


def test_a_scope_has_one_limit_and_what_is_not_given_stays(database: Database, limits: Limits) -> None:
    scope = ("key", make_key(database))
    made = limits.set(scope, {"rpm": 60})
    assert (made.scope, made.rpm, made.tpm, made.concurrency) == (scope, 60, None, None)
    changed = limits.set(scope, {"tpm": 1000, "concurrency": 5})
    assert (changed.id, changed.rpm, changed.tpm, changed.concurrency) == (made.id, 60, 1000, 5)
    assert limits.set(scope, {"rpm": None}).rpm is None
    assert [limit.id for limit in limits.all()] == [made.id]
    limits.remove(made.id)
    assert limits.all() == []


def test_a_change_is_announced(database: Database, limits: Limits) -> None:
    def version() -> int:
        with database.read() as session:
            return current_version(session)

    before = version()
    made = limits.set(("organisation", "all"), {"rpm": 60})
    assert version() == before + 1
    limits.remove(made.id)
    assert version() == before + 2


@pytest.mark.parametrize("scope", [("key", "key_no"), ("model", "no"), ("user", "no@localhost")])
def test_a_limit_on_nothing_is_refused(limits: Limits, scope: tuple[str, str]) -> None:
    with pytest.raises(NotFound, match=scope[1]) as refused:
        limits.set(scope, {"rpm": 1})
    assert refused.value.param == "scope_id"
    assert limits.all() == []


@pytest.mark.parametrize(
    ("changes", "param"),
    [({"rpm": 0}, "rpm"), ({"tpm": -1}, "tpm"), ({"concurrency": 10**13}, "concurrency"), ({"rph": 1}, "rph")],
)
def test_what_is_no_limit_is_refused(limits: Limits, changes: dict[str, int], param: str) -> None:
    with pytest.raises(InvalidField) as refused:
        limits.set(("organisation", "all"), changes)
    assert refused.value.param == param
    assert limits.all() == []


def test_a_limit_of_nothing_and_an_unknown_scope_are_refused(limits: Limits) -> None:
    with pytest.raises(InvalidField, match="Nothing would be limited"):
        limits.set(("organisation", "all"), {"rpm": None})
    with pytest.raises(InvalidField, match="scope"):
        limits.set(("planet", "earth"), {"rpm": 1})
    with pytest.raises(NotFound, match="lim_no"):
        limits.remove("lim_no")
