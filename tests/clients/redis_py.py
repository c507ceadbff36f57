"""redis-py, blocking and asyncio; its version is that of the folder on PYTHONPATH."""

import asyncio
import sys
import time

import redis
import redis.asyncio

HOST, PORT, SERVERS = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])


def basics(client):
    binary = bytes(range(256))
    assert client.set("py:binary", binary)
    assert client.get("py:binary") == binary
    assert client.get("py:absent") is None
    assert client.ping()
    assert client.mset({f"py:{n}": n for n in range(50)})
    assert client.mget([f"py:{n}" for n in range(50)]) == [b"%d" % n for n in range(50)]
    assert client.hset("py:hash", mapping={"a": "1", "b": "2"}) >= 0
    assert client.hgetall("py:hash") == {b"a": b"1", b"b": b"2"}
    assert client.delete("py:zset") in (0, 1)
    assert client.zadd("py:zset", {"a": 1.5}) == 1
    assert client.zscore("py:zset", "a") == 1.5


def pipelines(client):
    pipe = client.pipeline(transaction=False)
    for n in range(500):
        pipe.set(f"py:p{n}", n).get(f"py:p{n}")
    results = pipe.execute()
    assert results == [it for n in range(500) for it in (True, b"%d" % n)], results[:10]


def errors(client):
    client.delete("py:list")
    client.rpush("py:list", "x")
    for call, part in [
        (lambda: client.incr("py:list"), "WRONGTYPE"),
        (lambda: client.execute_command("NONSENSE", "a"), "unknown command"),
        (lambda: client.execute_command("GET"), "wrong number of arguments"),
    ]:
        try:
            call()
        except redis.ResponseError as error:
            assert part in str(error), error
        else:
            raise AssertionError(part)
        assert client.llen("py:list") == 1
    pipe = client.pipeline(transaction=False)
    pipe.set("py:a", 1).incr("py:list").get("py:a")
    first, second, third = pipe.execute(raise_on_error=False)
    assert first and isinstance(second, redis.ResponseError) and third == b"1"


def one_server(client):
    pipe = client.pipeline(transaction=True)
    pipe.watch("py:a")
    pipe.multi()
    pipe.set("py:a", 5).incr("py:a")
    assert pipe.execute() == [True, 6]
    client.rpush("py:queue", "x")
    assert client.blpop(["py:queue"], timeout=1) == (b"py:queue", b"x")
    assert client.blpop(["py:queue"], timeout=0.1) is None
    subscription = client.pubsub()
    subscription.subscribe("py:channel")
    assert subscription.get_message(timeout=5)["type"] == "subscribe"
    assert client.publish("py:channel", "hello") == 1
    assert subscription.get_message(timeout=5)["data"] == b"hello"
    subscription.close()
    assert client.eval("return {KEYS[1], ARGV[1]}", 1, "k", "v") == [b"k", b"v"]
    assert b"py:a" in list(client.scan_iter("py:*"))
    client.xadd("py:stream", {"f": "v"})
    entries = client.xread({"py:stream": "0"})
    assert entries, entries


async def asynchronously():
    client = redis.asyncio.Redis(host=HOST, port=PORT)
    assert await client.set("py:async", "x")
    values = await asyncio.gather(*[client.get("py:async") for _ in range(20)])
    assert values == [b"x"] * 20
    async with client.pipeline(transaction=False) as pipe:
        for n in range(50):
            pipe.set(f"py:p{n}", n).get(f"py:p{n}")
        assert (await pipe.execute())[1::2] == [b"%d" % n for n in range(50)]
    await client.aclose()


def wait_good(client):
    for _ in range(2000):
        try:
            if client.set("py:back", "x") and client.get("py:back") == b"x":
                return
        except redis.RedisError:
            time.sleep(0.01)
    raise AssertionError("not back")


client = redis.Redis(host=HOST, port=PORT)
basics(client)
pipelines(client)
errors(client)
named = redis.Redis(host=HOST, port=PORT, client_name="named", decode_responses=True)
assert named.client_getname() == "named"
assert named.set("py:text", "é") and named.get("py:text") == "é"
if SERVERS == 1:
    one_server(client)
asyncio.run(asynchronously())
print("ready", flush=True)
for _ in sys.stdin:
    wait_good(client)
    print("back", flush=True)
