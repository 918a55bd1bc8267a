"""Settings of signing in with an issuer, and of its tokens. They are `Settings` like all others."""

from dataclasses import dataclass

from tollhouse.settings.kinds import domains as _domains
from tollhouse.settings.kinds import issuer as _issuer
from tollhouse.settings.kinds import one_of as _one_of
from tollhouse.settings.kinds import setting as _setting


@dataclass(frozen=True)
class OidcSettings:
    """What is known of one OpenID Connect issuer, and what is believed of what it says."""

    oidc_issuer: str = _setting(
        "TOLLHOUSE_OIDC_ISSUER",
        "OpenID Connect issuer, exactly as it calls itself; empty: none. See `docs/how-to/sign-in-with-an-issuer.md`.",
        "",
        _issuer,
    )
    oidc_client_id: str = _setting(
        "TOLLHOUSE_OIDC_CLIENT_ID", "What this gateway is registered as there; empty: nobody signs in with it.", ""
    )
    oidc_client_secret: str = _setting(
        "TOLLHOUSE_OIDC_CLIENT_SECRET", "Its secret there; empty for a public client.", "", secret=True
    )
    oidc_scopes: str = _setting("TOLLHOUSE_OIDC_SCOPES", "What is asked of the issuer, by space.", "openid email")
    oidc_domains: tuple[str, ...] = _setting(
        "TOLLHOUSE_OIDC_DOMAINS",
        "Domains of e-mail addresses by which somebody may come in, by comma; empty: any.",
        (),
        _domains,
    )
    oidc_admits: str = _setting(
        "TOLLHOUSE_OIDC_ADMITS",
        "Whom the issuer may bring in: people who are here or invited, or anyone whom it knows.",
        "invited",
        _one_of("invited", "anyone"),
    )
    oidc_new_team: str = _setting(
        "TOLLHOUSE_OIDC_NEW_TEAM",
        "Team, by id or name, of somebody new who was not invited; empty: none.",
        "",
    )
    oidc_new_role: str = _setting(
        "TOLLHOUSE_OIDC_NEW_ROLE",
        "Role that the issuer gives in a team.",
        "member",
        _one_of("admin", "member", "viewer", "billing_viewer"),
    )
    oidc_teams_claim: str = _setting(
        "TOLLHOUSE_OIDC_TEAMS_CLAIM",
        "Claim with the names or ids of somebody's teams, such as groups or realm_access.roles: with each sign-in they "
        "come into these, and leave those that the issuer put them in before; empty: teams are given here.",
        "",
    )
    oidc_audience: str = _setting(
        "TOLLHOUSE_OIDC_AUDIENCE",
        "Audience of the issuer's access tokens that are taken in place of an API key; empty: none is.",
        "",
    )
    oidc_workload_claim: str = _setting(
        "TOLLHOUSE_OIDC_WORKLOAD_CLAIM",
        "Claim of such a token that names the team, by id or name, that a program calls for which is nobody here; "
        "empty: it must be of somebody who is here.",
        "",
    )
