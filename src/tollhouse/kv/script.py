"""One script on one connection to Redis, without what a client of all commands spends on each of them."""

import hashlib
import time
from importlib.resources import files

from redis import RedisError
from redis.exceptions import NoScriptError, TimeoutError

from tollhouse.kv.connection import connect

RESTED_SECONDS = 1.0
"""After such a rest the server may have closed the connection, or may be another one."""

LAST_LOOK_SECONDS = 0.01


class Script:
    """For one thread. Every failure is a RedisError, and it is then unknown whether the script ran."""

    def __init__(self, url: str, name: str) -> None:
        self._source = files("tollhouse.kv").joinpath(name).read_bytes()
        self._digest = hashlib.sha1(self._source, usedforsecurity=False).hexdigest()
        self._connection = connect(url).connection_pool.make_connection()
        self._used_at = 0.0

    def run(self, key: str, *arguments: bytes | int) -> bytes:
        """What it returns, a string. The server must answer within a quarter of a second."""
        connection = self._connection
        try:
            if time.monotonic() - self._used_at > RESTED_SECONDS and connection.can_read(0):
                self.close()
            try:
                answer = self._call("EVALSHA", self._digest, key, arguments)
            except NoScriptError:
                answer = self._call("EVAL", self._source, key, arguments)
        except BaseException:
            self.close()  # an answer that comes late must not be taken for the next one
            raise
        self._used_at = time.monotonic()
        if not isinstance(answer, bytes):
            raise RedisError("the script's answer is no string")
        return answer

    def close(self) -> None:
        """Let go of the connection. The next run connects anew."""
        self._connection.disconnect()  # type: ignore[no-untyped-call]

    def _call(self, command: str, script: bytes | str, key: str, arguments: tuple[bytes | int, ...]) -> object:
        connection = self._connection
        connection.send_command(command, script, 1, key, *arguments)  # type: ignore[no-untyped-call]
        try:
            return connection.read_response(disable_decoding=True, disconnect_on_error=False)
        except TimeoutError:
            # Where this process itself stood still for so long, the answer is there: a loop sees to its timers first.
            return connection.read_response(disable_decoding=True, timeout=LAST_LOOK_SECONDS)
