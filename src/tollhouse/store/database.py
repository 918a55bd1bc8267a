"""The engine and the two kinds of session: for reading, and for writing."""

import errno
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import BoundedSemaphore, Thread
from typing import Any, TypeVar

import orjson
from sqlalchemy import Connection, Engine, create_engine, event, func, make_url, select
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from tollhouse.domain.errors import InvalidSetting, Unavailable
from tollhouse.store.columns import dump_json
from tollhouse.store.shared_writes import SharedWrites

WRITE_WAIT_SECONDS = 5.0
LEAST_ROOM_BYTES = 1 << 20
ASK_SECONDS = 1.2
MOST_ASKERS = 8
"""Questions that are asked at once; others wait for ASK_SECONDS to be asked."""
PUT_SECONDS = 10.0

_T = TypeVar("_T")


class Database:
    """One database, SQLite or PostgreSQL. Made after a fork, never before; whoever makes it closes it.

    `cooperative` is for processes whose threads are greenlets: SQLite then never waits for its
    write lock inside the C library, where it would hold up every other greenlet.
    """

    def __init__(
        self,
        url: str,
        *,
        cooperative: bool = False,
        outside: Callable[[Callable[[], None]], object] = lambda work: work(),
    ) -> None:
        """`outside` runs the commits of `put` on SQLite, which wait for the disk, where they hold up nobody else."""
        self.url = url
        self.cooperative = cooperative
        self.engine = self._engine()
        self.dialect = self.engine.dialect.name
        self.file = Path(self.engine.url.database or "") if self.dialect == "sqlite" else None
        self._outside = outside
        self._askers = BoundedSemaphore(MOST_ASKERS)
        self._shared = SharedWrites(self._prompt_write)
        self._open: ContextVar[Session | None] = ContextVar("open transaction", default=None)
        self._gathering: ContextVar[ExitStack | None] = ContextVar("transaction to come", default=None)
        self._rider: ContextVar[Callable[[Session], None] | None] = ContextVar("rider", default=None)
        self._writing = self.engine.execution_options(begin="IMMEDIATE")

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that writes nothing. On SQLite it waits for no writer. Inside `together` it is that block's."""
        if (outer := self._open.get()) is not None:
            outer.flush()
            yield outer
            return
        with Session(self.engine, expire_on_commit=False) as session:
            yield session

    def ask(self, question: Callable[[Session], _T]) -> _T:
        """What `question` finds in a session, within twice ASK_SECONDS.

        Raises Unavailable where the database is silent: a server that hangs takes connections and answers nothing,
        which no setting of the driver ends.
        """
        if self.dialect == "sqlite":
            return self._asked(question)
        answer: Future[_T] = Future()
        if self._askers.acquire(timeout=ASK_SECONDS):
            # A daemon: one that hangs must not keep its process from ending.
            Thread(target=self._answer, args=(question, answer), name="ask", daemon=True).start()
            with suppress(FutureTimeout):
                return answer.result(ASK_SECONDS)
        raise Unavailable("The database does not answer. Try again.", retry_after=1)

    def put(self, change: Callable[[Session], _T]) -> _T:
        """What `change` does, committed when this returns, within PUT_SECONDS: in a transaction that it may share with
        others, each under a savepoint. It goes on if whoever waits for it is ended meanwhile.

        Raises Unavailable where the database is silent; the change may have been made then.
        """
        if (rider := self._rider.get()) is not None:
            self._rider.set(None)
            change = partial(_with_rider, change, rider)
        answer: Future[_T] = self._shared.put(change)
        with suppress(FutureTimeout):
            return answer.result(PUT_SECONDS)
        answer.cancel()
        raise Unavailable("The database does not answer. Try again.", retry_after=1)

    @contextmanager
    def riding(self, rider: Callable[[Session], None]) -> Iterator[None]:
        """The first `put` in the block does this too, in the same transaction; where it raises, nothing is changed."""
        before = self._rider.set(rider)
        try:
            yield
        finally:
            self._rider.reset(before)

    def _asked(self, question: Callable[[Session], _T]) -> _T:
        with self.read() as session:
            return question(session)

    def _answer(self, question: Callable[[Session], _T], answer: "Future[_T]") -> None:
        try:
            found = self._asked(question)
        except BaseException as error:  # noqa: BLE001 - it is raised in whoever asked
            answer.set_exception(error)
        else:
            # Not before the connection is back: who has the answer may close the database.
            answer.set_result(found)
        finally:
            self._askers.release()

    @contextmanager
    def _prompt_write(self) -> Iterator[Session]:
        """As `write`; SQLite's commit waits for the disk where that holds up nobody else."""
        with self.write() as session:
            yield session
            if self.dialect == "sqlite":
                session.flush()
                self._outside(partial(_commit, session.connection()))

    @contextmanager
    def write(self) -> Iterator[Session]:
        """One transaction, committed when the block ends, rolled back when it raises. Inside `together` it is that
        block's.

        On SQLite it takes the write lock at once: a transaction that reads first and writes later
        can find that it must start over.
        """
        outer = self._open.get()
        if outer is None and (gathering := self._gathering.get()) is not None:
            outer = gathering.enter_context(self._begin())
            self._open.set(outer)
        if outer is not None:
            yield outer
            outer.flush()
            return
        with self._begin() as session:
            yield session

    @contextmanager
    def _begin(self) -> Iterator[Session]:
        with Session(self._writing, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def gathered(self) -> Iterator[None]:
        """As `together`, from the first write in the block on: before it nothing is locked."""
        with ExitStack() as stack:
            before = self._gathering.set(stack)
            try:
                yield
            finally:
                self._gathering.reset(before)
                self._open.set(None)

    @contextmanager
    def together(self) -> Iterator[None]:
        """One transaction for all that this task reads and writes in the block: what several services change is one
        change. Not to be nested.
        """
        with self.write() as session:
            opened = self._open.set(session)
            try:
                yield
            finally:
                self._open.reset(opened)

    def ledger_engine(self) -> Engine:
        """An engine for the ledger writer's one connection: impatient, because callers wait behind it."""
        engine = self._engine(
            pool=NullPool,
            postgres="-c lock_timeout=250ms -c statement_timeout=1s -c idle_in_transaction_session_timeout=5s",
        )
        return engine.execution_options(begin="IMMEDIATE", lock_wait_seconds=0.25)

    def searching_engine(self) -> Engine:
        """An engine whose connections are made for one question each, in whatever thread asks it. All that a question
        reads is of one moment: a row that is moved meanwhile is seen once.
        """
        engine = self._engine(pool=NullPool)
        return engine.execution_options(isolation_level="REPEATABLE READ") if self.dialect == "postgresql" else engine

    def now(self, session: Session | Connection) -> datetime:
        """The database's time: on PostgreSQL that of the transaction's start."""
        if self.dialect == "sqlite":
            return datetime.now(UTC)
        moment: datetime = session.execute(select(func.now())).scalar_one()
        return moment.astimezone(UTC)

    def check_room(self) -> None:
        """Raise OSError where the disk of the file is full: what is small may be written there, and the rest not."""
        if self.file is not None:
            disk = os.statvfs(self.file.parent)
            if disk.f_bavail * disk.f_frsize < LEAST_ROOM_BYTES:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def close(self) -> None:
        self.engine.dispose()

    def _engine(self, *, pool: Any = None, postgres: str = "-c lock_timeout=5s -c statement_timeout=60s") -> Engine:
        try:
            url = make_url(self.url)
            url.get_dialect()
            backend = url.get_backend_name()
        except (ArgumentError, NoSuchModuleError, ValueError):
            raise InvalidSetting(
                "TOLLHOUSE_DATABASE_URL is not a database URL, such as postgresql+psycopg://user@host/name."
            ) from None
        if backend == "postgresql":
            url = url.set(drivername="postgresql+psycopg")
            arguments: dict[str, Any] = {
                "connect_timeout": 2,
                "options": postgres,
                "tcp_user_timeout": 2000,
                # A host that vanished is noticed, also by who only waits for its answer.
                "keepalives_idle": 5,
                "keepalives_interval": 2,
                "keepalives_count": 3,
            }
        elif backend == "sqlite":
            if not url.database or url.database == ":memory:":
                raise InvalidSetting(
                    "TOLLHOUSE_DATABASE_URL must name a file, such as sqlite:////srv/tollhouse.db: processes share it."
                )
            arguments = {"timeout": 0 if self.cooperative else WRITE_WAIT_SECONDS, "isolation_level": None}
        else:
            raise InvalidSetting("TOLLHOUSE_DATABASE_URL must name SQLite or PostgreSQL.")
        options: dict[str, Any] = {"poolclass": pool} if pool else {"pool_pre_ping": backend == "postgresql"}
        engine = create_engine(
            url, connect_args=arguments, json_serializer=dump_json, json_deserializer=orjson.loads, **options
        )
        if backend == "sqlite":
            event.listen(engine, "do_connect", _make_sqlite_file)
            event.listen(engine, "connect", _prepare_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
        return engine


def _with_rider(change: Callable[[Session], _T], rider: Callable[[Session], None], session: Session) -> _T:
    made = change(session)
    rider(session)
    return made


def _commit(connection: Connection) -> None:
    """Past SQLAlchemy, whose own commit then finds nothing to do: it may not run in another thread's hub."""
    try:
        connection.connection.driver_connection.commit()  # type: ignore[union-attr]
    except sqlite3.Error as error:
        raise _wrapped(error, "COMMIT") from error


def _make_sqlite_file(_dialect: object, _record: object, arguments: list[Any], _options: dict[str, Any]) -> None:
    """For its owner's eyes. Never opened if it is there: to close it again would drop SQLite's own locks on it."""
    with suppress(OSError):  # it is there, or SQLite will say what is wrong
        os.close(os.open(arguments[0], os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    mode = options.get("begin", "DEFERRED")
    deadline = time.monotonic() + options.get("lock_wait_seconds", WRITE_WAIT_SECONDS)
    pause = 0.001
    while True:
        try:
            # Past SQLAlchemy's own execute: a lock that is taken is no error to log or wrap, but a wait.
            connection.connection.driver_connection.execute(f"BEGIN {mode}")  # type: ignore[union-attr]
            return
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() > deadline:
                raise _wrapped(error, f"BEGIN {mode}") from error
            time.sleep(pause)
            pause = min(pause * 2, 0.016)
        except sqlite3.Error as error:
            raise _wrapped(error, f"BEGIN {mode}") from error


def _wrapped(error: sqlite3.Error, statement: str) -> BaseException:
    """As SQLAlchemy's own: nobody above knows the driver's errors."""
    return DBAPIError.instance(statement, None, error, sqlite3.Error)
