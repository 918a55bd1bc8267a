"""Signatures of an issuer's tokens: by its published keys, with algorithms that are fixed here."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwk import ECKey, JWKRegistry, Key, OKPKey, RSAKey
from joserfc.jws import JWSRegistry, extract_compact

from tollhouse.domain.errors import InvalidToken
from tollhouse.oidc.kept import Kept

ALGORITHMS: Mapping[str, type[RSAKey] | type[ECKey] | type[OKPKey]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), RSAKey),
    **dict.fromkeys(("ES256", "ES384", "ES512"), ECKey),
    **dict.fromkeys(("EdDSA", "Ed25519"), OKPKey),
}
"""None of a shared secret: a key that is published would do for it. And never `none`."""
LEAST_RSA_BITS = 2048
MOST_KEYS = 100
KeyList = Sequence[Key]


class _Registry(JWSRegistry):
    max_header_length = 8192
    max_payload_length = 1 << 16

    def get_alg(self, name: str) -> Any:
        """Of ours alone, whatever else the library knows or thinks of them."""
        if name not in ALGORITHMS:
            raise UnsupportedAlgorithmError(f"{name} is not taken")
        return self.algorithms[name]


_REGISTRY = _Registry(strict_check_header=False)


class Signatures:
    """`fetch` gets the issuer's key set."""

    def __init__(self, fetch: Callable[[], Mapping[str, Any]], **timing: Any) -> None:
        self._keys: Kept[KeyList] = Kept(lambda: _read(fetch()), **timing)

    def checked(self, token: str) -> jwt.Token:
        """The token, once its signature was checked, and nothing else. Raises InvalidToken, IssuerUnavailable."""
        try:
            header = extract_compact(token.encode(), registry=_REGISTRY).headers()
        except Exception:  # noqa: BLE001 - whatever a forged token does to its parser, it is no defect of ours
            raise _invalid("it cannot be read") from None
        algorithm, key_id = header.get("alg"), header.get("kid")
        if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
            raise _invalid(f"its algorithm is none of {', '.join(ALGORITHMS)}")
        if "crit" in header:
            raise _invalid("it asks for an extension (`crit`)")
        known = self._keys.get()
        keys = _fitting(known, algorithm, key_id)
        if not keys:
            # The issuer may have taken another key since.
            keys = _fitting(self._keys.newer_than(known), algorithm, key_id)
        for key in keys:
            try:
                return jwt.decode(token, key, registry=_REGISTRY)
            except (JoseError, ValueError, TypeError, UnicodeError):
                continue
        raise _invalid("its signature is not by a key of the issuer")


def _fitting(keys: KeyList, algorithm: str, key_id: object) -> KeyList:
    """Keys that may have signed this: one by its id, or any of the kind where the token names none."""
    return [
        key
        for key in keys
        if isinstance(key, ALGORITHMS[algorithm])
        and key.get("alg") in (None, algorithm)
        and (key_id is None or key.get("kid") == key_id)
    ]


def _read(document: Mapping[str, Any]) -> KeyList:
    """The keys that can be used. One that cannot does not spoil the others."""
    listed = document.get("keys")
    keys: list[Key] = []
    for one in listed[:MOST_KEYS] if isinstance(listed, list) else ():
        if not isinstance(one, dict) or one.get("kty") not in ("RSA", "EC", "OKP") or one.get("use", "sig") != "sig":
            continue
        try:
            key = JWKRegistry.import_key(one)
            size = key.public_key.key_size if isinstance(key, RSAKey) else LEAST_RSA_BITS
        except Exception:  # noqa: BLE001, S112 - a key of a kind that is not known here, or a broken one
            continue
        if size >= LEAST_RSA_BITS:
            keys.append(key)
    return keys


def _invalid(why: str) -> InvalidToken:
    return InvalidToken(f"This access token is not valid: {why}.")
