"""The schema's versions: Flask-Migrate over the migrations that ship in this package."""

import contextlib
import io
import logging
from collections.abc import Iterator
from pathlib import Path

from flask import Flask
from flask_migrate import Migrate, check, downgrade, migrate, upgrade
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from tollhouse.domain.errors import Conflict, InvalidSetting, Unavailable
from tollhouse.store.database import Database
from tollhouse.store.records import Base

MIGRATIONS = Path(__file__).parent / "migrations"


class Schema:
    """The schema of one database. Every method says in one sentence why the database cannot be used."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def upgrade(self) -> None:
        """Bring the database to this version; nothing to do when it is there."""
        with self._application():
            upgrade(directory=str(MIGRATIONS))

    def downgrade(self, revision: str = "-1") -> None:
        """Take migrations back: one, or down to a revision, or to "base"."""
        with self._application():
            downgrade(directory=str(MIGRATIONS), revision=revision)

    def revise(self, message: str) -> None:
        """Write the next migration from what the records say: for developers."""
        with self._application():
            migrate(directory=str(MIGRATIONS), message=message)

    def check(self) -> None:
        """Conflict when the tables are not what the records say."""
        with self._application():
            try:
                check(directory=str(MIGRATIONS))
            except SystemExit:
                raise Conflict(
                    "The tables differ from what this version declares: run `tollhouse db upgrade`."
                ) from None

    def current(self) -> str | None:
        """The revision that the database is at; None when it is empty."""
        from alembic.runtime.migration import MigrationContext

        with self._application(), self._database.engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()

    def newest(self) -> str | None:
        """The revision that this version of the program needs."""
        from alembic.config import Config
        from alembic.script import ScriptDirectory

        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        return ScriptDirectory.from_config(config).get_current_head()

    @contextlib.contextmanager
    def _application(self) -> Iterator[None]:
        app = Flask("tollhouse-migrations")
        app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
        Migrate(app, _database_of(app, self._database.engine), directory=str(MIGRATIONS))
        logging.getLogger("alembic").setLevel(logging.WARNING)
        try:
            with app.app_context(), contextlib.redirect_stdout(io.StringIO()):
                yield
        except SystemExit as error:
            raise Unavailable(f"The migration stopped with status {error.code}.") from error
        except SQLAlchemyError as error:
            raise _why(error, self._database) from error


class _GivenEngine(SQLAlchemy):
    """Flask-SQLAlchemy on the engine that the store made, for it alone knows how to make one."""

    given: Engine

    def _make_engine(self, bind_key: str | None, options: dict[str, object], app: Flask) -> Engine:
        return self.given


def _database_of(app: Flask, engine: Engine) -> SQLAlchemy:
    database = _GivenEngine(model_class=Base)
    database.given = engine
    database.init_app(app)
    return database


def _why(error: SQLAlchemyError, database: Database) -> InvalidSetting | Unavailable:
    cause = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
    where = database.engine.url.render_as_string(hide_password=True)
    if "not a database" in cause or "malformed" in cause:
        return InvalidSetting(
            f"The database {where} is damaged ({cause}): put a backup in its place, "
            "or move the file away to start anew."
        )
    if "full" in cause:
        return Unavailable(f"The disk of the database {where} is full: make room, then start again.")
    if "readonly" in cause or "unable to open" in cause:
        return InvalidSetting(f"The database {where} cannot be written ({cause}): check its permissions.")
    return Unavailable(f"The database {where} cannot be used: {cause}.")
