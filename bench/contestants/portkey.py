"""Portkey's gateway: it forwards, and neither authenticates nor holds nor books."""

import json

from bench import peers
from bench.contestants import Contestant, Surroundings
from bench.nginx import answers
from bench.processes import Child, free_port
from bench.tools import tool


class Portkey:
    def __init__(self, given: Surroundings) -> None:
        server = peers.portkey()
        self.label = f"Portkey {peers.portkey_version()}"
        self.port = free_port()
        config = {
            "provider": "openai",
            "api_key": "sk-upstream-0123456789",
            "custom_host": f"http://127.0.0.1:{given.upstream_port}/v1",
        }
        self.headers = {"x-portkey-config": json.dumps(config, separators=(",", ":"))}
        self.databases = ()
        command = [tool("node"), server, f"--port={self.port}", "--headless"]
        self.child = Child("portkey", command, given.folder / "portkey", {"NODE_ENV": "production"})
        self.child.wait_until(lambda: answers(self.port, "/"), "answer")

    def audit(self, calls: int) -> None:
        """It keeps no account."""

    def stop(self) -> None:
        self.child.stop()


def start(given: Surroundings) -> Contestant:
    return Portkey(given)
