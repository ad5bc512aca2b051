#!/usr/bin/env python3
"""Load for culvert-server --rooms: `rooms_load.py PORT ROOMS ROUNDS [PROCESSES]`.

Each process opens its share of ROOMS, two WebSockets a room, then sends ROUNDS messages in each,
one after the other in flight per process, and prints the time of a relay. Prints one JSON object.
"""
import json
import multiprocessing
import os
import pathlib
import resource
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from tests.interop.peer import ws  # noqa: E402

TEXT = 1


def say(end, **message):
    end.send(TEXT, json.dumps(message).encode())


def work(port, first, count, rounds, barrier, out):
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, soft))
    pairs = []
    for n in range(first, first + count):
        pair = [ws.dial("127.0.0.1", port, (), "/ws", 60)[0] for _ in "ab"]
        for end, name in zip(pair, "ab"):
            say(end, cmd="register", roomid=f"room{n}", clientid=name)
        pairs.append(pair)
    barrier.wait()  # all are connected
    times = []
    for _ in range(rounds):
        for a, b in pairs:
            start = time.perf_counter()
            say(a, cmd="send", msg="x" * 300)
            assert len(json.loads(b.receive().payload)["msg"]) == 300
            times.append(time.perf_counter() - start)
    barrier.wait()  # all are still connected
    out.put(times)
    barrier.wait()


def main():
    port, rooms, rounds = map(int, sys.argv[1:4])
    processes = int(sys.argv[4]) if len(sys.argv) > 4 else 2
    pid = int(os.environ.get("SERVER_PID", 0))
    barrier, out = multiprocessing.Barrier(processes + 1), multiprocessing.Queue()
    share = rooms // processes
    children = [
        multiprocessing.Process(
            target=work, args=(port, n * share, share, rounds, barrier, out), daemon=True
        )
        for n in range(processes)
    ]
    for child in children:
        child.start()
    barrier.wait(300)
    barrier.wait(300)
    rss = 0
    if pid:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        rss = int(status.split("VmRSS:")[1].split()[0]) * 1024
    times = sorted(time for _ in children for time in out.get(timeout=60))
    barrier.wait(60)
    pick = lambda part: round(times[int(part * (len(times) - 1))] * 1000, 3)  # noqa: E731
    print(json.dumps({
        "rooms": share * processes, "websockets": 2 * share * processes, "messages": len(times),
        "p50_ms": pick(0.5), "p99_ms": pick(0.99), "max_ms": pick(1), "server_rss": rss,
    }))


if __name__ == "__main__":
    main()
