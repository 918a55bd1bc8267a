"""Settings of alerts: who is told that something is wrong with the gateway, and from when on."""

from dataclasses import dataclass

from tollhouse.settings.kinds import addresses, fraction, one_of, seconds, setting, web_address


@dataclass(frozen=True)
class AlertSettings:
    """Of budgets it is told by settings of their own."""

    alert_emails: tuple[str, ...] = setting(
        "TOLLHOUSE_ALERT_EMAILS",
        "Who is mailed when a provider is down or refuses its key, calls fail, work waits or the ledger is behind, and "
        "when that is over; by comma.",
        (),
        addresses,
    )
    alert_url: str = setting(
        "TOLLHOUSE_ALERT_URL",
        "Where the same is posted as JSON, with the `text` that Slack and its like show.",
        "",
        web_address,
        secret=True,
    )
    alert_private: str = setting(
        "TOLLHOUSE_ALERT_PRIVATE",
        "Whether that may be an address inside this network.",
        "off",
        one_of("on", "off"),
    )
    alert_errors: float = setting(
        "TOLLHOUSE_ALERT_ERRORS",
        "Share of a provider's calls in a minute, of twenty or more, that may fail before it is told.",
        0.2,
        fraction,
    )
    alert_queue_seconds: float = setting(
        "TOLLHOUSE_ALERT_QUEUE_SECONDS",
        "How long work may wait for a worker before it is told.",
        300.0,
        seconds(1, 86400),
    )
    alert_lag_seconds: float = setting(
        "TOLLHOUSE_ALERT_LAG_SECONDS",
        "How long the ledger may be behind, or its database away, before it is told.",
        30.0,
        seconds(1, 86400),
    )
