"""What this gateway cannot do now."""

from tollhouse.domain.errors.base import TollhouseError


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
