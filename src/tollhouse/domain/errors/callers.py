"""Who may not, or not so often, or not for so much."""

from tollhouse.domain.errors.base import TollhouseError
from tollhouse.domain.limits import Kind, Standing


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
