"""`/v1/files`."""

import hashlib
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from flask import Blueprint, Response, request

from tollhouse.domain.errors import InvalidField, NotFound, OutOfSpace, TooLarge
from tollhouse.domain.form import Part
from tollhouse.services.batches.files import Content, Incoming, read_new_file
from tollhouse.services.pages import FilePage
from tollhouse.services.repeats.idempotency import PARAM
from tollhouse.web.description import Operation, described
from tollhouse.web.gate import caller, services
from tollhouse.web.inference import once
from tollhouse.web.inference.respond import json_response
from tollhouse.web.inference.upload import Upload
from tollhouse.wire import json_text

blueprint = Blueprint("files", __name__)

FILE = "file"
_ID = {"id": "the file, such as file-01m7z6mf2xg7gs20fhpcph9cf3"}
_SHOWN = {
    "id": "file-1",
    "object": "file",
    "bytes": 120,
    "created_at": 1763000000,
    "filename": "calls.jsonl",
    "purpose": "batch",
    "status": "processed",
    "expires_at": 1765592000,
    "status_details": None,
}
_LISTED = {"object": "list", "data": [_SHOWN], "first_id": "file-1", "last_id": "file-1", "has_more": False}


class Kept:
    """Puts the file of an upload where files are kept, as it comes, and nothing else anywhere."""

    def __init__(self, incoming: Incoming) -> None:
        self.size = 0
        self.sum = hashlib.sha256()
        """Of the file's bytes."""
        self._incoming = incoming
        self._is_file = False

    def begin(self, part: Part) -> None:
        self._is_file = part.name == FILE and part.filename is not None
        if self._is_file and self._incoming.size:
            raise InvalidField("file: one file comes with each request.", param=FILE)

    def write(self, data: bytes) -> None:
        self.size += len(data)
        if self._is_file:
            self.sum.update(data)
            self._incoming.write(data)

    def seal(self) -> None: ...

    def read(self, start: int, size: int) -> bytes:
        raise RuntimeError("A file that is kept is read by its id.")

    def close(self) -> None: ...


class Sent:
    """A file's bytes on their way to a client; the server closes it."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self.close = content.close

    def __iter__(self) -> Iterator[bytes]:
        return self._content


@blueprint.post("/v1/files")
@described(
    POST=Operation(
        id="createFile",
        summary="Keep a file, for a batch",
        tag="OpenAI",
        example={"purpose": "batch", "file": "(a file)"},
        answer=_SHOWN,
        sent_as="multipart/form-data",
        errors=(InvalidField, TooLarge, OutOfSpace),
        description="`expires_after[anchor]` and `expires_after[seconds]` say how long it is kept.",
    )
)
def create() -> Response:
    principal = caller()
    files, longest = services().files, services().settings.max_file_bytes
    with closing(files.receive()) as incoming:
        # The rest of the form is little beside the file.
        kept = Kept(incoming)
        with closing(Upload(request.environ, longest + 65_536, kept)) as upload:
            form = upload.read()
        sent = form.fields.get(FILE)
        if not isinstance(sent, dict):
            raise InvalidField("file: one file is required.", param=FILE)
        if incoming.size > longest:
            raise TooLarge(f"The file has more than {longest} bytes: TOLLHOUSE_MAX_FILE_BYTES.", param=FILE)
        new = read_new_file(form.fields, sent["filename"])

        def make() -> Response:
            return json_response(files.add(principal, incoming, new))

        key = request.headers.get(PARAM)
        if key is None:
            return make()
        asked = once.digest(request.path, json_text.write_sorted(form.fields), kept.sum.digest())
        return once.once(principal.key_id, key, asked, make)


@blueprint.get("/v1/files")
@described(
    GET=Operation(id="listFiles", summary="The team's files", tag="OpenAI", answer=_LISTED, query=FilePage.QUERY)
)
def list_files() -> Response:
    return json_response(services().files.page(caller(), FilePage.read(request.args)))


@blueprint.get("/v1/files/<id>")
@described(GET=Operation(id="getFile", summary="A file", tag="OpenAI", answer=_SHOWN, path=_ID, errors=(NotFound,)))
def retrieve(id: str) -> Response:
    return json_response(services().files.retrieve(caller(), id))


@blueprint.get("/v1/files/<id>/content")
@described(
    GET=Operation(
        id="downloadFile",
        summary="What is in a file",
        tag="OpenAI",
        answered_as=("application/octet-stream",),
        path=_ID,
        errors=(NotFound,),
    )
)
def content(id: str) -> Response:
    found = services().files.content(caller(), id)
    length: dict[str, Any] = {"content-length": str(found.size)}
    return Response(Sent(found), headers=length, content_type="application/octet-stream", direct_passthrough=True)


@blueprint.delete("/v1/files/<id>")
@described(
    DELETE=Operation(
        id="deleteFile",
        summary="Delete a file",
        tag="OpenAI",
        answer={"id": "file-1", "object": "file", "deleted": True},
        path=_ID,
        errors=(NotFound,),
    )
)
def delete(id: str) -> Response:
    return json_response(services().files.delete(caller(), id))
