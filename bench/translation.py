"""What a translation costs over the identity: of a reply, for 100 events; of a request.

python -m bench.translation      prints the figures as JSON; `measure` runs that for another checkout too
"""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from bench import transcripts
from bench.processes import Child, Failed

CHECKOUT = Path(__file__).parents[1]
ROUNDS = 200
PROMISED_MS = 1.0
"""For 100 events, over the identity."""


@dataclass(frozen=True, slots=True)
class Translated:
    """What one pair takes: milliseconds of processor time for 100 events, microseconds for a request."""

    client: str
    upstream: str
    events: int
    reply_ms: float
    request_us: float


def measure(folder: Path, source: Path | None) -> list[Translated]:
    """Each pair, identities first."""
    child = Child(
        "translation",
        [sys.executable, "-m", "bench.translation"],
        folder,
        {"PYTHONPATH": f"{source}:{CHECKOUT}" if source else str(CHECKOUT)},
    )
    if child.wait(300) != 0:
        raise Failed(f"The translations could not be measured:\n{child.tail()}")
    return [Translated(**one) for one in json.loads(child.log.read_text(encoding="utf-8").splitlines()[-1])]


def verdict(translated: list[Translated]) -> str:
    """Whether the promise is kept; no failure, for a busy machine makes everything slower."""
    slow = [f"{one.client} -> {one.upstream}" for one in translated if over_identity(one, translated) > PROMISED_MS]
    if slow:
        return f"**More than the promised {PROMISED_MS:g} ms over the identity for 100 events: {', '.join(slow)}.**\n"
    return f"All are below the promised {PROMISED_MS:g} ms over the identity for 100 events.\n"


def over_identity(one: Translated, all_of_them: list[Translated]) -> float:
    """Milliseconds for 100 events, beyond what handing on the same events takes."""
    identity = next(other for other in all_of_them if other.client == other.upstream == one.upstream)
    return max(0.0, one.reply_ms - identity.reply_ms)


def run() -> list[Translated]:
    from tollhouse.domain.call import Call, Facts
    from tollhouse.wire import PAIRS

    requests = {
        "chat": transcripts.chat_request(),
        "messages": transcripts.messages_request(),
        "responses": transcripts.responses_request(),
    }
    replies = {"chat": transcripts.chat(), "messages": transcripts.messages()}
    found = []
    for client, upstream in sorted(PAIRS, key=lambda ends: ends[0] != ends[1]):
        if client not in requests or upstream not in replies:
            continue
        pair, body, events = PAIRS[client, upstream], requests[client], replies[upstream]
        facts = Facts(model=body["model"], size=10_000, stream=True)

        def relay(pair=pair, body=body, events=events, facts=facts, client=client) -> None:  # type: ignore[no-untyped-def]
            converter = pair.converter(Call("req_01k0000000000000000000000", client, body, facts))
            for event in events:
                converter.feed(event)
            converter.finish()

        reply = _seconds(relay) / len(events) * 100 * 1e3
        request = _seconds(lambda pair=pair, body=body: pair.request(body)) * 1e6  # type: ignore[misc]
        found.append(Translated(client, upstream, len(events), reply, request))
    return found


def _seconds(work: Callable[[], object]) -> float:
    """Processor time of the fastest round: what others took longer was the neighbours' doing."""
    times = []
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times)


if __name__ == "__main__":
    print(json.dumps([asdict(one) for one in run()]))
