"""What is told when installing fails; that it installs is shown by installing."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[3] / "scripts" / "install.py"
PIP_INTERCEPTED = """
WARNING: Retrying after connection broken by 'SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] \
certificate verify failed: self-signed certificate (_ssl.c:1006)'))': /simple/uv/
ERROR: Could not find a version that satisfies the requirement uv==0.13.8 (from versions: none)
"""
UV_INTERCEPTED = """
error: Failed to fetch: https://registry.example/simple/click/
  cause: error sending request for url (https://registry.example/simple/click/)
  cause: invalid peer certificate: UnknownIssuer
"""
UNREACHABLE = """
error: Failed to fetch: https://registry.example/simple/click/
  cause: dns error
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("install", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "LOG", tmp_path / "install.log")
    return module


def failure(install: ModuleType, log: str) -> str:
    install.LOG.write_text(log)
    with pytest.raises(SystemExit) as ended:
        install.fail()
    return str(ended.value)


@pytest.mark.parametrize(
    ("log", "words"),
    [
        (PIP_INTERCEPTED, "certificate verify failed: self-signed certificate"),
        (UV_INTERCEPTED, "invalid peer certificate: UnknownIssuer"),
    ],
)
def test_a_network_that_intercepts_tls_is_told_with_what_to_set(install: ModuleType, log: str, words: str) -> None:
    said = failure(install, log)
    assert f"({words})" in said
    assert "PIP_CERT" in said
    assert "SSL_CERT_FILE" in said


def test_a_network_that_is_not_there_is_told_as_such(install: ModuleType) -> None:
    said = failure(install, UNREACHABLE)
    assert "cannot be reached" in said
    assert "CERT" not in said


def test_any_other_failure_is_told_by_its_last_cause(install: ModuleType) -> None:
    assert failure(install, "error: no space left on device\n").startswith(
        "Installing failed (error: no space left on device)"
    )
