"""A collector that takes traces and forgets them: what it costs to send them is the gateway's, the rest is not.

Run as a program, with the port to listen on.
"""

import socket
import sys
import threading
from pathlib import Path

from bench.processes import Child

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"


class Collector:
    """A running one, at `url`. Stop it."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.child = Child(
            "collector", [sys.executable, Path(__file__), str(port)], folder, {"PYTHONPATH": str(Path.cwd())}
        )
        self.child.wait_until(lambda: _answers(port), "listen")

    def stop(self) -> None:
        self.child.stop()


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1):
            return True
    except OSError:
        return False


def _serve(client: socket.socket) -> None:
    """As little as an answer takes: it is on the same processors."""
    buffer = bytearray()
    with client:
        while True:
            while (end := buffer.find(b"\r\n\r\n")) < 0:
                if not (piece := client.recv(65_536)):
                    return
                buffer += piece
            head = bytes(buffer[:end]).lower()
            length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
            left = length - (len(buffer) - end - 4)
            while left > 0:
                if not (piece := client.recv(min(left, 1 << 20))):
                    return
                left -= len(piece)
            buffer.clear()
            client.sendall(ANSWER)


def main() -> None:
    with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as server:
        while True:
            client, _ = server.accept()
            threading.Thread(target=_serve, args=(client,), daemon=True).start()


if __name__ == "__main__":
    main()
