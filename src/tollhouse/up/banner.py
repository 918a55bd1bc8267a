"""What `up` shows when all is running."""

import json
import shlex
import shutil
import sys
from pathlib import Path

from tollhouse.services.bootstrap import Prepared

_RULE = "-" * 78


def banner(address: str, prepared: Prepared, program: str = "tollhouse") -> str:
    """The address, the secrets that are new, and a first call that works as pasted. `program` is how the command
    line is called here."""
    key = prepared.first_key or "$TOLLHOUSE_API_KEY"
    lines = [_RULE, f"Tollhouse runs at {address}", "", *secrets(prepared)]
    if not prepared.first_key:
        lines.append(f"API key   `{program} keys create --name NAME` makes one; put it into TOLLHOUSE_API_KEY")
    if not prepared.admin_password:
        lines.append(f"Admin     {prepared.admin_email}")
    lines += [
        f"Docs      {address}/ and {address}/api/docs",
        "",
        "A first call:",
        "",
        _curl(address, key, prepared.model),
        "",
        "Ctrl-C stops everything.",
        _RULE,
    ]
    return "\n".join(lines)


def program() -> str:
    """How a shell in this folder calls the command line that runs."""
    script = Path(sys.executable).parent / "tollhouse"
    if not script.exists():
        return f"{shlex.quote(sys.executable)} -m tollhouse"
    found = shutil.which("tollhouse")
    if found and script.samefile(found):
        return "tollhouse"
    folder = Path.cwd()
    return shlex.quote(str(script.relative_to(folder) if script.is_relative_to(folder) else script))


def secrets(prepared: Prepared) -> list[str]:
    """A line for each secret that is new."""
    lines = []
    if prepared.first_key:
        lines.append(f"API key   {prepared.first_key}   (shown this once)")
    if prepared.admin_password:
        lines.append(f"Admin     {prepared.admin_email} / {prepared.admin_password}   (shown this once)")
    return lines


def _curl(address: str, key: str, model: str) -> str:
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "Say hello."}]})
    return (
        f'curl {address}/v1/chat/completions -H "Authorization: Bearer {key}" '
        f'-H "Content-Type: application/json" -d {shlex.quote(body)}'
    )
