"""What options may be: amounts of money, moments."""

import json
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click

from tollhouse.domain.money import nanos_from_usd

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_DURATION = re.compile(r"(\d{1,6})([smhd])\Z", re.ASCII)
FIRST_YEAR, LAST_YEAR = 1970, 9998
"""In each of them a moment of one time zone is one of every other."""


class Usd(click.ParamType[int]):
    """US dollars, as nano-dollars; or US dollars per million tokens, as nano-dollars per million tokens."""

    name = "usd"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return value if isinstance(value, int) else nanos_from_usd(value)
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)


class Moment(click.ParamType[datetime]):
    """An ISO 8601 date or time. What has no offset stays without: whoever asks knows the zone."""

    name = "iso"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            moment = value if isinstance(value, datetime) else datetime.fromisoformat(value.strip())
        except ValueError:
            self.fail(f"{value!r} is not a time such as 2030-12-31 or 2030-12-31T18:00+01:00.", param, ctx)
        if not FIRST_YEAR <= moment.year <= LAST_YEAR:
            self.fail(f"{value!r} is not in the years {FIRST_YEAR} to {LAST_YEAR}.", param, ctx)
        return moment


OFF = 0


class MostOrOff(click.ParamType[int]):
    """The most there may be of something, or `off`."""

    name = "n|off"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        if value.strip().lower() == "off":
            return OFF
        try:
            most = int(value)
        except ValueError:
            most = 0
        if not 1 <= most <= 10**12:
            self.fail(f"{value!r} is not a whole number from 1 up, or off.", param, ctx)
        return most


class Duration(click.ParamType[timedelta]):
    """A time such as 90s, 30m, 12h or 7d."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        found = _DURATION.match(value.strip())
        if found is None:
            self.fail(f"{value!r} is not a time such as 90s, 30m, 12h or 7d.", param, ctx)
        return timedelta(**{_UNITS[found[2]]: int(found[1])})


class SecondsOrNone(click.ParamType[float | str]):
    """A time in seconds, or `none`."""

    name = "seconds|none"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | str:
        if value == "none":
            return "none"
        try:
            return float(value)
        except ValueError:
            self.fail(f"{value!r} is not a number of seconds, or none.", param, ctx)


class JsonObject(click.ParamType[dict[str, Any]]):
    """A JSON object, or `@FILE` for one in a file."""

    name = "json|@file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, Any]:
        if isinstance(value, dict):
            return value
        try:
            text = Path(value[1:]).read_bytes() if value.startswith("@") else value
            found = json.loads(text)
        except OSError as error:
            self.fail(f"{value[1:]!r} cannot be read: {error.strerror}.", param, ctx)
        except ValueError as error:
            self.fail(f"it is not JSON: {error}.", param, ctx)
        if not isinstance(found, dict):
            self.fail("it is not a JSON object.", param, ctx)
        return found


JSON_OBJECT = JsonObject()
SECONDS_OR_NONE = SecondsOrNone()
MOST_OR_OFF = MostOrOff()
USD = Usd()
DURATION = Duration()
MOMENT = Moment()
