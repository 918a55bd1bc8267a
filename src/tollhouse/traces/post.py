"""How a collector is reached."""

import http.client
import ssl
from collections.abc import Sequence
from urllib.parse import unquote, urlsplit

from tollhouse.traces.otlp import CONTENT_TYPE

PATH = "/v1/traces"
SECONDS = 10.0
LONGEST_ANSWER = 64 * 1024


class Post:
    """Posts to one endpoint over one connection, which is made anew when it breaks. For one thread."""

    def __init__(self, endpoint: str, headers: Sequence[str] = (), *, ca_bundle: str = "") -> None:
        """`endpoint` is what OpenTelemetry calls so: the collector's address, below which its paths are. `headers` are
        NAME=VALUE, percent-encoded.
        """
        parts = urlsplit(endpoint)
        self._tls = parts.scheme == "https"
        self._host, self._port = parts.hostname or "", parts.port or (443 if self._tls else 80)
        self._path = f"{parts.path.rstrip('/')}{PATH}"
        pairs = (one.partition("=") for one in headers)
        self._headers = {name.strip(): unquote(value.strip()) for name, _, value in pairs}
        self._ca_bundle = ca_bundle
        self._connection: http.client.HTTPConnection | None = None

    def __call__(self, body: bytes) -> bytes:
        """The answer, once it has been taken. Raises OSError, HTTPException."""
        used = self._connection is not None
        try:
            return self._post(body)
        except (ConnectionError, http.client.RemoteDisconnected):
            if not used:
                raise
            return self._post(body)  # the collector had closed what was kept open

    def _post(self, body: bytes) -> bytes:
        connection = self._connection = self._connection or self._connect()
        try:
            connection.request("POST", self._path, body, {"content-type": CONTENT_TYPE, **self._headers})
            answer = connection.getresponse()
            said = answer.read(LONGEST_ANSWER)
        except BaseException:
            self._connection = None
            connection.close()
            raise
        if answer.will_close or not answer.isclosed():
            self._connection = None
            connection.close()
        if not 200 <= answer.status < 300:
            raise http.client.HTTPException(f"the collector answered with status {answer.status}")
        return said

    def _connect(self) -> http.client.HTTPConnection:
        if not self._tls:
            return http.client.HTTPConnection(self._host, self._port, timeout=SECONDS)
        context = ssl.create_default_context()
        if self._ca_bundle:
            context.load_verify_locations(self._ca_bundle)
        return http.client.HTTPSConnection(self._host, self._port, timeout=SECONDS, context=context)
