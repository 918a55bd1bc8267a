"""Signing in with an issuer: a real one, over real sockets; and those who would come in by it without a right to."""

import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from joserfc.jwk import RSAKey
from sqlalchemy import delete, select
from werkzeug.test import Client, TestResponse

from tests.gateway import Gateway, settings_for
from tests.integration.api.management import EMAIL, PASSWORD, Management, is_problem
from tests.issuer import CLIENT_ID, CLIENT_SECRET, LocalIssuer
from tollhouse.domain.rights import Role
from tollhouse.oidc.issuer import OidcIssuer
from tollhouse.oidc.web import Web
from tollhouse.store.records import MembershipRecord, SignInAttemptRecord, UserRecord

CALLBACK = "/api/auth/oidc/callback"
_number = count()


@pytest.fixture
def issuer() -> Iterator[LocalIssuer]:
    issuer = LocalIssuer()
    yield issuer
    issuer.close()


class Site:
    """A gateway that knows the issuer, and a browser."""

    def __init__(self, gateway: Gateway, issuer: LocalIssuer) -> None:
        self.api = Management(gateway)
        self.gateway = gateway
        self.issuer = issuer
        self.browser = gateway.app.test_client()

    def change(self, **changes: Any) -> None:
        """Go on with other settings, and nothing remembered of the issuer."""
        services = self.gateway.services
        services.settings = replace(services.settings, **changes)
        for name in ("issuer", "issuer_sign_in"):
            services.__dict__.pop(name, None)
        services.issuer = OidcIssuer(  # type: ignore[misc] # in place of what is made when it is first asked for
            services.settings, Web(), f"http://localhost{CALLBACK}", pause=0.0
        )

    def begin(self, browser: Client | None = None, **query: str) -> str:
        """Where the issuer sends the browser back to."""
        answer = (browser or self.browser).get("/api/auth/oidc/login", query_string=query)
        assert answer.status_code == 302, answer.get_data()
        return self.issuer.authorize(answer.headers["location"])

    def finish(self, back: str, browser: Client | None = None) -> TestResponse:
        parts = urlsplit(back)
        assert parts.path == CALLBACK
        return (browser or self.browser).get(f"{parts.path}?{parts.query}")

    def sign_in(self, **query: str) -> TestResponse:
        return self.finish(self.begin(**query))

    def me(self, answer: TestResponse) -> Any:
        assert answer.status_code == 200, answer.get_data()
        return self.api.get("/auth/me", answer.json["access_token"]).json

    def emails(self) -> set[str]:
        with self.gateway.services.database.read() as session:
            return set(session.scalars(select(UserRecord.email)))


@pytest.fixture(scope="module")
def gateway_with_issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    home: Path = tmp_path_factory.mktemp("oidc") / "home"
    gateway = Gateway(settings_for(home, admin_password=PASSWORD))
    yield gateway
    gateway.close()


@pytest.fixture
def site(gateway_with_issuer: Gateway, issuer: LocalIssuer) -> Site:
    site = Site(gateway_with_issuer, issuer)
    site.change(
        oidc_issuer=issuer.url,
        oidc_client_id=CLIENT_ID,
        oidc_client_secret=CLIENT_SECRET,
        oidc_domains=(),
        oidc_admits="invited",
        oidc_new_team="",
        oidc_teams_claim="",
        oidc_new_role="member",
        public_url="",
    )
    with gateway_with_issuer.services.database.write() as session:
        session.execute(delete(SignInAttemptRecord))
    name = f"somebody-{next(_number)}"
    issuer.person = {"sub": f"sub-{name}", "email": f"{name}@example.com", "email_verified": True}
    return site


@pytest.fixture
def ada(site: Site) -> str:
    """The id of somebody here who has the address that the issuer tells."""
    return site.api.add(site.issuer.person["email"], "member", "team_default")


def test_somebody_who_is_here_signs_in_and_gets_tokens_as_by_a_password(site: Site, ada: str) -> None:
    answer = site.sign_in()
    assert set(answer.json) == {"access_token", "refresh_token", "token_type", "expires_in"}
    assert site.me(answer)["id"] == ada
    assert answer.headers["cache-control"] == "no-store"
    assert site.api.post("/auth/refresh", {"refresh_token": answer.json["refresh_token"]}).status_code == 200
    entries = site.api.get(f"/audit?actor_id={ada}", site.api.owner()).json["data"]
    assert [entry["action"] for entry in entries if entry["action"] == "auth.sign_in"] == ["auth.sign_in"]


def test_what_is_asked_of_the_issuer_is_bound_to_the_browser(site: Site) -> None:
    first, second = (site.browser.get("/api/auth/oidc/login") for _ in range(2))
    asked = [parse_qs(urlsplit(answer.headers["location"]).query) for answer in (first, second)]
    assert asked[0]["code_challenge_method"] == ["S256"]
    for name in ("state", "nonce", "code_challenge"):
        assert len(asked[0][name][0]) >= 32
        assert asked[0][name] != asked[1][name]
    cookie = first.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Path=/api/auth/oidc" in cookie
    assert "Secure" not in cookie


def test_somebody_is_known_again_by_the_subject_when_their_address_has_changed(site: Site, ada: str) -> None:
    assert site.sign_in().status_code == 200
    site.issuer.person["email"] = "married@example.com"
    assert site.me(site.sign_in())["id"] == ada
    site.issuer.person["email_verified"] = False
    assert site.me(site.sign_in())["id"] == ada


@pytest.mark.parametrize("verified", [False, None, "false", "true", 1])
def test_an_address_that_is_not_verified_gives_nobody_away(site: Site, ada: str, verified: Any) -> None:
    site.issuer.person["email_verified"] = verified
    answer = site.sign_in()
    assert is_problem(answer, 401, "sign_in_refused")
    assert "verified" in answer.json["detail"]


def test_an_address_in_the_user_information_alone_will_do(site: Site, ada: str) -> None:
    site.issuer.email_in_userinfo_alone = True
    assert site.me(site.sign_in())["id"] == ada


def test_user_information_of_somebody_else_does_not(site: Site, ada: str) -> None:
    site.issuer.email_in_userinfo_alone = True
    site.issuer.bends["userinfo"] = lambda told: told.update(sub="mallory")
    assert is_problem(site.sign_in(), 401, "sign_in_refused")


def test_who_was_given_the_address_of_one_who_left_does_not_become_them(site: Site, ada: str) -> None:
    assert site.sign_in().status_code == 200
    site.issuer.person["sub"] = "somebody new"
    answer = site.sign_in()
    assert is_problem(answer, 401, "sign_in_refused")
    assert "unlink" in answer.json["detail"]
    site.gateway.services.users.unlink(ada)
    assert site.me(site.sign_in())["id"] == ada


def test_nobody_comes_in_who_is_not_invited(site: Site) -> None:
    before = site.emails()
    answer = site.sign_in()
    assert is_problem(answer, 401, "sign_in_refused")
    assert "invitation" in answer.json["detail"]
    assert site.emails() == before


def test_who_was_invited_comes_in_with_the_roles_of_all_invitations(site: Site) -> None:
    services, email = site.gateway.services, site.issuer.person["email"]
    team = services.teams.create("invited").id
    services.invitations.invite(email, Role.VIEWER, team)
    services.invitations.invite(email, Role.BILLING_VIEWER)
    me = site.me(site.sign_in())
    assert (me["email"], me["role"]) == (email, "billing_viewer")
    assert me["teams"] == [{"id": team, "role": "viewer"}]
    assert is_problem(site.api.login(email, ""), 400, "invalid_value")
    assert is_problem(site.api.login(email, "x" * 20), 401, "wrong_login")


def test_where_anyone_may_come_in_they_get_what_the_settings_say(site: Site) -> None:
    team = site.gateway.services.teams.create("everybody").id
    site.change(oidc_admits="anyone", oidc_new_team="everybody", oidc_new_role="viewer")
    me = site.me(site.sign_in())
    assert (me["role"], me["teams"]) == (None, [{"id": team, "role": "viewer"}])


def test_without_a_team_in_the_settings_they_get_none(site: Site) -> None:
    site.change(oidc_admits="anyone")
    me = site.me(site.sign_in())
    assert (me["role"], me["teams"]) == (None, [])


@pytest.mark.parametrize(("email", "comes_in"), [
    ("a@example.com", True), ("a@sub.example.com", False), ("a@example.com.evil.org", False),
    ("a@notexample.com", False),
])  # fmt: skip
def test_only_addresses_of_the_listed_domains_come_in(site: Site, email: str, comes_in: bool) -> None:
    site.change(oidc_admits="anyone", oidc_domains=("example.com",))
    site.issuer.person.update(sub=email, email=email)
    assert (site.sign_in().status_code == 200) == comes_in


def test_who_is_disabled_stays_out(site: Site, ada: str) -> None:
    assert site.sign_in().status_code == 200
    site.gateway.services.users.set_disabled(ada, True)
    assert is_problem(site.sign_in(), 401, "sign_in_refused")


def test_somebody_follows_the_teams_of_the_claim_and_keeps_what_was_given_here(site: Site, ada: str) -> None:
    services = site.gateway.services
    red, blue = (services.teams.create(name).id for name in ("red", "blue"))
    site.change(oidc_teams_claim="realm_access.roles", oidc_new_role="viewer")

    def teams(*names: str) -> dict[str, str]:
        site.issuer.person["realm_access"] = {"roles": [*names]}
        return {team["id"]: team["role"] for team in site.me(site.sign_in())["teams"]}

    assert teams("red", "nothing here") == {"team_default": "member", red: "viewer"}
    services.teams.set_member(red, ada, Role.ADMIN)
    assert teams("red", blue) == {"team_default": "member", red: "admin", blue: "viewer"}
    assert teams("default") == {"team_default": "member"}
    assert teams() == {"team_default": "member"}
    with services.database.read() as session:
        assert not any(session.scalars(select(MembershipRecord.from_issuer).where(MembershipRecord.user_id == ada)))


def test_a_claim_that_is_not_told_takes_the_teams_and_one_that_is_elsewhere_does_not(site: Site, ada: str) -> None:
    team = site.gateway.services.teams.create("green").id
    site.change(oidc_teams_claim="groups")
    site.issuer.person["groups"] = "green"
    assert team in {one["id"] for one in site.me(site.sign_in())["teams"]}
    del site.issuer.person["groups"]
    site.issuer.person["_claim_names"] = {"groups": "src1"}
    assert team in {one["id"] for one in site.me(site.sign_in())["teams"]}
    del site.issuer.person["_claim_names"]
    assert team not in {one["id"] for one in site.me(site.sign_in())["teams"]}


# --- Who comes back as they should not ----------------------------------------------------------------------------


def test_a_way_back_is_good_once(site: Site, ada: str) -> None:
    back = site.begin()
    seal = site.browser.get_cookie("tollhouse_oidc", path="/api/auth/oidc")
    assert seal is not None
    assert site.finish(back).status_code == 200
    asked = site.issuer.asked["/token"]
    site.browser.set_cookie("tollhouse_oidc", seal.value, path="/api/auth/oidc")
    again = site.finish(back)
    assert is_problem(again, 401, "sign_in_refused")
    assert again.json["param"] == "state"
    assert site.issuer.asked["/token"] == asked


def test_another_browser_cannot_be_made_to_come_back(site: Site, ada: str) -> None:
    back = site.begin()
    for victim in (site.gateway.app.test_client(), site.gateway.app.test_client()):
        assert is_problem(site.finish(back, victim), 401, "sign_in_refused")
        site.begin(victim)
        assert is_problem(site.finish(back, victim), 401, "sign_in_refused")


@pytest.mark.parametrize("state", ["", "x", "ä" * 20])
def test_a_state_that_is_not_ours_is_refused(site: Site, state: str) -> None:
    site.begin()
    answer = site.browser.get(CALLBACK, query_string={"state": state, "code": "x"})
    assert is_problem(answer, 401, "sign_in_refused")


def test_a_seal_that_was_tampered_with_or_is_old_is_refused(
    site: Site, ada: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    back = site.begin()
    now = time.time()
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: now + 700)
    assert is_problem(site.finish(back), 401, "sign_in_refused")
    monkeypatch.undo()
    site.browser.set_cookie("tollhouse_oidc", "WyJhIl0.x.y", path="/api/auth/oidc")
    assert is_problem(site.finish(back), 401, "sign_in_refused")


def test_a_nonce_of_another_sign_in_is_refused(site: Site, ada: str) -> None:
    for bend in (lambda told: told.update(nonce="replayed"), lambda told: told.pop("nonce")):
        site.issuer.bends["id_token"] = bend
        assert is_problem(site.sign_in(), 401, "sign_in_refused")


@pytest.mark.parametrize(
    "bend",
    [
        {"aud": "another client"},
        {"aud": [CLIENT_ID, "another"], "azp": "another"},
        {"iss": "https://evil.example.com"},
        {"exp": 1_000_000_000},
        {"iat": 4_000_000_000},
        {"exp": "tomorrow"},
        {"exp": 10**30},
        {"sub": ""},
        {"sub": None},
        {"sub": "x" * 256},
        {"sub": ["ada"]},
        {"at_hash": "bm90IGl0"},
    ],
    ids=str,
)
def test_an_id_token_that_is_not_for_this_sign_in_is_refused(site: Site, ada: str, bend: dict[str, Any]) -> None:
    site.issuer.bends["id_token"] = lambda told: told.update(bend)
    assert is_problem(site.sign_in(), 401, "sign_in_refused")


def _with_another_key(issuer: LocalIssuer) -> Any:
    honest, other = issuer.sign, RSAKey.generate_key(2048)
    return lambda claims: honest(claims, key=other)


def test_an_id_token_by_a_forged_signature_is_refused(
    site: Site, ada: str, issuer: LocalIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for forge in (issuer.sign_with_public_key, issuer.sign_with_nothing, _with_another_key(issuer)):
        monkeypatch.setattr(issuer, "sign", forge)
        assert is_problem(site.sign_in(), 401, "sign_in_refused")
    monkeypatch.undo()
    assert site.sign_in().status_code == 200


def test_a_code_that_the_issuer_does_not_know_is_refused_with_what_it_says(site: Site, ada: str) -> None:
    back = urlsplit(site.begin())
    query = {**{name: one[0] for name, one in parse_qs(back.query).items()}, "code": "made up"}
    answer = site.finish(f"{back.path}?{urlencode(query)}")
    assert is_problem(answer, 401, "sign_in_refused")
    assert 'the code is "not" good' in answer.json["detail"]


def test_what_the_issuer_says_instead_of_a_code_is_told(site: Site) -> None:
    query = {name: one[0] for name, one in parse_qs(urlsplit(site.begin()).query).items()}
    del query["code"]
    query |= {"error": "access_denied", "error_description": "You\r\nmay not"}
    answer = site.finish(f"{CALLBACK}?{urlencode(query)}")
    assert is_problem(answer, 401, "sign_in_refused")
    assert "(access_denied You may not)" in answer.json["detail"]


def test_an_answer_of_another_issuer_is_refused(site: Site, ada: str) -> None:
    for said in ({"iss": "https://evil.example.com"}, {}):
        query = {name: one[0] for name, one in parse_qs(urlsplit(site.begin()).query).items()}
        del query["iss"]
        answer = site.finish(f"{CALLBACK}?{urlencode({**query, **said})}")
        assert is_problem(answer, 401, "sign_in_refused")
        assert answer.json["param"] == "iss"


@pytest.mark.parametrize(
    "path",
    [
        "https://evil.example.com", "//evil.example.com", "/\\evil.example.com", "\\\\evil", "javascript:alert(1)",
        "console", "/\t/evil.example.com", "/x\r\nset-cookie: a=b", "/" + "x" * 1000, "/ü", "",
    ],
)  # fmt: skip
def test_nobody_is_sent_to_another_host(site: Site, path: str) -> None:
    answer = site.browser.get("/api/auth/oidc/login", query_string={"return_to": path})
    assert is_problem(answer, 400, "invalid_value")
    assert answer.json["param"] == "return_to"


def test_with_a_page_to_return_to_the_refresh_token_is_in_a_cookie(site: Site, ada: str) -> None:
    answer = site.sign_in(return_to="/console?x=1#y")
    assert (answer.status_code, answer.headers["location"]) == (303, "/console?x=1#y")
    assert not answer.get_data()
    cookie = next(one for one in answer.headers.getlist("set-cookie") if one.startswith("tollhouse_refresh="))
    assert {"HttpOnly", "SameSite=Strict", "Path=/api/auth"} <= {part.strip() for part in cookie.split(";")}
    csrf = site.browser.get_cookie("tollhouse_csrf")
    assert csrf is not None
    renewed = site.browser.post("/api/auth/refresh", headers={"x-csrf-token": csrf.value})
    assert site.me(renewed)["id"] == ada


def test_who_fails_too_often_waits_and_can_still_use_a_password(site: Site) -> None:
    for _ in range(20):
        assert is_problem(site.sign_in(), 401, "sign_in_refused")
    assert is_problem(site.sign_in(), 429, "too_many_attempts")
    assert site.api.login(EMAIL).status_code == 200


# --- The issuer itself --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["client_secret_post", "none"])
def test_the_gateway_shows_who_it_is_as_the_issuer_wants_it(site: Site, ada: str, kind: str) -> None:
    site.issuer.authentication = kind
    if kind == "none":
        site.change(oidc_client_secret="")
    assert site.sign_in().status_code == 200


def test_a_wrong_secret_is_for_whoever_runs_the_gateway(site: Site, ada: str) -> None:
    site.change(oidc_client_secret="wrong")
    answer = site.sign_in()
    assert is_problem(answer, 503, "issuer_unavailable")
    assert "TOLLHOUSE_OIDC_CLIENT_SECRET" in answer.json["detail"]


@pytest.mark.parametrize(
    "bend",
    [
        {"issuer": "https://evil.example.com"},
        {"jwks_uri": "file:///etc/passwd"},
        {"token_endpoint": None},
        {"authorization_endpoint": "https://user:secret@host/"},
    ],
    ids=str,
)
def test_a_discovery_document_that_is_not_the_issuers_is_refused(site: Site, bend: dict[str, Any]) -> None:
    site.issuer.bends["discovery"] = lambda told: told.update(bend)
    assert is_problem(site.browser.get("/api/auth/oidc/login"), 503, "issuer_unavailable")


def test_an_issuer_that_goes_away_meanwhile_is_no_failure_of_whoever_signs_in(site: Site, ada: str) -> None:
    for _ in range(21):
        back = site.begin()
        site.issuer.away = True
        assert is_problem(site.finish(back), 503, "issuer_unavailable")
        site.issuer.away = False
    assert site.sign_in().status_code == 200


def test_an_issuer_that_is_away_is_503_and_is_asked_again_later(site: Site, ada: str) -> None:
    site.issuer.away = True
    answer = site.browser.get("/api/auth/oidc/login")
    assert is_problem(answer, 503, "issuer_unavailable")
    assert answer.headers["retry-after"]
    site.issuer.away = False
    assert site.sign_in().status_code == 200


def test_a_key_that_the_issuer_took_since_is_found(site: Site, ada: str) -> None:
    assert site.sign_in().status_code == 200
    site.issuer.rotate(kind="EC")
    assert site.sign_in().status_code == 200


def test_keys_that_cannot_be_used_spoil_no_others(site: Site, ada: str) -> None:
    odd = [{"kty": "oct", "k": "c2VjcmV0"}, {"kty": "new"}, {"kty": "RSA", "n": "!", "e": "AQAB"}, 7, {}]
    site.issuer.bends["keys"] = lambda told: told["keys"].__setitem__(slice(0, 0), odd)
    assert site.sign_in().status_code == 200


def test_without_an_issuer_there_is_nothing_there(api: Management) -> None:
    for path in ("/auth/oidc/login", "/auth/oidc/callback"):
        assert is_problem(api.get(path), 404, "not_found")


def test_a_password_signs_in_as_before(site: Site) -> None:
    assert site.api.login(EMAIL).status_code == 200
