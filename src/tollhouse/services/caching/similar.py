"""Replies to what was asked in other words: found by how similar the vectors of the two texts are.

Only the last turn may differ. Calls that are alike in all the rest share a bucket, which the cache keeps as it keeps
replies; in it is a record for each question, with the key of what was answered.
"""

import re
import time
from collections.abc import Sequence
from hashlib import blake2b

from tollhouse.domain.caching import Similarity
from tollhouse.domain.ports import Outside, ReplyCache
from tollhouse.services.caching.asked import Asked
from tollhouse.services.caching.embedding import Embedding, Embeddings
from tollhouse.services.caching.vectors import Neighbour
from tollhouse.wire.last_turn import last_turn

LONGEST_TEXT = 8192
"""Characters of a question that is compared: longer ones are alike in too much that is not the question."""
MOST_IN_BUCKET = 256
MOST_TRIED = 4
"""Replies that are looked up for one question."""
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
"""To a model of language 17 and 18 are much the same."""


class Question:
    """What a call asks. `rest` is a digest of all that must be the same."""

    def __init__(self, kept: ReplyCache, wish: Similarity, rest: str, embedding: Embedding) -> None:
        self._kept = kept
        self._wish = wish
        self._rest = rest
        self._embedding = embedding

    def neighbours(self, seconds: int) -> Sequence[Neighbour]:
        """Questions that are similar enough, whose replies were made in the last `seconds`: the most similar first."""
        vector = self._embedding.vector
        bucket = self._kept.get(self._bucket) if vector is not None else None
        if vector is None or bucket is None:
            return ()
        return vector.neighbours(bucket, self._wish.least, time.time() - seconds)[:MOST_TRIED]

    def remember(self, key: str, made_at: float, seconds: int) -> None:
        """The reply to it is kept under this key. Without a vector, or before it has come, it is not remembered."""
        if (vector := self._embedding.vector) is not None:
            self._kept.append(self._bucket, vector.record(key, made_at), seconds, MOST_IN_BUCKET)

    @property
    def _bucket(self) -> str:
        """Once there is a vector: those that one model has made can be compared."""
        text = f"{self._rest} {len(self._embedding.vector or ())} {self._embedding.maker}"
        return blake2b(text.encode(), digest_size=32).hexdigest()


class Questions:
    """Those of one process's calls."""

    def __init__(self, kept: ReplyCache, embeddings: Embeddings, outside: Outside) -> None:
        """`outside` reads large bodies."""
        self._kept = kept
        self._embeddings = embeddings
        self._outside = outside

    def of(self, asked: Asked) -> Question | None:
        """Has waited for its vector, as long as one may. None where the call is not one of those that are compared."""
        wish, call = asked.route.similar, asked.call
        found = last_turn(call.format, call.body) if wish is not None else None
        if wish is None or found is None or len(found[0]) > LONGEST_TEXT:
            return None
        text, body = found
        rest = asked.key(self._outside, body, ("similar", wish.model, _NUMBER.findall(text)))
        if rest is None:
            return None
        call.course.stage("embed")
        began = time.monotonic()
        embedding = self._embeddings.ask(wish.model, call.request_id, lambda: asked.embed(wish.model, text))
        call.course.upstream += time.monotonic() - began
        return None if embedding is None else Question(self._kept, wish, rest, embedding)
