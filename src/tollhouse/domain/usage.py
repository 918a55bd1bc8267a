"""What a call used."""

from tollhouse.domain.values import value


@value
class Usage:
    """Token counts of one upstream attempt. The four priced counts are disjoint.

    `reasoning` is the part of `output` that the model thought and did not say. `estimated` marks
    counts that the upstream did not confirm, as after a stream that was cut. `units` are thousandths of
    what the call's format counts beside tokens: images, seconds, characters, searches.
    """

    input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0
    estimated: bool = False
    units: int = 0

    @property
    def prompt(self) -> int:
        """All tokens that went in, cached or not: what price tiers are chosen by."""
        return self.input + self.cache_read + self.cache_write
