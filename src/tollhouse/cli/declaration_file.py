"""The file of `apply`, `diff` and `export`: read, and written."""

import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from tollhouse.services.declaration.section import Change


def read_declaration(file: Path) -> dict[str, Any]:
    """The document in the file; `-` is standard input. Decimals are kept as they are written."""
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
        return tomllib.loads(text, parse_float=str)
    except OSError as error:
        raise click.FileError(str(file), error.strerror) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{file} is not TOML: {error}.") from None


def write_declaration(document: dict[str, Any]) -> str:
    """The document as TOML."""
    import tomli_w

    return tomli_w.dumps(document)


def shown(change: "Change") -> dict[str, Any]:
    """A change as `--json` tells it."""
    before = None if change.before is None else dict(change.before)
    return {
        "section": change.section,
        "name": change.name,
        "action": "add" if before is None else "change",
        "fields": list(change.fields),
        "before": before,
        "after": dict(change.after),
    }


def told(change: "Change") -> str:
    """A change in one line, for people."""
    if change.before is None:
        fields = ", ".join(f"{field} = {value}" for field, value in change.after.items())
        return f"+ {change.section} {change.name}{': ' if fields else ''}{fields}"
    fields = ", ".join(_moved(change.before, change.after, field) for field in change.fields)
    return f"~ {change.section} {change.name}: {fields}"


def _moved(before: Any, after: Any, field: str) -> str:
    if field == "api_key_env":
        return f"the key in {after[field]}"
    if field == "keys":
        return f"the keys in {', '.join(after[field].values())}"
    return f"{field} {before.get(field, 'default')} -> {after.get(field, 'default')}"
