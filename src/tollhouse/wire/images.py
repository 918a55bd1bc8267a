"""OpenAI Images: made from words, edited, varied."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tollhouse.domain.call import Call, Facts
from tollhouse.domain.errors import InvalidField
from tollhouse.domain.form import Form
from tollhouse.domain.ports import Body
from tollhouse.domain.routes import Manners, Target
from tollhouse.domain.usage import Usage
from tollhouse.wire import answers, json_text
from tollhouse.wire.document_meter import DocumentMeter, ReadUsage
from tollhouse.wire.format import Meter
from tollhouse.wire.framing import Framing, WholeFraming
from tollhouse.wire.media_stream import EventsOrDocument, MediaStreamMeter
from tollhouse.wire.schema import RequestSchema
from tollhouse.wire.upload import form_only, is_true, upload_of
from tollhouse.wire.vocabulary import media_tokens

MOST_TOKENS_OF_AN_IMAGE = 65 + 4 * 129 + 6240
"""Of one that is put in, by OpenAI's guide "Images and vision", "GPT Image 1" under "Calculating costs": 65 for any;
129 for each tile of 512 pixels, once it was made to fit into 2048 by 2048 and its shorter side into 512, so that there
are four at most; and with high input fidelity 4,160 more for a square, 6,240 for any other. The guide "Image
generation" says that GPT Image 2 always reads at high fidelity, and of what that costs no more than this: it is taken
to be the same. https://developers.openai.com/api/docs/guides/images-vision#calculating-costs
"""

_FAULT = answers.objects_at("data")


class ImagesFormat:
    """`POST /v1/images/generations`, whole and streamed: paid for by tokens, or by the image."""

    name = "images"
    dialect = "openai"
    requires_cap = False
    _schema = RequestSchema("images")

    def read(self, body: Mapping[str, Any], size: int) -> Facts:
        self._schema.check(body)
        return _facts(body, size, stream=bool(body.get("stream")))

    def write(self, call: Call, target: Target, cap: int | None, manners: Manners) -> Body:
        return json_text.write({**call.body, "model": target.upstream_model})

    def surcharges(self, body: Mapping[str, Any]) -> bool:
        """No number of tokens bounds an image."""
        return True

    def framing(self, facts: Facts) -> Framing:
        return EventsOrDocument() if facts.stream else WholeFraming()

    def meter(self, facts: Facts, input_bound: int) -> Meter:
        estimate = Usage(input=input_bound, estimated=True, units=facts.units)
        if facts.stream:
            return MediaStreamMeter(b".completed", _with_units(facts.units), estimate, _FAULT)
        return DocumentMeter(_used, estimate, fault=_FAULT)


class ImageEditsFormat(ImagesFormat):
    """`POST /v1/images/edits`: an upload of images, and what is to become of them."""

    name = "image_edits"
    _schema = RequestSchema("image_edits")

    def read(self, body: Mapping[str, Any], size: int) -> Facts:
        raise form_only()

    def read_form(self, form: Form) -> Facts:
        fields = form.fields
        if "image" not in fields and "image[]" not in fields:
            raise InvalidField("image: this field is required.", param="image")
        self._schema.check(fields)
        size = form.text_size + MOST_TOKENS_OF_AN_IMAGE * len(form.files)
        return _facts(fields, size, stream=is_true(fields.get("stream")))

    def write(self, call: Call, target: Target, cap: int | None, manners: Manners) -> Body:
        return upload_of(call, target)


class ImageVariationsFormat(ImageEditsFormat):
    """`POST /v1/images/variations`: an upload of one image."""

    name = "image_variations"
    _schema = RequestSchema("image_variations")


def _facts(fields: Mapping[str, Any], size: int, *, stream: bool) -> Facts:
    return Facts(
        model=fields["model"],
        size=size,
        stream=stream,
        surcharged=True,
        generates=False,
        unit="image",
        units=1000 * int(fields.get("n") or 1),
    )


def _used(document: Mapping[str, Any]) -> Usage | None:
    """The images that came are those that are paid for."""
    data = document.get("data")
    images = len(data) if isinstance(data, list) else 0
    told = media_tokens(document) or Usage()
    return replace(told, units=1000 * images) if images or told.prompt or told.output else None


def _with_units(units: int) -> ReadUsage:
    def used(document: Mapping[str, Any]) -> Usage | None:
        if "data" in document:
            return _used(document)
        told = media_tokens(document)
        return replace(told, units=units) if told else Usage(units=units)

    return used
