"""What is wrong with a request: how it is written, or with what it does not go together."""

from collections.abc import Iterable

from tollhouse.domain.errors.base import TollhouseError


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


class InvalidSetting(TollhouseError):
    code = "invalid_setting"
