"""The presets, found by themselves: a module of this folder that has a `PRESET` is one."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from tollhouse.providers.base import Preset


@cache
def presets() -> Mapping[str, Preset]:
    """All presets by name. The first call imports the folder."""
    package = importlib.import_module(__package__)
    names = [f"{__package__}.{one.name}" for one in pkgutil.iter_modules(package.__path__)]
    found = [getattr(importlib.import_module(name), "PRESET", None) for name in names]
    return MappingProxyType({preset.name: preset for preset in found if isinstance(preset, Preset)})
