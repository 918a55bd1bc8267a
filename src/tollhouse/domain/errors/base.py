"""What all errors are that are meant for the caller, and what ends a call that nobody waits for."""

from tollhouse.domain.limits import Standing


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


class ClientGone(BaseException):
    """Whoever made the call has left. It is raised wherever the call waits, and ends it: no error of the call,
    which is why it is none that `except Exception` may take for one.
    """
