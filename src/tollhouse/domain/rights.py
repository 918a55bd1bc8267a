"""Who may do what: the one table. Services ask it through `Actor`, and nothing else decides."""

from enum import StrEnum


class Role(StrEnum):
    """What somebody is, in one team or in the whole organisation, which is this installation and all of its teams."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"
    VIEWER = "viewer"
    BILLING_VIEWER = "billing_viewer"


class Right(StrEnum):
    """What may be done. One that begins with `organisation.` takes a role in the organisation, others one in a team."""

    VIEW_PEOPLE = "organisation.people.view"
    CHANGE_PEOPLE = "organisation.people.change"
    CHANGE_TEAMS = "organisation.teams.change"
    VIEW_CATALOGUE = "organisation.catalogue.view"
    CHANGE_CATALOGUE = "organisation.catalogue.change"
    VIEW_ALL_CHANGES = "organisation.audit.view"

    VIEW_TEAM = "team.view"
    VIEW_MEMBERS = "members.view"
    CHANGE_MEMBERS = "members.change"
    VIEW_KEYS = "keys.view"
    CHANGE_KEYS = "keys.change"
    OWN_KEYS = "keys.own"
    """Make and end keys that are one's own."""
    CALL_MODELS = "models.call"
    VIEW_MONEY = "money.view"
    """Budgets, limits, usage."""
    CHANGE_MONEY = "money.change"
    VIEW_REQUESTS = "requests.view"
    VIEW_WEBHOOKS = "webhooks.view"
    """What their addresses have in them may be a secret."""
    CHANGE_WEBHOOKS = "webhooks.change"
    VIEW_PAYLOADS = "payloads.view"
    """What was asked and answered in the calls of a team that keeps it."""
    CHANGE_PAYLOADS = "payloads.change"
    """Whether a team keeps that, and for how long."""
    VIEW_CHANGES = "audit.view"
    VIEW_JOBS = "jobs.view"
    """Batches, responses in the background, schedules."""
    CHANGE_JOBS = "jobs.change"

    @property
    def is_organisations(self) -> bool:
        """Whether it takes a role in the organisation."""
        return self.value.startswith("organisation.")


_RULE = frozenset({Role.OWNER, Role.ADMIN})
_WORK = _RULE | {Role.MEMBER}
_LOOK = _WORK | {Role.VIEWER}
_ALL = frozenset(Role)

RIGHTS: dict[Right, frozenset[Role]] = {
    Right.VIEW_PEOPLE: _RULE,
    Right.CHANGE_PEOPLE: _RULE,
    Right.CHANGE_TEAMS: _RULE,
    Right.VIEW_CATALOGUE: _ALL,
    Right.CHANGE_CATALOGUE: _RULE,
    Right.VIEW_ALL_CHANGES: _RULE,
    Right.VIEW_TEAM: _ALL,
    Right.VIEW_MEMBERS: _LOOK,
    Right.CHANGE_MEMBERS: _RULE,
    Right.VIEW_KEYS: _LOOK,
    Right.CHANGE_KEYS: _RULE,
    Right.OWN_KEYS: _WORK,
    Right.CALL_MODELS: _WORK,
    Right.VIEW_MONEY: _ALL,
    Right.CHANGE_MONEY: _RULE,
    Right.VIEW_REQUESTS: _LOOK,
    Right.VIEW_WEBHOOKS: _RULE,
    Right.CHANGE_WEBHOOKS: _RULE,
    Right.VIEW_PAYLOADS: _RULE,
    Right.CHANGE_PAYLOADS: _RULE,
    Right.VIEW_CHANGES: _RULE,
    Right.VIEW_JOBS: _LOOK,
    Right.CHANGE_JOBS: _WORK,
}


def may_grant(own: frozenset[Role], role: Role) -> bool:
    """Whether somebody with these roles may give or take this one: only an owner makes or unmakes an owner."""
    return Role.OWNER in own or (Role.ADMIN in own and role is not Role.OWNER)
