"""nginx as a plain reverse proxy: the limit."""

from bench.contestants import Contestant, Surroundings
from bench.nginx import proxy


class ReverseProxy:
    label = "nginx, a plain reverse proxy"

    def __init__(self, given: Surroundings) -> None:
        nginx = proxy(given.folder / "nginx", given.upstream_port)
        self.port = nginx.port
        self.headers: dict[str, str] = {}
        self.child = nginx.child
        self.databases = ()

    def audit(self, calls: int) -> None:
        """It keeps no account."""

    def stop(self) -> None:
        self.child.stop()


def start(given: Surroundings) -> Contestant:
    return ReverseProxy(given)
