"""Providers: hosts that calls go to."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from tollhouse.domain.errors import Conflict, InvalidField, InvalidSetting, NotFound, UpstreamError
from tollhouse.domain.identifiers import new_id
from tollhouse.domain.ports import Upstreams, Vault
from tollhouse.domain.routes import Host
from tollhouse.services.naming import check_slug
from tollhouse.store.changes import announce
from tollhouse.store.database import Database
from tollhouse.store.records import DeploymentRecord, ModelRecord, ProviderRecord

LONGEST_URL = 2000


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider as it can be shown: whether it has a credential, never the credential."""

    id: str
    name: str
    preset: str
    base_url: str
    has_credential: bool
    allow_private: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ProviderCheck:
    """What asking a provider for its models showed."""

    name: str
    ok: bool
    milliseconds: int
    models: tuple[str, ...] = ()
    problem: str | None = None


class Providers:
    """Every change is effective in all processes within a second."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        upstreams: Upstreams,
        check_base_url: Callable[[str, bool], None],
    ) -> None:
        self._database = database
        self._vault = vault
        self._upstreams = upstreams
        self._check_base_url = check_base_url

    def add(
        self, name: str, preset: str, base_url: str, *, credential: str | None = None, allow_private: bool = False
    ) -> Provider:
        """A new provider. Raises Conflict when the name is taken, InvalidField for a bad URL or an unknown preset."""
        name = check_slug(name, "name")
        self._check_preset(preset)
        with self._database.write() as session:
            if _by_name(session, name):
                raise Conflict(f"There is a provider {name!r} already; choose another name.", param="name")
            row = self._insert(session, name, _Terms(preset, base_url, credential, allow_private))
        return _shown(row)

    def change(
        self,
        name: str,
        *,
        preset: str | None = None,
        base_url: str | None = None,
        credential: str | None = None,
        allow_private: bool | None = None,
    ) -> Provider:
        """What is None stays; a credential of "" takes it away. Raises NotFound, InvalidField."""
        if preset is not None:
            self._check_preset(preset)
        with self._database.write() as session:
            row = self._named(session, name)
            before = self._terms_of(row)
            terms = _Terms(
                preset or row.preset,
                base_url or row.base_url,
                (before.credential if before else None) if credential is None else credential or None,
                row.allow_private if allow_private is None else allow_private,
                row.vendor,
            )
            if before is None and credential is None and row.credential:
                raise InvalidField(
                    "credential: the one there cannot be read any more; set it anew.", param="credential"
                )
            if terms != before:
                self._write(row, terms)
                announce(session)
        return _shown(row)

    def remove(self, name: str) -> None:
        """Raises NotFound, and Conflict while models are called there."""
        with self._database.write() as session:
            row = self._named(session, name)
            model = session.scalar(select(ModelRecord.name).where(ModelRecord.provider_id == row.id).limit(1))
            model = model or session.scalar(
                select(ModelRecord.name)
                .join(DeploymentRecord, DeploymentRecord.model_id == ModelRecord.id)
                .where(DeploymentRecord.provider_id == row.id)
                .limit(1)
            )
            if model:
                raise Conflict(
                    f"The provider {name!r} is used by the model {model!r}: remove that first.", param="name"
                )
            session.delete(row)
            announce(session)

    def credential_of(self, name: str) -> str | None:
        """The provider's credential in the open, for nobody to see. Raises NotFound, InvalidSetting."""
        with self._database.read() as session:
            return host_of(self._named(session, name), self._vault).credential

    def register(
        self,
        name: str,
        preset: str,
        base_url: str,
        *,
        credential: str | None,
        allow_private: bool,
        vendor: str | None = None,
    ) -> Provider:
        """Add the provider, or bring the one of this name up to date: what start-up does. Idempotent.

        `vendor` is whose published prices hold there, wherever it is.
        """
        terms = _Terms(preset, base_url, credential, allow_private, vendor)
        with self._database.write() as session:
            row = _by_name(session, name)
            if row is None:
                row = self._insert(session, name, terms)
            elif self._terms_of(row) != terms:
                self._write(row, terms)
                announce(session)
        return _shown(row)

    def all(self) -> list[Provider]:
        """All providers, by name."""
        with self._database.read() as session:
            return [_shown(row) for row in session.scalars(select(ProviderRecord).order_by(ProviderRecord.name))]

    def check(self, name: str | None = None) -> list[ProviderCheck]:
        """Ask one provider, or all, for their models: whether they answer, and take the credential."""
        with self._database.read() as session:
            rows = list(session.scalars(select(ProviderRecord).order_by(ProviderRecord.name)))
        if name is not None:
            rows = [row for row in rows if row.name == name]
            if not rows:
                raise NotFound(f"There is no provider {name!r}; `tollhouse providers list` shows them.", param="name")
        return [self._check(row) for row in rows]

    def _check_preset(self, preset: str) -> None:
        if preset not in self._upstreams.presets():
            raise InvalidField(f"format: it must be one of {', '.join(self._upstreams.presets())}.", param="format")

    def _named(self, session: Session, name: str) -> ProviderRecord:
        row = _by_name(session, name)
        if row is None:
            raise NotFound(f"There is no provider {name!r}; `tollhouse providers list` shows them.", param="name")
        return row

    def _check(self, row: ProviderRecord) -> ProviderCheck:
        began = time.monotonic()
        try:
            models = tuple(self._upstreams.list_models(host_of(row, self._vault)))
        except (UpstreamError, InvalidSetting) as error:
            return ProviderCheck(row.name, False, int((time.monotonic() - began) * 1000), (), error.message)
        return ProviderCheck(row.name, True, int((time.monotonic() - began) * 1000), models)

    def _insert(self, session: Session, name: str, terms: "_Terms") -> ProviderRecord:
        row = ProviderRecord(id=new_id("prv"), name=name, created_at=self._database.now(session))
        self._write(row, terms)
        session.add(row)
        announce(session)
        return row

    def _write(self, row: ProviderRecord, terms: "_Terms") -> None:
        if len(terms.base_url) > LONGEST_URL:
            raise InvalidField(f"base_url: it is longer than {LONGEST_URL} characters.", param="base_url")
        self._check_base_url(terms.base_url, terms.allow_private)
        row.preset, row.base_url = terms.preset, terms.base_url
        row.credential = self._vault.seal(terms.credential) if terms.credential else None
        row.allow_private, row.vendor = terms.allow_private, terms.vendor

    def _terms_of(self, row: ProviderRecord) -> "_Terms | None":
        """What the row says; None where its credential was sealed under another key, and has to be written anew."""
        try:
            credential = self._vault.unseal(row.credential) if row.credential else None
        except InvalidSetting:
            return None
        return _Terms(row.preset, row.base_url, credential, row.allow_private, row.vendor)


class _Terms(NamedTuple):
    """All of a provider that can change."""

    preset: str
    base_url: str
    credential: str | None
    allow_private: bool
    vendor: str | None = None


def host_of(row: ProviderRecord, vault: Vault) -> Host:
    """The provider as calls need it, credential in the open."""
    credential = vault.unseal(row.credential) if row.credential else None
    return Host(row.id, row.name, row.preset, row.base_url, credential, row.allow_private, row.vendor)


def _by_name(session: Session, name: str) -> ProviderRecord | None:
    return session.scalar(select(ProviderRecord).where(ProviderRecord.name == name))


def _shown(row: ProviderRecord) -> Provider:
    return Provider(
        row.id,
        row.name,
        row.preset,
        row.base_url,
        row.credential is not None,
        row.allow_private,
        row.created_at,
    )
