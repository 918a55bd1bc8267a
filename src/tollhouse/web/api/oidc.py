"""`/api/auth/oidc`: signing in with an issuer."""

from typing import Any

from flask import Response, request
from flask_restx import Namespace, Resource

from tollhouse.services.people.issuer_sign_in import LIFE, CameBack
from tollhouse.web.gate import services
from tollhouse.web.operation import Asked, operation
from tollhouse.web.tokens import is_https, pair, pair_in_cookies

namespace = Namespace("auth/oidc", "Signing in with an OpenID Connect issuer.")

SEAL = "tollhouse_oidc"
SEAL_PATH = "/api/auth/oidc"


@namespace.route("/login")
class Login(Resource):
    @operation(namespace, "begin_issuer_sign_in", query="oidc_query", status=302, public=True, errors=(404,))
    def get(self, asked: Asked) -> Response:
        """Send a browser to the issuer, from where it comes back to `callback`"""
        begun = services().issuer_sign_in.begin(asked.query.get("return_to"))
        return _sealed(Response(status=302, headers={"location": begun.url}), begun.sealed, int(LIFE.total_seconds()))


@namespace.route("/callback")
class Callback(Resource):
    @operation(
        namespace, "finish_issuer_sign_in", "token_pair", query="oidc_return", public=True, errors=(401, 404, 429)
    )
    def get(self, asked: Asked) -> dict[str, Any] | Response:
        """Come back from the issuer, and be signed in

        The answer is as that of `login`. Where a page was asked for, it is 303 to that, the refresh token in a cookie.
        """
        query = asked.query
        back = CameBack(
            state=query.get("state", ""),
            code=query.get("code", ""),
            issuer=query.get("iss"),
            error=query.get("error", ""),
            reason=query.get("error_description", ""),
        )
        arrived = services().issuer_sign_in.finish(request.cookies.get(SEAL), back, asked.address)
        if arrived.return_to is None:
            return pair(arrived.session)
        pair_in_cookies(arrived.session)
        return _sealed(Response(status=303, headers={"location": arrived.return_to}), "", 0)


def _sealed(response: Response, sealed: str, seconds: int) -> Response:
    # Lax, as the browser comes back from another site; it is no good without the state that it brings from there.
    response.set_cookie(SEAL, sealed, max_age=seconds, path=SEAL_PATH, secure=is_https(), httponly=True, samesite="Lax")
    return response
