"""What services need of the outside world, a noun a file. Adapters in `providers/`, `store/` and `kv/` give it."""

from tollhouse.domain.ports.batch_hosts import BatchHosts, Errand
from tollhouse.domain.ports.blobs import Blobs, NewBlob, OpenBlob
from tollhouse.domain.ports.bodies import Body, LongBody
from tollhouse.domain.ports.couriers import Courier
from tollhouse.domain.ports.issuer import Issuer, SignInProof
from tollhouse.domain.ports.ledger import Ledger
from tollhouse.domain.ports.limiter import Limiter
from tollhouse.domain.ports.mail import Attachment, Mailer
from tollhouse.domain.ports.prices import Listing, PriceList
from tollhouse.domain.ports.queues import BATCHES_QUEUE, QUEUE, QUEUES, RESPONSES_QUEUE, WEBHOOKS_QUEUE, JobQueue
from tollhouse.domain.ports.shared import BreakerNews, ReplyCache
from tollhouse.domain.ports.table_files import WriteTable
from tollhouse.domain.ports.turns import Beside, Interruptible, InTurn, Outside, Result, at_once
from tollhouse.domain.ports.upstreams import Exchange, Outgoing, Upstreams
from tollhouse.domain.ports.vault import Vault

__all__ = [
    "BATCHES_QUEUE",
    "QUEUE",
    "QUEUES",
    "RESPONSES_QUEUE",
    "WEBHOOKS_QUEUE",
    "Attachment",
    "BatchHosts",
    "Beside",
    "Blobs",
    "Body",
    "BreakerNews",
    "Courier",
    "Errand",
    "Exchange",
    "InTurn",
    "Interruptible",
    "Issuer",
    "JobQueue",
    "Ledger",
    "Limiter",
    "Listing",
    "LongBody",
    "Mailer",
    "NewBlob",
    "OpenBlob",
    "Outgoing",
    "Outside",
    "PriceList",
    "ReplyCache",
    "Result",
    "SignInProof",
    "Upstreams",
    "Vault",
    "WriteTable",
    "at_once",
]
