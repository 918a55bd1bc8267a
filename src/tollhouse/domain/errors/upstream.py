"""What went wrong at a provider, or keeps calls from it."""

from tollhouse.domain.errors.base import TollhouseError
from tollhouse.domain.usage import Usage


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
