"""Settings of background work: how often each kind is due, and how it works."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from tollhouse.settings.kinds import addresses, networks, one_of, seconds, setting, signing_secret, web_address, whole


@dataclass(frozen=True)
class WorkSettings:
    """What the scheduler and the workers do."""

    probe_seconds: float = setting(
        "TOLLHOUSE_PROBE_SECONDS",
        "How often every provider is asked for its models, the cheapest call that it has, to see whether it is well.",
        300.0,
        seconds(1, 86400),
    )
    worker_stop_seconds: float = setting(
        "TOLLHOUSE_WORKER_STOP_SECONDS",
        "How long a worker that is asked to end (SIGTERM, Ctrl-C) lets calls go on that are under way; it begins none. "
        "What is cut then is made again by another. Whatever ends workers, such as Kubernetes, must be as patient.",
        30.0,
        seconds(0, 86400),
    )
    run_batch_seconds: float = setting(
        "TOLLHOUSE_RUN_BATCH_SECONDS",
        "How often a worker is woken for batches, whatever was lost; a new batch wakes one at once.",
        15.0,
        seconds(0.2, 86400),
    )
    batch_concurrency: int = setting(
        "TOLLHOUSE_BATCH_CONCURRENCY", "Calls of batches that one worker makes at once.", 32, whole(1, 1024)
    )
    batch_attempts: int = setting(
        "TOLLHOUSE_BATCH_ATTEMPTS",
        "How often a line of a batch is called whose provider fails, before that is its result.",
        3,
        whole(1, 20),
    )
    start_scheduled_seconds: float = setting(
        "TOLLHOUSE_START_SCHEDULED_SECONDS",
        "How often a worker is woken for schedules that are due, whatever was lost; the scheduler wakes one at once.",
        60.0,
        seconds(0.2, 86400),
    )
    provider_batch: str = setting(
        "TOLLHOUSE_PROVIDER_BATCH",
        "Whether a batch that does not say itself goes to its provider's own batch interface: `auto` where that is "
        "cheaper and there is time for it, `always` or not at all, `never`.",
        "never",
        one_of("auto", "never", "always"),
    )
    hand_over_seconds: float = setting(
        "TOLLHOUSE_HAND_OVER_SECONDS",
        "How often a worker is woken for batches that go to a provider's own batch interface, or are there.",
        10.0,
        seconds(0.2, 86400),
    )
    provider_batch_poll_seconds: float = setting(
        "TOLLHOUSE_PROVIDER_BATCH_POLL_SECONDS",
        "How long it is at most until a provider is asked again how a batch gets on; at first it is a few seconds.",
        120.0,
        seconds(0.2, 3600),
    )
    respond_seconds: float = setting(
        "TOLLHOUSE_RESPOND_SECONDS",
        "How often a worker is woken for responses in the background, whatever was lost; a new one wakes one at once.",
        5.0,
        seconds(0.2, 86400),
    )
    background_concurrency: int = setting(
        "TOLLHOUSE_BACKGROUND_CONCURRENCY",
        "Responses in the background that one worker makes at once.",
        64,
        whole(1, 1024),
    )
    background_attempts: int = setting(
        "TOLLHOUSE_BACKGROUND_ATTEMPTS",
        "How often a response in the background is begun whose provider fails, or whose worker dies, before it fails.",
        3,
        whole(1, 20),
    )
    background_wait_seconds: float = setting(
        "TOLLHOUSE_BACKGROUND_WAIT_SECONDS",
        "How long a response in the background waits for a worker and for its limits, before it fails.",
        86400.0,
        seconds(1, 2592000),
    )
    expire_responses_seconds: float = setting(
        "TOLLHOUSE_EXPIRE_RESPONSES_SECONDS",
        "How often stored responses whose days are over are deleted.",
        3600.0,
        seconds(0.2, 86400),
    )
    expire_jobs_seconds: float = setting(
        "TOLLHOUSE_EXPIRE_JOBS_SECONDS",
        "How often what is left of background work that has ended is deleted: events, rows of batches, runs.",
        3600.0,
        seconds(0.2, 86400),
    )
    response_events_days: int = setting(
        "TOLLHOUSE_RESPONSE_EVENTS_DAYS",
        "Days after its end that the events of a response in the background can be streamed; the response stays.",
        7,
        whole(1, 36500),
    )
    batches_days: int = setting(
        "TOLLHOUSE_BATCHES_DAYS",
        "Days that a batch is shown after its end; its files have times of their own.",
        90,
        whole(1, 36500),
    )
    schedule_runs_days: int = setting(
        "TOLLHOUSE_SCHEDULE_RUNS_DAYS", "Days that the runs of schedules are shown.", 90, whole(1, 36500)
    )
    expire_files_seconds: float = setting(
        "TOLLHOUSE_EXPIRE_FILES_SECONDS",
        "How often files whose time is over are deleted.",
        3600.0,
        seconds(0.2, 86400),
    )
    expire_idempotency_seconds: float = setting(
        "TOLLHOUSE_EXPIRE_IDEMPOTENCY_SECONDS",
        "How often the answers to requests with an Idempotency-Key, which are kept for 24 hours, are deleted.",
        3600.0,
        seconds(0.2, 86400),
    )
    forget_seconds: float = setting(
        "TOLLHOUSE_FORGET_SECONDS",
        "How often it is looked whether tables that stay are rid of people who were deleted.",
        60.0,
        seconds(0.2, 86400),
    )
    survey_seconds: float = setting(
        "TOLLHOUSE_SURVEY_SECONDS",
        "How often the scheduler looks what is held and what waits, for metrics and alerts.",
        15.0,
        seconds(0.2, 86400),
    )
    roll_up_seconds: float = setting(
        "TOLLHOUSE_ROLL_UP_SECONDS", "How often the ledger is added up by day.", 300.0, seconds(0.2, 86400)
    )
    budget_alert_seconds: float = setting(
        "TOLLHOUSE_BUDGET_ALERT_SECONDS",
        "How often it is looked which budgets are spent in part.",
        15.0,
        seconds(0.2, 86400),
    )
    budget_alert_emails: tuple[str, ...] = setting(
        "TOLLHOUSE_BUDGET_ALERT_EMAILS",
        "Who is mailed when 50, 80 and 100 % of a budget are spent; by comma.",
        (),
        addresses,
    )
    budget_alert_url: str = setting(
        "TOLLHOUSE_BUDGET_ALERT_URL",
        "Where the same is posted as JSON, with the `text` that Slack and its like show.",
        "",
        web_address,
        secret=True,
    )
    budget_alert_private: str = setting(
        "TOLLHOUSE_BUDGET_ALERT_PRIVATE",
        "Whether that may be an address inside this network.",
        "off",
        one_of("on", "off"),
    )
    budget_alert_secret: str = setting(
        "TOLLHOUSE_BUDGET_ALERT_SECRET",
        "What that is signed with, by Standard Webhooks; without one it is not signed.",
        "",
        signing_secret,
        secret=True,
    )
    deliver_webhooks_seconds: float = setting(
        "TOLLHOUSE_DELIVER_WEBHOOKS_SECONDS",
        "How often a worker is woken for webhooks, whatever was lost; an event wakes one at once.",
        15.0,
        seconds(0.2, 86400),
    )
    webhook_concurrency: int = setting(
        "TOLLHOUSE_WEBHOOK_CONCURRENCY", "Deliveries to webhooks that one worker makes at once.", 32, whole(1, 256)
    )
    webhook_answer_seconds: float = setting(
        "TOLLHOUSE_WEBHOOK_ANSWER_SECONDS", "How long a webhook's receiver may take to answer.", 15.0, seconds(0.2, 60)
    )
    webhook_networks: tuple[IPv4Network | IPv6Network, ...] = setting(
        "TOLLHOUSE_WEBHOOK_NETWORKS",
        "Networks of private addresses in which webhooks may be, by comma, such as 10.20.0.0/16; public addresses "
        "always may.",
        (),
        networks,
    )
    webhook_disable_seconds: float = setting(
        "TOLLHOUSE_WEBHOOK_DISABLE_SECONDS",
        "After how long in which nothing arrived a webhook is disabled.",
        432000.0,
        seconds(1, 31536000),
    )
    webhook_days: int = setting(
        "TOLLHOUSE_WEBHOOK_DAYS",
        "How many days deliveries to webhooks are kept, to be seen and made again.",
        30,
        whole(1, 3650),
    )
    expire_deliveries_seconds: float = setting(
        "TOLLHOUSE_EXPIRE_DELIVERIES_SECONDS",
        "How often deliveries to webhooks whose days are over are deleted.",
        3600.0,
        seconds(0.2, 86400),
    )
    expiring_keys_seconds: float = setting(
        "TOLLHOUSE_EXPIRING_KEYS_SECONDS",
        "How often it is looked which keys end within a week, of which webhooks are told.",
        3600.0,
        seconds(0.2, 86400),
    )
