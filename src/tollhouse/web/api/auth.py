"""`/api/auth`: signing in and out, passwords, invitations, and who one is."""

from typing import Any

from flask_restx import Namespace, Resource

from tollhouse.domain.actor import Person
from tollhouse.web.gate import services
from tollhouse.web.operation import Asked, operation
from tollhouse.web.tokens import drop_cookies, pair, pair_in_cookies, refresh_sent, refuse_forms

namespace = Namespace("auth", "Signing in, and who one is.")


@namespace.route("/login")
class Login(Resource):
    @operation(namespace, "login", "token_pair", body="login", public=True, errors=(401, 429))
    def post(self, asked: Asked) -> dict[str, Any]:
        """Sign in with e-mail address and password

        After 5 failures in 15 minutes for one e-mail address, or 20 from one network address, more attempts are
        refused for a while, also with the right password. With `cookie`, for pages of this gateway, the refresh token
        is in an HttpOnly cookie and not in the answer; the body's content type is `application/json` then.
        """
        body = asked.body
        if body.get("cookie"):
            refuse_forms()
        session = services().sign_in.sign_in(body["email"], body["password"], asked.address)
        return pair_in_cookies(session) if body.get("cookie") else pair(session)


@namespace.route("/refresh")
class Refresh(Resource):
    @operation(namespace, "refresh", "token_pair", body="refresh", public=True, errors=(401, 403))
    def post(self, asked: Asked) -> dict[str, Any]:
        """Spend a refresh token for another pair

        It is taken from the body, from the Authorization header, or from the cookie, and then with `X-CSRF-Token`.
        Each is good once: whoever sends one again ends all that came from its sign-in, so take turns.
        """
        sent = refresh_sent(asked.body.get("refresh_token"))
        session = services().tokens.renew(sent.family_id, sent.token_id)
        return pair_in_cookies(session) if sent.in_cookie else pair(session)


@namespace.route("/logout")
class Logout(Resource):
    @operation(namespace, "logout", or_cookie=True)
    def post(self, asked: Asked) -> None:
        """Sign out: all that came from this sign-in ends within a second

        The refresh token in the cookie, with `X-CSRF-Token`, will do where there is no access token.
        """
        services().tokens.end(asked.family_id, asked.by)
        drop_cookies()


@namespace.route("/me")
class Me(Resource):
    @operation(namespace, "me", "person")
    def get(self, asked: Asked) -> dict[str, Any]:
        """Tell who is signed in, with the roles they have now"""
        return _person(asked.person)


@namespace.route("/password")
class Password(Resource):
    @operation(namespace, "change_password", "token_pair", body="password_change", errors=(429,))
    def post(self, asked: Asked) -> dict[str, Any]:
        """Set one's own password, which ends all that was issued before

        The answer is a new pair of tokens.
        """
        body = asked.body
        session = services().sign_in.change_password(asked.by, body["password"], body["new_password"])
        return pair_in_cookies(session) if body.get("cookie") else pair(session)


@namespace.route("/password-reset")
class PasswordReset(Resource):
    @operation(
        namespace, "request_password_reset", "accepted", body="reset_request", status=202, public=True, errors=(429,)
    )
    def post(self, asked: Asked) -> dict[str, Any]:
        """Ask for a link that sets a new password

        The answer is the same whether there is such a person or not.
        """
        services().password_resets.request(asked.body["email"], asked.address)
        return {"detail": "If there is such a person, the link is on its way."}


@namespace.route("/password-reset/confirm")
class PasswordResetConfirmation(Resource):
    @operation(namespace, "reset_password", body="link_use", public=True)
    def post(self, asked: Asked) -> None:
        """Use such a link, once"""
        services().password_resets.reset(asked.body["token"], asked.body["password"], asked.address)


@namespace.route("/invitation")
class Invitation(Resource):
    @operation(namespace, "accept_invitation", "accepted_invitation", body="link_use", public=True, errors=(409,))
    def post(self, asked: Asked) -> dict[str, Any]:
        """Accept an invitation by its link, once

        The password is that of a new person; of one who is here already it stays as it is.
        """
        email = services().invitations.accept(asked.body["token"], asked.body["password"], asked.address)
        return {"email": email}


def _person(person: Person) -> dict[str, Any]:
    teams = [{"id": id, "role": role} for id, role in person.teams.items()]
    return {"id": person.id, "email": person.email, "role": person.organisation, "teams": teams}
