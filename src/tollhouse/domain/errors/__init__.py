"""The tree of errors. Each says in one sentence what is wrong and what to do; `web/errors.py` and
`cli/` turn them into answers, and nothing else does.

    TollhouseError
    ├── BadRequest 400 ─ InvalidJSON, InvalidField, TooLarge 413, UnsupportedEncoding 415, Unsupported
    │       (Unsupported ─ ThreadsUnsupported, NoProviderBatch)
    ├── Unauthenticated 401 ─ MissingKey, InvalidKey, RevokedKey, ExpiredKey, MissingToken, InvalidToken,
    │                       ExpiredToken, WrongLogin, SpentToken, SignInRefused
    ├── Forbidden 403
    ├── NotFound 404 ─ UnknownModel, PreviousResponseNotFound
    ├── Conflict 409 ─ AlreadyUnderWay, NotKept
    ├── Changed 412
    ├── KeyReused 422
    ├── TooManyAttempts 429
    ├── BudgetExceeded 429 (402 in Anthropic's dialect)
    ├── RateLimited 429
    ├── Unavailable 503 ─ LedgerUnavailable, NotStored, Overloaded, SearchTooLong, IssuerUnavailable
    ├── OutOfSpace 507
    ├── UpstreamError 502 ─ UpstreamRefused, UpstreamRejected, UpstreamTimeout 504, UpstreamGone, UpstreamInvalid,
    │       DeploymentFull 429, KeysResting 429, DeploymentResting 503
    └── InvalidSetting
"""

from tollhouse.domain.errors.base import ClientGone, TollhouseError
from tollhouse.domain.errors.callers import (
    BudgetExceeded,
    ExpiredKey,
    ExpiredToken,
    Forbidden,
    InvalidKey,
    InvalidToken,
    MissingKey,
    MissingToken,
    RateLimited,
    RevokedKey,
    SignInRefused,
    SpentToken,
    TooManyAttempts,
    Unauthenticated,
    WrongLogin,
)
from tollhouse.domain.errors.gateway import (
    ContentMissing,
    IssuerUnavailable,
    LedgerUnavailable,
    NotStored,
    OutOfSpace,
    Overloaded,
    SearchTooLong,
    Unavailable,
)
from tollhouse.domain.errors.requests import (
    AlreadyUnderWay,
    BadRequest,
    Changed,
    Conflict,
    InvalidField,
    InvalidJSON,
    InvalidSetting,
    KeyReused,
    MethodNotAllowed,
    NoProviderBatch,
    NotFound,
    NotKept,
    PreviousResponseNotFound,
    ThreadsUnsupported,
    TooLarge,
    UnknownModel,
    Unsupported,
    UnsupportedEncoding,
)
from tollhouse.domain.errors.upstream import (
    RELAYED,
    DeploymentFull,
    DeploymentResting,
    KeysResting,
    UpstreamError,
    UpstreamGone,
    UpstreamInvalid,
    UpstreamRefused,
    UpstreamRejected,
    UpstreamTimeout,
)

__all__ = [
    "RELAYED",
    "AlreadyUnderWay",
    "BadRequest",
    "BudgetExceeded",
    "Changed",
    "ClientGone",
    "Conflict",
    "ContentMissing",
    "DeploymentFull",
    "DeploymentResting",
    "ExpiredKey",
    "ExpiredToken",
    "Forbidden",
    "InvalidField",
    "InvalidJSON",
    "InvalidKey",
    "InvalidSetting",
    "InvalidToken",
    "IssuerUnavailable",
    "KeyReused",
    "KeysResting",
    "LedgerUnavailable",
    "MethodNotAllowed",
    "MissingKey",
    "MissingToken",
    "NoProviderBatch",
    "NotFound",
    "NotKept",
    "NotStored",
    "OutOfSpace",
    "Overloaded",
    "PreviousResponseNotFound",
    "RateLimited",
    "RevokedKey",
    "SearchTooLong",
    "SignInRefused",
    "SpentToken",
    "ThreadsUnsupported",
    "TollhouseError",
    "TooLarge",
    "TooManyAttempts",
    "Unauthenticated",
    "Unavailable",
    "UnknownModel",
    "Unsupported",
    "UnsupportedEncoding",
    "UpstreamError",
    "UpstreamGone",
    "UpstreamInvalid",
    "UpstreamRefused",
    "UpstreamRejected",
    "UpstreamTimeout",
    "WrongLogin",
]
