"""A store that speaks S3, on this machine, with one bucket. All of one process have their content in common."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from moto.server import ThreadedMotoServer

from tollhouse.store.s3_blobs import connect


@dataclass(frozen=True, slots=True)
class S3Server:
    """`stop` it."""

    server: ThreadedMotoServer
    endpoint: str
    bucket: str

    def client(self) -> Any:
        return connect(self.endpoint, "us-east-1", "who", "secret")

    def stop(self) -> None:
        self.server.stop()


def start_s3() -> S3Server:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    started = S3Server(server, f"http://{host}:{port}", f"files-{uuid4().hex}")
    started.client().create_bucket(Bucket=started.bucket)
    return started
