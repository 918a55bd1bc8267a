"""`[teams.NAME]`: teams. Who is in them is not in the file: people come by invitation."""

from collections.abc import Mapping, Sequence
from typing import Any

from tollhouse.domain.actor import SYSTEM, Actor
from tollhouse.domain.page import every
from tollhouse.services.declaration.section import Change, Entry, differing
from tollhouse.services.people.teams import Team, Teams


class TeamsSection:
    name = "teams"
    listed = False

    def __init__(self, teams: Teams) -> None:
        self._teams = teams

    def given(self, part: Any) -> Mapping[str, Entry]:
        return {name: _entry(fields.get("archived", False)) for name, fields in part.items()}

    def current(self) -> Mapping[str, Entry]:
        return {team.name: _entry(team.archived_at is not None) for team in self._all()}

    def differences(self, name: str, before: Entry, after: Entry) -> Sequence[str]:
        return differing(before, after)

    def put(self, changes: Sequence[Change], by: Actor) -> None:
        for change in changes:
            made = self._teams.create(change.name, by=by) if change.before is None else None
            archived = change.after.get("archived", False)
            if made is None or archived:
                team = made or self._teams.named(change.name)
                self._teams.change(team.id, archived=archived, by=by)

    def _all(self) -> list[Team]:
        return [*every(lambda limit, after: self._teams.page(limit, after, by=SYSTEM))]


def _entry(archived: bool) -> Entry:
    return {"archived": True} if archived else {}
