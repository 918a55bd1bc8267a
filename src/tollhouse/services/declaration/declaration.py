"""The file as a whole: all of it is applied, or nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

from tollhouse.domain.actor import SYSTEM, Actor
from tollhouse.services.declaration.section import Change, Section
from tollhouse.store.database import Database
from tollhouse.wire.schema import RequestSchema

_SCHEMA = RequestSchema("declaration", "tollhouse.services.declaration")


class Declaration:
    """Sections are applied in their order, so that each finds what it refers to."""

    def __init__(self, database: Database, sections: Sequence[Section]) -> None:
        self._database = database
        self._sections = sections

    def export(self) -> dict[str, Any]:
        """All that is there, as the document that would make it. No secret is in it."""
        with self._database.read():
            return {section.name: part for section in self._sections if (part := _listed(section))}

    def apply(self, document: Mapping[str, Any], *, dry_run: bool = False, by: Actor = SYSTEM) -> list[Change]:
        """Make what the document says, in one transaction; what was changed. Idempotent: the second time, nothing.

        With `dry_run` the same is tried and undone: what would be refused is refused. InvalidField names the field by
        its path in the document.
        """
        _SCHEMA.check(document)
        changes: list[Change] = []
        try:
            with self._database.together():
                for section in self._sections:
                    found = _changes(section, document)
                    section.put(found, by)
                    changes += found
                if dry_run:
                    raise _Undone
        except _Undone:
            pass
        return changes


class _Undone(Exception):
    """Ends a transaction that was only tried."""


def _changes(section: Section, document: Mapping[str, Any]) -> list[Change]:
    part = document.get(section.name)
    if not part:
        return []
    current = section.current()
    changes = []
    for name, after in section.given(part).items():
        before = current.get(name)
        fields = tuple(after) if before is None else tuple(section.differences(name, before, after))
        if fields or before is None:
            changes.append(Change(section.name, name, before, after, fields))
    return changes


def _listed(section: Section) -> Any:
    entries = section.current()
    return list(entries.values()) if section.listed else dict(entries)
