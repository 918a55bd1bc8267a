"""Settings of calls: the providers that are there from the start, sizes, deadlines, retries, the way out."""

from dataclasses import dataclass

from tollhouse.settings.kinds import one_of, seconds, setting, whole


@dataclass(frozen=True)
class CallSettings:
    """How calls are taken, and how they are made."""

    openai_api_key: str = setting("OPENAI_API_KEY", "Registers the provider `openai` and its models.", "", secret=True)
    openai_base_url: str = setting(
        "OPENAI_BASE_URL", "Where `openai` is, with its version.", "https://api.openai.com/v1"
    )
    anthropic_api_key: str = setting(
        "ANTHROPIC_API_KEY", "Registers the provider `anthropic` and its models.", "", secret=True
    )
    anthropic_base_url: str = setting("ANTHROPIC_BASE_URL", "Where `anthropic` is.", "https://api.anthropic.com")
    max_body_bytes: int = setting(
        "TOLLHOUSE_MAX_BODY_BYTES", "Longest request body.", 32 * 1024 * 1024, whole(1024, 1 << 32)
    )
    max_upload_bytes: int = setting(
        "TOLLHOUSE_MAX_UPLOAD_BYTES",
        "Longest upload: images and sound. What is not small waits on the home's disk until it is sent on.",
        200 * 1000 * 1000,
        whole(1024, 1 << 40),
    )
    max_file_bytes: int = setting(
        "TOLLHOUSE_MAX_FILE_BYTES",
        "Longest file that is kept: `POST /v1/files`.",
        512 * 1024 * 1024,
        whole(1024, 1 << 40),
    )
    body_memory_bytes: int = setting(
        "TOLLHOUSE_BODY_MEMORY_BYTES",
        "Memory of one process for request bodies, of which one takes about three times its length until it is "
        "sent; bodies wait up to 10 s for it.",
        256 * 1024 * 1024,
        whole(1 << 20, 1 << 40),
    )
    max_reply_bytes: int = setting(
        "TOLLHOUSE_MAX_REPLY_BYTES",
        "Longest whole reply of a provider.",
        64 * 1024 * 1024,
        whole(1024, 1 << 32),
    )
    connect_seconds: float = setting(
        "TOLLHOUSE_CONNECT_SECONDS", "Longest wait for a provider's connection.", 5.0, seconds(0.05, 60)
    )
    first_byte_seconds: float = setting(
        "TOLLHOUSE_FIRST_BYTE_SECONDS",
        "Longest wait for a provider's first byte.",
        120.0,
        seconds(0.05, 3600),
    )
    idle_seconds: float = setting(
        "TOLLHOUSE_IDLE_SECONDS", "Longest silence in the middle of a reply.", 60.0, seconds(0.05, 3600)
    )
    total_seconds: float = setting(
        "TOLLHOUSE_TOTAL_SECONDS", "Longest time for one upstream call.", 900.0, seconds(0.05, 86400)
    )
    open_calls: int = setting(
        "TOLLHOUSE_OPEN_CALLS",
        "Open calls of one web process past which new ones are refused with 503; those of keys of batch priority at "
        "three quarters of it; 0 for no bound.",
        4000,
        whole(0, 1_000_000),
    )
    client_gone: str = setting(
        "TOLLHOUSE_CLIENT_GONE",
        "What becomes of a reply whose client leaves, also before its first byte: close ends the provider's, and books "
        "what came of it; read goes on to its end, with up to 200 at once, and books what the provider says.",
        "close",
        one_of("close", "read"),
    )
    retries: int = setting(
        "TOLLHOUSE_RETRIES",
        "How often a call is sent anew to deployments that failed it before its first byte, after all that can take it "
        "were tried once.",
        2,
        whole(0, 20),
    )
    retry_seconds: float = setting(
        "TOLLHOUSE_RETRY_SECONDS",
        "How long after its beginning a call may be sent anew, there or elsewhere.",
        60.0,
        seconds(0, 3600),
    )
    retry_pause_seconds: float = setting(
        "TOLLHOUSE_RETRY_PAUSE_SECONDS",
        "Longest pause before the first retry, doubled for each further one; what a provider's retry-after asks for, "
        "up to 10 s, goes before.",
        0.5,
        seconds(0, 10),
    )
    breaker_failures: int = setting(
        "TOLLHOUSE_BREAKER_FAILURES",
        "Failures in a row after which a deployment is left alone for a while; 0 for never.",
        5,
        whole(0, 10000),
    )
    breaker_seconds: float = setting(
        "TOLLHOUSE_BREAKER_SECONDS",
        "How long it is; then one call tries it, and where that fails it is twice as long, eight times at most.",
        10.0,
        seconds(0.05, 3600),
    )
    stalled_client_seconds: float = setting(
        "TOLLHOUSE_STALLED_CLIENT_SECONDS",
        "How long a client may leave a reply unread, or a request unsent.",
        30.0,
        seconds(0.5, 3600),
    )
    upstream_connections: int = setting(
        "TOLLHOUSE_UPSTREAM_CONNECTIONS",
        "Open connections of one process to one host.",
        4096,
        whole(1, 65536),
    )
    https_proxy: str = setting(
        "TOLLHOUSE_HTTPS_PROXY",
        "HTTP proxy through which https providers are reached, as http://user:password@proxy:3128. HTTPS_PROXY "
        "is not read.",
        "",
        secret=True,
    )
    no_proxy: str = setting(
        "TOLLHOUSE_NO_PROXY",
        "Hosts that are reached without the proxy: names with all under them, addresses, networks; by comma.",
        "",
    )
    ca_bundle: str = setting(
        "TOLLHOUSE_CA_BUNDLE",
        "PEM file of authorities whose certificates are trusted beside the system's.",
        "",
    )
    cache_bytes: int = setting(
        "TOLLHOUSE_CACHE_BYTES",
        "What replies that are kept to be given again may take of Redis, all together; 0: no reply is, whatever models "
        "and calls say.",
        128 * 1024 * 1024,
        whole(0, 1 << 40),
    )
    cache_embedding_seconds: float = setting(
        "TOLLHOUSE_CACHE_EMBEDDING_SECONDS",
        "How long a call waits for the vector of its question, where its model gives replies to similar questions; "
        "then it goes on without.",
        0.3,
        seconds(0.01, 60),
    )
    idempotency_bytes: int = setting(
        "TOLLHOUSE_IDEMPOTENCY_BYTES",
        "Longest answer to a call with an Idempotency-Key that is kept to be given again; who asks again for a longer "
        "one is told so, and the call is not made twice.",
        1024 * 1024,
        whole(1024, 1 << 28),
    )
    unknown_price: str = setting(
        "TOLLHOUSE_UNKNOWN_PRICE",
        "What to do with a model without a price: book it without a cost and flag it, or refuse it. A hard "
        "budget refuses it always.",
        "flag",
        one_of("flag", "refuse"),
    )
    unknown_calls: str = setting(
        "TOLLHOUSE_UNKNOWN_CALLS",
        "What is charged of a call whose process died before anything was known of it: the bound of its input, "
        "all that was held for it, or nothing.",
        "input",
        one_of("input", "hold", "nothing"),
    )
    store_responses: str = setting(
        "TOLLHOUSE_STORE_RESPONSES",
        "Whether Responses are stored when their caller does not say otherwise, and conversations kept; off: what "
        "asks for either is refused.",
        "on",
        one_of("on", "off"),
    )
    responses_days: int = setting(
        "TOLLHOUSE_RESPONSES_DAYS",
        "Days that a stored response is kept after it, or the last one that went on from it, was made.",
        30,
        whole(1, 36500),
    )
