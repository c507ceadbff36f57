"""valkey-glide: a client whose core is in Rust; it asks for the role of a server."""

import sys
import time

from glide_sync import GlideClient, GlideClientConfiguration, NodeAddress, Batch
from glide_sync import GlideError, RequestError

HOST, PORT, SERVERS = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])

client = GlideClient.create(GlideClientConfiguration([NodeAddress(HOST, PORT)]))
assert client.set("glide:a", "x") == "OK"
assert client.get("glide:a") == b"x"
assert client.get("glide:absent") is None
assert client.mset({f"glide:{n}": str(n) for n in range(50)}) == "OK"
assert client.mget([f"glide:{n}" for n in range(50)]) == [b"%d" % n for n in range(50)]
client.hset("glide:hash", {"a": "1"})
assert client.hgetall("glide:hash") == {b"a": b"1"}
batch = Batch(is_atomic=False)
for n in range(100):
    batch.set(f"glide:p{n}", str(n))
    batch.get(f"glide:p{n}")
assert client.exec(batch, raise_on_error=True)[1::2] == [b"%d" % n for n in range(100)]
client.delete(["glide:list"])
client.rpush("glide:list", ["x"])
for command, part in [(["INCR", "glide:list"], "WRONGTYPE"), (["NONSENSE"], "unknown command")]:
    try:
        client.custom_command(command)
    except RequestError as error:
        assert part.lower() in str(error).lower(), error
    else:
        raise AssertionError(part)
    assert client.llen("glide:list") == 1
if SERVERS == 1:
    batch = Batch(is_atomic=True)
    batch.set("glide:a", "5")
    batch.incr("glide:a")
    assert client.exec(batch, raise_on_error=True) == ["OK", 6]
print("ready", flush=True)
for _ in sys.stdin:
    for _ in range(2000):
        try:
            if client.set("glide:back", "x") == "OK":
                break
        except GlideError:
            time.sleep(0.01)
    else:
        raise AssertionError("not back")
    print("back", flush=True)
client.close()
