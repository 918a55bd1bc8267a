"""API keys: made, listed, revoked, rotated."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from tollhouse.domain.errors import Conflict, InvalidField, NotFound
from tollhouse.domain.identifiers import new_id
from tollhouse.services.key_mint import KeyMint
from tollhouse.services.naming import check_name
from tollhouse.store.changes import announce
from tollhouse.store.database import Database
from tollhouse.store.records import ApiKeyRecord, ModelRecord


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it can be shown. `key` itself is there once: when it is made or rotated."""

    id: str
    name: str
    hint: str
    models: tuple[str, ...] | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    key: str | None = None


class Keys:
    """Every change is effective in all processes within a second."""

    def __init__(self, database: Database, mint: KeyMint) -> None:
        self._database = database
        self._mint = mint

    def create(self, name: str, *, models: Sequence[str] | None = None, expires_at: datetime | None = None) -> ApiKey:
        """A new key; an empty list of models means all of them."""
        name = check_name(name, "name")
        minted = self._mint.mint()
        with self._database.write() as session:
            now = self._database.now(session)
            if expires_at is not None and expires_at <= now:
                raise InvalidField("expires: the moment is past.", param="expires")
            _check_models(session, models or ())
            row = ApiKeyRecord(
                id=new_id("key"),
                name=name,
                digest=minted.digest,
                hint=minted.hint,
                models=sorted(set(models)) if models else None,
                created_at=now,
                expires_at=expires_at,
                revoked_at=None,
            )
            session.add(row)
            announce(session)
        return _shown(row, minted.key)

    def all(self) -> list[ApiKey]:
        """All keys, oldest first, the revoked ones too."""
        with self._database.read() as session:
            return [_shown(row) for row in session.scalars(select(ApiKeyRecord).order_by(ApiKeyRecord.id))]

    def revoke(self, id: str) -> ApiKey:
        """End a key; again is no error."""
        with self._database.write() as session:
            row = _find(session, id)
            row.revoked_at = row.revoked_at or self._database.now(session)
            announce(session)
        return _shown(row)

    def rotate(self, id: str) -> ApiKey:
        """Give the key a new secret under the same id, budgets and history; the old one ends now."""
        minted = self._mint.mint()
        with self._database.write() as session:
            row = _find(session, id)
            if row.revoked_at:
                raise Conflict(f"The key {id} is revoked, and stays so: make another with `tollhouse keys create`.")
            row.digest, row.hint = minted.digest, minted.hint
            announce(session)
        return _shown(row, minted.key)


def _check_models(session: Session, names: Sequence[str]) -> None:
    known = set(session.scalars(select(ModelRecord.name)))
    for name in names:
        if name not in known:
            raise InvalidField(f"model: there is no model {name!r}; `tollhouse models list` shows them.", param="model")


def _find(session: Session, id: str) -> ApiKeyRecord:
    row = session.get(ApiKeyRecord, id)
    if row is None:
        raise NotFound(f"There is no key {id!r}; `tollhouse keys list` shows them.", param="id")
    return row


def _shown(row: ApiKeyRecord, key: str | None = None) -> ApiKey:
    models = None if row.models is None else tuple(row.models)
    return ApiKey(row.id, row.name, row.hint, models, row.created_at, row.expires_at, row.revoked_at, key)
