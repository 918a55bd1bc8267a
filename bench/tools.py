"""The programs that the bench takes from the machine."""

import shutil
import subprocess
from pathlib import Path

from bench.processes import Failed

WITHOUT_CALLS = "leave the calls out (--parts startup,streams)"
WITHOUT_PORTKEY = "leave Portkey out (--only)"
MISSING = {
    "nginx": ("its package (on Debian and Ubuntu `apt-get install nginx`)", WITHOUT_CALLS),
    "wrk": ("its package (on Debian and Ubuntu `apt-get install wrk`)", WITHOUT_CALLS),
    "node": ("version 18 or newer (on Debian and Ubuntu `apt-get install nodejs npm`)", WITHOUT_PORTKEY),
    "npm": ("its package (on Debian and Ubuntu `apt-get install npm`)", WITHOUT_PORTKEY),
}
"""Where each is to be had, and what goes without it."""
ALSO_IN = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin")
"""Where a user's PATH may not lead."""


def tool(name: str) -> Path:
    """The program; Failed, with where it comes from, when it is missing."""
    found = shutil.which(name) or shutil.which(name, path=":".join(ALSO_IN))
    if found is None:
        source, otherwise = MISSING[name]
        raise Failed(f"{name} is missing: install {source}, or {otherwise}.")
    return Path(found)


def version(name: str) -> str:
    """What the program calls its version."""
    flag = "--version" if name in {"node", "npm"} else "-v"
    done = subprocess.run([tool(name), flag], capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip().partition("\n")[0].partition("Copyright")[0].strip()
