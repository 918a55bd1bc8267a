"""Responses with state of ours, for hosts of any format: what a call goes on from is put before its input, and what
comes of it is kept. Hosts see plain calls that keep nothing.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from tollhouse.domain.call import Call
from tollhouse.domain.errors import BadRequest, InvalidField, TollhouseError, Unsupported
from tollhouse.domain.principal import Principal
from tollhouse.services.calls.recording import recorder
from tollhouse.services.calls.reply import Reply
from tollhouse.services.inference import Inference
from tollhouse.services.responses.context import Context, Question
from tollhouse.services.responses.items import is_reference, items_of, kept, size_of
from tollhouse.services.responses.stored_responses import NewResponse, StoredResponses
from tollhouse.store.database import Database
from tollhouse.wire import FORMATS
from tollhouse.wire.responses import conversation_id, response_id

_ITEM = re.compile(r"input\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A call as hosts get it, what it goes on from, and what is kept of it; None where nothing is."""

    call: Call
    context: Context
    new: NewResponse | None = None

    @property
    def named(self) -> str:
        """The field that what came before was named in."""
        return "previous_response_id" if self.call.body.get("previous_response_id") else "conversation"


class Responses:
    """The way into the pipeline for calls of this format. `stores` says whether anything may be kept; `longest` is the
    most that a context may have, in bytes.
    """

    def __init__(
        self, inference: Inference, database: Database, stored: StoredResponses, *, stores: bool, longest: int
    ) -> None:
        self._inference = inference
        self._database = database
        self._stored = stored
        self._stores = stores
        self._longest = longest

    def open(self, principal: Principal, call: Call) -> Reply:
        """As `Inference.open`. A call that is not kept, and goes on from nothing, asks no database."""
        if call.body.get("background"):
            raise Unsupported(
                "background: what is asked for here is in the background already: leave it out. The call was not made.",
                param="background",
            )
        prepared = self.prepare(principal, call)
        reply = self.send(principal, prepared)
        if prepared.new is None:
            return reply
        tap = recorder(partial(self._stored.save, prepared.new), streamed=reply.streamed)
        try:
            reply.watch(tap)
        except BaseException as error:
            if isinstance(error, TollhouseError):
                reply.status = error.status
            reply.close()
            raise
        return reply

    def prepare(self, principal: Principal, call: Call) -> Prepared:
        """The call with all that it goes on from. Raises BadRequest, NotFound."""
        body = call.body
        store = self._store(body)
        own = items_of(body.get("input"))
        previous, conversation = body.get("previous_response_id"), conversation_id(body)
        context = Context(own=own)
        if previous or conversation or any(map(is_reference, own)):
            question = Question(principal.team_id, own, previous, conversation, self._longest)
            context = self._database.ask(question)
            call = _resolved(call, context, store=store)
        elif body.get("store") is not store:
            call = replace(call, body={**body, "store": store})
        if not (store or conversation):
            return Prepared(call, context)
        new = NewResponse(
            id=response_id(call),
            team_id=principal.team_id,
            key_id=principal.key_id,
            input=kept(context.own, "input"),
            previous_id=previous,
            thread_id=context.thread_id,
            conversation_id=conversation,
            stored=store,
        )
        return Prepared(call, context, new)

    def send(self, principal: Principal, prepared: Prepared) -> Reply:
        """As `Inference.open`; nothing is kept of the reply."""
        named = prepared.named
        try:
            return self._inference.open(principal, prepared.call)
        except BadRequest as error:
            _tell_in_the_callers_words(error, named, len(prepared.context.earlier))
            raise

    def check(self, principal: Principal, prepared: Prepared) -> None:
        """As `Inference.check`."""
        try:
            self._inference.check(principal, prepared.call)
        except BadRequest as error:
            _tell_in_the_callers_words(error, prepared.named, len(prepared.context.earlier))
            raise

    def _store(self, body: Mapping[str, Any]) -> bool:
        """Whether the reply is kept. Raises Unsupported for what is not done here, InvalidField."""
        if body.get("previous_response_id") and body.get("conversation"):
            raise InvalidField(
                "previous_response_id: a conversation has its own past; give one of both.", param="previous_response_id"
            )
        if not self._stores:
            for field in ("store", "conversation"):
                if body.get(field):
                    raise Unsupported(
                        f"{field}: this gateway stores nothing (TOLLHOUSE_STORE_RESPONSES). The call was not made.",
                        param=field,
                    )
        store = body.get("store")
        return self._stores if store is None else bool(store)


def _resolved(call: Call, context: Context, *, store: bool) -> Call:
    body = {**call.body, "input": [*context.earlier, *context.own], "store": store}
    return replace(call, body=body, facts=FORMATS[call.format].read(body, size_of(body)))


def _tell_in_the_callers_words(error: BadRequest, field: str, earlier: int) -> None:
    """The items before the caller's own are none that the caller can count."""
    if not earlier:
        return

    def said(match: re.Match[str]) -> str:
        number = int(match[1])
        return f"input[{number - earlier}]" if number >= earlier else f"{field}, item {number}"

    if error.param and (found := _ITEM.match(error.param)):
        error.param = field if int(found[1]) < earlier else _ITEM.sub(said, error.param)
        error.message = _ITEM.sub(said, error.message)
