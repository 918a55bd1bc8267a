"""Whether a host answers, and takes the credential."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tollhouse.domain.errors import InvalidSetting, UpstreamError
from tollhouse.services.models.credentials import is_refusal


@dataclass(frozen=True, slots=True)
class ProviderCheck:
    """What asking a provider for its models showed. `refused`: it does not take its credential."""

    name: str
    ok: bool
    milliseconds: int
    models: tuple[str, ...] = ()
    problem: str | None = None
    refused: bool = False
    """Whether what is wrong is its credential."""


def check_host(name: str, list_models: Callable[[], Sequence[str]]) -> ProviderCheck:
    """Ask a host for its models; what it raises is what is wrong with it."""
    began = time.monotonic()
    models: tuple[str, ...] = ()
    problem, refused = None, False
    try:
        models = tuple(list_models())
    except (UpstreamError, InvalidSetting) as error:
        problem, refused = error.message, is_refusal(error)
    milliseconds = int((time.monotonic() - began) * 1000)
    return ProviderCheck(name, problem is None, milliseconds, models, problem, refused)
