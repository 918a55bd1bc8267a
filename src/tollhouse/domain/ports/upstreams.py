"""Hosts that answer calls."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from tollhouse.domain.ports.bodies import Body
from tollhouse.domain.routes import Host, HostKey, Manners, Target
from tollhouse.domain.values import value


@value
class Outgoing:
    """One request to a host, as the wire format wrote it. `headers` are the caller's, already chosen by policy; `key`
    is the one of the host's several that it goes out with.
    """

    format: str
    body: Body
    headers: Mapping[str, str]
    streamed: bool
    key: HostKey | None = None

    @property
    def content_type(self) -> str:
        return "application/json" if isinstance(self.body, bytes) else self.body.content_type

    @property
    def whole(self) -> bytes:
        """The body at once, for whoever answers from memory."""
        return self.body if isinstance(self.body, bytes) else b"".join(self.body)


class Exchange(Protocol):
    """An upstream's answer, being read. Whoever opened it closes it; `close` is idempotent."""

    status: int
    headers: Mapping[str, str]
    """Lower-case names."""

    @property
    def returned(self) -> Mapping[str, str]:
        """What of the headers the caller may see, ready to be sent."""

    def read(self) -> bytes:
        """The next bytes as they come, b"" at the end. Raises UpstreamTimeout, UpstreamGone."""

    def close(self) -> None:
        """Give the connection back, or end it when the answer was not read to its end."""


class Upstreams(Protocol):
    """All hosts, whatever speaks to them."""

    def open(self, target: Target, outgoing: Outgoing) -> Exchange:
        """Send, and return once the status is known, whatever it is. Raises UpstreamRefused,
        UpstreamTimeout, UpstreamGone.
        """

    def presets(self) -> Sequence[str]:
        """The kinds of host that are known, by name."""

    def formats(self, host: Host) -> frozenset[str]:
        """The wire formats that this host speaks."""

    def manners(self, host: Host) -> Manners:
        """How this host wants to be asked."""

    def vendor(self, host: Host) -> str | None:
        """The price list's name of whoever bills for this host, as far as its preset tells."""

    def list_models(self, host: Host, key: HostKey | None = None) -> Sequence[str]:
        """The models that the host itself names: the cheapest authenticated call it has, with this of its several keys.

        Raises UpstreamError.
        """
