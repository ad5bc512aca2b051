"""Servers that find each other in a Redis of the test's own."""
import json
import signal
import socket
import urllib.error
import urllib.request

from . import traffic
from .lab import LabCase, wait_until

TOKEN = "the-token-that-the-servers-share"


class Redis:
    """A redis-server on a unix socket, without files, and a client of it."""

    def __init__(self, case, *flags, name="redis", acl=None):
        self.case, self.name = case, name
        self.path = str(case.dir / f"{name}.sock")
        self.flags, self.acl, self.process, self.login = flags, acl, None, None

    def start(self):
        acl = ["--aclfile", self.acl] if self.acl else []
        self.process = self.case.start(
            self.name,
            ["redis-server", "--port", "0", "--unixsocket", self.path, "--save", "",
             "--appendonly", "no", "--dir", self.case.dir, *acl, *self.flags],
        )
        self.case.addCleanup(self.process.signal, signal.SIGCONT)
        wait_until(self.answers, "Redis")
        return self

    def answers(self):
        try:
            return self.say(("PING",)) is not None
        except OSError:
            return False

    def say(self, *commands):
        """Commands on one connection: their answers."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(traffic.DEADLINE)
            sock.connect(self.path)
            with sock.makefile("rwb") as lines:
                for words in commands:
                    lines.write(b"*%d\r\n" % len(words))
                    for raw in (str(word).encode() for word in words):
                        lines.write(b"$%d\r\n%s\r\n" % (len(raw), raw))
                lines.flush()
                return [self._read(lines) for _ in commands]

    def __call__(self, *words):
        """One command, after the login if there is one: its answer."""
        return self.say(*[self.login] if self.login else [], words)[-1]

    def _read(self, lines):
        line = lines.readline()
        kind, rest = line[:1], line[1:].strip()
        if kind == b"*":
            return [self._read(lines) for _ in range(int(rest))]
        if kind == b"$":
            if int(rest) < 0:
                return None
            return lines.read(int(rest) + 2)[:-2].decode()
        if not line:
            raise OSError("no answer")
        return int(rest) if kind == b":" else rest.decode()

    def claims(self, key):
        """Who claims @key: ids of servers."""
        return sorted(f.split("/")[0] for f in self("HGETALL", f"culvert:r:{{{key}}}")[::2])


class DirectoryCase(LabCase):
    """Servers a, b, … with a forward `main` to the agent foo."""

    def setUp(self):
        super().setUp()
        self.aim = self.target()
        self.token = self.file("directory.token", TOKEN)

    def redis(self, *flags, **how):
        return Redis(self, *flags, **how).start()

    def member(self, name, redis, *flags, forwards=None, port=None):
        port, admin = port or traffic.free_port(), traffic.free_port()
        url = redis if isinstance(redis, str) else f"unix:{redis.path}"
        server = self.server(
            "--peer-id", name, "--directory", url, "--directory-peer-token-file", self.token,
            "--directory-url", f"ws://127.0.0.1:{port}/connect", "--admin", f"127.0.0.1:{admin}",
            *flags, forwards=forwards or {"main": f"foo/{self.aim.address}"}, port=port,
        )
        server.name, server.admin = name, admin
        wait_until(lambda: traffic.listening(admin), "the admin listener")
        return server

    def get(self, server, path):
        """(status, text) of the admin API."""
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{server.admin}{path}", timeout=traffic.DEADLINE
            ) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def info(self, server):
        return json.loads(self.get(server, "/api/v1/directory")[1])

    def wait_up(self, *servers):
        for server in servers:
            wait_until(lambda server=server: self.info(server)["up"], "the directory")

    def wait_down(self, *servers):
        for server in servers:
            wait_until(lambda server=server: not self.info(server)["up"], "Redis found down")

    def wait_claims(self, redis, key, *names):
        wait_until(lambda: redis.claims(key) == sorted(names), lambda: redis.claims(key))

    def listed(self, server, name):
        """The state of server @name as `culvertctl peers` has it; None when it is not there."""
        rows = json.loads(self.get(server, "/api/v1/peers")[1])
        states = [r["state"] for r in rows if (r["peer"], r["direction"]) == (name, "directory")]
        return states[0] if states else None

    def links(self, server):
        return self.info(server)["links"]
