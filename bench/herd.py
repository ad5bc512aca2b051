#!/usr/bin/env python3
"""All agents lose their server at once, and come back; see --help.

The server is killed and started again at its address. Agents come by the rule of the product: the
first try within 0.5 s, then full jitter below a bound that doubles. It fails when they are not all
back in time. Besides: how long a visitor waits whose agent was frozen while its twin is well.
"""

import signal
import socket
import statistics
import threading
import time

from bed import bed, say
from measures import Held, MeasureError
from procs import Process, free_port, open_files, rss_kib
from report import as_table, number
from script import heading, keep, new_parser, run

AGENTS = 5000
AGENTS_MAX = 16384
PATIENCE_S = 60.0
LOOK_EVERY_S = 0.05
TAKEOVERS = 5
START_PATIENCE_S = 10.0
VISITOR_PATIENCE_S = 20.0
KIB_PER_MB = 1e6 / 1024


def parse_arguments(argv):
    parser = new_parser(__doc__)
    parser.add_argument("--agents", type=int, default=AGENTS, help=f"agents (default {AGENTS})")
    parser.add_argument("--patience", type=float, default=PATIENCE_S,
                        help=f"seconds until all must be back (default {PATIENCE_S:g})")
    parser.add_argument("--takeovers", type=int, default=TAKEOVERS,
                        help=f"agents frozen, of which the median is shown (default {TAKEOVERS})")
    arguments = parser.parse_args(argv)
    if not 1 <= arguments.agents <= AGENTS_MAX or arguments.takeovers < 1:
        parser.error(f"--agents takes 1 to {AGENTS_MAX}, and --takeovers at least 1")
    return arguments


def wait_until(condition, what, patience=START_PATIENCE_S):
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            raise MeasureError(f"{what}: not in {patience:g} s")
        time.sleep(LOOK_EVERY_S)


def log_of(process):
    return process.log.read_text(encoding="utf-8", errors="replace")


def start_server(arguments, folder, port, *flags):
    """One that listens at @port."""
    argv = [str(arguments.bin / "culvert-server"), "--insecure-no-auth", "--listen",
            f"127.0.0.1:{port}", *map(str, flags)]
    server = Process(argv, folder / f"server-{time.monotonic_ns()}.log")
    wait_until(lambda: "front door at" in log_of(server) or not server.alive(), "the server")
    if not server.alive():
        raise MeasureError(f"the server: {server.last_words()}")
    return server


class Peak:
    """The most memory and descriptors that a process had while the `with` block ran."""

    def __init__(self, process):
        self.pid = process.pid
        self.kib = self.files = 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._look, daemon=True)

    def _look(self):
        while not self.over.wait(LOOK_EVERY_S):
            self.kib = max(self.kib, rss_kib(self.pid))
            self.files = max(self.files, open_files(self.pid))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *trace):
        self.over.set()
        self.thread.join()


def stampede(arguments, load, folder):
    """What it takes until all are back."""
    port = free_port()
    flags = ("--max-sessions", arguments.agents)
    server = start_server(arguments, folder, port, *flags)
    try:
        with Held(load, "herd", "--port", port, "--conns", arguments.agents) as herd:
            server.popen.kill()
            server.popen.wait()
            server = start_server(arguments, folder, port, *flags)
            with Peak(server) as peak:
                found = herd.next_report(arguments.patience)
    finally:
        server.stop()
    return {**found, "rss_mb": peak.kib / KIB_PER_MB, "open_files": peak.files}


def visit(port):
    """Seconds until a visitor has its first byte."""
    start = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), VISITOR_PATIENCE_S) as sock:
        sock.sendall(b"ECHO\nx")
        if sock.recv(1) != b"x":
            raise MeasureError("a visitor was sent away")
    return time.monotonic() - start


def takeover(arguments, load, folder):
    """The first visitor's seconds, and the next one's, when the newer of two agents is frozen."""
    port, forward = free_port(), free_port()
    rule = f"127.0.0.1:{forward}=foo/127.0.0.1:{load.target_port}"
    processes = [start_server(arguments, folder, port, "--forward", rule)]
    try:
        for count in (1, 2):
            processes.append(Process(
                [str(arguments.bin / "culvert-agent"), "--connect",
                 f"ws://127.0.0.1:{port}/connect", "--id", "foo"],
                folder / f"agent-{time.monotonic_ns()}.log"))
            wait_until(lambda count=count: log_of(processes[0]).count(" up from ") == count,
                       "an agent")
        visit(forward)
        processes[-1].popen.send_signal(signal.SIGSTOP)
        return visit(forward), visit(forward)
    finally:
        processes[-1].popen.send_signal(signal.SIGCONT)
        for process in reversed(processes):
            process.stop()


def measure(arguments):
    with bed(1.0) as (load, folder):
        herd = stampede(arguments, load, folder)
        say(f"{arguments.agents} agents: back")
        times = [takeover(arguments, load, folder) for _ in range(arguments.takeovers)]
    first, next_one = (statistics.median(column) for column in zip(*times))
    return herd, {"first_s": first, "first_most_s": max(row[0] for row in times),
                  "next_s": next_one}


def table(arguments, herd, frozen):
    rows = [[str(arguments.agents), *(number(herd[name]) for name in (
        "seconds", "peak", "tries", "refused", "failed", "rss_mb", "open_files")), ""]]
    lines = as_table(["agents", "s", "peak/s", "tries", "refused", "failed", "MB", "files", ""],
                     rows)
    return [*lines,
            "s: from the kill -9 until all were back; peak/s: answers in the busiest second;",
            "refused: answers that were not 101; failed: tries without an answer; MB, files: the",
            "most that the server held.",
            "",
            f"a frozen agent: its first visitor waited {1e3 * frozen['first_s']:.0f} ms for a twin "
            f"(at most {1e3 * frozen['first_most_s']:.0f}), the next one "
            f"{1e3 * frozen['next_s']:.1f} ms"]


def main(argv):
    arguments = parse_arguments(argv)
    head = heading(arguments)
    herd, frozen = measure(arguments)
    print("\n".join(table(arguments, herd, frozen)))
    keep({**head, "agents": arguments.agents, "herd": herd, "takeover": frozen})
    return 0


if __name__ == "__main__":
    run(main)
