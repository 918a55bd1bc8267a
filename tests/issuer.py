"""An OpenID Connect issuer on loopback: authorization code with PKCE, discovery, keys that rotate, user information.

It checks what a strict issuer checks, counts what it is asked, and says false things where a test has it do so.
"""

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, Key, RSAKey
from joserfc.jws import JWSRegistry

CLIENT_ID = "tollhouse"
CLIENT_SECRET = "the issuer's secret for tollhouse"
AUDIENCE = "https://gateway.example.com"
Claims = dict[str, Any]


@dataclass
class Grant:
    """What a code stands for."""

    redirect_uri: str
    challenge: str
    nonce: str
    claims: Claims = field(default_factory=dict)


def _segment(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class LocalIssuer:
    """`person` is who is signed in at the issuer. Close it."""

    def __init__(self) -> None:
        self.person: Claims = {"sub": "ada", "email": "ada@example.com", "email_verified": True}
        self.keys: dict[str, Key] = {}
        self.rotate()
        self.asked: Counter[str] = Counter()
        self.bends: dict[str, Callable[[Claims], None]] = {}
        """What is done to "discovery", "id_token", "userinfo", "keys", before it is told."""
        self.email_in_userinfo_alone = False
        self.away = False
        self.authentication = "client_secret_basic"
        self.last_redirect = ""
        self._grants: dict[str, Grant] = {}
        self._tokens: dict[str, Claims] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def rotate(self, *, keep: bool = False, kind: str = "RSA") -> None:
        """Sign with another key from now on, and publish it; the ones before only where they are kept."""
        self.kid = secrets.token_hex(4)
        parameters: Any = {"kid": self.kid, "use": "sig"}
        made = RSAKey.generate_key(2048, parameters) if kind == "RSA" else ECKey.generate_key("P-256", parameters)
        self.keys = {**(self.keys if keep else {}), self.kid: made}

    @property
    def algorithm(self) -> str:
        return "RS256" if isinstance(self.keys[self.kid], RSAKey) else "ES256"

    def sign(self, claims: Claims, *, key: Key | None = None, **header: Any) -> str:
        used = {"alg": self.algorithm, "kid": self.kid, **header}
        return jwt.encode(
            {name: one for name, one in used.items() if one is not None}, claims, key or self.keys[self.kid]
        )

    def sign_raw(self, head: Claims, claims: Claims) -> str:
        """With a header that no library would write."""
        text = f"{_segment(json.dumps(head).encode())}.{_segment(json.dumps(claims).encode())}"
        key: Any = self.keys[self.kid]
        algorithm = JWSRegistry.algorithms[self.algorithm]
        return f"{text}.{_segment(algorithm.sign(text.encode(), key))}"

    def sign_with_public_key(self, claims: Claims, algorithm: str = "HS256") -> str:
        """As if the published key were a secret that is shared."""
        head = {"alg": algorithm, "kid": self.kid, "typ": "JWT"}
        text = f"{_segment(json.dumps(head).encode())}.{_segment(json.dumps(claims).encode())}"
        key = self.keys[self.kid].as_pem(private=False)
        return f"{text}.{_segment(hmac.digest(key, text.encode(), 'sha256'))}"

    def sign_with_nothing(self, claims: Claims, algorithm: str = "none") -> str:
        head = {"alg": algorithm, "kid": self.kid, "typ": "JWT"}
        return f"{_segment(json.dumps(head).encode())}.{_segment(json.dumps(claims).encode())}."

    def sign_with_another_key(self, claims: Claims, **header: Any) -> str:
        """A key of somebody else, under the id of the issuer's own."""
        return self.sign(claims, key=RSAKey.generate_key(2048), **header)

    def access_token(self, *, key: Key | None = None, header: Claims | None = None, **claims: Any) -> str:
        """A token for the gateway's API, of whoever is signed in; a claim that is None is left out."""
        now = int(time.time())
        said = {
            "iss": self.url, "aud": AUDIENCE, "iat": now, "exp": now + 300, "sub": self.person["sub"], **claims
        }  # fmt: skip
        told = {name: one for name, one in said.items() if one is not None}
        return self.sign(told, key=key, **{"typ": "at+jwt", **(header or {})})

    def authorize(self, url: str) -> str:
        """Go to the issuer as a browser does whose person is signed in there: where it is sent back to."""

        class Stay(urllib.request.HTTPRedirectHandler):
            def redirect_request(self, *_: Any) -> None:
                return None

        try:
            urllib.request.build_opener(Stay).open(url, timeout=10)
        except urllib.error.HTTPError as error:
            error.close()
            return str(error.headers["location"])
        raise AssertionError("the issuer sent nobody back")

    def answer(self, method: str, path: str, query: Claims, form: Claims, headers: Any) -> tuple[int, Any, str]:
        self.asked[path] += 1
        if self.away:
            return 503, {"error": "away"}, ""
        if path == "/authorize":
            return self._authorize(query)
        if path == "/token" and method == "POST":
            return self._token(form, headers)
        if path == "/userinfo":
            claims = self._tokens.get(headers.get("authorization", "").removeprefix("Bearer "))
            return (200, self._bent("userinfo", dict(claims)), "") if claims else (401, {"error": "invalid_token"}, "")
        documents = {"/.well-known/openid-configuration": self._discovery, "/keys": self._key_set}
        return (200, documents[path](), "") if path in documents else (404, {}, "")

    def _key_set(self) -> Claims:
        return self._bent("keys", {"keys": [key.as_dict(private=False) for key in self.keys.values()]})

    def _discovery(self) -> Claims:
        told = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [self.algorithm],
            "token_endpoint_auth_methods_supported": [self.authentication],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        }
        return self._bent("discovery", told)

    def _authorize(self, query: Claims) -> tuple[int, Any, str]:
        wanted = {"response_type": "code", "client_id": CLIENT_ID, "code_challenge_method": "S256"}
        bad = [name for name, value in wanted.items() if query.get(name) != value]
        bad += [name for name in ("state", "nonce", "code_challenge", "redirect_uri") if not query.get(name)]
        if bad or "openid" not in query.get("scope", "").split():
            return 400, {"error": "invalid_request", "fields": bad}, ""
        back = {"state": query["state"], "iss": self.url, "session_state": "an issuer may say more"}
        code = secrets.token_urlsafe(16)
        self._grants[code] = Grant(query["redirect_uri"], query["code_challenge"], query["nonce"], dict(self.person))
        return 302, {}, f"{query['redirect_uri']}?{urlencode({**back, 'code': code})}"

    def _token(self, form: Claims, headers: Any) -> tuple[int, Any, str]:
        if not self._knows_client(form, headers):
            return 401, {"error": "invalid_client", "error_description": 'the client "is" not known'}, ""
        grant = self._grants.pop(form.get("code", ""), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if (
            grant is None
            or form.get("grant_type") != "authorization_code"
            or form.get("redirect_uri") != grant.redirect_uri
            or challenge.rstrip(b"=").decode() != grant.challenge
        ):
            return 400, {"error": "invalid_grant", "error_description": 'the code is "not" good'}, ""
        now = int(time.time())
        claims = {"iss": self.url, "aud": CLIENT_ID, "iat": now, "exp": now + 60, "nonce": grant.nonce, **grant.claims}
        access_token = secrets.token_urlsafe(16)
        self._tokens[access_token] = grant.claims
        if self.email_in_userinfo_alone:
            claims = {name: value for name, value in claims.items() if not name.startswith("email")}
        id_token = self.sign(self._bent("id_token", claims))
        return 200, {"access_token": access_token, "token_type": "Bearer", "expires_in": 60, "id_token": id_token}, ""

    def _knows_client(self, form: Claims, headers: Any) -> bool:
        if self.authentication == "none":
            return form.get("client_id") == CLIENT_ID and "client_secret" not in form
        if self.authentication == "client_secret_post":
            return (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET)
        wanted = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        return bool(headers.get("authorization") == f"Basic {wanted}")

    def _bent(self, what: str, document: Claims) -> Claims:
        if what in self.bends:
            self.bends[what](document)
        return document

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._respond("GET", "")

            def do_POST(self) -> None:
                self._respond("POST", self.rfile.read(int(self.headers.get("content-length", 0))).decode())

            def _respond(self, method: str, body: str) -> None:
                parts = urlsplit(self.path)
                query, form = ({name: one[0] for name, one in parse_qs(text).items()} for text in (parts.query, body))
                status, document, location = issuer.answer(method, parts.path, query, form, self.headers)
                sent = json.dumps(document).encode()
                self.send_response(status)
                if location:
                    issuer.last_redirect = location
                    self.send_header("location", location)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(sent)))
                self.end_headers()
                self.wfile.write(sent)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler
