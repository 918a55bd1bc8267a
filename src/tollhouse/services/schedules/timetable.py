"""When a schedule is due: five fields of cron, in a time zone, with the days on which its clocks change.

As in Debian's cron: a fixed time that the clocks skip is due when they have, once; one that comes twice is due the
first time. What is due every hour or minute (`*` or steps) follows the clock that never changes. `cronsim` does it.
"""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from tollhouse.domain.errors import InvalidField
from tollhouse.domain.periods import zone

FIELDS = 5


class Timetable:
    """Raises InvalidField."""

    def __init__(self, cron: str, timezone: str) -> None:
        self._cron = " ".join(cron.split())
        self._zone = _zone(timezone)
        if len(self._cron.split(" ")) != FIELDS:
            raise _invalid(cron)
        if self.after(datetime.now(UTC)) is None:
            raise InvalidField(f"cron: {cron!r} is never due.", param="cron")

    def after(self, moment: datetime) -> datetime | None:
        """The first time that is later; None for never."""
        try:
            return next(CronSim(self._cron, moment.astimezone(self._zone))).astimezone(UTC)
        except StopIteration:
            return None
        except CronSimError:
            raise _invalid(self._cron) from None


def _zone(name: str) -> ZoneInfo:
    try:
        return zone(name)
    except ValueError as error:
        raise InvalidField(f"timezone: {error}.", param="timezone") from None


def _invalid(cron: str) -> InvalidField:
    return InvalidField(
        f"cron: {cron[:100]!r} is none; it has minute, hour, day of the month, month and day of the week, as "
        "`30 6 * * MON-FRI`.",
        param="cron",
    )
