"""`Idempotency-Key` on what is posted to the inference API: once for each key, and the same answer again."""

import hashlib
from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Flask, Response, request

from tollhouse.domain.call import Call
from tollhouse.domain.ports import Outside, at_once
from tollhouse.services.given import GivenAnswer
from tollhouse.services.repeats.idempotency import PARAM
from tollhouse.services.repeats.repeats import Recorded
from tollhouse.web import gate
from tollhouse.wire import json_text

KEY = "HTTP_IDEMPOTENCY_KEY"
PIECE = 65_536


def fingerprint(path: str, call: Call, outside: Outside) -> str:
    """The same for requests that ask for the same there: the order of fields and white space make no difference."""
    run = outside if call.facts.size >= json_text.LARGE or call.form is not None else at_once
    return run(lambda: _digest_of(path, call))


def digest(path: str, *parts: bytes) -> str:
    """Of what was sent to a path."""
    sum = hashlib.sha256(path.encode())
    for part in parts:
        sum.update(b"%d:" % len(part))
        sum.update(part)
    return sum.hexdigest()


def _digest_of(path: str, call: Call) -> str:
    if call.form is None:
        return digest(path, json_text.write_sorted(call.body))
    sum = hashlib.sha256(path.encode())
    for part in call.form.parts:
        sum.update(json_text.write([part.name, part.filename, part.content_type, part.size]))
        for start in range(part.start, part.start + part.size, PIECE):
            sum.update(call.form.spool.read(start, min(PIECE, part.start + part.size - start)))
    return sum.hexdigest()


def repeatable(view: Callable[..., Any]) -> Callable[..., Response]:
    """The view of what is posted as a document and answered with one, honouring the header."""

    @wraps(view)
    def run(**path: str) -> Response:
        key = request.headers.get(PARAM)
        if key is None:
            response: Response = view(**path)
            return response
        principal = gate.caller()
        asked = digest(request.path, request.get_data())
        return once(principal.key_id, key, asked, lambda: view(**path))

    return run


def once(owner_id: str, key: str, fingerprint: str, make: Callable[[], Response]) -> Response:
    """The response that `make` gives, or gave before."""

    def made() -> GivenAnswer:
        response = make()
        body = response.get_data()
        return GivenAnswer(response.status_code, response.content_type or "", [body])

    repeats = gate.services().repeats
    answer = repeats.open(owner_id, key, fingerprint, gate.request_id(), made, _nothing_follows, changes=True)
    assert not isinstance(answer, Recorded)  # noqa: S101 - what was made is no reply of a model
    return Response(b"".join(answer.body), answer.status, dict(answer.headers), content_type=answer.content_type)


def _nothing_follows(id: str) -> GivenAnswer:
    raise AssertionError(f"{id} was kept of another endpoint")


def honour(app: Flask, but: Callable[[Any], bool]) -> None:
    """Make what is posted to the inference API repeatable, `but` for views that see to it themselves."""
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        if rule.rule.startswith("/v1/") and "POST" in (rule.methods or ()) and not but(view):
            app.view_functions[rule.endpoint] = repeatable(view)
