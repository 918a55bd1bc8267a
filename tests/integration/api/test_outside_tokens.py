"""Access tokens of an issuer on the inference paths, good ones and forged ones."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.gateway import Gateway, settings_for
from tests.integration.api.management import PASSWORD, Management, within_a_second
from tests.issuer import AUDIENCE, LocalIssuer
from tollhouse.domain.actor import SYSTEM
from tollhouse.domain.vouched import Vouched
from tollhouse.oidc.kept import PAUSE_SECONDS
from tollhouse.services.keys import authentication
from tollhouse.services.people.identities import link
from tollhouse.store.records import UserRecord

_number = count()


@pytest.fixture(scope="module")
def issuer() -> Iterator[LocalIssuer]:
    issuer = LocalIssuer()
    yield issuer
    issuer.close()


@pytest.fixture(scope="module")
def gateway(issuer: LocalIssuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    settings = settings_for(
        tmp_path_factory.mktemp("outside") / "home",
        admin_password=PASSWORD,
        oidc_issuer=issuer.url,
        oidc_audience=AUDIENCE,
        oidc_domains=("example.com",),
        oidc_workload_claim="team",
    )
    gateway = Gateway(settings)
    yield gateway
    gateway.close()


@pytest.fixture(autouse=True)
def ada(api: Management, issuer: LocalIssuer) -> str:
    """The id of somebody here, whose subject the issuer tells."""
    name = f"ada-{next(_number)}"
    issuer.person = {"sub": name}
    issuer.asked.clear()
    id = api.add(f"{name}@example.com", "member", "team_default")
    link_to(api, id, issuer.url, name)
    # Time has passed since keys were asked for last.
    signatures = api.services.issuer._signatures
    if signatures is not None:
        signatures._keys._tried_at -= PAUSE_SECONDS
    return id


def link_to(api: Management, user_id: str, issuer: str, subject: str) -> None:
    with api.services.database.write() as session:
        user, now = session.get(UserRecord, user_id), api.services.database.now(session)
        assert user is not None
        link(session, user, Vouched(issuer, subject, None, now, now), SYSTEM, now)
    api.services.serve().catalogue.refresh()


def call(api: Management, token: str, **headers: str) -> TestResponse:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return api.gateway.app.test_client().get("/v1/models", headers={"authorization": f"Bearer {token}", **sent})


def refused(answer: TestResponse, code: str = "invalid_access_token") -> bool:
    assert (answer.status_code, answer.json["error"]["code"]) == (401, code), answer.get_data()
    return True


def test_a_token_of_somebody_who_is_here_calls_as_them(api: Management, issuer: LocalIssuer, ada: str) -> None:
    answer = api.gateway.post(
        "/v1/chat/completions",
        {"model": "echo", "messages": [{"role": "user", "content": "hi"}]},
        key=issuer.access_token(),
    )
    assert answer.status_code == 200
    (row,) = [row for row in api.gateway.rows() if row.user_id == ada]
    assert (row.key_id, row.team_id) == (ada, "team_default")


@pytest.mark.parametrize("header", ["authorization", "x-api-key"])
def test_it_may_come_wherever_a_key_may(api: Management, issuer: LocalIssuer, header: str) -> None:
    answer = api.gateway.app.test_client().get("/v1/models", headers={header: issuer.access_token()})
    assert answer.status_code == 200


def test_our_own_access_tokens_are_taken_as_before(api: Management, ada: str) -> None:
    assert call(api, api.token(ada)).status_code == 200


def test_it_opens_the_management_api_to_nobody(api: Management, issuer: LocalIssuer) -> None:
    assert api.get("/auth/me", issuer.access_token()).status_code == 401


def test_a_verified_address_of_somebody_who_never_signed_in_will_do(api: Management, issuer: LocalIssuer) -> None:
    email = f"bob-{next(_number)}@example.com"
    api.add(email, "member", "team_default")
    assert call(api, issuer.access_token(sub="bob", email=email, email_verified=True)).status_code == 200
    assert refused(call(api, issuer.access_token(sub="bob", email=email, email_verified=False)))
    assert refused(call(api, issuer.access_token(sub="bob", email=email)))


def test_an_address_of_somebody_with_another_subject_or_domain_will_not(
    api: Management, issuer: LocalIssuer, ada: str
) -> None:
    email = api.services.users.get(ada).email
    assert refused(call(api, issuer.access_token(sub="mallory", email=email, email_verified=True)))
    api.add("carol@example.org", "member", "team_default")
    assert refused(call(api, issuer.access_token(sub="carol", email="carol@example.org", email_verified=True)))


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "another"}, {"aud": None}, {"aud": []}, {"aud": f"{AUDIENCE}/"}, {"aud": {"x": AUDIENCE}},
        {"iss": "https://evil.example.com"}, {"iss": None},
        {"exp": None}, {"exp": "never"}, {"exp": 10**30}, {"exp": True},
        {"iat": None}, {"iat": 10**11}, {"nbf": 10**11},
        {"sub": None}, {"sub": ""}, {"sub": 7}, {"sub": "x\x00"}, {"sub": "x" * 300}, {"sub": "nobody"},
        {"cnf": {"jkt": "x"}},
    ],
    ids=str,
)  # fmt: skip
def test_a_claim_that_is_not_as_it_must_be_is_refused(
    api: Management, issuer: LocalIssuer, claims: dict[str, Any]
) -> None:
    assert refused(call(api, issuer.access_token(**claims)))


def test_one_of_several_audiences_will_do(api: Management, issuer: LocalIssuer) -> None:
    assert call(api, issuer.access_token(aud=["another", AUDIENCE])).status_code == 200


def test_one_that_has_expired_is_refused_also_where_it_was_good_before(api: Management, issuer: LocalIssuer) -> None:
    assert refused(call(api, issuer.access_token(exp=int(time.time()) - 61)), "expired_access_token")
    assert refused(call(api, issuer.access_token(exp=int(time.time()) - 1)), "expired_access_token")
    short = issuer.access_token(exp=int(time.time()) + 2)
    assert call(api, short).status_code == 200
    time.sleep(2.1)
    assert refused(call(api, short), "expired_access_token")


def claims_of(issuer: LocalIssuer) -> dict[str, Any]:
    now = int(time.time())
    return {"iss": issuer.url, "aud": AUDIENCE, "iat": now, "exp": now + 300, "sub": issuer.person["sub"]}


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "RS256", "none", "None", "nOnE", "", "ES256", "RS1"])
def test_the_public_key_is_no_secret_and_nothing_is_no_signature(
    api: Management, issuer: LocalIssuer, algorithm: str
) -> None:
    assert refused(call(api, issuer.sign_with_public_key(claims_of(issuer), algorithm)))
    assert refused(call(api, issuer.sign_with_nothing(claims_of(issuer), algorithm)))


def test_a_key_of_somebody_else_is_none(api: Management, issuer: LocalIssuer) -> None:
    forged = issuer.sign_with_another_key(claims_of(issuer))
    assert refused(call(api, forged))
    their_own = LocalIssuer()
    their_own.close()
    jwk = their_own.keys[their_own.kid].as_dict(private=False)
    for header in ({"jwk": jwk}, {"jku": "https://evil.example.com/keys"}, {"x5u": "https://evil.example.com/x"}):
        assert refused(call(api, issuer.sign_with_another_key(claims_of(issuer), **header)))


@pytest.mark.parametrize(
    "header", [{"typ": "logout+jwt"}, {"typ": "dpop+jwt"}, {"typ": 7}, {"crit": ["exp"]}, {"kid": 7}], ids=str
)
def test_a_token_for_something_else_is_none(api: Management, issuer: LocalIssuer, header: dict[str, Any]) -> None:
    token = issuer.access_token()
    assert call(api, token).status_code == 200
    head = {"alg": "RS256", "kid": issuer.kid, **header}
    assert refused(call(api, issuer.sign_raw(head, claims_of(issuer))))


@pytest.mark.parametrize("token", ["a.b.c", "..", "eyJ.eyJ.x", "e30.e30.e30", "é.b.c", "a" * 9000 + ".b.c"])
def test_what_is_no_token_is_refused(api: Management, token: str) -> None:
    assert call(api, token).status_code == 401


def test_a_changed_byte_is_refused(api: Management, issuer: LocalIssuer) -> None:
    head, body, signature = issuer.access_token().split(".")
    swapped = "A" if signature[10] != "A" else "B"
    assert refused(call(api, f"{head}.{body}.{signature[:10]}{swapped}{signature[11:]}"))


@pytest.mark.parametrize("kind", ["EC", "RSA"])
def test_a_key_that_the_issuer_took_since_is_found_and_the_old_one_goes(
    api: Management, issuer: LocalIssuer, kind: str
) -> None:
    old = issuer.keys[issuer.kid], issuer.kid
    assert call(api, issuer.access_token()).status_code == 200
    issuer.rotate(kind=kind)
    signatures = api.services.issuer._signatures
    signatures._keys._tried_at -= PAUSE_SECONDS
    assert call(api, issuer.access_token()).status_code == 200
    key, kid = old
    alg = "RS256" if key.key_type == "RSA" else "ES256"
    assert refused(call(api, issuer.access_token(key=key, header={"kid": kid, "alg": alg}, jti="another")))


def test_a_token_that_names_no_key_is_tried_with_all_of_its_kind(api: Management, issuer: LocalIssuer) -> None:
    issuer.rotate(keep=True)
    api.services.issuer._signatures._keys._tried_at -= PAUSE_SECONDS
    assert call(api, issuer.access_token()).status_code == 200
    assert call(api, issuer.access_token(header={"kid": None})).status_code == 200


def test_a_flood_of_unknown_keys_has_the_issuer_asked_once(api: Management, issuer: LocalIssuer) -> None:
    token = issuer.access_token()
    assert call(api, token).status_code == 200
    issuer.asked.clear()
    forged = [issuer.access_token(header={"kid": f"made up {n}"}) for n in range(60)]
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda one: refused(call(api, one)), forged))
    assert issuer.asked["/keys"] <= 1
    assert call(api, issuer.access_token()).status_code == 200


def test_who_is_disabled_is_out_within_a_second_also_with_a_token_for_a_team(
    api: Management, issuer: LocalIssuer, ada: str
) -> None:
    tokens = [issuer.access_token(), issuer.access_token(team="default")]
    assert all(call(api, token).status_code == 200 for token in tokens)
    api.services.users.set_disabled(ada, True)
    within_a_second(lambda: all(call(api, token).status_code == 401 for token in tokens))
    api.services.users.set_disabled(ada, False)
    api.services.serve().catalogue.refresh()
    assert all(refused(call(api, token)) for token in tokens), "what was issued before stays void"


def test_a_program_that_is_nobody_here_calls_for_the_team_that_its_token_names(
    api: Management, issuer: LocalIssuer
) -> None:
    team = api.services.teams.create(f"programs {next(_number)}")
    token = issuer.access_token(sub="nightly build", team=[team.name, "no such team"])
    assert call(api, token).status_code == 200
    principal = api.services.authentication.principal(token)
    assert (principal.team_id, principal.user_id, principal.name) == (team.id, None, "nightly build")
    again = api.services.authentication.principal(issuer.access_token(sub="nightly build", team=team.id, jti="x"))
    assert again.key_id == principal.key_id
    assert len(principal.key_id) <= 40
    assert call(api, token, x_tollhouse_team=team.id).status_code == 200
    assert call(api, token, x_tollhouse_team="team_default").status_code == 404
    assert refused(call(api, issuer.access_token(sub="nightly build", team="no such team")))
    assert refused(call(api, issuer.access_token(sub="nightly build")))
    api.services.teams.change(team.id, archived=True)
    within_a_second(lambda: call(api, token).status_code == 401)


def test_a_person_says_for_which_team_they_call(api: Management, issuer: LocalIssuer, ada: str) -> None:
    assert call(api, issuer.access_token(), x_tollhouse_team="team_default").status_code == 200
    assert call(api, issuer.access_token(), x_tollhouse_team="team_none").status_code == 404


def test_a_token_that_was_checked_is_not_checked_again(
    api: Management, issuer: LocalIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = issuer.access_token()
    assert call(api, token).status_code == 200
    monkeypatch.setattr(api.services.issuer, "vouched", None)
    assert call(api, token).status_code == 200


def test_the_memory_of_tokens_is_bounded(api: Management, issuer: LocalIssuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authentication, "CACHED_KEYS", 3)
    api.services.authentication.forget()
    for n in range(6):
        assert call(api, issuer.access_token(jti=str(n))).status_code == 200
    assert len(api.services.authentication._known) == 3


def test_while_the_issuer_is_away_what_is_known_of_it_is_good(api: Management, issuer: LocalIssuer) -> None:
    assert call(api, issuer.access_token()).status_code == 200
    issuer.away = True
    try:
        assert call(api, issuer.access_token(jti="another")).status_code == 200
    finally:
        issuer.away = False


def test_without_the_setting_no_token_of_an_issuer_is_taken(issuer: LocalIssuer, tmp_path: Path) -> None:
    gateway = Gateway(settings_for(tmp_path / "home", oidc_issuer=issuer.url, oidc_client_id="x"))
    try:
        assert refused(call(Management(gateway), issuer.access_token()))
        assert not issuer.asked
    finally:
        gateway.close()
