"""What a preset is: how to talk to one kind of host, as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Quirks:
    """What differs at the hosts of one domain name from the preset's other hosts. None: nothing."""

    vendor: str | None = None
    output_cap_field: str | None = None


@dataclass(frozen=True, slots=True)
class Preset:
    """One kind of host.

    `paths` are by the name of the format that is spoken there; they follow the path of the host's
    base URL. A `redundant_suffix` at the end of a base URL is dropped: some hosts are written with
    and without it. `forwards` are the caller's headers that may go on, in lower case; one of them
    takes the place of the header of the same name in `headers`, which all calls carry. `vendor` is
    the price list's name of whoever bills. `quirks` are by domain name, its subdomains included.
    """

    name: str
    paths: Mapping[str, str]
    models_path: str
    default_base_url: str
    credential_header: Literal["bearer", "x-api-key"] = "bearer"
    headers: Mapping[str, str] = field(default_factory=dict)
    forwards: frozenset[str] = frozenset()
    redundant_suffix: str = ""
    output_cap_field: str = "max_tokens"
    vendor: str | None = None
    quirks: Mapping[str, Quirks] = field(default_factory=dict)

    def vendor_at(self, hostname: str) -> str | None:
        """Whose prices hold at this host, as far as its name tells."""
        return self._quirks_at(hostname).vendor or self.vendor

    def output_cap_field_at(self, hostname: str) -> str:
        """Where a chat body for this host says how many tokens may come out."""
        return self._quirks_at(hostname).output_cap_field or self.output_cap_field

    def _quirks_at(self, hostname: str) -> Quirks:
        for domain, quirks in self.quirks.items():
            if hostname == domain or hostname.endswith("." + domain):
                return quirks
        return _NO_QUIRKS


_NO_QUIRKS = Quirks()
