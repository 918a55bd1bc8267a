"""Several keys of one provider: each has its own rate limits there, and calls go out with them in turn."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from tollhouse.domain.actor import SYSTEM, Actor
from tollhouse.domain.errors import Conflict, InvalidField, NotFound
from tollhouse.domain.identifiers import new_id
from tollhouse.domain.page import Page, page_of
from tollhouse.domain.ports import Vault
from tollhouse.domain.rights import Right
from tollhouse.services.audit import note
from tollhouse.services.models.provider_terms import check_credential, provider_named
from tollhouse.services.naming import check_slug
from tollhouse.store.changes import announce
from tollhouse.store.database import Database
from tollhouse.store.records import ProviderKeyRecord, ProviderRecord

OWN = "default"
"""What the key is called that a provider was added with. It is in the provider's own row."""
MOST = 50
LONGEST_NAME = 60


@dataclass(frozen=True, slots=True)
class ProviderKey:
    """A key as it can be shown: never the key itself."""

    name: str
    provider: str
    created_at: datetime


class ProviderKeys:
    """Beside a provider's own key. Every change is effective in all processes within a second."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    def all(self, provider: str, *, by: Actor = SYSTEM) -> list[ProviderKey]:
        """Those of the provider of this name or id, its own first. Raises NotFound."""
        by.require(Right.VIEW_CATALOGUE)
        with self._database.read() as session:
            row = provider_named(session, provider)
            own = [ProviderKey(OWN, row.name, row.created_at)] if row.credential else []
            return own + [ProviderKey(one.name, row.name, one.created_at) for one in keys_of(session, row.id)]

    def page(self, provider: str, limit: int, after: str | None = None, *, by: Actor = SYSTEM) -> Page[ProviderKey]:
        """The same, from behind the one of the name `after`."""
        keys = self.all(provider, by=by)
        names = [key.name for key in keys]
        first = names.index(after) + 1 if after in names else 0
        return page_of(keys[first : first + limit + 1], limit, lambda key: key.name)

    def credential_of(self, provider: str, name: str) -> str | None:
        """The key in the open, for nobody to see; None where there is none of this name. Raises NotFound for the
        provider, InvalidSetting.
        """
        with self._database.read() as session:
            row = provider_named(session, provider)
            sealed = row.credential if name == OWN else getattr(_key(session, row, name), "credential", None)
            return self._vault.unseal(sealed) if sealed else None

    def add(self, provider: str, name: str, credential: str, *, by: Actor = SYSTEM) -> ProviderKey:
        """A further key. Raises NotFound, InvalidField; Conflict where the name is taken, or there is nothing that it
        would be beside.
        """
        by.require(Right.CHANGE_CATALOGUE)
        name = check_slug(name, "name", LONGEST_NAME)
        if "/" in name:
            raise InvalidField("name: it may have no /.", param="name")
        _check(credential)
        with self._database.write() as session:
            announce(session)
            row = provider_named(session, provider)
            if (name == OWN and row.credential) or _key(session, row, name):
                raise Conflict(
                    f"The provider {row.name!r} has a key {name!r} already: choose another name, or renew it.",
                    param="name",
                )
            now = self._database.now(session)
            if name == OWN:
                row.credential = self._vault.seal(credential)
                note(session, by, "providers.keys.add", row.id, at=now, after={"key": name})
                return ProviderKey(name, row.name, row.created_at)
            known = keys_of(session, row.id)
            if not row.credential:
                raise Conflict(
                    f"The provider {row.name!r} has no key of its own yet: add that first, under the name {OWN!r}.",
                    param="name",
                )
            if len(known) >= MOST:
                raise Conflict(f"The provider {row.name!r} has {MOST} keys, the most there may be.", param="name")
            key = ProviderKeyRecord(
                id=new_id("pky"),
                provider_id=row.id,
                name=name,
                credential=self._vault.seal(credential),
                created_at=now,
            )
            session.add(key)
            note(session, by, "providers.keys.add", row.id, at=now, after={"key": name})
            return ProviderKey(name, row.name, now)

    def renew(self, provider: str, name: str, credential: str, *, by: Actor = SYSTEM) -> ProviderKey:
        """Another secret in the place of this one. Raises NotFound, InvalidField."""
        by.require(Right.CHANGE_CATALOGUE)
        _check(credential)
        with self._database.write() as session:
            announce(session)
            row = provider_named(session, provider)
            key = _key(session, row, name)
            if key is None and not (name == OWN and row.credential):
                raise _unknown(row.name, name)
            holder = key or row
            holder.credential = self._vault.seal(credential)
            now = self._database.now(session)
            note(session, by, "providers.keys.renew", row.id, at=now, after={"key": name})
            return ProviderKey(name, row.name, holder.created_at)

    def remove(self, provider: str, name: str, *, by: Actor = SYSTEM) -> None:
        """Raises NotFound, and Conflict for the provider's own while there are others."""
        by.require(Right.CHANGE_CATALOGUE)
        with self._database.write() as session:
            announce(session)
            row = provider_named(session, provider)
            key = _key(session, row, name)
            if key is not None:
                session.delete(key)
            elif name == OWN and row.credential:
                if keys_of(session, row.id):
                    raise Conflict(f"The provider {row.name!r} has other keys: remove those first, or renew this one.")
                row.credential = None
            else:
                raise _unknown(row.name, name)
            note(session, by, "providers.keys.remove", row.id, at=self._database.now(session), before={"key": name})


def keys_of(session: Session, provider_id: str) -> Sequence[ProviderKeyRecord]:
    """Beside the provider's own, oldest first."""
    return session.scalars(
        select(ProviderKeyRecord).where(ProviderKeyRecord.provider_id == provider_id).order_by(ProviderKeyRecord.id)
    ).all()


def _key(session: Session, row: ProviderRecord, name: str) -> ProviderKeyRecord | None:
    return session.scalar(
        select(ProviderKeyRecord).where(ProviderKeyRecord.provider_id == row.id, ProviderKeyRecord.name == name)
    )


def _check(credential: str) -> None:
    if not credential:
        raise InvalidField("credential: it is empty.", param="credential")
    check_credential(credential)


def _unknown(provider: str, name: str) -> NotFound:
    return NotFound(
        f"The provider {provider[:100]!r} has no key {name[:100]!r}; `tollhouse providers keys list` shows them.",
        param="name",
    )
