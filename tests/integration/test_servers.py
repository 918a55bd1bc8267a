"""The servers that other tests stand on are real, apart from each other, and gone when the tests are."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis
from sqlalchemy import NullPool, create_engine, text

from tests.servers.postgres import PostgresServer
from tests.servers.valkey import ValkeyServer

ROOT = Path(__file__).parents[2]
STARTS_AND_WAITS = """
import sys, time
from pathlib import Path
from tests.servers.{module} import start_{module}
server = start_{module}(Path(sys.argv[1]))
print(server._child.pid, flush=True)
time.sleep(60)
"""


def ask(url: str, question: str) -> object:
    with create_engine(url, poolclass=NullPool).connect() as connection:
        return connection.execute(text(question)).scalar()


def tell(url: str, statement: str) -> None:
    with create_engine(url, poolclass=NullPool).begin() as connection:
        connection.execute(text(statement))


def test_postgres_answers(postgres_server: PostgresServer) -> None:
    url = postgres_server.create_database()
    assert str(ask(url, "SELECT version()")).startswith("PostgreSQL ")
    postgres_server.drop_database(url)
    postgres_server.drop_database(url)


def test_a_database_is_copied_from_its_template_and_then_apart_from_it(
    postgres_server: PostgresServer,
) -> None:
    original = postgres_server.create_database()
    tell(original, "CREATE TABLE keys AS SELECT 1 AS id")
    copy = postgres_server.create_database(template=original)
    tell(copy, "INSERT INTO keys VALUES (2)")
    assert ask(copy, "SELECT count(*) FROM keys") == 2
    assert ask(original, "SELECT count(*) FROM keys") == 1
    for url in (original, copy):
        postgres_server.drop_database(url)


def test_valkey_answers_and_forgets(valkey: ValkeyServer) -> None:
    with redis.Redis.from_url(valkey.url) as client:
        client.set("tollhouse", "here")
        assert client.get("tollhouse") == b"here"
        valkey.flush()
        assert client.get("tollhouse") is None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
@pytest.mark.parametrize("module", ["postgres", "valkey"])
def test_a_server_ends_when_the_tests_are_killed(module: str, servers_folder: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TEST_")}
    program = STARTS_AND_WAITS.format(module=module)
    with subprocess.Popen(
        [sys.executable, "-c", program, str(servers_folder / f"killed-{module}")],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as tests:
        assert tests.stdout is not None
        server = int(tests.stdout.readline())
        os.kill(tests.pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while is_running(server):
        assert time.monotonic() < deadline, f"{module} outlived the tests that started it"
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False
