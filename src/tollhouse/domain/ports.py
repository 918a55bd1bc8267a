"""What services need of the outside world. Adapters in `providers/`, `store/` and `kv/` give it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from tollhouse.domain.call import Unit
from tollhouse.domain.ledger import Entry, Hold, HoldOrder, Settlement
from tollhouse.domain.limits import LimitOrder, Taken, Verdict
from tollhouse.domain.money import Tariff
from tollhouse.domain.principal import Scope
from tollhouse.domain.routes import Host, HostKey, Manners, Target
from tollhouse.domain.tables import Table, TableFormat
from tollhouse.domain.values import value
from tollhouse.domain.vouched import Vouched
from tollhouse.domain.webhooks import Receipt

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with a mail."""

    name: str
    media_type: str
    content: bytes


class WriteTable(Protocol):
    """Makes a file of a table."""

    def __call__(self, table: Table, format: TableFormat) -> bytes:
        """Raises InvalidSetting where what writes it is not installed."""


class Mailer(Protocol):
    """Sends mail."""

    def send(self, to: str, subject: str, text: str) -> None:
        """Return at once: what becomes of the mail is in the log, and takes nobody's time."""

    def deliver(self, to: Sequence[str], subject: str, text: str, files: Sequence["Attachment"] = ()) -> None:
        """One mail to all of them; return once the server has it. Raises whatever kept it from that."""

    def close(self) -> None:
        """Wait, not for long, for what is being sent."""


@dataclass(frozen=True, slots=True)
class SignInProof:
    """What one sign-in with the issuer is bound to: `state` comes back with the browser, `nonce` in the token, and
    `verifier` shows who asks for that token that they began (PKCE).
    """

    state: str
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)


class Issuer(Protocol):
    """An OpenID Connect issuer. All of it raises IssuerUnavailable where that does not answer as it must."""

    name: str
    """As it calls itself."""

    def sign_in_url(self, proof: SignInProof) -> str:
        """Where to send a browser."""

    def redeem(self, code: str, proof: SignInProof, said_issuer: str | None) -> Vouched:
        """Who came back with this code; `said_issuer` is whom the browser says that it comes from (RFC 9207).

        Raises SignInRefused where anything about it is not as it must be.
        """

    def vouched(self, token: str) -> Vouched:
        """Whose access token this is. Raises InvalidToken, ExpiredToken."""


class LongBody(Protocol):
    """A body that is not held whole: its length is known, and each attempt iterates it anew."""

    content_type: str

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[bytes]: ...


class NewBlob(Protocol):
    """A blob that is being written. Whoever made it closes it; unless it was kept, nothing is left of it then."""

    def write(self, data: bytes) -> None:
        """Raises OutOfSpace, Unavailable."""

    def keep(self) -> None:
        """All of it is written, and there to stay when this returns. Raises OutOfSpace, Unavailable."""

    def close(self) -> None:
        """Idempotent."""


class OpenBlob(Protocol):
    """A blob that is being read, from anywhere in it. Whoever opened it closes it; threads may share it."""

    def read(self, start: int, size: int) -> bytes:
        """Up to so many bytes from there, fewer at the end. Raises Unavailable."""

    def close(self) -> None:
        """Idempotent."""


class Blobs(Protocol):
    """What is too long for the database, by an id that the gateway made. It is written once and never changed."""

    def create(self, id: str) -> NewBlob:
        """Raises OutOfSpace, Unavailable."""

    def open(self, id: str) -> OpenBlob:
        """Raises ContentMissing where it is not there, Unavailable where that cannot be known now."""

    def delete(self, id: str) -> None:
        """Idempotent; at once, also for whoever reads it just now on another machine."""

    def old(self, seconds: float) -> Iterator[str]:
        """The ids of all that was written, or was begun to be, longer ago than that."""


Body = bytes | LongBody
"""JSON, or what says itself what it is."""


@value
class Outgoing:
    """One request to a host, as the wire format wrote it. `headers` are the caller's, already chosen by policy; `key`
    is the one of the host's several that it goes out with.
    """

    format: str
    body: Body
    headers: Mapping[str, str]
    streamed: bool
    key: HostKey | None = None

    @property
    def content_type(self) -> str:
        return "application/json" if isinstance(self.body, bytes) else self.body.content_type

    @property
    def whole(self) -> bytes:
        """The body at once, for whoever answers from memory."""
        return self.body if isinstance(self.body, bytes) else b"".join(self.body)


class Exchange(Protocol):
    """An upstream's answer, being read. Whoever opened it closes it; `close` is idempotent."""

    status: int
    headers: Mapping[str, str]
    """Lower-case names."""

    @property
    def returned(self) -> Mapping[str, str]:
        """What of the headers the caller may see, ready to be sent."""

    def read(self) -> bytes:
        """The next bytes as they come, b"" at the end. Raises UpstreamTimeout, UpstreamGone."""

    def close(self) -> None:
        """Give the connection back, or end it when the answer was not read to its end."""


class Upstreams(Protocol):
    """All hosts, whatever speaks to them."""

    def open(self, target: Target, outgoing: Outgoing) -> Exchange:
        """Send, and return once the status is known, whatever it is. Raises UpstreamRefused,
        UpstreamTimeout, UpstreamGone.
        """

    def presets(self) -> Sequence[str]:
        """The kinds of host that are known, by name."""

    def formats(self, host: Host) -> frozenset[str]:
        """The wire formats that this host speaks."""

    def manners(self, host: Host) -> Manners:
        """How this host wants to be asked."""

    def vendor(self, host: Host) -> str | None:
        """The price list's name of whoever bills for this host, as far as its preset tells."""

    def list_models(self, host: Host, key: HostKey | None = None) -> Sequence[str]:
        """The models that the host itself names: the cheapest authenticated call it has, with this of its several keys.

        Raises UpstreamError.
        """


@dataclass(frozen=True, slots=True)
class Errand:
    """A request to a host that is no call to a model. `path` follows that of the host's base URL."""

    method: str
    path: str
    body: Body = b""
    accept: str = "application/json"

    @property
    def content_type(self) -> str:
        return "application/json" if isinstance(self.body, bytes) else self.body.content_type


class BatchHosts(Protocol):
    """All hosts, as those that take batches of their own."""

    def batch_interface(self, host: Host) -> str | None:
        """The name of the interface of batches that this host may have; None where none is known of it."""

    def manners(self, host: Host) -> Manners:
        """How this host wants to be asked."""

    def run_errand(self, host: Host, errand: Errand, key: HostKey | None = None) -> Exchange:
        """Send, with this of its several keys, and return once the status is known, whatever it is. Raises
        UpstreamRefused, UpstreamTimeout, UpstreamGone.
        """


class Ledger(Protocol):
    """Holds and settlements, committed in groups."""

    def hold(self, order: HoldOrder) -> Hold:
        """Wait until the hold is committed. Raises BudgetExceeded (nothing held) or LedgerUnavailable."""

    def follow(self, hold: Hold, known: Callable[[], Entry | None]) -> None:
        """Write down what is `known` of a held call now and then, until it is settled: what is booked
        if this process dies. `known` is called from another thread, must not raise, and gives None while
        nothing was sent.
        """

    def settle(self, settlement: Settlement) -> None:
        """Take the settlement and return at once; it is written as soon as the database takes it."""

    def has_hard_budget(self, scopes: Sequence[Scope]) -> bool:
        """Whether a hard budget was on one of the scopes when the database was last read."""


class Limiter(Protocol):
    """Limits that all processes share, exactly; each process its share of them while that is not possible."""

    def take(self, order: LimitOrder) -> Verdict:
        """Let the call in under all its limits, or take nothing. Waits a quarter of a second at most."""

    def settle(self, taken: Taken, tokens: int) -> None:
        """The call has ended and used so many tokens. Returns at once; call it or `give_back` once."""

    def give_back(self, taken: Taken) -> None:
        """The call was not made: as if it had never been in. Returns at once."""

    @property
    def shared(self) -> bool:
        """Whether all processes share the limits, as far as this one has seen. Asks nobody."""


class BreakerNews(Protocol):
    """Tells other processes of breakers; returns at once, and nothing is lost but news where they cannot be told."""

    def opened(self, deployment: str, seconds: float) -> None: ...

    def closed(self, deployment: str) -> None: ...


class ReplyCache(Protocol):
    """Keeps replies for a while. What it loses is made anew."""

    def get(self, key: str) -> bytes | None:
        """What is kept under the key. Waits a quarter of a second at most."""

    def put(self, key: str, value: bytes, seconds: int) -> None:
        """Keep it for so long, or not; in the place of what was kept under the key. Waits as `get` does."""

    def close(self) -> None: ...


class Beside(Protocol):
    """Begins a piece of work beside whoever asks, where a process can; else does it at once."""

    live: bool
    """Whether it goes on beside."""

    def __call__(self, work: Callable[[], None], may_end: Callable[[], bool]) -> Callable[[], None]:
        """What ends the work: it raises ClientGone wherever that waits, if it then still may be ended. The work
        raises nothing.
        """


class Outside(Protocol):
    """Runs a piece of work to its end where it holds up nobody else; gives what it gives, and raises what it raises."""

    def __call__(self, work: Callable[[], Result]) -> Result: ...


class InTurn:
    """Where nothing goes on beside."""

    live = False

    def __call__(self, work: Callable[[], None], may_end: Callable[[], bool]) -> Callable[[], None]:
        work()
        return lambda: None


def at_once(work: Callable[[], Result]) -> Result:
    """Where nobody is held up."""
    return work()


class Interruptible(Protocol):
    """Runs a piece of work in the thread that asks; where `gone` comes true while it waits for a host, ClientGone is
    raised in it.
    """

    def __call__(self, work: Callable[[], Result], gone: Callable[[], bool]) -> Result: ...


class PriceList(Protocol):
    """Published prices."""

    def vendor_of(self, base_url: str) -> str | None:
        """The vendor whose host this is, where the list knows it."""

    def find(self, vendor: str, model: str) -> "Listing | None":
        """What the list knows of the model at this vendor."""

    def models(self, vendor: str) -> Sequence[str]:
        """The models that the list knows of this vendor."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What a price list says of a model. Unknown is None; the rest is as in `Target`."""

    tariff: Tariff | None
    context_window: int | None
    media_tariff: Tariff | None = None
    unit_prices: Mapping[Unit, int] = field(default_factory=dict)


class Vault(Protocol):
    """Keeps secrets at rest."""

    def seal(self, secret: str) -> str: ...

    def unseal(self, sealed: str) -> str:
        """Raises InvalidSetting when it was sealed under a secret key that is not at hand."""


class Courier(Protocol):
    """Brings what webhooks are told. Any thread may ask it; whoever does ends with the adapters' `end_thread`."""

    def check(self, url: str) -> None:
        """Raise InvalidField for what is no address that anything may be sent to. Looks no name up."""

    def bring(self, url: str, headers: Mapping[str, str], body: bytes) -> Receipt:
        """Send once, to an address that was checked, and return what was answered, whatever it is. Follows no redirect.

        Raises UpstreamError, whose message has neither path nor query: they may be a secret.
        """


QUEUE = "tollhouse"
RESPONSES_QUEUE = "tollhouse-responses"
"""Of work that takes as long as a model thinks: no other waits behind it."""
BATCHES_QUEUE = "tollhouse-batches"
"""Of work that never ends while there is a batch."""
WEBHOOKS_QUEUE = "tollhouse-webhooks"
"""Of what waits for other people's servers."""
QUEUES = (QUEUE, BATCHES_QUEUE, RESPONSES_QUEUE, WEBHOOKS_QUEUE)


class JobQueue(Protocol):
    """Wakes workers. What it loses, the scheduler asks for again."""

    def enqueue(self, kind: str) -> bool:
        """Say that there is work of this kind. False when the queue cannot be reached."""

    def ping(self) -> bool: ...

    def close(self) -> None: ...
