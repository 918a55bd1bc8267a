"""Hosts that take batches of their own."""

from dataclasses import dataclass
from typing import Protocol

from tollhouse.domain.ports.bodies import Body
from tollhouse.domain.ports.upstreams import Exchange
from tollhouse.domain.routes import Host, HostKey, Manners


@dataclass(frozen=True, slots=True)
class Errand:
    """A request to a host that is no call to a model. `path` follows that of the host's base URL."""

    method: str
    path: str
    body: Body = b""
    accept: str = "application/json"

    @property
    def content_type(self) -> str:
        return "application/json" if isinstance(self.body, bytes) else self.body.content_type


class BatchHosts(Protocol):
    """All hosts, as those that take batches of their own."""

    def batch_interface(self, host: Host) -> str | None:
        """The name of the interface of batches that this host may have; None where none is known of it."""

    def manners(self, host: Host) -> Manners:
        """How this host wants to be asked."""

    def run_errand(self, host: Host, errand: Errand, key: HostKey | None = None) -> Exchange:
        """Send, with this of its several keys, and return once the status is known, whatever it is. Raises
        UpstreamRefused, UpstreamTimeout, UpstreamGone.
        """
