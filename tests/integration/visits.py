"""culvertctl connect and forward: a server with an agent `foo`, and a visitor's token for it."""
import os
import socket
import struct
import subprocess

from . import traffic
from .certs import Certificates
from .lab import ROOT, LabCase, binaries, wait_until

UP = "session of culvertctl up"


class Breaker(traffic.Target):
    """Besides, BREAK n: n bytes, and then a reset as soon as a byte comes. What became of each
    visitor is in @ends: "end" or "reset"."""

    def __init__(self, **where):
        self.ends = []
        super().__init__(**where)

    def _serve(self, sock):
        verb, size = traffic._read_line(sock).split()
        for block in traffic.content(int(size)):
            sock.sendall(block)
        if verb == "BREAK":
            sock.recv(1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        self.ends.append("end" if traffic.read_end(sock)[1] else "reset")


class Visits(LabCase):
    """@target is what may be visited; @url the server's, @trust the flags that it takes."""

    trust, threads, agent_may = (), 2, ()

    def server_flags(self):
        return ()

    def setUp(self):
        super().setUp()
        self.aim = self.target()
        self.tokens, tokens = self.token_file(
            ("agent", "foo"),
            ("visitor", "ann", "dial=foo/*:*", "dial=foo/udp/*:*", "dial=bar/*:*",
             f"dial=foo/unix/{self.dir}/app.sock"),
        )
        agent, self.token = tokens
        self.lab = self.server(
            "--threads", self.threads, *self.server_flags(), auth=("--token-file", self.tokens),
            forwards={"main": f"foo/{self.aim.address}"},
        )
        self.url = self.server_url()
        self.agent_of_foo = self.agent(
            self.url, *self.trust, *self.agent_may, "--allow", "127.0.0.1:*",
            "--allow", f"unix/{self.dir}/app.sock",
            token=agent,
        )
        self.wait_echo(self.lab.forwards["main"])

    def server_url(self):
        return self.lab.url

    def breaker(self):
        breaker = Breaker()
        self.addCleanup(breaker.close)
        return breaker

    def environment(self, token=None):
        return {**os.environ, "CULVERT_SERVER": self.url, "CULVERT_TOKEN": token or self.token}

    def words(self, *words):
        return [str(binaries() / "culvertctl"), words[0], *self.trust, *map(str, words[1:])]

    def ctl(self, *words, token=None, input=b"", **how):
        """A run that ends by itself: the completed process, output as bytes."""
        how = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "input": input, **how}
        if "stdin" in how:
            del how["input"]
        return subprocess.run(
            self.words(*words), env=self.environment(token), cwd=ROOT, timeout=traffic.DEADLINE,
            **how,
        )

    def open(self, *words, token=None, **how):
        """One that runs: pipes at its standard streams, unless @how says otherwise."""
        streams = ("stdin", "stdout", "stderr")
        how = {**dict.fromkeys(streams, subprocess.PIPE), **how}
        process = subprocess.Popen(
            self.words(*words), env=self.environment(token), cwd=ROOT, bufsize=0, **how
        )
        self.addCleanup(self.end, process)
        return process

    def end(self, process):
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                stream.close()

    def assert_fails(self, done, *words, code=1):
        text = done.stderr.decode()
        self.assertEqual((done.returncode, done.stdout), (code, b""), text)
        self.assertEqual(text.count("\n"), 1, text)
        for word in words:
            self.assertIn(word, text)

    def to(self, target):
        return f"foo/{target.address}"


class TlsVisits(Visits, Certificates):
    """The same with TLS at the server."""

    @property
    def trust(self):
        return ("--ca", str(self.ca))

    def server_flags(self):
        return ("--tls-cert", self.cert, "--tls-key", self.key)

    def server_url(self):
        return self.lab.url.replace("ws://", "wss://")
