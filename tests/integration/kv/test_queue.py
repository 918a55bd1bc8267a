import json
import pickle
import zlib
from collections.abc import Iterator

import pytest
from redis import Redis
from rq import Queue
from rq.exceptions import NoSuchJobError
from rq.serializers import JSONSerializer

from tests.servers.valkey import ValkeyServer
from tollhouse.kv.queue import RqQueue
from tollhouse.kv.wake_up import FUNCTION, QUEUE, WakeUp

KEY = f"rq:queue:{QUEUE}"


@pytest.fixture
def redis(valkey: ValkeyServer) -> Iterator[Redis]:
    valkey.flush()
    with Redis.from_url(valkey.url) as client:
        yield client
    valkey.flush()


@pytest.fixture
def queue(valkey: ValkeyServer, redis: Redis) -> Iterator[RqQueue]:
    queue = RqQueue(valkey.url)
    yield queue
    queue.close()


def fetch(redis: Redis, id: str) -> WakeUp:
    return WakeUp.fetch(id, connection=redis, serializer=JSONSerializer)


def write_job(redis: Redis, id: str, **fields: str | bytes) -> None:
    data = zlib.compress(json.dumps([FUNCTION, None, ["roll_up_usage"], {}]).encode())
    redis.hset(f"rq:job:{id}", mapping={"data": data, "status": "queued", "origin": QUEUE, **fields})


def test_what_is_enqueued_is_perform_with_a_kind_in_json(queue: RqQueue, redis: Redis) -> None:
    assert queue.enqueue("roll_up_usage")
    (id,) = redis.lrange(KEY, 0, -1)
    stored = redis.hgetall(f"rq:job:{id.decode()}")
    assert json.loads(zlib.decompress(stored[b"data"])) == [FUNCTION, None, ["roll_up_usage"], {}]
    job = fetch(redis, id.decode())
    assert (job.func_name, job.args, job.kwargs, job.timeout) == (FUNCTION, ["roll_up_usage"], {}, -1)


def test_a_kind_that_waits_already_is_not_enqueued_again(queue: RqQueue, redis: Redis) -> None:
    assert all([queue.enqueue("roll_up_usage"), queue.enqueue("roll_up"), queue.enqueue("roll_up_usage")])
    assert [id.rpartition(b"-")[0] for id in redis.lrange(KEY, 0, -1)] == [b"roll_up_usage", b"roll_up"]


def test_a_wake_up_that_was_taken_and_lost_holds_up_no_other(queue: RqQueue, redis: Redis) -> None:
    queue.enqueue("roll_up_usage")
    taken = redis.lpop(KEY)
    assert redis.exists(f"rq:job:{taken.decode()}")
    assert queue.enqueue("roll_up_usage")
    assert redis.llen(KEY) == 1


def test_after_a_flush_it_enqueues_again(queue: RqQueue, redis: Redis, valkey: ValkeyServer) -> None:
    queue.enqueue("roll_up_usage")
    valkey.flush()
    assert queue.enqueue("roll_up_usage")
    assert redis.llen(KEY) == 1


def test_a_queue_that_redis_will_not_write_to_is_away(queue: RqQueue, redis: Redis) -> None:
    redis.set(KEY, "not a list")
    assert not queue.enqueue("roll_up_usage")
    assert queue.ping()


def test_of_a_job_in_redis_only_the_kind_and_times_are_read(redis: Redis) -> None:
    write_job(
        redis,
        "generous",
        success_callback_name="os.abort",
        failure_callback_name="os.abort",
        stopped_callback_name="os.abort",
        webhooks=json.dumps([{"url": "http://127.0.0.1:1/", "job_status": "finished"}]),
        meta=pickle.dumps("meta"),
        dependency_ids='["other"]',
        group_id="group",
        repeats_left="9",
        repeat_intervals="[1]",
        retries_left="9",
        retry_intervals="[1]",
        origin="elsewhere",
        timeout="1",
        result=pickle.dumps("result"),
        description="\x1b[2J",
    )
    job = fetch(redis, "generous")
    assert (job.success_callback, job.failure_callback, job.stopped_callback, job.webhooks) == (None, None, None, [])
    assert (job.meta, job._dependency_ids, job.group_id, job.repeats_left, job.retries_left) == (
        {},
        [],
        None,
        None,
        None,
    )
    assert (job.origin, job.timeout, job.description) == (QUEUE, -1, "roll_up_usage")


@pytest.mark.parametrize(
    "fields",
    [
        {"data": b"\x80\x04."},
        {"data": zlib.compress(b'["os.abort", null, [], {}]')},
        {"status": "bogus"},
        {"created_at": "yesterday"},
        {"started_at": b"\xff"},
        {"worker_name": b"\xff"},
    ],
)
def test_what_a_stranger_wrote_is_as_if_it_were_not_there(redis: Redis, fields: dict[str, str | bytes]) -> None:
    write_job(redis, "strange", **fields)
    with pytest.raises(NoSuchJobError):
        fetch(redis, "strange")


def test_a_hash_with_a_field_that_is_no_text_is_as_if_it_were_not_there(redis: Redis) -> None:
    write_job(redis, "strange")
    redis.hset("rq:job:strange", b"\xff", b"\xff")
    with pytest.raises(NoSuchJobError):
        fetch(redis, "strange")


@pytest.mark.parametrize("id", ["a b", "..", "é", "a\nb"])
def test_an_id_that_rq_would_not_make_is_as_if_it_were_not_there(redis: Redis, id: str) -> None:
    with pytest.raises(NoSuchJobError):
        fetch(redis, id)


def test_rqs_own_tools_can_read_the_queue(queue: RqQueue, redis: Redis) -> None:
    queue.enqueue("roll_up_usage")
    seen = Queue(QUEUE, connection=redis, serializer="json")
    assert [job.description for job in seen.get_jobs()] == ["roll_up_usage"]
