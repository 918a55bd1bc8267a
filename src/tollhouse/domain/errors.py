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

from collections.abc import Iterable

from tollhouse.domain.limits import Kind, Standing
from tollhouse.domain.usage import Usage


class TollhouseError(Exception):
    """Base of all errors that are meant for the caller. `code` is stable; the message is for people."""

    status = 500
    code = "internal_error"
    may_retry: bool | None = None
    """Whether SDKs should try again; None leaves it to the status."""
    standing: Standing | None = None
    """What is left of the caller's limits, where any apply and the call got so far."""

    def __init__(self, message: str, *, param: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after = retry_after


class BadRequest(TollhouseError):
    status = 400
    code = "invalid_request"


class InvalidJSON(BadRequest):
    code = "invalid_json"


class InvalidField(BadRequest):
    code = "invalid_value"


class Unsupported(BadRequest):
    code = "unsupported"


class ThreadsUnsupported(Unsupported):
    """The host keeps no conversations. By this code, which is Anthropic's, its SDK knows to send the whole of it."""

    code = "thread_unsupported_request"


class NoProviderBatch(Unsupported):
    """A batch cannot be handed over to its provider's own batch interface."""

    code = "no_provider_batch"


class TooLarge(BadRequest):
    status = 413
    code = "request_too_large"


class UnsupportedEncoding(BadRequest):
    status = 415
    code = "unsupported_encoding"


class Unauthenticated(TollhouseError):
    status = 401
    code = "invalid_api_key"


class MissingKey(Unauthenticated):
    code = "missing_api_key"


class InvalidKey(Unauthenticated):
    pass


class RevokedKey(Unauthenticated):
    code = "revoked_api_key"


class ExpiredKey(Unauthenticated):
    code = "expired_api_key"


class MissingToken(Unauthenticated):
    code = "missing_access_token"


class InvalidToken(Unauthenticated):
    code = "invalid_access_token"


class ExpiredToken(Unauthenticated):
    code = "expired_access_token"


class WrongLogin(Unauthenticated):
    code = "wrong_login"


class SpentToken(Unauthenticated):
    """A refresh token came twice: one of the two who sent it has stolen it."""

    code = "spent_refresh_token"


class SignInRefused(Unauthenticated):
    """The issuer did not vouch for who came back from it, or not in a way that can be believed."""

    code = "sign_in_refused"


class Forbidden(TollhouseError):
    status = 403
    code = "forbidden"


class NotFound(TollhouseError):
    status = 404
    code = "not_found"


class UnknownModel(NotFound):
    code = "model_not_found"

    def __init__(self, model: str, nearest: Iterable[str]) -> None:
        names = ", ".join(repr(name) for name in nearest)
        hint = f" Did you mean {names}?" if names else " GET /v1/models lists those that are here."
        super().__init__(f"The model {model[:100]!r} does not exist.{hint}", param="model")


class PreviousResponseNotFound(NotFound):
    """What a call continues is not there, or not whole any more."""

    code = "previous_response_not_found"


class MethodNotAllowed(TollhouseError):
    status = 405
    code = "method_not_allowed"


class Conflict(TollhouseError):
    status = 409
    code = "conflict"


class AlreadyUnderWay(Conflict):
    """The same request came before, and is not answered yet."""

    code = "idempotency_key_under_way"


class NotKept(Conflict):
    """It was done before, and its answer was too long to be kept: another try would find the same."""

    code = "idempotency_answer_not_kept"
    may_retry = False


class KeyReused(TollhouseError):
    """An Idempotency-Key came with another request before."""

    status = 422
    code = "idempotency_key_reused"


class Changed(TollhouseError):
    """What was to be changed is no longer what the caller saw."""

    status = 412
    code = "changed_meanwhile"


class TooManyAttempts(TollhouseError):
    status = 429
    code = "too_many_attempts"


class BudgetExceeded(TollhouseError):
    status = 429
    code = "insufficient_quota"
    may_retry = False


class RateLimited(TollhouseError):
    """A limit lets no more in for now; `retry_after` is exact. None: the call is too large for the limit, ever."""

    status = 429
    code = "rate_limit_exceeded"

    def __init__(self, message: str, *, kind: Kind, retry_after: float | None, standing: Standing) -> None:
        super().__init__(message, retry_after=retry_after)
        self.kind = kind
        self.standing = standing
        self.may_retry = None if retry_after is not None else False


class Unavailable(TollhouseError):
    status = 503
    code = "unavailable"


class ContentMissing(Unavailable):
    """A file is not where it was put; another look will not find it either."""

    may_retry = False


class LedgerUnavailable(Unavailable):
    code = "ledger_unavailable"


class NotStored(Unavailable):
    """The answer was made and paid for, and could not be kept: another try would be paid for again."""

    code = "response_not_stored"
    may_retry = False


class OutOfSpace(TollhouseError):
    """What was uploaded cannot be put aside. The whole of it would have to be sent again: nobody should at once."""

    status = 507
    code = "out_of_space"
    may_retry = False


class Overloaded(Unavailable):
    code = "overloaded"


class SearchTooLong(Unavailable):
    """It would take as long another time."""

    code = "search_too_long"
    may_retry = False


class IssuerUnavailable(Unavailable):
    """The issuer of people's tokens does not answer, or not as OpenID Connect says."""

    code = "issuer_unavailable"


class UpstreamError(TollhouseError):
    """The provider failed. `billable` says whether it may charge for the attempt all the same; `usage` is then
    what is known of it, None where nothing is.
    """

    status = 502
    code = "upstream_error"
    billable = True
    usage: Usage | None = None


class UpstreamRefused(UpstreamError):
    """No connection: nothing was sent, so nothing can be billed."""

    code = "upstream_refused"
    billable = False


class DeploymentFull(UpstreamError):
    """Its own limit lets no more calls to the deployment for now."""

    status = 429
    code = "deployment_full"
    billable = False


class DeploymentResting(UpstreamError):
    """The deployment has failed several times in a row, and is left alone for a while."""

    status = 503
    code = "deployment_resting"
    billable = False


class KeysResting(DeploymentFull):
    """All keys of the provider are at their own rate limits for this model, or were refused."""

    code = "provider_keys_resting"


RELAYED = frozenset({400, 404, 409, 413, 415, 422, 429, 500, 503, 529})
"""Statuses of a provider whose answer the caller can do something with; of others the caller sees 502."""


class UpstreamRejected(UpstreamError):
    """The provider answered with an error status, before it did any work that it bills.

    `status` is what the caller sees, `upstream_status` what the provider said.
    """

    code = "upstream_rejected"
    billable = False

    def __init__(
        self,
        message: str,
        *,
        status: int,
        body: bytes = b"",
        content_type: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, retry_after=retry_after)
        self.upstream_status = status
        self.status = status if status in RELAYED else 502
        self.body = body
        self.content_type = content_type


class UpstreamTimeout(UpstreamError):
    status = 504
    code = "upstream_timeout"


class UpstreamGone(UpstreamError):
    code = "upstream_gone"


class UpstreamInvalid(UpstreamError):
    code = "upstream_invalid"


class InvalidSetting(TollhouseError):
    code = "invalid_setting"


class ClientGone(BaseException):
    """Whoever made the call has left. It is raised wherever the call waits, and ends it: no error of the call,
    which is why it is none that `except Exception` may take for one.
    """
