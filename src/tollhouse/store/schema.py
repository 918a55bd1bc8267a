"""The schema's versions: Flask-Migrate over the migrations that ship in this package."""

import contextlib
import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from flask import Flask
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from tollhouse.domain.errors import Conflict, InvalidField, InvalidSetting, Unavailable
from tollhouse.store.database import Database
from tollhouse.store.records import Base

MIGRATIONS = Path(__file__).parent / "migrations"


class Schema:
    """The schema of one database. Every method says in one sentence why the database cannot be used."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def upgrade(self, revision: str = "head") -> None:
        """Bring the database to this version, or to a revision; nothing to do when it is there."""
        with self._alembic() as config:
            command.upgrade(config, revision)

    def downgrade(self, revision: str = "-1") -> None:
        """Take migrations back: one, or down to a revision, or to "base"."""
        with self._alembic() as config:
            command.downgrade(config, revision)

    def revise(self, message: str) -> None:
        """Write the next migration from what the records say: for developers."""
        with self._alembic() as config:
            command.revision(config, message, autogenerate=True)

    def check(self) -> None:
        """Conflict when the tables are not what the records say."""
        with self._alembic() as config:
            try:
                command.check(config)
            except CommandError:
                raise Conflict(
                    "The tables differ from what this version declares: run `tollhouse db upgrade`."
                ) from None

    def current(self) -> str | None:
        """The revision that the database is at; None when it is empty."""
        with self._alembic(), self._database.engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()

    def newest(self) -> str | None:
        """The revision that this version of the program needs."""
        with self._alembic() as config:
            return ScriptDirectory.from_config(config).get_current_head()

    @contextlib.contextmanager
    def _alembic(self) -> Iterator[Config]:
        """Flask-Migrate's configuration for this database, for as long as the block runs."""
        app = Flask("tollhouse-migrations")
        app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
        migrate = Migrate(app, _database_of(app, self._database.engine), directory=str(MIGRATIONS))
        logging.getLogger("alembic").setLevel(logging.WARNING)
        try:
            with app.app_context():
                config = cast(Config, migrate.get_config(str(MIGRATIONS)))
                # What Alembic tells a developer at a terminal is nothing for a command's output.
                config.stdout = io.StringIO()
                yield config
        except CommandError as error:
            raise InvalidField(f"The schema cannot be brought there: {error}.", param="revision") from error
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
