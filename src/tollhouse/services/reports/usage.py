"""What was used: the ledger, added up by its columns and by time."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from tollhouse.domain.actor import SYSTEM, Actor
from tollhouse.domain.errors import InvalidField
from tollhouse.domain.page import Page, page_of
from tollhouse.domain.periods import zone
from tollhouse.domain.rights import Right
from tollhouse.services.people.teams import no_team
from tollhouse.services.reports.usage_question import GROUPS as ALL_GROUPS
from tollhouse.services.reports.usage_question import Name, Question
from tollhouse.services.reports.usage_sums import UsageSums
from tollhouse.store.archive import NO_ARCHIVE, Archive
from tollhouse.store.searches import Searches

GROUPS = ("key", "user", "team", "model", "provider", "tag", "day", "hour", "month", "end_user")
MOST_GROUPS = 4


class UsageReport:
    """Reads what is over from the roll-ups, the rest from the ledger itself: the sums are the same."""

    def __init__(self, searches: Searches, archive: Archive = NO_ARCHIVE) -> None:
        self._searches = searches
        self._archive = archive

    def by(
        self,
        group: str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        timezone: str = "UTC",
        team_id: str | None = None,
        by: Actor = SYSTEM,
    ) -> dict[str, UsageSums]:
        """As `by_all`, by one group."""
        sums = self.by_all((group,), since=since, until=until, timezone=timezone, team_id=team_id, by=by)
        return {name: one for (name,), one in sums.items()}

    def by_all(
        self,
        groups: Sequence[str],
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        timezone: str = "UTC",
        team_id: str | None = None,
        by: Actor = SYSTEM,
    ) -> dict[Name, UsageSums]:
        """Sums by all groups together, in the groups' order, of the teams whose money they may see; `since` counts,
        `until` does not; hours, days and months are the zone's own. Raises InvalidField, Forbidden, NotFound,
        SearchTooLong.
        """
        teams = teams_of_money(by, team_id)
        check_groups(groups)
        question = Question(tuple(groups), since, until, zone_named(timezone), teams, self._archive)
        return self._searches.ask(question.answer)

    def page(
        self,
        group: str,
        limit: int,
        after: str | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        timezone: str = "UTC",
        team_id: str | None = None,
        by: Actor,
    ) -> Page[dict[str, Any]]:
        """The same as rows, in pages; `after` is the group of the row before, "" one as any other."""
        sums = self.by(group, since=since, until=until, timezone=timezone, team_id=team_id, by=by)
        names = [name for name in sums if after is None or name > after]
        rows = [{group: name, **sums[name].shown()} for name in names[: limit + 1]]
        return page_of(rows, limit, lambda row: str(row[group]))


def check_groups(groups: Sequence[str]) -> None:
    """Raise InvalidField where something cannot be added up by these."""
    if not groups or any(group not in ALL_GROUPS for group in groups):
        raise InvalidField(f"by: it must be one of {', '.join(GROUPS)}.", param="by")
    if len(set(groups)) < len(groups) or len(groups) > MOST_GROUPS:
        raise InvalidField(f"by: it may be up to {MOST_GROUPS} of them, each once.", param="by")


def zone_named(name: str) -> ZoneInfo:
    """The time zone of this name. InvalidField names `timezone`."""
    try:
        return zone(name)
    except ValueError as error:
        raise InvalidField(f"timezone: {error}.", param="timezone") from None


def teams_of_money(by: Actor, team_id: str | None) -> frozenset[str] | None:
    """The teams whose money they may see, or the one that is asked about; None for all."""
    if team_id is not None:
        by.require_in(team_id, Right.VIEW_MONEY, no_team(team_id))
        return frozenset({team_id})
    seen = by.teams_with(Right.VIEW_MONEY)
    if seen is not None and not seen:
        by.require(Right.VIEW_MONEY)
    return seen
