"""The page on hosts says what the presets and the header policy say."""

from collections.abc import Iterator
from pathlib import Path

from tollhouse.providers.headers import FORWARDED, UPSTREAM_REQUEST_ID
from tollhouse.providers.registry import presets

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "hosts.md").read_text()


def rows() -> Iterator[str]:
    """The table of the presets, in the order of their names."""
    for name, preset in sorted(presets().items()):
        if name == "echo":
            continue
        header = "authorization" if preset.credential_header == "bearer" else preset.credential_header
        formats = set(preset.paths).union(*(quirks.paths or () for quirks in preset.quirks.values()))
        spoken = ", ".join(sorted(formats))
        yield f"| `{name}` | `{preset.default_base_url}` | `{header}` | `{preset.output_cap_field}` | {spoken} |"


def test_each_preset_is_a_row() -> None:
    assert [line for line in PAGE.splitlines() if line.startswith("| `") and "://" in line] == list(rows())


def test_each_domain_that_is_known_is_named() -> None:
    domains = [domain for preset in presets().values() for domain in (*preset.domains, *preset.quirks)]
    assert [domain for domain in domains if f"`{domain}`" not in PAGE] == []


def test_each_header_that_goes_on_or_comes_back_is_named() -> None:
    names = {UPSTREAM_REQUEST_ID}.union(*FORWARDED.values())
    assert [name for name in sorted(names) if f"`{name}`" not in PAGE] == []
