"""How process instances show that they live: on both databases, however each does it."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import update

from tollhouse.store.database import Database
from tollhouse.store.instances import LEASE_SECONDS, Instance, life_of
from tollhouse.store.records import LeaseRecord, ProcessInstanceRecord


@pytest.fixture
def instance(database: Database) -> Iterator[Instance]:
    made = Instance(database, "web")
    show(database, made)
    yield made
    made.end()


def show(database: Database, instance: Instance) -> None:
    with database.ledger_engine().connect() as connection:
        instance.show(connection)


def test_an_instance_lives_from_when_it_has_shown_it_until_it_ends(database: Database) -> None:
    instance, life = Instance(database, "web"), life_of(database)
    show(database, instance)
    assert life.living([instance.id, "ins_other"]) == {instance.id}
    instance.end()
    assert life.living([instance.id]) == set()


def test_an_instance_is_written_down_once_however_often_it_shows_itself(database: Database, instance: Instance) -> None:
    show(database, instance)
    show(database, instance)
    with database.read() as session:
        row = session.get_one(ProcessInstanceRecord, instance.id)
    assert (row.kind, row.ended_at) == ("web", None)


def test_an_instance_that_has_not_renewed_its_lease_is_dead(database: Database, instance: Instance) -> None:
    if database.dialect == "sqlite":
        pytest.skip("a locked file needs no renewal")
    with database.write() as session:
        late = database.now(session) - timedelta(seconds=1)
        session.execute(update(LeaseRecord).where(LeaseRecord.name == instance.id).values(until=late))
    assert life_of(database).living([instance.id]) == set()
    show(database, instance)
    assert life_of(database).living([instance.id]) == {instance.id}
    assert life_of(database).patience >= LEASE_SECONDS


def test_a_killed_process_is_dead_at_once_where_files_are_locked(database: Database) -> None:
    if database.dialect != "sqlite":
        pytest.skip("a lease has to run out")
    script = (
        "import sys, time\n"
        "from tollhouse.store.database import Database\n"
        "from tollhouse.store.instances import Instance\n"
        "print(Instance(Database(sys.argv[1]), 'web').id, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, database.url], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        id = process.stdout.readline().strip()
        assert life_of(database).living([id]) == {id}
        process.kill()
        process.wait()
    assert life_of(database).living([id]) == set()
