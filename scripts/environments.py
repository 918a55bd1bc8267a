"""Environments beside the project's own, for tools that are too heavy for it or do not go together with it."""

import shutil
import sys
from pathlib import Path

import install


def environment(folder: Path, requirements: Path) -> Path:
    """The Python of an environment in the folder with what the requirements say, made anew when they change."""
    python, stamp = folder / "bin" / "python", folder / "installed"
    mark = f"{folder}\n{sys.version}\n{requirements.read_text(encoding='utf-8')}"
    if python.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == mark:
        return python
    install.say(f"Installing {requirements.parent.name} into {folder.relative_to(install.CHECKOUT)}")
    shutil.rmtree(folder, ignore_errors=True)
    made = install.run([str(install.UV), "venv", "--python", sys.executable, str(folder)])
    # Each line is exact, and the versions fit one another: nothing is resolved anew.
    fill = ["pip", "install", "--no-config", "--no-deps", "--python", str(python), "-r", str(requirements)]
    if not made or not install.run([str(install.UV), *fill]):
        install.fail()
    stamp.write_text(mark, encoding="utf-8")
    return python
