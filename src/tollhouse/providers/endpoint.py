"""A host, ready to be called: what is the same in each request to it is written once."""

import re
from collections.abc import Mapping

from tollhouse import __version__
from tollhouse.domain.call import HOP_HEADER
from tollhouse.domain.errors import InvalidField, UpstreamRefused
from tollhouse.domain.ports import Outgoing
from tollhouse.domain.routes import Host
from tollhouse.providers.addresses import BaseURL, split_base_url
from tollhouse.providers.base import Preset

_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


class Endpoint:
    """The heads of requests to one host. They hold its credential: nothing here may be shown."""

    def __init__(self, host: Host, preset: Preset) -> None:
        """UpstreamRefused, when no request to the host can be written."""
        self.host = host
        self.preset = preset
        try:
            url = split_base_url(host.base_url)
        except InvalidField as error:
            raise UpstreamRefused(f"Provider {host.name} cannot be called. {error.message}") from None
        self.url: BaseURL = url
        path = url.path.removesuffix(preset.redundant_suffix)
        # Compressed answers are refused, so none is asked for.
        same = {"host": url.authority, "accept": "application/json", "accept-encoding": "identity"}
        same |= {"user-agent": f"tollhouse/{__version__}", HOP_HEADER: "1", **self._credential()}
        lines = _lines(same)
        posted = lines + b"content-type: application/json\r\n"
        self._heads = {
            name: f"POST {path}{after} HTTP/1.1\r\n".encode() + posted for name, after in preset.paths.items()
        }
        self._preset_lines = _lines(preset.headers)
        asked = f"GET {path}{preset.models_path} HTTP/1.1\r\n".encode()
        self.models_head = asked + lines + self._preset_lines + b"\r\n"

    def head(self, outgoing: Outgoing) -> bytes:
        """The request line and headers. UpstreamRefused for a format that the host does not speak,
        InvalidField for a caller's header that would not stay one line.
        """
        head = self._heads.get(outgoing.format)
        if head is None:
            raise UpstreamRefused(f"Provider {self.host.name} does not speak the format {outgoing.format}.")
        lines = self._preset_lines
        if outgoing.headers and self.preset.forwards:
            given = {name.lower(): value for name, value in outgoing.headers.items()}
            chosen = {name: given[name] for name in self.preset.forwards & given.keys()}
            if chosen:
                lines = _lines({**self.preset.headers, **chosen})
        return b"%b%bcontent-length: %d\r\n\r\n" % (head, lines, len(outgoing.body))

    def _credential(self) -> dict[str, str]:
        credential = (self.host.credential or "").strip()
        if not credential:
            return {}
        if not credential.isascii() or not credential.isprintable():
            raise UpstreamRefused(
                f"The key of provider {self.host.name} has characters that no header carries; set it again."
            )
        if self.preset.credential_header == "bearer":
            return {"authorization": f"Bearer {credential}"}
        return {"x-api-key": credential}


def _lines(headers: Mapping[str, str]) -> bytes:
    for name, value in headers.items():
        if not _VALUE.fullmatch(value):
            raise InvalidField(f"The header {name} has characters that no header carries.", param=name)
    return "".join([f"{name}: {value}\r\n" for name, value in headers.items()]).encode("latin-1")
