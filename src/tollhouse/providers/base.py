"""What a preset is: how to talk to one kind of host, as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

CredentialHeader = Literal["bearer", "x-api-key", "api-key"]
"""The header that carries the host's key; "bearer" is `authorization: Bearer KEY`."""


@dataclass(frozen=True, slots=True)
class Quirks:
    """What differs at the hosts of one domain name from the preset's other hosts. None: nothing."""

    vendor: str | None = None
    output_cap_field: str | None = None
    paths: Mapping[str, str] | None = None
    models_path: str | None = None
    encrypts_thoughts: bool = False
    refuses: frozenset[str] | None = None
    breakpoints: bool | None = None


@dataclass(frozen=True, slots=True)
class Preset:
    """One kind of host.

    `paths` are by the name of the format that is spoken there; they follow the path of the host's base
    URL, may have a query, and `{model}` in one is the upstream's model, escaped. The name of a format
    that the gateway does not have is allowed, and never asked for. One of the `redundant_suffixes` at
    the end of a base URL is dropped, the first that fits: hosts are written with and without them.
    `credential_headers` are by format, where one wants another than the rest. `headers` are those that
    all calls carry. `output_cap_field` is where a chat body says how many tokens may come out; where
    not `takes_stream_options`, a chat body with that field is refused and a stream tells its usage
    unasked. `encrypts_thoughts` says that a host of Responses knows `reasoning.encrypted_content`.
    unasked. `refuses` are fields that translations put into a chat body, and these hosts refuse: top-level
    ones, and `cache_control`, the mark, anywhere; where they have `breakpoints`, newer models get those for
    marks. A caller's own chat body is not touched. `vendor` is the price list's name of whoever bills. `batches` names
    the interface that these hosts may have for batches of their own.

    `domains` are the vendor's own: a provider there is of this preset, though it was added as one that
    `yields`, as the general presets do. `quirks` are by domain. A domain includes its subdomains, and a
    label `*` in one stands for any single label.
    """

    name: str
    paths: Mapping[str, str]
    models_path: str
    default_base_url: str
    credential_header: CredentialHeader = "bearer"
    credential_headers: Mapping[str, CredentialHeader] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    redundant_suffixes: tuple[str, ...] = ()
    output_cap_field: str = "max_tokens"
    takes_stream_options: bool = True
    encrypts_thoughts: bool = False
    refuses: frozenset[str] = frozenset()
    breakpoints: bool = False
    vendor: str | None = None
    domains: tuple[str, ...] = ()
    yields: bool = False
    batches: str | None = None
    quirks: Mapping[str, Quirks] = field(default_factory=dict)

    def is_home_of(self, hostname: str) -> bool:
        """Whether this host is the preset's own."""
        return any(_is_under(hostname, domain) for domain in self.domains)

    def prefix_of(self, path: str) -> str:
        """What of a base URL's path stands before the preset's paths."""
        for suffix in self.redundant_suffixes:
            if path.endswith(suffix):
                return path.removesuffix(suffix)
        return path

    def paths_at(self, hostname: str) -> Mapping[str, str]:
        """The path of each format that this host speaks."""
        return self._quirks_at(hostname).paths or self.paths

    def models_path_at(self, hostname: str) -> str:
        """Where this host lists its models."""
        return self._quirks_at(hostname).models_path or self.models_path

    def vendor_at(self, hostname: str) -> str | None:
        """Whose prices hold at this host, as far as its name tells."""
        return self._quirks_at(hostname).vendor or self.vendor

    def output_cap_field_at(self, hostname: str) -> str:
        """Where a chat body for this host says how many tokens may come out."""
        return self._quirks_at(hostname).output_cap_field or self.output_cap_field

    def encrypts_thoughts_at(self, hostname: str) -> bool:
        """Whether this host encrypts thoughts for whoever asks it to."""
        return self.encrypts_thoughts or self._quirks_at(hostname).encrypts_thoughts

    def refuses_at(self, hostname: str) -> frozenset[str]:
        """What a translated chat body for this host must not have."""
        refuses = self._quirks_at(hostname).refuses
        return self.refuses if refuses is None else refuses

    def breakpoints_at(self, hostname: str) -> bool:
        """Whether newer models of this host take cache marks as breakpoints."""
        breakpoints = self._quirks_at(hostname).breakpoints
        return self.breakpoints if breakpoints is None else breakpoints

    def _quirks_at(self, hostname: str) -> Quirks:
        for domain, quirks in self.quirks.items():
            if _is_under(hostname, domain):
                return quirks
        return _NO_QUIRKS


_NO_QUIRKS = Quirks()


def _is_under(hostname: str, domain: str) -> bool:
    wanted = domain.split(".")
    labels = hostname.rstrip(".").split(".")[-len(wanted) :]
    return len(labels) == len(wanted) and all(want in ("*", label) for want, label in zip(wanted, labels, strict=True))
