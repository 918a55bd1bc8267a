"""The pages that are made from the code say what the code says."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

_spec = importlib.util.spec_from_file_location("write_reference", ROOT / "scripts" / "write_reference.py")
assert _spec is not None
assert _spec.loader is not None
write_reference = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(write_reference)


@pytest.mark.parametrize("name", sorted(write_reference.PAGES))
def test_a_reference_page_is_up_to_date(name: str) -> None:
    page = write_reference.PAGES[name]()
    assert (ROOT / "docs" / "reference" / name).read_text() == page, "run scripts/write_reference.py"
