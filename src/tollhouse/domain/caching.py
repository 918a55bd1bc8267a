"""What callers and operators say about replies that may be given again."""

from dataclasses import dataclass

LONGEST_SECONDS = 30 * 86400
"""That a reply is kept at most, whoever asks for longer."""


DEFAULT_SIMILARITY = 0.95
"""From which on two questions are taken for one, where nobody has said."""


@dataclass(frozen=True, slots=True)
class Similarity:
    """When two questions are taken for one: by the cosine of what the model makes of their texts, from `least` on."""

    model: str
    least: float = DEFAULT_SIMILARITY


@dataclass(frozen=True, slots=True)
class CacheControl:
    """What a call itself says, in the words of the header. `max_age` is in seconds."""

    max_age: int | None = None
    no_cache: bool = False
    no_store: bool = False


@dataclass(frozen=True, slots=True)
class Freshness:
    """What becomes of a call's reply: it may be one that is at most `age` seconds old, 0 for none, and is kept for
    `seconds`.
    """

    age: int
    seconds: int


def freshness(of_model: int | None, control: CacheControl | None) -> Freshness | None:
    """What the model's catalogue entry and the call say together; None where nothing is looked up and nothing kept.

    `of_model` is for how long the model's replies are kept: None for only where the call asks for it, 0 for never.
    A call may ask for less than the model's, by its age or altogether.
    """
    if of_model == 0:
        return None
    if control is None:
        return None if of_model is None else Freshness(of_model, of_model)
    seconds = of_model or min(control.max_age or 0, LONGEST_SECONDS)
    if control.no_store or not seconds:
        return None
    age = seconds if control.max_age is None else min(control.max_age, seconds)
    return Freshness(0 if control.no_cache else age, seconds)
