from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway import Gateway, settings_for


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    gateway = Gateway(settings_for(tmp_path / "home"))
    yield gateway
    gateway.close()
