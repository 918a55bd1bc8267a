"""Blobs as objects of a bucket, in any store that speaks S3. Processes on several machines need share nothing else."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from importlib.util import find_spec
from typing import Any, Self
from urllib.parse import urlsplit

from tollhouse import logs
from tollhouse.domain.errors import ContentMissing, InvalidSetting, Unavailable
from tollhouse.settings import Settings

PART = 8 * 1024 * 1024
"""What is sent at once, and held until it is: a store takes 10,000 parts of 5 MB or more."""
BLOCK = 1024 * 1024
BLOCKS = 8
"""What is read at once, and how many of these an open blob keeps: lines are read one after another, by many threads."""
CONNECT_SECONDS, READ_SECONDS, ATTEMPTS = 5, 30, 4
MOST_CONNECTIONS = 64


def check_installed(setting: str) -> None:
    """Raise InvalidSetting, which names the setting that has a bucket, where the library is missing."""
    if find_spec("boto3") is None:
        raise InvalidSetting(
            f"{setting} names a bucket, and the package boto3 is missing: install tollhouse[s3].", param=setting
        )


def connect(endpoint: str, region: str, access_key_id: str, secret_access_key: str) -> Any:
    """A client, which threads may share. Without an endpoint it is Amazon's own store; without keys, what the machine
    was given counts. Nobody is asked yet.
    """
    import boto3
    from botocore.config import Config

    # A session of its own: the one that the library shares is not for several threads.
    return boto3.Session().client(
        "s3",
        endpoint_url=endpoint or None,
        region_name=region,
        aws_access_key_id=access_key_id or None,
        aws_secret_access_key=secret_access_key or None,
        config=Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            max_pool_connections=MOST_CONNECTIONS,
            # Other stores do not know Amazon's newer check sums, and often have no name for each bucket.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": "path" if endpoint else "auto"},
        ),
    )


class S3Blobs:
    """The Blobs port. An object appears when its last part is there, and not before. What is deeper in the bucket than
    the prefix says, behind a further slash, belongs to others.
    """

    def __init__(self, connect: Callable[[], Any], bucket: str, prefix: str = "") -> None:
        """`connect` makes the client, once and when it is first needed: its library takes a while to load."""
        self._connect = connect
        self._client: Any = None
        self._connecting = threading.Lock()
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    @classmethod
    def at(cls, url: str, settings: Settings) -> Self:
        """At s3://bucket/prefix, of the store that the settings name. Its library must be installed."""
        keys = settings.s3_access_key_id, settings.s3_secret_access_key
        where = urlsplit(url)
        return cls(lambda: connect(settings.s3_endpoint, settings.s3_region, *keys), where.netloc, where.path)

    def close(self) -> None:
        """End its connections. Only for who has one for a while."""
        if self._client is not None:
            self._client.close()

    @property
    def _store(self) -> Any:
        with self._connecting:
            if self._client is None:
                self._client = self._connect()
            return self._client

    def create(self, id: str) -> "NewObject":
        return NewObject(self._store, self._bucket, self._prefix + id)

    def open(self, id: str) -> "OpenObject":
        where = {"Bucket": self._bucket, "Key": self._prefix + id}
        with _readable():
            size = self._store.head_object(**where)["ContentLength"]
        return OpenObject(self._store, where, size)

    def delete(self, id: str) -> None:
        key = self._prefix + id
        try:
            self._store.delete_object(Bucket=self._bucket, Key=key)
            for upload in self._uploads(key):
                self._store.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload["UploadId"])
        except Exception as error:  # noqa: BLE001 - it is looked for again, as one that belongs to nothing
            logs.event("blob_not_deleted", level=logs.ERROR, blob=id, error=error)

    def old(self, seconds: float) -> Iterator[str]:
        before = time.time() - seconds
        with _readable():
            for key, at in self._all():
                id = key.removeprefix(self._prefix)
                if "/" not in id and at.timestamp() < before:
                    yield id

    def _all(self) -> Iterator[tuple[str, datetime]]:
        """Whole and begun, with when that was."""
        pages = self._store.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
        for page in pages:
            for one in page.get("Contents", ()):
                yield one["Key"], one["LastModified"]
        for one in self._uploads(self._prefix):
            yield one["Key"], one["Initiated"]

    def _uploads(self, prefix: str) -> Iterator[Any]:
        """Those that nobody has completed."""
        pages = self._store.get_paginator("list_multipart_uploads").paginate(Bucket=self._bucket, Prefix=prefix)
        for page in pages:
            yield from page.get("Uploads", ())


class NewObject:
    """Sent in parts, so that its length takes no memory; what is short goes at once."""

    def __init__(self, store: Any, bucket: str, key: str) -> None:
        self._store = store
        self._where = {"Bucket": bucket, "Key": key}
        self._rest = bytearray()
        self._upload: dict[str, str] = {}
        self._parts: list[dict[str, Any]] = []
        self._open = True

    def write(self, data: bytes) -> None:
        self._rest += data
        while len(self._rest) >= PART:
            with _writable():
                self._send(bytes(self._rest[:PART]))
            del self._rest[:PART]

    def keep(self) -> None:
        with _writable():
            if not self._upload:
                self._store.put_object(**self._where, Body=bytes(self._rest))
            else:
                if self._rest:
                    self._send(bytes(self._rest))
                whole = {"Parts": self._parts}
                self._store.complete_multipart_upload(**self._where, **self._upload, MultipartUpload=whole)
        self._upload = {}

    def close(self) -> None:
        if self._open:
            self._open = False
            self._rest.clear()
            if self._upload:
                with suppress(Exception):  # what is left of it is old some day
                    self._store.abort_multipart_upload(**self._where, **self._upload)

    def _send(self, part: bytes) -> None:
        if not self._upload:
            self._upload = {"UploadId": self._store.create_multipart_upload(**self._where)["UploadId"]}
        number = len(self._parts) + 1
        sent = self._store.upload_part(**self._where, **self._upload, PartNumber=number, Body=part)
        self._parts.append({"PartNumber": number, "ETag": sent["ETag"]})


class OpenObject:
    """Read by blocks, of which the last few are kept."""

    def __init__(self, store: Any, where: dict[str, str], size: int) -> None:
        self._store = store
        self._where = where
        self._size = size
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, start: int, size: int) -> bytes:
        end = min(start + size, self._size)
        parts = []
        while start < end:
            number = start // BLOCK
            piece = self._block(number)[start - number * BLOCK : end - number * BLOCK]
            parts.append(piece)
            start += len(piece)
        return b"".join(parts)

    def close(self) -> None:
        self._blocks.clear()

    def _block(self, number: int) -> bytes:
        # Whoever else wants a block waits: it is mostly the same one.
        with self._lock:
            block = self._blocks.pop(number, None)
            if block is None:
                block = self._fetch(number)
            self._blocks[number] = block
            if len(self._blocks) > BLOCKS:
                self._blocks.popitem(last=False)
            return block

    def _fetch(self, number: int) -> bytes:
        first = number * BLOCK
        last = min(first + BLOCK, self._size) - 1
        with _readable():
            block: bytes = self._store.get_object(**self._where, Range=f"bytes={first}-{last}")["Body"].read()
        if len(block) != last - first + 1:
            raise Unavailable("The content of this file cannot be read.")
        return block


@contextmanager
def _writable() -> Iterator[None]:
    yield from _told("file_not_kept", "The store of this gateway's files does not take this one. Try again later.")


@contextmanager
def _readable() -> Iterator[None]:
    yield from _told("file_unreadable", "The content of this file cannot be read.")


def _told(event: str, message: str) -> Iterator[None]:
    """What the library raises, as one of ours: it has errors of the store, of the network and of its own."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        logs.event(event, level=logs.ERROR, error=error)
        answer = getattr(error, "response", {}).get("ResponseMetadata", {})
        raise (ContentMissing if answer.get("HTTPStatusCode") == 404 else Unavailable)(message) from error
