"""What formats of uploads share: how fields of a form say what JSON says by its types."""

from typing import Any

from tollhouse.domain.call import Call
from tollhouse.domain.errors import BadRequest
from tollhouse.domain.routes import Target
from tollhouse.wire.form_body import FormBody


def is_true(field: Any) -> bool:
    """A form's truth, as the vendor's SDKs write it."""
    return isinstance(field, str) and field.strip().lower() in ("true", "1")


def upload_of(call: Call, target: Target) -> FormBody:
    """The caller's upload, for this target's model."""
    if call.form is None:
        raise AssertionError("an upload without its form")
    return FormBody(call.form, {"model": target.upstream_model})


def form_only() -> BadRequest:
    """The refusal of a body of another kind."""
    return BadRequest("This path takes an upload: send the fields as multipart/form-data.")
