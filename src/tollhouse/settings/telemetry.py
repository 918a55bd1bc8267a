"""Settings of what is told to others about calls: log files, traces."""

from dataclasses import dataclass

from tollhouse.settings.kinds import address_with_path, file, fraction, setting, whole, words


@dataclass(frozen=True)
class TelemetrySettings:
    """Where logs and traces go, beside standard output."""

    log_file: str = setting(
        "TOLLHOUSE_LOG_FILE",
        "File to which all processes of this machine log as JSON lines, beside standard output; empty: none.",
        "",
        file,
    )
    log_file_bytes: int = setting(
        "TOLLHOUSE_LOG_FILE_BYTES", "Size at which a new log file is begun.", 104_857_600, whole(1_000_000, 2**40)
    )
    log_files: int = setting(
        "TOLLHOUSE_LOG_FILES", "Log files that are kept beside the current one.", 10, whole(1, 1000)
    )
    otlp_endpoint: str = setting(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "Address of a collector that takes traces by OTLP over HTTP, such as http://127.0.0.1:4318; empty: nothing is "
        "traced.",
        "",
        address_with_path,
    )
    otlp_headers: tuple[str, ...] = setting(
        "OTEL_EXPORTER_OTLP_HEADERS",
        "Headers that the collector wants, NAME=VALUE by comma.",
        (),
        words,
        secret=True,
    )
    otel_service_name: str = setting("OTEL_SERVICE_NAME", "What traces call this gateway.", "tollhouse")
    trace_share: float = setting(
        "TOLLHOUSE_TRACE_SHARE",
        "Share of the calls that are traced, from 0 to 1, of those whose caller has no trace; who has one decides.",
        1.0,
        fraction,
    )
    trace_providers: tuple[str, ...] = setting(
        "TOLLHOUSE_TRACE_PROVIDERS",
        "Providers that are told the trace a call is in (W3C traceparent), by comma; others are not.",
        (),
        words,
    )
