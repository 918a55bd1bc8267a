"""The presets, found by themselves: a module of this folder that has a `PRESET` is one."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache, lru_cache
from types import MappingProxyType

from tollhouse.domain.errors import InvalidField
from tollhouse.providers.addresses import split_base_url
from tollhouse.providers.base import Preset


@cache
def presets() -> Mapping[str, Preset]:
    """All presets by name. The first call imports the folder."""
    package = importlib.import_module(__package__)
    names = [f"{__package__}.{one.name}" for one in pkgutil.iter_modules(package.__path__)]
    found = [getattr(importlib.import_module(name), "PRESET", None) for name in names]
    return MappingProxyType({preset.name: preset for preset in found if isinstance(preset, Preset)})


@lru_cache(maxsize=1024)
def preset_at(name: str, base_url: str) -> Preset | None:
    """The preset of a provider that was added as `name`; None where this version does not know it.

    A general preset yields to the vendor's own at the vendor's own domain, so that
    `--format openai --base-url https://api.groq.com/openai/v1` finds all that Groq has. It does so only
    where the URL ends as the vendor documents it: a path of somebody's own is taken as it was written.
    """
    preset = presets().get(name)
    if preset is None or not preset.yields:
        return preset
    try:
        url = split_base_url(base_url)
    except InvalidField:
        return preset
    return next((own for own in presets().values() if own.is_home_of(url.host) and not own.prefix_of(url.path)), preset)
