#!/usr/bin/env python3
"""A directory against the full mesh: the same servers and agents, once each; see --help.

Of both: what agents that join cost in messages, bytes and CPU, what a server holds in memory, and
how long it takes until every server reaches a new agent.
"""

import contextlib
import http.client
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import threading
import time

from bed import Neighbours, build_load, quiet_or_not, say
from measures import Held, Load, MeasureError
from procs import Process, free_port, rss_kib, run_seconds
from report import as_table
from script import heading, keep, new_parser, require, run

PATIENCE_S = 60.0
REST_S = 10.0
TOKEN = "bench-directory-token"
COLUMNS = ("what", "mesh", "directory")


class Redis:
    """A redis-server on a unix socket."""

    def __init__(self, folder):
        self.path = folder / "redis.sock"
        self.process = Process(
            ["redis-server", "--port", "0", "--unixsocket", str(self.path), "--save", "",
             "--dir", str(folder)], folder / "redis.log")
        until(self.path.exists, "Redis")

    def info(self):
        done = subprocess.run(["redis-cli", "-s", self.path, "INFO"], capture_output=True,
                              text=True, check=True)
        rows = (line.split(":", 1) for line in done.stdout.splitlines() if ":" in line)
        return dict(rows)


class Server:
    def __init__(self, index, folder, arguments, flags):
        self.front, self.admin, self.folder = free_port(), free_port(), folder
        self.flags, self.program = flags, arguments.bin / "culvert-server"
        self.id, self.process = f"s{index}", None

    @property
    def url(self):
        return f"ws://127.0.0.1:{self.front}/connect"

    def start(self, servers):
        argv = [str(self.program), "--listen", f"127.0.0.1:{self.front}", "--insecure-no-auth",
                "--admin", f"127.0.0.1:{self.admin}", "--peer-id", self.id, "--log-level", "warn",
                *self.flags(self, servers)]
        self.process = Process(argv, self.folder / f"{self.id}.log")

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.admin, timeout=PATIENCE_S)
        with contextlib.closing(connection):
            connection.request("GET", path)
            return connection.getresponse().read().decode()

    def metrics(self):
        rows = (line.rsplit(" ", 1) for line in self.get("/metrics").splitlines() if line[0] != "#")
        return {name: float(value) for name, value in rows}


def until(condition, what):
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if condition():
                return
        time.sleep(0.02)
    raise MeasureError(f"{what}: not seen in {PATIENCE_S:.0f} s")


def mesh_flags(server, servers):
    """Everybody knows everybody."""
    flags = ["--peer-token", f"t-{server.id}"]
    for other in servers:
        if other is not server:
            flags += ["--peer", f"{other.id}:t-{other.id}:{other.url}"]
    return flags


def directory_flags(redis, token):
    return lambda server, servers: [
        "--directory", f"unix:{redis.path}", "--directory-url", server.url,
        "--directory-peer-token-file", str(token)]


def between(servers):
    """(connections, bytes) from server to server, as the kernel counted them."""
    pids = {str(server.process.pid) for server in servers}
    fronts = {str(server.front) for server in servers}
    done = subprocess.run(["ss", "-tinpHO", "state", "established"], capture_output=True, text=True,
                          check=True)
    links = total = 0
    for line in done.stdout.splitlines():
        fields = line.split()
        if fields[3].rsplit(":", 1)[1] not in fronts:
            continue
        if not any(f"pid={pid}," in line for pid in pids):
            continue
        links += 1
        counts = dict(f.split(":", 1) for f in fields if f.startswith(("bytes_acked:",
                                                                       "bytes_received:")))
        total += sum(int(value) for value in counts.values())
    return links, total


def reach(server, key, began, found):
    """Asks @server for @key until it is there."""
    connection = http.client.HTTPConnection("127.0.0.1", server.front, timeout=PATIENCE_S)
    with contextlib.closing(connection):
        while time.monotonic() - began < PATIENCE_S:
            connection.request("GET", f"/client/{key}/http/culvert.files:80/")
            answer = connection.getresponse()
            answer.read()
            if answer.status == 200:
                found.append(time.monotonic() - began)
                return
            time.sleep(0.01)


def new_agents(servers, arguments, folder):
    """Seconds from a new agent's session until each server reaches it."""
    found = []
    for sample in range(arguments.samples):
        server = servers[sample % len(servers)]
        key, log = f"new-{sample}", folder / f"new-{sample}.log"
        agent = Process([str(arguments.bin / "culvert-agent"), "--connect", server.url, "--id", key,
                         "--serve", str(folder)], log)
        until(lambda: "session up" in log.read_text(), "a new agent")
        began = time.monotonic()
        threads = [threading.Thread(target=reach, args=(s, key, began, found)) for s in servers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        agent.stop()
    return sorted(found)


def total(servers, name):
    """Of all servers and labels."""
    return sum(value for server in servers for row, value in server.metrics().items()
               if row == name or row.startswith(name + "{"))


def all_known(servers, arguments):
    """Whether every server can know every agent."""
    if servers[0].flags is mesh_flags:
        wanted = arguments.agents * (len(servers) - 1)
        return total(servers, "culvert_peer_clients") == wanted * 1.0
    return total(servers, "culvert_directory_published_total") >= arguments.agents and \
        total(servers, "culvert_directory_unpublished") == 0


def settled(servers):
    """Whether all servers see each other."""
    if servers[0].flags is mesh_flags:
        return between(servers)[0] == len(servers) * (len(servers) - 1)
    return total(servers, "culvert_directory_members") == len(servers) ** 2


def spread(arguments, folder, servers, stack):
    """As many agents at each server."""
    each = arguments.agents // len(servers)
    load = Load(build_load(), 1, 1)
    for index, server in enumerate(servers):
        stack.enter_context(Held(load, "agents", "--port", server.front, "--conns", each,
                                 "--first", index * each))


def measure(kind, arguments):
    """One kind's figures."""
    figures = {}
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        token = folder / "token"
        token.touch(0o600)
        token.write_text(TOKEN)
        redis = Redis(folder) if kind == "directory" else None
        flags = directory_flags(redis, token) if redis else mesh_flags
        servers = [Server(i, folder, arguments, flags) for i in range(arguments.servers)]
        if redis:
            stack.callback(redis.process.stop)
        for server in servers:
            server.start(servers)
            stack.callback(server.process.stop)
        until(lambda: settled(servers), "all servers")
        rest = statistics.mean(rss_kib(server.process.pid) for server in servers)
        spent = sum(run_seconds(server.process.pid) for server in servers)
        before = redis.info() if redis else {}
        frames = total(servers, 'culvert_frames_total{direction="in"}')
        sent = between(servers)[1]
        spread(arguments, folder, servers, stack)
        until(lambda: all_known(servers, arguments), "all agents")
        spent = sum(run_seconds(server.process.pid) for server in servers) - spent
        figures["links after joining"], after = between(servers)
        figures["MiB from server to server"] = (after - sent) / 2**20
        figures["announcements"] = total(servers, 'culvert_frames_total{direction="in"}') - frames
        figures["servers' CPU seconds"] = spent
        if redis:
            info = redis.info()
            figures["Redis: commands"] = _grown(info, before, "total_commands_processed")
            figures["Redis: MiB in and out"] = (
                _grown(info, before, "total_net_input_bytes") +
                _grown(info, before, "total_net_output_bytes")) / 2**20
            figures["Redis: KiB an agent"] = _grown(info, before, "used_memory") / 2**10 / (
                arguments.agents)
        figures["KiB a server, before"] = rest
        figures["KiB a server, more with them"] = statistics.mean(
            rss_kib(server.process.pid) for server in servers) - rest
        at_rest(figures, servers, redis)
        times = new_agents(servers, arguments, folder)
        figures["new agent reached, p50 ms"] = 1e3 * times[len(times) // 2]
        figures["new agent reached, p99 ms"] = 1e3 * times[int(len(times) * 0.99)]
        figures["not reached"] = arguments.samples * len(servers) - len(times)
        figures["links after the dials"] = between(servers)[0]
        figures["lookups"] = total(servers, "culvert_directory_lookups_total")
    return figures


def at_rest(figures, servers, redis):
    """What it costs that nothing happens."""
    before = redis.info() if redis else {}
    spent, sent = sum(run_seconds(s.process.pid) for s in servers), between(servers)[1]
    time.sleep(REST_S)
    spent = sum(run_seconds(s.process.pid) for s in servers) - spent
    figures["at rest: servers' CPU ms/s"] = 1e3 * spent / REST_S
    figures["at rest: bytes/s between servers"] = (between(servers)[1] - sent) / REST_S
    if redis:
        figures["at rest: Redis commands/s"] = _grown(
            redis.info(), before, "total_commands_processed") / REST_S


def _grown(after, before, name):
    return float(after[name]) - float(before[name])


def _shown(value):
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.2f}"


def table(found):
    names = list(dict.fromkeys(name for figures in found.values() for name in figures))
    rows = [[name, *(_shown(found[kind][name]) if name in found[kind] else ""
                     for kind in found)] for name in names]
    return "\n".join(as_table(list(COLUMNS), rows))


def parse_arguments(argv):
    parser = new_parser(__doc__)
    parser.add_argument("--servers", type=int, default=20)
    parser.add_argument("--agents", type=int, default=2000)
    parser.add_argument("--samples", type=int, default=20, help="new agents that are timed")
    return parser.parse_args(argv)


def main(argv):
    arguments = parse_arguments(argv)
    require(*(f"no {program}: tools/install-deps bench" for program in ("redis-server", "ss")
              if not shutil.which(program)))
    head = heading(arguments)
    neighbours = Neighbours()
    found = {kind: measure(kind, arguments) for kind in ("mesh", "directory")}
    print(f"{arguments.servers} servers, {arguments.agents:,} agents\n\n{table(found)}")
    say(quiet_or_not(neighbours.share()))
    keep({**head, "servers": arguments.servers, "agents": arguments.agents, "figures": found})
    return 0


if __name__ == "__main__":
    run(main)
