"""Whether a batch goes to its provider's own batch interface, and at which of its model's deployments. Pure."""

from datetime import timedelta
from typing import Literal, cast

from tollhouse.domain.call import Facts
from tollhouse.domain.errors import NoProviderBatch
from tollhouse.domain.ports import BatchHosts
from tollhouse.domain.principal import Principal
from tollhouse.domain.routes import Catalogue, Target
from tollhouse.domain.usage import Usage
from tollhouse.services.batches.batches import window_of
from tollhouse.services.routing.routing import route_of
from tollhouse.wire.batch import ENDPOINTS
from tollhouse.wire.host_batches import INTERFACES

Mode = Literal["auto", "never", "always"]
PROVIDERS_WINDOW = timedelta(hours=24)
"""What providers promise."""
LATEST = timedelta(hours=1)
"""How much of that may be gone where a handover begins that need not be."""
_SOME = Usage(input=1_000_000, output=1_000_000)
"""What the prices of hosts are compared by."""


class HandoverChoice:
    """`default` is for batches that say nothing; `refuse_unpriced` that nothing is called whose price is not known."""

    def __init__(self, hosts: BatchHosts, default: str, *, refuse_unpriced: bool) -> None:
        self._hosts = hosts
        self._default = default
        self._refuse_unpriced = refuse_unpriced

    def mode(self, asked: str | None) -> Mode:
        """What holds where this was asked for."""
        return cast(Mode, asked or self._default)

    def target(
        self,
        catalogue: Catalogue,
        principal: Principal,
        model: str | None,
        *,
        endpoint: str,
        window: str,
        asked: str | None,
    ) -> Target:
        """Where the lines of a batch of this model go that is not to be called here. Raises NoProviderBatch, which says
        why not, and what `route_of` raises.
        """
        auto = self.mode(asked) == "auto"
        if model is None:
            raise _refusal("its lines are of several models, and a provider's batch is of one")
        if auto and window_of(window) < PROVIDERS_WINDOW:
            raise _refusal("its completion_window is shorter than the 24h that providers take")
        # What is there for when the model's own hosts fail is another model.
        stages = [stage for stage in route_of(catalogue, principal, model).stages if stage.names is None]
        reasons: dict[str, None] = {}
        able: list[tuple[int, Target]] = []
        for target in (target for stage in stages for target in stage.targets):
            reason = self._why_not(target, endpoint, auto=auto)
            if reason is None:
                cost = target.rates(Facts(model, 0, batched=True)).cost(_SOME)
                able.append((2**63 if cost is None else cost, target))
            else:
                reasons[f"{target.host.name} {reason}"] = None
        if not able:
            raise _refusal("; ".join(reasons))
        return min(able, key=lambda one: one[0])[1]

    def _why_not(self, target: Target, endpoint: str, *, auto: bool) -> str | None:
        name = self._hosts.batch_interface(target.host)
        if name is None:
            return "has no batch interface that is known here"
        format = ENDPOINTS[endpoint]
        if format not in INTERFACES[name].endpoints or format not in target.formats:
            return f"takes no {endpoint} in its batches as it is"
        if auto and not target.batch_discount:
            return "has no price for batches that is known here (tollhouse models prices --batch-discount)"
        if self._refuse_unpriced and not target.rates(Facts("", 0)).known:
            return "has no price, and this gateway refuses such models"
        return None


def _refusal(why: str) -> NoProviderBatch:
    return NoProviderBatch(f"The batch cannot be handed over to its provider: {why}.", param="provider_batch")
