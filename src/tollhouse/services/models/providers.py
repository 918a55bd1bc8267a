"""Providers: hosts that calls go to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sqlalchemy import select
from sqlalchemy.orm import Session

from tollhouse.domain.actor import SYSTEM, Actor
from tollhouse.domain.errors import Conflict, InvalidField, InvalidSetting, UpstreamError
from tollhouse.domain.identifiers import new_id
from tollhouse.domain.page import Page, page_of
from tollhouse.domain.ports import Upstreams, Vault
from tollhouse.domain.rights import Right
from tollhouse.domain.routes import Host, HostKey
from tollhouse.services.audit import note
from tollhouse.services.models.provider_check import ProviderCheck, check_host
from tollhouse.services.models.provider_keys import OWN, keys_of
from tollhouse.services.models.provider_terms import (
    LONGEST_URL,
    ProviderTerms,
    check_credential,
    origin_of,
    provider_by_name,
    provider_named,
    state_of,
)
from tollhouse.services.naming import check_slug
from tollhouse.store.changes import announce
from tollhouse.store.database import Database
from tollhouse.store.records import DeploymentRecord, ModelRecord, ProviderKeyRecord, ProviderRecord


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


Unchanged = Callable[[Provider], None]
"""Given what a provider is, inside the transaction that changes it; raises Changed where that is not what was seen."""


class Providers:
    """They are the organisation's. Every change is effective in all processes within a second."""

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
        self,
        name: str,
        preset: str,
        base_url: str,
        *,
        credential: str | None = None,
        allow_private: bool = False,
        by: Actor = SYSTEM,
    ) -> Provider:
        """A new provider. Raises Conflict when the name is taken, InvalidField for a bad URL or an unknown preset."""
        by.require(Right.CHANGE_CATALOGUE)
        name = check_slug(name, "name")
        self._check_preset(preset)
        check_credential(credential)
        with self._database.write() as session:
            announce(session)  # first of all, for that row lets in one change at a time
            if provider_by_name(session, name):
                raise Conflict(f"There is a provider {name!r} already; choose another name.", param="name")
            row = self._insert(session, name, ProviderTerms(preset, base_url, credential, allow_private), by)
        return _shown(row)

    def change(
        self,
        name: str,
        *,
        preset: str | None = None,
        base_url: str | None = None,
        credential: str | None = None,
        allow_private: bool | None = None,
        by: Actor = SYSTEM,
        unless_changed: Unchanged | None = None,
    ) -> Provider:
        """The provider of this name or id. What is None stays; a credential of "" takes it away. Raises NotFound,
        InvalidField.

        A credential does not follow to another host by itself, or whoever may change the URL could read it there.
        """
        by.require(Right.CHANGE_CATALOGUE)
        if preset is not None:
            self._check_preset(preset)
        check_credential(credential)
        with self._database.write() as session:
            announce(session)
            row = self._named(session, name, unless_changed)
            before = self._terms_of(row)
            terms = ProviderTerms(
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
            self._check_url(terms)
            self._keep_from_others(session, row, terms, credential, by)
            if terms != before:
                self._change(session, row, before, terms, by)
        return _shown(row)

    def _keep_from_others(
        self, session: Session, row: ProviderRecord, terms: ProviderTerms, credential: str | None, by: Actor
    ) -> None:
        """No secret goes to another host than it was given for, unless whoever runs this machine says so."""
        moves = by.kind == "person" and origin_of(terms.base_url) != origin_of(row.base_url)
        if moves and credential is None and row.credential:
            raise InvalidField(
                "credential: give it anew, or null: the one there is for the host that was there.", param="credential"
            )
        if (moves or terms.credential is None) and (others := keys_of(session, row.id)):
            raise Conflict(
                f"The provider {row.name!r} has {len(others)} further keys: remove them first.",
                param="base_url" if moves else "credential",
            )

    def remove(self, name: str, *, by: Actor = SYSTEM, unless_changed: Unchanged | None = None) -> None:
        """The provider of this name or id. Raises NotFound, and Conflict while models are called there."""
        by.require(Right.CHANGE_CATALOGUE)
        with self._database.write() as session:
            announce(session)  # first of all: no model may come to it meanwhile
            row = self._named(session, name, unless_changed)
            model = session.scalar(select(ModelRecord.name).where(ModelRecord.provider_id == row.id).limit(1))
            model = model or session.scalar(
                select(ModelRecord.name)
                .join(DeploymentRecord, DeploymentRecord.model_id == ModelRecord.id)
                .where(DeploymentRecord.provider_id == row.id)
                .limit(1)
            )
            if model:
                raise Conflict(f"The provider {row.name!r} is used by the model {model!r}: remove that first.")
            note(session, by, "providers.remove", row.id, at=self._database.now(session), before=state_of(row))
            for key in keys_of(session, row.id):
                session.delete(key)
            session.flush()
            session.delete(row)

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
        by: Actor = SYSTEM,
    ) -> Provider:
        """Add the provider, or bring the one of this name up to date: what start-up does. Idempotent.

        `vendor` is whose published prices hold there, wherever it is.
        """
        terms = ProviderTerms(preset, base_url, credential, allow_private, vendor)
        with self._database.write() as session:
            row = provider_by_name(session, name)
            if row is None:
                announce(session)
                row = self._insert(session, name, terms, by)
            elif (before := self._terms_of(row)) != terms:
                announce(session)
                self._change(session, row, before, terms, by)
        return _shown(row)

    def all(self) -> list[Provider]:
        """All providers, by name."""
        with self._database.read() as session:
            return [_shown(row) for row in session.scalars(select(ProviderRecord).order_by(ProviderRecord.name))]

    def page(
        self, limit: int, after: str | None = None, *, name: str | None = None, by: Actor = SYSTEM
    ) -> Page[Provider]:
        """Providers, oldest first, or the one of this name."""
        by.require(Right.VIEW_CATALOGUE)
        asked = select(ProviderRecord).order_by(ProviderRecord.id).limit(limit + 1)
        if name is not None:
            asked = asked.where(ProviderRecord.name == name)
        if after is not None:
            asked = asked.where(ProviderRecord.id > after)
        with self._database.read() as session:
            shown = [_shown(row) for row in session.scalars(asked)]
        return page_of(shown, limit, lambda provider: provider.id)

    def get(self, name: str, *, by: Actor = SYSTEM) -> Provider:
        """By name or id."""
        by.require(Right.VIEW_CATALOGUE)
        with self._database.read() as session:
            return _shown(self._named(session, name))

    def check(self, name: str | None = None, *, by: Actor = SYSTEM) -> list[ProviderCheck]:
        """Ask one provider, by name or id, or all, for their models: whether they answer, and take the credential, or
        each of several.
        """
        by.require(Right.CHANGE_CATALOGUE)
        with self._database.read() as session:
            if name is not None:
                rows = [self._named(session, name)]
            else:
                rows = list(session.scalars(select(ProviderRecord).order_by(ProviderRecord.name)))
            keys = {row.id: keys_of(session, row.id) for row in rows}
        return [check_host(row.name, partial(self._list_models, row, keys[row.id])) for row in rows]

    def _check_preset(self, preset: str) -> None:
        if preset not in self._upstreams.presets():
            raise InvalidField(f"format: it must be one of {', '.join(self._upstreams.presets())}.", param="format")

    def _named(self, session: Session, name: str, unless_changed: Unchanged | None = None) -> ProviderRecord:
        """The provider of this name or id, which is as they saw it."""
        row = provider_named(session, name)
        if unless_changed is not None:
            unless_changed(_shown(row))
        return row

    def _list_models(self, row: ProviderRecord, keys: Sequence[ProviderKeyRecord]) -> Sequence[str]:
        host = host_of(row, self._vault, keys)
        if not host.keys:
            return self._upstreams.list_models(host)
        models: Sequence[str] = ()
        for key in host.keys:
            try:
                models = self._upstreams.list_models(host, key)
            except UpstreamError as error:
                error.message = f"With the key {key.name}: {error.message}"
                raise
        return models

    def _insert(self, session: Session, name: str, terms: ProviderTerms, by: Actor) -> ProviderRecord:
        row = ProviderRecord(id=new_id("prv"), name=name, created_at=self._database.now(session))
        self._write(row, terms)
        session.add(row)
        note(session, by, "providers.create", row.id, at=row.created_at, after=state_of(row))
        return row

    def _change(
        self, session: Session, row: ProviderRecord, before: ProviderTerms | None, terms: ProviderTerms, by: Actor
    ) -> None:
        was = state_of(row)
        self._write(row, terms)
        renewed = terms.credential is not None and (before is None or before.credential != terms.credential)
        after = state_of(row) | ({"credential": "renewed"} if renewed else {})
        note(session, by, "providers.change", row.id, at=self._database.now(session), before=was, after=after)

    def _check_url(self, terms: ProviderTerms) -> None:
        if len(terms.base_url) > LONGEST_URL:
            raise InvalidField(f"base_url: it is longer than {LONGEST_URL} characters.", param="base_url")
        self._check_base_url(terms.base_url, terms.allow_private)

    def _write(self, row: ProviderRecord, terms: ProviderTerms) -> None:
        self._check_url(terms)
        row.preset, row.base_url = terms.preset, terms.base_url
        row.credential = self._vault.seal(terms.credential) if terms.credential else None
        row.allow_private, row.vendor = terms.allow_private, terms.vendor

    def _terms_of(self, row: ProviderRecord) -> ProviderTerms | None:
        """What the row says; None where its credential was sealed under another key, and has to be written anew."""
        try:
            credential = self._vault.unseal(row.credential) if row.credential else None
        except InvalidSetting:
            return None
        return ProviderTerms(row.preset, row.base_url, credential, row.allow_private, row.vendor)


def host_of(row: ProviderRecord, vault: Vault, others: Sequence[ProviderKeyRecord] = ()) -> Host:
    """The provider as calls need it, credential in the open, with the keys that it has beside that."""
    credential = vault.unseal(row.credential) if row.credential else None
    keys = tuple(HostKey(one.id, one.name, vault.unseal(one.credential)) for one in others)
    if keys and credential:
        keys = (HostKey(row.id, OWN, credential), *keys)
    return Host(row.id, row.name, row.preset, row.base_url, credential, row.allow_private, row.vendor, keys)


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
