"""The answer to what cannot be read as a request, and never reaches the application."""

from http import HTTPStatus

from gunicorn.http import errors as unreadable

from tollhouse import logs
from tollhouse.domain.errors import BadRequest, TollhouseError
from tollhouse.domain.identifiers import new_id
from tollhouse.web.errors import written
from tollhouse.web.gate import ANTHROPIC_PATH, VENDOR_PATHS

_SENTENCES: dict[type[Exception], tuple[int, str]] = {
    unreadable.LimitRequestLine: (414, "The address of this request is too long."),
    unreadable.LimitRequestHeaders: (431, "The headers of this request are too many or too long."),
    unreadable.ExpectationFailed: (417, "What this request expects of a server is not done here."),
    unreadable.UnsupportedTransferCoding: (501, "The body of this request is sent in a way that is not known here."),
}
_OTHERWISE = (400, "This is no request that can be read.")


def refusal(error: Exception, head: bytes, client: str) -> bytes:
    """The whole response to a request whose `head` begins so. Nothing of the request is quoted, in the log
    neither: it may be a key.
    """
    request_id = new_id("req")
    if isinstance(error, unreadable.ParseException):
        status, sentence = _SENTENCES.get(type(error), _OTHERWISE)
        logs.event(
            "request_unreadable",
            level=logs.WARNING,
            request_id=request_id,
            client=client,
            reason=type(error).__name__,
            status=status,
        )
        problem: TollhouseError = BadRequest(sentence)
        problem.status = status
    else:
        logs.event("defect", level=logs.ERROR, request_id=request_id, error=error)
        problem = TollhouseError(f"The gateway failed; the log has the reason under {request_id}.")
    return _written(problem, _path(head), request_id)


def _path(head: bytes) -> str:
    words = head.split(b" ", 2)
    return words[1].decode("latin-1") if len(words) > 1 else ""


def _written(problem: TollhouseError, path: str, request_id: str) -> bytes:
    vendors = "anthropic" if path.startswith(ANTHROPIC_PATH) else "openai"
    language = vendors if path.startswith(VENDOR_PATHS) else "problem"
    status, content_type, body = written(problem, language, request_id)
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nconnection: close\r\n"
        f"content-type: {content_type}\r\ncontent-length: {len(body)}\r\nx-request-id: {request_id}\r\n\r\n"
    )
    return head.encode() + body
