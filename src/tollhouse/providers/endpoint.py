"""A host, ready to be called: what is the same in each request to it is written once."""

import re
from collections.abc import Mapping
from urllib.parse import quote

from tollhouse import __version__
from tollhouse.domain.call import HOP_HEADER
from tollhouse.domain.errors import InvalidField, UpstreamRefused
from tollhouse.domain.ports import Errand, Outgoing
from tollhouse.domain.routes import Host, HostKey
from tollhouse.providers.addresses import BaseURL, split_base_url
from tollhouse.providers.base import CredentialHeader, Preset
from tollhouse.providers.headers import ACCEPTED, DEFAULTS, JSON, forwarded

_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_MODEL = "{model}"


class Endpoint:
    """The heads of requests to one host. They hold its credential: nothing here may be shown."""

    def __init__(self, host: Host, preset: Preset, key: HostKey | None = None) -> None:
        """With this of its several keys. UpstreamRefused, when no request to the host can be written."""
        self.host = host
        self._secret = (key.credential if key else host.credential) or ""
        self.preset = preset
        try:
            url = split_base_url(host.base_url)
        except InvalidField as error:
            raise UpstreamRefused(f"Provider {host.name} cannot be called. {error.message}") from None
        self.url: BaseURL = url
        prefix = preset.prefix_of(url.path)
        # Compressed answers are refused, so none is asked for.
        same = {"host": url.authority, "accept-encoding": "identity"}
        same |= {"user-agent": f"tollhouse/{__version__}", HOP_HEADER: "1"}
        lines = _lines(same)
        self._same = lines
        self._prefix = prefix
        self._paths = {spoken: prefix + path for spoken, path in preset.paths_at(url.host).items()}
        self._heads = {spoken: self._head(path) for spoken, path in self._paths.items() if _MODEL not in path}
        self._own = {
            spoken: {
                "accept": ACCEPTED.get(spoken, JSON),
                **self._credential(preset.credential_headers.get(spoken, preset.credential_header)),
                **DEFAULTS.get(spoken, {}),
                **preset.headers,
            }
            for spoken in self._paths
        }
        self._own_lines = {spoken: _lines(headers) for spoken, headers in self._own.items()}
        asked = f"GET {prefix}{preset.models_path_at(url.host)} HTTP/1.1\r\n".encode()
        self.models_head = (
            asked
            + lines
            + _lines({"accept": JSON, **self._credential(preset.credential_header), **preset.headers})
            + b"\r\n"
        )

    def head(self, outgoing: Outgoing, upstream_model: str) -> bytes:
        """The request line and headers. UpstreamRefused for a format that the host does not speak,
        InvalidField for a caller's header that would not stay one line.
        """
        spoken = outgoing.format
        path = self._paths.get(spoken)
        if path is None:
            raise UpstreamRefused(f"Provider {self.host.name} does not speak the format {spoken}.")
        head = self._heads.get(spoken) or self._head(path.replace(_MODEL, self._segment(upstream_model)))
        chosen = forwarded(spoken, outgoing.headers)
        lines = _lines({**self._own[spoken], **chosen}) if chosen else self._own_lines[spoken]
        kind, length = outgoing.content_type.encode(), len(outgoing.body)
        return b"%b%bcontent-type: %b\r\ncontent-length: %d\r\n\r\n" % (head, lines, kind, length)

    def errand_head(self, errand: Errand) -> bytes:
        """The request line and headers of what is no call to a model."""
        own = {"accept": errand.accept, **self._credential(self.preset.credential_header), **self.preset.headers}
        asked = f"{errand.method} {self._prefix}{errand.path} HTTP/1.1\r\n".encode() + self._same + _lines(own)
        if errand.method == "GET":
            return asked + b"\r\n"
        kind, length = errand.content_type.encode(), len(errand.body)
        return b"%bcontent-type: %b\r\ncontent-length: %d\r\n\r\n" % (asked, kind, length)

    def _head(self, path: str) -> bytes:
        return f"POST {path} HTTP/1.1\r\n".encode() + self._same

    def _segment(self, model: str) -> str:
        """The model as one segment of a path, which no spelling of it can leave."""
        if model in ("", ".", ".."):
            raise UpstreamRefused(f"Provider {self.host.name} takes the model in its path; {model!r} cannot be one.")
        return quote(model, safe="")

    def _credential(self, header: CredentialHeader) -> dict[str, str]:
        credential = self._secret.strip()
        if not credential:
            return {}
        if not credential.isascii() or not credential.isprintable():
            raise UpstreamRefused(
                f"The key of provider {self.host.name} has characters that no header carries; set it again."
            )
        return {"authorization": f"Bearer {credential}"} if header == "bearer" else {header: credential}


def _lines(headers: Mapping[str, str]) -> bytes:
    for name, value in headers.items():
        if not _VALUE.fullmatch(value):
            raise InvalidField(f"The header {name} has characters that no header carries.", param=name)
    return "".join([f"{name}: {value}\r\n" for name, value in headers.items()]).encode("latin-1")
