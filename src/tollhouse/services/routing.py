"""From a model's name to the targets that a call may be sent to, in order. Pure, over a snapshot."""

import difflib

from tollhouse.domain.call import Call
from tollhouse.domain.errors import Forbidden, UnknownModel, Unsupported
from tollhouse.domain.principal import Principal
from tollhouse.domain.routes import Catalogue, Target
from tollhouse.wire import FORMATS, upstream_format


def visible_models(catalogue: Catalogue, principal: Principal) -> list[str]:
    """The names that this principal may use, in order."""
    return [name for name in sorted(catalogue.routes) if principal.may_use(name)]


def candidates(catalogue: Catalogue, principal: Principal, call: Call) -> tuple[Target, ...]:
    """The targets of a call, first choice first. Raises UnknownModel, Forbidden, Unsupported."""
    name = call.facts.model
    route = catalogue.routes.get(name)
    if route is None:
        raise UnknownModel(name, difflib.get_close_matches(name, visible_models(catalogue, principal), 3, 0.5))
    if not principal.may_use(name):
        raise Forbidden(f"This API key may not use the model {name!r}.", param="model")
    able = tuple(target for target in route if upstream_format(call.format, target.formats) is not None)
    if not able:
        spoken = ", ".join(sorted(route[0].formats)) or "nothing that is known here"
        raise Unsupported(
            f"The model {name!r} cannot be called as {FORMATS[call.format].name}: its provider speaks {spoken}.",
            param="model",
        )
    return able
