"""The part of the wiring that is about what is set up: hosts, models, budgets, limits; and all of it as a file."""

from abc import ABC, abstractmethod
from functools import cached_property

from tollhouse.domain.ports import Upstreams, Vault
from tollhouse.providers.addresses import check_base_url
from tollhouse.services.declaration.budgets import BudgetsSection
from tollhouse.services.declaration.declaration import Declaration
from tollhouse.services.declaration.limits import LimitsSection
from tollhouse.services.declaration.models import ModelsSection
from tollhouse.services.declaration.prices import PricesSection
from tollhouse.services.declaration.providers import ProvidersSection
from tollhouse.services.declaration.routes import RoutesSection
from tollhouse.services.declaration.scopes import ScopeNames
from tollhouse.services.declaration.teams import TeamsSection
from tollhouse.services.declaration.webhooks import WebhooksSection
from tollhouse.services.models.deployments import Deployments
from tollhouse.services.models.model_prices import ModelPrices
from tollhouse.services.models.models import Models
from tollhouse.services.models.provider_keys import ProviderKeys
from tollhouse.services.models.providers import Providers
from tollhouse.services.models.routes import Routes
from tollhouse.services.money.budgets import Budgets
from tollhouse.services.money.limits import Limits
from tollhouse.services.people.teams import Teams
from tollhouse.services.webhooks.webhooks import Webhooks
from tollhouse.settings import variable
from tollhouse.store.database import Database


class SetUp(ABC):
    """Services of a process, each made when it is first asked for."""

    @property
    @abstractmethod
    def database(self) -> Database: ...

    @property
    @abstractmethod
    def _vault(self) -> Vault: ...

    @property
    @abstractmethod
    def _upstreams(self) -> Upstreams: ...

    @property
    @abstractmethod
    def teams(self) -> Teams: ...

    @property
    @abstractmethod
    def webhooks(self) -> Webhooks: ...

    @cached_property
    def providers(self) -> Providers:
        return Providers(self.database, self._vault, self._upstreams, check_base_url)

    @cached_property
    def provider_keys(self) -> ProviderKeys:
        return ProviderKeys(self.database, self._vault)

    @cached_property
    def models(self) -> Models:
        return Models(self.database)

    @cached_property
    def routes(self) -> Routes:
        return Routes(self.database)

    @cached_property
    def deployments(self) -> Deployments:
        return Deployments(self.database)

    @cached_property
    def model_prices(self) -> ModelPrices:
        return ModelPrices(self.database)

    @cached_property
    def budgets(self) -> Budgets:
        return Budgets(self.database)

    @cached_property
    def limits(self) -> Limits:
        return Limits(self.database)

    @cached_property
    def declaration(self) -> Declaration:
        names = ScopeNames(self.database)
        sections = (
            ProvidersSection(self.providers, self.provider_keys, variable),
            ModelsSection(self.models),
            PricesSection(self.model_prices),
            RoutesSection(self.routes, self.deployments, self.models),
            TeamsSection(self.teams),
            BudgetsSection(self.budgets, names),
            LimitsSection(self.limits, names),
            WebhooksSection(self.webhooks, self.teams, names),
        )
        return Declaration(self.database, sections)
