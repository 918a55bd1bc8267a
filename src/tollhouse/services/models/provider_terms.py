"""What of a provider can change, and what may be told of it."""

from typing import Any, NamedTuple
from urllib.parse import urlsplit

from sqlalchemy import select
from sqlalchemy.orm import Session

from tollhouse.domain.errors import InvalidField, NotFound
from tollhouse.store.records import ProviderRecord

LONGEST_URL = 2000
LONGEST_CREDENTIAL = 2000


class ProviderTerms(NamedTuple):
    """All of a provider that can change, credential in the open."""

    preset: str
    base_url: str
    credential: str | None
    allow_private: bool
    vendor: str | None = None


def check_credential(credential: str | None) -> None:
    """It is sent as a header. InvalidField, which never quotes it."""
    if not credential:
        return
    if not (credential.isascii() and credential.isprintable() and credential == credential.strip()):
        raise InvalidField("credential: it may have printable ASCII characters only.", param="credential")
    if len(credential) > LONGEST_CREDENTIAL:
        raise InvalidField(f"credential: it is longer than {LONGEST_CREDENTIAL} characters.", param="credential")


def origin_of(base_url: str) -> tuple[str, str]:
    """Where a credential is sent to, of a URL that was checked."""
    url = urlsplit(base_url)
    return url.scheme.lower(), url.netloc.lower()


def state_of(row: ProviderRecord) -> dict[str, Any]:
    """What of a provider the audit log has: of its credential, whether there is one."""
    return {
        "name": row.name,
        "format": row.preset,
        "base_url": row.base_url,
        "has_credential": row.credential is not None,
        "allow_private": row.allow_private,
        "vendor": row.vendor,
    }


def provider_by_name(session: Session, name: str) -> ProviderRecord | None:
    return session.scalar(select(ProviderRecord).where(ProviderRecord.name == name))


def provider_named(session: Session, name: str) -> ProviderRecord:
    """The provider of this name or id. Raises NotFound."""
    row = session.get(ProviderRecord, name) or provider_by_name(session, name)
    if row is None:
        raise NotFound(f"There is no provider {name[:100]!r}; `tollhouse providers list` shows them.", param="name")
    return row
