"""Settings of what is kept of calls and told of them: payloads, reports, the archive."""

from dataclasses import dataclass

from tollhouse.settings.kinds import bucket, days_from, one_of, seconds, setting, whole


@dataclass(frozen=True)
class ReportSettings:
    """What stays of calls beside the ledger."""

    payload_bytes: int = setting(
        "TOLLHOUSE_PAYLOAD_BYTES",
        "The most bytes of a request, and of a reply, that are kept where a team keeps them; of longer ones the size.",
        1 << 20,
        whole(1024, 1 << 26),
    )
    payload_queue_bytes: int = setting(
        "TOLLHOUSE_PAYLOAD_QUEUE_BYTES",
        "The most bytes of these that wait in a process to be written; what finds no room is dropped and counted.",
        32 << 20,
        whole(1 << 16, 1 << 33),
    )
    failed_request_days: int = setting(
        "TOLLHOUSE_FAILED_REQUEST_DAYS",
        "How many days it is kept what the callers of refused and failed calls were told; 0 keeps nothing of it.",
        30,
        whole(0, 3650),
    )
    expire_payloads_seconds: float = setting(
        "TOLLHOUSE_EXPIRE_PAYLOADS_SECONDS",
        "How often it is deleted what is kept of calls and whose time is over.",
        3600.0,
        seconds(0.2, 86400),
    )
    archive_days: int = setting(
        "TOLLHOUSE_ARCHIVE_DAYS",
        "Days after which rows of the ledger are moved to Parquet files, which reports go on reading; at least 40, for "
        "budgets of a month read the ledger itself; 0 for never.",
        0,
        days_from(40),
    )
    archive_folder: str = setting(
        "TOLLHOUSE_ARCHIVE_FOLDER",
        "The folder of these, which all machines must share; empty: `archive` in the home.",
        "",
    )
    archive_url: str = setting(
        "TOLLHOUSE_ARCHIVE_URL",
        "The bucket where these are kept instead, of the store that files may be in; another than theirs, or another "
        "prefix in it. What is in the folder already is read from there.",
        "",
        bucket,
    )
    archive_ledger_seconds: float = setting(
        "TOLLHOUSE_ARCHIVE_LEDGER_SECONDS",
        "How often it is looked what is to be archived.",
        3600.0,
        seconds(0.2, 86400),
    )
    deliver_reports_seconds: float = setting(
        "TOLLHOUSE_DELIVER_REPORTS_SECONDS",
        "How often a worker is woken for reports of schedules, whatever was lost; one that is due wakes one at once.",
        15.0,
        seconds(0.2, 86400),
    )
    report_private: str = setting(
        "TOLLHOUSE_REPORT_PRIVATE",
        "Whether reports may be posted to an address inside this network.",
        "off",
        one_of("on", "off"),
    )
