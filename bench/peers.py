"""The peers, installed into bench/.peers at the versions that bench/peers/ names, the first time they are wanted."""

import json
import shutil
import subprocess
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from bench.processes import Failed
from bench.tools import tool

PINNED = Path(__file__).with_name("peers")
INSTALLED = Path(__file__).with_name(".peers")
REQUIREMENTS = PINNED / "litellm.txt"
PACKAGE = PINNED / "portkey.json"


def install(names: Collection[str]) -> None:
    """Those of `names` that are peers, before anything is measured."""
    if "litellm" in names:
        litellm()
    if "portkey" in names:
        portkey()


def litellm() -> Path:
    """The command of LiteLLM's proxy."""
    folder = INSTALLED / "litellm"
    if not _is_installed(folder, REQUIREMENTS):
        print(f"Installing LiteLLM {litellm_version()} into {folder} (some minutes, once) ...", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        _run("LiteLLM", [sys.executable, "-m", "venv", folder], INSTALLED)
        # Its dependencies are pinned too: the newest of them may not fit one another.
        _run("LiteLLM", [folder / "bin" / "pip", "install", "-q", "--no-deps", "-r", REQUIREMENTS], INSTALLED)
        _stamp(folder, REQUIREMENTS)
    return folder / "bin" / "litellm"


def litellm_version() -> str:
    lines = REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    return next(line.partition("==")[2] for line in lines if line.startswith("litellm=="))


def portkey() -> Path:
    """The program of Portkey's gateway, for node."""
    folder = INSTALLED / "portkey"
    if not _is_installed(folder, PACKAGE):
        print(f"Installing Portkey {portkey_version()} into {folder} (once) ...", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        shutil.copy(PACKAGE, folder / "package.json")
        options = ["--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--silent"]
        _run("Portkey", [tool("npm"), "install", *options], folder)
        _stamp(folder, PACKAGE)
    return folder / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"


def portkey_version() -> str:
    return str(json.loads(PACKAGE.read_text(encoding="utf-8"))["dependencies"]["@portkey-ai/gateway"])


def _is_installed(folder: Path, pinned: Path) -> bool:
    """Whether what is there was installed from these very lines, for this path: an environment cannot be moved."""
    stamp = folder / "installed"
    return stamp.exists() and stamp.read_text(encoding="utf-8") == _mark(folder, pinned)


def _stamp(folder: Path, pinned: Path) -> None:
    (folder / "installed").write_text(_mark(folder, pinned), encoding="utf-8")


def _mark(folder: Path, pinned: Path) -> str:
    return f"{folder}\n{pinned.read_text(encoding='utf-8')}"


def _run(what: str, command: Sequence[str | Path], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise Failed(
            f"{what} cannot be installed ({said[-1] if said else 'no reason given'}): check that the package "
            "registry can be reached, or leave it out (--only)."
        )
