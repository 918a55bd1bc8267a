"""What start-up makes sure of: a schema, an administrator, a first key, and the providers that the
environment and this machine offer. Idempotent.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from tollhouse.domain.errors import InvalidField
from tollhouse.domain.ports import PriceList
from tollhouse.services.keys.keys import Keys
from tollhouse.services.models.models import Models, NewModel
from tollhouse.services.models.providers import Providers
from tollhouse.services.naming import check_slug
from tollhouse.services.people.users import Users
from tollhouse.settings import Settings, default_of

LONGEST_NAME = 200
LOCAL_MODEL = "smollm2-135m"
LOCAL_CONTEXT = 2048
LOCAL_MAX_OUTPUT = 1024


_DEFAULTS = {"openai": default_of("OPENAI_BASE_URL"), "anthropic": default_of("ANTHROPIC_BASE_URL")}


@dataclass(slots=True)
class Prepared:
    """What start-up shows. Secrets are there only when they are new: they are kept nowhere in the open."""

    admin_email: str
    model: str
    admin_password: str | None = None
    first_key: str | None = None
    notices: list[str] = field(default_factory=list)


class Bootstrap:
    """The first steps of a process that makes the database ready for the others."""

    def __init__(
        self,
        settings: Settings,
        *,
        upgrade: Callable[[], None],
        users: Users,
        keys: Keys,
        providers: Providers,
        models: Models,
        prices: PriceList,
    ) -> None:
        self._settings = settings
        self._upgrade = upgrade
        self._users = users
        self._keys = keys
        self._providers = providers
        self._models = models
        self._prices = prices

    def prepare(self, local_model_url: str | None = None, local_model_key: str | None = None) -> Prepared:
        """Make everything ready; raises TollhouseError with a sentence that says what to do."""
        self._upgrade()
        admin = self._users.ensure_admin(self._settings.admin_email, self._settings.admin_password)
        email = admin.email if admin else self._users.first_admin() or self._settings.admin_email
        prepared = Prepared(email, "echo", admin.password if admin else None)
        if not self._keys.all():
            prepared.first_key = self._keys.create("first key").key
        self._register_echo()
        if local_model_url:
            self._register_local(local_model_url, local_model_key)
            prepared.model = LOCAL_MODEL
        self.register_from_environment(prepared.notices)
        return prepared

    def register_from_environment(self, notices: list[str]) -> None:
        """The vendors whose keys are set: their published models at once, and what they list themselves."""
        settings = self._settings
        for vendor, key, url in (
            ("openai", settings.openai_api_key, settings.openai_base_url),
            ("anthropic", settings.anthropic_api_key, settings.anthropic_base_url),
        ):
            if not key:
                continue
            # Whoever sets another URL runs this machine: an address inside its network is meant.
            own = url != _DEFAULTS[vendor]
            self._providers.register(vendor, vendor, url, credential=key, allow_private=own, vendor=vendor)
            (check,) = self._providers.check(vendor)
            if check.problem:
                notices.append(f"{check.problem} Its published models are here all the same.")
            names = check.models or self._prices.models(vendor)
            self._models.register([NewModel(name, vendor) for name in names if _is_name(name)])

    def _register_echo(self) -> None:
        self._providers.register("echo", "echo", "echo:", credential=None, allow_private=True)
        self._models.register(
            [
                NewModel(
                    "echo",
                    "echo",
                    input_price=0,
                    output_price=0,
                    context_window=1_000_000,
                    max_output=100_000,
                )
            ]
        )

    def _register_local(self, url: str, key: str | None) -> None:
        self._providers.register("local", "local", url, credential=key, allow_private=True)
        self._models.register(
            [
                NewModel(
                    LOCAL_MODEL,
                    "local",
                    input_price=0,
                    output_price=0,
                    context_window=LOCAL_CONTEXT,
                    max_output=LOCAL_MAX_OUTPUT,
                )
            ]
        )


def _is_name(name: str) -> bool:
    """Whether a model that a host lists can be one here: hosts list what they like."""
    try:
        return check_slug(name, "name", LONGEST_NAME) == name
    except InvalidField:
        return False
