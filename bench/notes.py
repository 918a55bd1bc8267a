"""What stands under the tables: how it was measured."""

CALLS = """\
Everyone is one process, with one upstream process (nginx, the same completion for each call), wrk and the databases on
the same cores. Medians of {rounds} rounds of {seconds:g} s, in which the contestants take turns, at {connections}
connections; in brackets the slowest and the fastest round. CPU a call is user and system time of the server's
processes, the steadiest figure on a busy machine. Ratios are of requests/s, the median of the rounds' own, and in
brackets of CPU a call, the database's included. Memory is resident, of the server's processes together. Tollhouse
authenticates, lets each call in under three limits of three kinds each, which Redis keeps, holds it against four hard
budgets, books it in a synced ledger (as many rows as answers, checked at the end) and logs to a file; without budgets
and limits it does the rest. LiteLLM compares a master key and has no database; nginx, the bare function (gunicorn,
gevent, geventhttpclient) and Portkey only forward.
"""

STREAMS = """\
{streams} streams of 20 tokens a second are opened in {ramp:g} s and are then all open for {hold:g} s, in one web
process; upstream and client are processes of their own on the same cores. Median and 99th percentile each. The time to
the first token is what is added to the upstream's own: while the streams are being opened, and for short calls that
come while all of them are open. The delay of a token is from the upstream's sending it to the client's having it.
Memory is of the process that serves, at its peak. Every token arrived, or the bench would have stopped.
"""

STARTUP = """\
Files are in the kernel's cache. The share is resident memory with what processes share divided among them; CPU is of
one core, with nobody calling. The local model, which takes 240 MB and more, is off.
"""

TRANSLATION = """\
Processor time of one process, the fastest of 200 rounds. The reply is a stream of some 600 events: thoughts, a text,
two tool calls with their arguments in pieces; what handing on the same events takes is in the first rows, and taken off
the others. The request is a dialogue of 21 messages, 5 of them with tool calls, and 8 tools.
"""

BATCHES = """\
One worker process of `tollhouse up` on SQLite, 32 calls at once, to the echo provider. "Validated" is from the
submission to the first call, with the start of the work-horse; "called" to the end, with the files that come of it.
"""
