"""One gateway for all tests of a file, which make people and teams of their own."""

from collections.abc import Iterator

import pytest

from tests.gateway import Gateway, settings_for
from tests.integration.api.management import PASSWORD, Management


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    settings = settings_for(tmp_path_factory.mktemp("api") / "home", admin_password=PASSWORD)
    gateway = Gateway(settings)
    yield gateway
    gateway.close()


@pytest.fixture(scope="module")
def api(gateway: Gateway) -> Management:
    return Management(gateway)
