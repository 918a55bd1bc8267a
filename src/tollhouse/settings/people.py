"""Settings of people: how long they are signed in, how they are written to."""

from dataclasses import dataclass

from tollhouse.settings.kinds import setting, whole


@dataclass(frozen=True)
class PeopleSettings:
    """How people sign in, and how they are written to."""

    access_token_seconds: int = setting(
        "TOLLHOUSE_ACCESS_TOKEN_SECONDS", "How long an access token is good.", 900, whole(5, 86400)
    )
    session_seconds: int = setting(
        "TOLLHOUSE_SESSION_SECONDS",
        "How long after they signed in people must do so again, however often they renew their token.",
        30 * 86400,
        whole(60, 400 * 86400),
    )
    invitation_seconds: int = setting(
        "TOLLHOUSE_INVITATION_SECONDS", "How long an invitation is good.", 7 * 86400, whole(60, 90 * 86400)
    )
    invitations_per_hour: int = setting(
        "TOLLHOUSE_INVITATIONS_PER_HOUR", "How many people one person may invite within an hour.", 100, whole(1, 10**6)
    )
    password_reset_seconds: int = setting(
        "TOLLHOUSE_PASSWORD_RESET_SECONDS", "How long a link for a new password is good.", 3600, whole(60, 86400)
    )
    smtp_url: str = setting(
        "TOLLHOUSE_SMTP_URL",
        "Mail server, as smtp://user:password@mail.example.com:587 or smtps://…; empty: mails are printed to the log.",
        "",
        secret=True,
    )
    mail_from: str = setting("TOLLHOUSE_MAIL_FROM", "Who mails are from.", "tollhouse@localhost")
