"""`POST /v1/audio/speech`, `POST /v1/audio/transcriptions`, `POST /v1/audio/translations`."""

from flask import Blueprint

from tollhouse.web.description import JSON, Operation, described
from tollhouse.web.inference.respond import InferenceView

blueprint = Blueprint("audio", __name__)

speak = described(
    POST=Operation(
        id="createSpeech",
        summary="OpenAI Speech: a text read aloud",
        tag="OpenAI",
        example={"model": "echo", "voice": "alloy", "input": "Hello."},
        answer=None,
        answered_as=("audio/*", "text/event-stream"),
        description="Sound is relayed as it comes; `stream_format: sse` asks for events.",
    )
)(InferenceView("speech"))
blueprint.add_url_rule("/v1/audio/speech", "speak", speak, methods=["POST"])

transcribe = described(
    POST=Operation(
        id="createTranscription",
        summary="What is said in an uploaded recording",
        tag="OpenAI",
        example={"model": "whisper-1", "file": "(a file)"},
        answer={"text": "Hello."},
        sent_as="multipart/form-data",
        answered_as=(JSON, "text/plain"),
    )
)(InferenceView("transcriptions"))
blueprint.add_url_rule("/v1/audio/transcriptions", "transcribe", transcribe, methods=["POST"])

translate = described(
    POST=Operation(
        id="createTranslation",
        summary="The same in English",
        tag="OpenAI",
        example={"model": "whisper-1", "file": "(a file)"},
        answer={"text": "Hello."},
        schema="transcriptions",
        sent_as="multipart/form-data",
        answered_as=(JSON, "text/plain"),
    )
)(InferenceView("translations"))
blueprint.add_url_rule("/v1/audio/translations", "translate", translate, methods=["POST"])
