"""nginx, twice: as the upstream that answers all, and as a plain reverse proxy, the limit of what one can reach."""

import http.client
from pathlib import Path
from string import Template

from bench.conversation import completion_body
from bench.processes import Child, free_port
from bench.tools import tool

CONF = Template((Path(__file__).parent / "nginx.conf").read_text(encoding="utf-8"))

UPSTREAM = """
    server {
        listen 127.0.0.1:%(port)d;
        location = /v1/chat/completions { return 200 '%(completion)s'; }
        location = /v1/models { return 200 '{"object":"list","data":[]}'; }
    }
"""

PROXY = """
    upstream provider {
        server 127.0.0.1:%(upstream)d;
        keepalive 256;
        keepalive_requests 1000000000;
    }
    server {
        listen 127.0.0.1:%(port)d;
        location / {
            proxy_pass http://provider;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }
    }
"""


class Nginx:
    """One nginx of one process. Stop it."""

    def __init__(self, name: str, folder: Path, server: str, port: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        conf = folder / "nginx.conf"
        # Only our two names are put in: nginx has dollar signs of its own.
        conf.write_text(CONF.safe_substitute(FOLDER=str(folder), HTTP=server), encoding="utf-8")
        self.port = port
        self.child = Child(name, [tool("nginx"), "-c", conf, "-e", folder / "nginx-error.log"], folder)
        self.child.wait_until(lambda: answers(port, "/v1/models"), "answer")


def upstream(folder: Path) -> Nginx:
    """The provider that everyone calls: each call gets the same completion."""
    completion = completion_body().decode()
    if "'" in completion or "$" in completion:
        raise ValueError("the completion must have no quote and no dollar sign: it stands in nginx's configuration")
    port = free_port()
    return Nginx("upstream", folder, UPSTREAM % {"port": port, "completion": completion}, port)


def proxy(folder: Path, upstream_port: int) -> Nginx:
    port = free_port()
    return Nginx("nginx", folder, PROXY % {"port": port, "upstream": upstream_port}, port)


def answers(port: int, path: str) -> bool:
    """Whether GET is answered with 200 there."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
