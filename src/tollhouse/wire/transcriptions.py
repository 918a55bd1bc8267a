"""OpenAI Transcriptions and Translations: sound written down, in its language or in English."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tollhouse.domain.call import Call, Facts
from tollhouse.domain.form import Form
from tollhouse.domain.ports import Body
from tollhouse.domain.routes import Manners, Target
from tollhouse.domain.usage import Usage
from tollhouse.wire import answers
from tollhouse.wire.document_meter import DocumentMeter
from tollhouse.wire.format import Meter
from tollhouse.wire.framing import Framing, WholeFraming
from tollhouse.wire.media_stream import EventsOrDocument, MediaStreamMeter
from tollhouse.wire.schema import RequestSchema
from tollhouse.wire.sound import duration
from tollhouse.wire.upload import form_only, is_true, upload_of
from tollhouse.wire.vocabulary import media_tokens

TOKENS_PER_SECOND = 32
"""Of sound: the most that a vendor documents, which is Gemini's; OpenAI counts one for a tenth of a second.
https://ai.google.dev/gemini-api/docs/tokens https://developers.openai.com/api/docs/guides/realtime-costs"""

_SCHEMA = RequestSchema("transcriptions")
_JSON_REPLIES = ("", "json", "verbose_json", "diarized_json")
_LONGEST = 2**31


class TranscriptionsFormat:
    """`POST /v1/audio/transcriptions`: an upload; JSON, plain text, subtitles or events come back. Paid for by the
    second, or by tokens.
    """

    name = "transcriptions"
    dialect = "openai"
    requires_cap = False

    def read(self, body: Mapping[str, Any], size: int) -> Facts:
        raise form_only()

    def read_form(self, form: Form) -> Facts:
        fields = form.fields
        _SCHEMA.check(fields)
        (file,) = (part for part in form.parts if part.name == "file")
        units, bounded = duration(file.head, file.size)
        return Facts(
            model=fields["model"],
            size=form.text_size + units * TOKENS_PER_SECOND // 1000,
            stream=is_true(fields.get("stream")),
            surcharged=True,
            generates=False,
            unit="second",
            units=units,
            units_bounded=bounded,
            reply=fields.get("response_format", ""),
        )

    def write(self, call: Call, target: Target, cap: int | None, manners: Manners) -> Body:
        return upload_of(call, target)

    def surcharges(self, body: Mapping[str, Any]) -> bool:
        """Tokens of sound are not bounded by its bytes."""
        return True

    def framing(self, facts: Facts) -> Framing:
        if facts.stream:
            return EventsOrDocument()
        return WholeFraming() if facts.reply in _JSON_REPLIES else _Text()

    def meter(self, facts: Facts, input_bound: int) -> Meter:
        estimate = Usage(input=input_bound, estimated=True, units=facts.units)
        if facts.stream:
            return MediaStreamMeter(b".done", _used, estimate, answers.transcript)
        return DocumentMeter(_used, estimate, fault=answers.transcript, text=facts.reply not in _JSON_REPLIES)


class TranslationsFormat(TranscriptionsFormat):
    """`POST /v1/audio/translations`."""

    name = "translations"


class _Text(WholeFraming):
    """Plain text or subtitles; some hosts give JSON whatever was asked for."""

    content_types: tuple[str, ...] = ("text/plain", "text/vtt", "text/srt", "application/x-subrip", "application/json")


def _used(document: Mapping[str, Any]) -> Usage | None:
    usage = document.get("usage")
    seconds = _thousandths(usage.get("seconds")) if isinstance(usage, dict) else 0
    told = replace(media_tokens(document) or Usage(), units=seconds or _thousandths(document.get("duration")))
    return told if told.units or told.prompt or told.output else None


def _thousandths(seconds: Any) -> int:
    """Of a number, or, as some hosts have it, of its text; 0 for anything else, for a meter never raises."""
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float, str)):
        return 0
    try:
        number = float(seconds)
    except (ValueError, OverflowError):
        return 0
    return round(number * 1000) if 0 < number < _LONGEST else 0
