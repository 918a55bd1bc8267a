"""The results as Markdown."""

import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from statistics import median

from bench import machine
from bench.batches import Worked
from bench.rounds import Score
from bench.startup import Idle, Start
from bench.streams import Streamed
from bench.translation import Translated, over_identity

PEERS = {"litellm": "LiteLLM", "portkey": "Portkey"}


def preamble(command: str, synced_ms: float, tools: Sequence[str]) -> str:
    """Machine, date, command."""
    return (
        f"* Machine: {machine.description()} ({platform.machine()}); a synced 4 kB write takes {synced_ms:.2f} ms.\n"
        + (f"* Tools: {', '.join(tools)}\n" if tools else "")
        + f"* Date: {datetime.now(UTC):%Y-%m-%d %H:%M} UTC\n"
        f"* Command: `{command}`\n"
    )


def calls(scores: Mapping[str, Score]) -> str:
    """A row for each contestant: medians of the rounds, with the slowest and the fastest round."""
    peers = {name: title for name, title in PEERS.items() if name in scores}
    heads = ["", "requests/s", "p50", "p99", "CPU a call", "memory", *(f"against {title}" for title in peers.values())]
    rows = [heads, ["---", *["---:"] * (len(heads) - 1)]]
    for name, score in scores.items():
        ratios = ["1" if name == peer else _ratio(score, scores[peer]) for peer in peers]
        rows.append(
            [
                score.label,
                f"**{score.rate:,.0f}** ({min(score.rates):,.0f}-{max(score.rates):,.0f})",
                f"{median(score.p50s):.2f} ms",
                f"{median(score.p99s):.2f} ms",
                _cpu(score),
                f"{median(score.memory) / 1e6:.0f} MB",
                *ratios,
            ]
        )
    busy = [cores for score in scores.values() for cores in score.others]
    return (
        f"{_lines(rows)}\n"
        f"Processes that are no part of the bench kept {median(busy):.2f} cores busy meanwhile (median; at most "
        f"{max(busy):.2f}).\n"
    )


def streams(streamed: Sequence[Streamed]) -> str:
    """A row for each way; medians and 99th percentiles."""
    heads = ["", "open at once", "first token, opening", "first token, all open", "delay of a token", "tokens"]
    rows = [[*heads, "memory", "CPU a token"], ["---", *["---:"] * 7]]
    for one in streamed:
        times = (f"{middle:.1f} ms, {late:.1f} ms" for middle, late in (one.opening, one.probes, one.delays))
        used = (
            "-" if one.memory is None else f"{one.memory / 1e6:.0f} MB",
            "-" if one.cpu is None else f"{one.cpu:.0f} µs",
        )
        rows.append([one.label, f"{one.most_open:,}", *times, f"{one.tokens:,} of {one.tokens_due:,}", *used])
    return _lines(rows)


def translation(translated: Sequence[Translated]) -> str:
    """A row for each pair."""
    rows = [["client", "host", "100 events", "over the identity", "a request"], ["---", "---", *["---:"] * 3]]
    for one in translated:
        over = "-" if one.client == one.upstream else f"**{over_identity(one, translated):.2f} ms**"
        rows.append([one.client, one.upstream, f"{one.reply_ms:.3f} ms", over, f"{one.request_us:.0f} µs"])
    return _lines(rows)


def batches(worked: Sequence[Worked]) -> str:
    """A row a batch."""
    rows = [
        ["lines", "a call takes", "validated", "called", "lines/s", "of the calls' own time", "memory at most"],
        ["---:"] * 7,
    ]
    for one in worked:
        ratio = "" if one.ratio is None else f"{one.ratio:.2f}"
        row = [f"{one.lines:,}", f"{one.delay_ms} ms", f"{one.validated:.1f} s", f"{one.called:.1f} s"]
        rows.append([*row, f"{one.lines / one.called:,.0f}", ratio, f"{one.peak / 1e6:.0f} MB"])
    return _lines(rows)


def startup(start: Start, idle: Sequence[Idle]) -> str:
    """Start, and a row for each idle process."""
    rows = [["process of `tollhouse up`", "resident", "its share", "CPU"], ["---", *["---:"] * 3]]
    rows += [
        [one.name, f"{one.resident / 1e6:.0f} MB", f"{one.share / 1e6:.0f} MB", f"{one.cpu:.1f} %"] for one in idle
    ]
    return (
        f"From the start of `tollhouse web` to its first answer: **{start.web:.2f} s**, of which importing and "
        f"building the application takes {start.application:.2f} s (medians of {start.rounds}).\n\n{_lines(rows)}"
    )


def _lines(rows: Sequence[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _ratio(score: Score, peer: Score) -> str:
    """By requests/s, of the two figures of each round: what slows one round down slows both."""
    by_rate = median(own / other for own, other in zip(score.rates, peer.rates, strict=True))
    by_cpu = median(peer.cpu) / (median(score.cpu) + median(score.database_cpu))
    return f"**{by_rate:.2f}x** ({by_cpu:.2f}x)"


def _cpu(score: Score) -> str:
    own, stored = median(score.cpu), median(score.database_cpu)
    return f"{own:,.0f} µs" + (f" + {stored:,.0f} µs in the database" if stored else "")
