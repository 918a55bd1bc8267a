"""Requests to an issuer: short ones, whose answers are documents."""

import ssl
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson

from tollhouse import __version__
from tollhouse.domain.errors import IssuerUnavailable

SECONDS = 10.0
"""For a request with its whole answer, however slowly that comes."""
SILENT_SECONDS = 5.0
MOST_BYTES = 1 << 20
AT_ONCE = 16
"""Requests of one process that are under way."""


class Answer:
    """A status and a body, as Authlib asks for them."""

    def __init__(self, host: str, status: int, body: bytes) -> None:
        self._host = host
        self.status_code = status
        self._body = body

    def json(self) -> Any:
        """Raises ValueError where it is no JSON."""
        return orjson.loads(self._body)

    def raise_for_status(self) -> None:
        if self.status_code >= 400:
            raise IssuerUnavailable(f"The issuer ({self._host}) answered {self.status_code}. Try again.", retry_after=5)

    def document(self) -> dict[str, Any]:
        """The object of a good answer. Raises IssuerUnavailable."""
        try:
            found = self.json() if self.status_code == 200 else None
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise IssuerUnavailable(
                f"The issuer ({self._host}) answered {self.status_code} without the document that it should have: "
                "check TOLLHOUSE_OIDC_ISSUER.",
                retry_after=5,
            )
        return found


class Web:
    """`proxy_for` tells the proxy through which a host is reached, and None for no proxy. No redirect is followed.

    Where threads are greenlets these sockets wait as all others do, so a request holds up nobody.
    """

    def __init__(self, ca_bundle: str = "", proxy_for: Callable[[str], str | None] = lambda url: None) -> None:
        self._ca_bundle = ca_bundle
        self._proxy_for = proxy_for
        self._room = threading.BoundedSemaphore(AT_ONCE)

    def get(self, url: str, bearer: str | None = None) -> Answer:
        """Raises IssuerUnavailable."""
        return self._ask("GET", url, {"authorization": f"Bearer {bearer}"} if bearer else {})

    def post(self, url: str, headers: Mapping[str, str], body: str) -> Answer:
        """Raises IssuerUnavailable."""
        return self._ask("POST", url, headers, body)

    def _ask(self, method: str, url: str, headers: Mapping[str, str], body: str = "") -> Answer:
        import httpx2  # 0.3 s, which only those pay who have an issuer

        host = httpx2.URL(url).host
        answer: Future[Answer] = Future()

        def ask() -> None:
            try:
                answer.set_result(self._answer(method, url, host, headers, body))
            except BaseException as error:  # noqa: BLE001 - it is raised in whoever asked
                answer.set_exception(error)
            finally:
                self._room.release()

        if self._room.acquire(timeout=SILENT_SECONDS):
            # A thread, because no time-out of the client is one for the whole of an answer that trickles.
            threading.Thread(target=ask, name="issuer", daemon=True).start()
            try:
                return answer.result(SECONDS)
            except FutureTimeout:
                pass
            except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
                why = str(error) or type(error).__name__
                raise _away(host, why) from None
        raise _away(host, "it takes too long")

    def _answer(self, method: str, url: str, host: str, headers: Mapping[str, str], body: str) -> Answer:
        import httpx2

        sent = {"accept": "application/json", "user-agent": f"tollhouse/{__version__}", **headers}
        client = httpx2.Client(
            verify=self._tls,
            proxy=self._proxy_for(url),
            trust_env=False,
            timeout=SILENT_SECONDS,
            follow_redirects=False,
        )
        with client, client.stream(method, url, headers=sent, content=body or None) as response:
            read = b""
            for chunk in response.iter_bytes(1 << 16):
                read += chunk
                if len(read) > MOST_BYTES:
                    raise _away(host, "its answer is too long")
            return Answer(host, response.status_code, read)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        paths = ssl.get_default_verify_paths()
        if not paths.cafile and not (paths.capath and any(Path(paths.capath).iterdir())):
            import certifi

            context.load_verify_locations(certifi.where())
        if self._ca_bundle:
            context.load_verify_locations(self._ca_bundle)
        return context


def _away(host: str, why: str) -> IssuerUnavailable:
    return IssuerUnavailable(f"The issuer ({host}) does not answer: {why[:200]}. Try again.", retry_after=5)
