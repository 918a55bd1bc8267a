"""Every setting, once: its name, type, default and what it is for. A setting is one line in one file of this package.

A setting comes from the environment, else from `.env` in the working directory, else from its
default. `docs/reference/settings.md` and `tollhouse settings` are made from these files.
"""

import os
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from tollhouse.domain.errors import InvalidSetting
from tollhouse.settings.alerts import AlertSettings
from tollhouse.settings.calls import CallSettings
from tollhouse.settings.files import FileSettings
from tollhouse.settings.oidc import OidcSettings
from tollhouse.settings.people import PeopleSettings
from tollhouse.settings.reports import ReportSettings
from tollhouse.settings.server import ServerSettings
from tollhouse.settings.telemetry import TelemetrySettings
from tollhouse.settings.work import WorkSettings

SECRET_MARK = "********"


@dataclass(frozen=True)
class Settings(
    AlertSettings,
    TelemetrySettings,
    ReportSettings,
    OidcSettings,
    PeopleSettings,
    FileSettings,
    WorkSettings,
    CallSettings,
    ServerSettings,
):
    """The settings of one process, read once at its start. They are shown from the last part to the first."""


def load(environ: Mapping[str, str] | None = None, dotenv: Path | None = None) -> Settings:
    """Read the settings. InvalidSetting names the one that is wrong, and what it takes.

    `dotenv` is the file to read beside the environment, by default `.env` in the working directory.
    """
    given = {**_dotenv(dotenv or Path(".env")), **(os.environ if environ is None else environ)}
    values: dict[str, Any] = {}
    for one in fields(Settings):
        name, read = one.metadata["name"], one.metadata["read"]
        text = given.get(name, "").strip()
        if not text:
            continue
        try:
            values[one.name] = read(text)
        except ValueError:
            shown = "the value given" if one.metadata["secret"] else repr(text[:100])
            raise InvalidSetting(f"{name} must be {read.__doc__}; {shown} is not.", param=name) from None
    settings = Settings(**values)
    if settings.archive_url and settings.archive_url == settings.files_url:
        raise InvalidSetting(
            "TOLLHOUSE_ARCHIVE_URL must not be TOLLHOUSE_FILES_URL, in which what is no file is deleted: add to its "
            "prefix, as s3://bucket/archive.",
            param="TOLLHOUSE_ARCHIVE_URL",
        )
    return settings


def variable(name: str, dotenv: Path | None = None) -> str | None:
    """A variable that is no setting, from the same places: how `providers add --api-key-env` reads a key."""
    return os.environ.get(name) or _dotenv(dotenv or Path(".env")).get(name) or None


def default_of(name: str) -> str:
    """The default of the setting of this name, as text."""
    return str(next(one.default for one in fields(Settings) if one.metadata["name"] == name))


def describe(settings: Settings) -> list[dict[str, str]]:
    """Name, value, default and meaning of each setting, secrets masked."""
    rows = []
    for one in fields(Settings):
        value = _text(getattr(settings, one.name))
        default = "" if one.default is MISSING else _text(one.default)
        shown = SECRET_MARK if one.metadata["secret"] and value else value
        rows.append({"name": one.metadata["name"], "value": shown, "default": default, "doc": one.metadata["doc"]})
    return rows


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _dotenv(path: Path) -> dict[str, str]:
    try:
        if not path.is_file():
            return {}
        from dotenv import dotenv_values

        return {name: value for name, value in dotenv_values(path).items() if value is not None}
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSetting(f"{path} cannot be read: {error}") from error
