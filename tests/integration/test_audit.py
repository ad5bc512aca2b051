"""What the logs say, and what they never say: a line a dial, each line one line, and no token."""
import base64
import contextlib
import json
import os
import pathlib
import re
import signal
import unittest

from . import test_takeover, traffic
from .certs import Certificates
from .lab import LabCase, wait_until

LINE = re.compile(
    r"^\S+Z (?P<level>info|warn) (?P<door>\S+): visitor (?P<who>\S+) "
    r"to (?P<client>[^/ ]+)/(?P<target>\S+): (?P<outcome>.+), after (?P<took>\d+\.\d{3}) s, "
    r"(?P<down>\d+) bytes to the visitor, (?P<up>\d+) from it(?P<said>: \".*\")?"
    r"(?: client=\S+)?(?: session=\d+)?(?: conn=\d+)?(?: reason=(?P<reason>\S+))?$",
    re.M,
)
CANARY = "canary"
FLOOD = 120  # times that each of them comes


class Audit(LabCase):
    def lines(self, server, count):
        """The lines about visits, once there are @count of them."""

        def found():
            rows = [match.groupdict() for match in LINE.finditer(server.log())]
            return rows if len(rows) >= count else None

        rows = wait_until(found, lambda: f"{count} lines in {server.log()}")
        self.assertEqual(len(rows), count)
        return rows

    def test_a_line_says_who_where_through_whom_to_what_and_how_much(self):
        aim = self.target()
        server = self.server(forwards={"main": f"foo/{aim.address}"})
        self.agent(server.url)
        wait_until(lambda: "client foo: session" in server.log(), "the session")
        with traffic.visit(server.forwards["main"], "GET 1000 0") as visitor:
            here = "127.0.0.1:%d" % visitor.getsockname()[1]
            self.assertEqual(len(traffic.read_end(visitor)[0]), 1000)
        (row,) = self.lines(server, 1)
        self.assertEqual(row["level"], "info")
        self.assertEqual(row["door"], f"127.0.0.1:{server.forwards['main']}")
        self.assertEqual(row["who"], here)
        self.assertEqual((row["client"], row["target"]), ("foo", f"tcp/{aim.address}"))
        self.assertEqual((row["outcome"], row["reason"]), ("ended in order", "eof"))
        self.assertEqual((row["down"], row["up"]), ("1000", str(len("GET 1000 0\n"))))
        self.assertIsNone(row["said"])

    def test_a_dial_that_fails_and_a_visitor_without_an_agent_have_their_lines(self):
        closed = traffic.free_port()
        server = self.server(
            forwards={"bad": f"foo/127.0.0.1:{closed}", "nobody": "bar/127.0.0.1:22"}
        )
        self.agent(server.url)
        wait_until(lambda: "client foo: session" in server.log(), "the session")
        self.assertFalse(traffic.echoes(server.forwards["bad"]))
        refused = self.lines(server, 1)[0]
        self.assertEqual(refused["outcome"], "the other end reported an error")
        self.assertIn("connection refused", refused["said"])
        self.assertFalse(traffic.echoes(server.forwards["nobody"]))
        lost = self.lines(server, 2)[1]
        self.assertEqual(lost["outcome"], "turned away: no session of that client")
        self.assertEqual((lost["level"], lost["client"]), ("warn", "bar"))
        self.assertEqual(lost["reason"], "no_client")

    def test_a_flood_leaves_every_dial_its_line(self):
        """Strangers who ask for what is not there, at every door that they reach without a token,
        and for a client that is not; dials among them are all in the log, and so is the first
        visitor of another client that is not there."""
        aim = self.target()
        server = self.server(
            forwards={"main": f"foo/{aim.address}", "none": "none/127.0.0.1:1", "bar": "bar/a:1"}
        )
        self.agent(server.url)
        wait_until(lambda: "client foo: session" in server.log(), "the session")
        for _ in range(FLOOD):
            for request in (b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n", b"nonsense\r\n\r\n"):
                with traffic.visit(server.port) as sock:
                    sock.sendall(request)
                    traffic.read_end(sock)
            self.assertFalse(traffic.echoes(server.forwards["none"]))
            self.assertTrue(traffic.echoes(server.forwards["main"]))
        self.assertFalse(traffic.echoes(server.forwards["bar"]))

        def outcomes(client):
            rows = [match.groupdict() for match in LINE.finditer(server.log())]
            return [row["outcome"] for row in rows if row["client"] == client]

        wait_until(lambda: outcomes("bar") and len(outcomes("foo")) >= FLOOD, server.log)
        self.assertEqual(outcomes("foo"), ["ended in order"] * FLOOD)
        def counted():
            with traffic.visit(server.port) as sock:
                sock.sendall(b"nonsense\r\n\r\n")
                traffic.read_end(sock)
            return re.search(r"info \d+ more like the next line in the last \d+ s\n", server.log())

        wait_until(counted, "how many were left out")
        for line in (r"front door: \S+: 4\d\d ", r"to none/\S+: turned away"):
            said = len(re.findall(line, server.log()))
            self.assertGreaterEqual(said, 10)
            self.assertLess(said, FLOOD, line)

    def test_a_flood_hides_no_dial_that_an_agent_was_asked_for(self):
        """Its agent is lost, and the other one may not dial that."""
        aim = test_takeover.StuckTarget()
        self.addCleanup(aim.close)
        path, tokens = self.token_file(
            ("agent", "foo", "dial=127.0.0.1:1"), ("agent", "foo", f"dial={aim.address}")
        )
        server = self.server(
            forwards={"main": f"foo/{aim.address}", "bad": "foo/127.0.0.1:2"},
            auth=("--token-file", path),
        )
        for i, token in enumerate(tokens):
            newest = self.agent(server.url, token=token)
            self.wait_log(server, "client foo: session", i + 1)
        with traffic.visit(server.forwards["main"], "ECHO"):
            wait_until(lambda: len(aim.dials()) == 1, "the dial")
            for _ in range(FLOOD // 2):
                self.assertFalse(traffic.echoes(server.forwards["bad"]))
            newest.kill()
            self.wait_log(server, "was lost: another one is tried")
            line = rf"to foo/tcp/{aim.address}: turned away: .* session=2 conn=\d+ reason=denied"
            self.wait_log(server, re.compile(line))

    def test_a_dial_that_the_credential_refuses_is_a_line_too(self):
        aim = self.target()
        path, (token,) = self.token_file(("agent", "foo", "dial=127.0.0.1:1"))
        server = self.server(
            forwards={"main": f"foo/{aim.address}"}, auth=("--token-file", path)
        )
        self.agent(server.url, token=token)
        wait_until(lambda: "client foo: session" in server.log(), "the session")
        self.assertFalse(traffic.echoes(server.forwards["main"]))
        self.assertRegex(self.lines(server, 1)[0]["outcome"], "^turned away: ")

    def test_what_a_stranger_says_starts_no_line_and_drives_no_terminal(self):
        for form in ("text", "json"):
            server = self.server("--log-format", form)
            before = len(server.log().splitlines())
            evil = "\x1b[31m2026 info evil\u202e\x9b"
            for head in (
                f"X-Tunnel-ID: {evil}\r\n",
                "X-Tunnel-ID: a\\nb\r\n",
                "Authorization: x\r\n",
            ):
                with traffic.visit(server.port) as sock:
                    request = f"GET /connect HTTP/1.1\r\nHost: x\r\n{head}\r\n"
                    sock.sendall(request.encode("utf-8"))
                    traffic.read_end(sock)
            wait_until(lambda: len(server.log().splitlines()) >= before + 3, server.log)
            raw = server.log_path.read_bytes()
            self.assertNotIn(b"\x1b", raw)
            self.assertNotIn(b"\r", raw)
            for line in server.log().splitlines():
                if form == "json":
                    self.assertEqual(set(json.loads(line)), {"ts", "level", "msg"})
                else:
                    self.assertRegex(line, r"^\d{4}-\d\d-\d\dT[\d:.]+Z (info|warn) ")


class Origin(LabCase):
    """A page of another site, in the browser of somebody who reaches the door, gets nowhere."""

    def answer(self, server, origin):
        key = "dGhlIHNhbXBsZSBub25jZQ=="
        lines = [
            "GET /connect HTTP/1.1",
            f"Host: 127.0.0.1:{server.port}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key}",
            "X-Tunnel-ID: page",
            *([f"Origin: {origin}"] if origin else []),
        ]
        with traffic.visit(server.port) as sock:
            sock.sendall("\r\n".join([*lines, "", ""]).encode())
            return sock.recv(4096).split(b"\r\n")[0].decode()

    def test_at_the_tunnels_door(self):
        server = self.server()
        for origin in ("http://evil.test", "null", "http://127.0.0.1", "http://localhost:1"):
            self.assertEqual(self.answer(server, origin), "HTTP/1.1 403 Forbidden", origin)
        self.assertNotIn("client page", server.log())
        for origin in (None, f"http://127.0.0.1:{server.port}"):
            self.assertIn(" 101 ", self.answer(server, origin), origin)


def open_files(proc):
    """What the descriptors of a process lead to; one may be closed meanwhile."""
    for fd in (proc / "fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            yield os.readlink(fd)


class Canary(Certificates):
    """Secrets with a word in them that is looked for wherever somebody else could read."""

    def visible(self, process):
        """What others than the process's own user, or a log's reader, get to see of it."""
        yield "log", process.log()
        proc = pathlib.Path(f"/proc/{process.pid}")
        for name in ("cmdline", "comm", "status", "stat", "mountinfo"):
            yield name, (proc / name).read_text(errors="replace")
        yield "fds", " ".join(open_files(proc))

    def test_no_secret_is_seen_anywhere(self):
        good, digest = self.new_token()
        wrong, _ = self.new_token()
        header, auth = f"{CANARY}-header", f"user:{CANARY}-password"
        aim = self.target()
        tokens = self.file("tokens", f"agent foo {digest}\n")
        server = self.server(
            *("--tls-cert", self.cert, "--tls-key", self.key, "--log-level", "debug"),
            forwards={"main": f"foo/{aim.address}"},
            auth=("--token-file", tokens),
        )
        url = server.url.replace("ws:", "wss:")
        flags = ("--ca", self.ca, "--log-level", "debug")
        secret = self.file("proxy.auth", auth + "\n")
        config = self.file("agent.yaml", f"header:\n  - 'X-Secret: {header}'\n")
        agents = [
            self.agent(url, *flags, "--config", config, token=good),
            self.agent(url, *flags, token=wrong),
            self.agent(url, *flags, "--token-file", self.file("token", good + "\n"), key="foo"),
            self.agent(
                *(url, *flags, "--proxy", f"http://127.0.0.1:{traffic.free_port()}"),
                *("--proxy-auth-file", secret),
                token=good,
            ),
        ]
        self.wait_echo(server.forwards["main"])
        wait_until(lambda: "client foo refused: no such token" in server.log(), "the wrong one")
        wait_until(lambda: "cannot connect" in agents[3].log(), "the one without a proxy")
        tokens.write_text(f"agent foo {good}\n")  # a token where its hash belongs
        wait_until(lambda: "reload: " in server.log(), "the complaint about it")
        server.signal(signal.SIGHUP)
        wait_until(lambda: server.log().count("reload: ") >= 2, "the second complaint")
        secrets = {good, wrong, good[4:], wrong[4:], digest[7:], CANARY}
        for process in (server, *agents):
            for where, text in self.visible(process):
                for secret in secrets:
                    self.assertNotIn(secret, text, f"{where} of {process.argv[0]}")

    def test_nor_is_a_visitors(self):
        path, (agents, token) = self.token_file(
            ("agent", "foo"), ("visitor", "walter", "dial=foo/*:*")
        )
        wrong, _ = self.new_token()
        aim = self.target()
        socks, proxy = traffic.free_port(), traffic.free_port()
        server = self.server(
            *("--socks", f"127.0.0.1:{socks}", "--http-proxy", f"127.0.0.1:{proxy}"),
            *("--log-level", "debug"),
            forwards={"main": f"foo/{aim.address}"},
            auth=("--token-file", path),
        )
        agent = self.agent(server.url, "--log-level", "debug", token=agents)
        self.wait_echo(server.forwards["main"])
        for port in (socks, proxy):
            for secret in (token, wrong):
                self.log_in(port, port == socks, secret, aim)
        wait_until(lambda: " as walter to foo/tcp/" in server.log(), "whose dial it was")
        for process in (server, agent):
            for where, text in self.visible(process):
                for secret in (token, wrong, agents):
                    self.assertNotIn(secret[4:], text, f"{where} of {process.argv[0]}")
                    self.assertNotIn(self.basic(secret), text)

    @staticmethod
    def basic(token):
        return base64.b64encode(f"foo:{token}".encode()).decode()

    def log_in(self, port, is_socks, token, aim):
        """One visit that ends in one way or the other."""
        with traffic.visit(port) as sock:
            if is_socks:
                name = bytes([3]) + b"foo" + bytes([len(token)]) + token.encode()
                target = b"\x7f\0\0\1" + aim.port.to_bytes(2, "big")
                sock.sendall(b"\5\1\2\1" + name + b"\5\1\0\1" + target + b"ASK\n\n")
            else:
                sock.sendall(
                    f"CONNECT {aim.address} HTTP/1.1\r\nHost: {aim.address}\r\n"
                    f"Proxy-Authorization: Basic {self.basic(token)}\r\n\r\nASK\n\n".encode()
                )
            traffic.read_end(sock)

    def test_nor_when_they_stand_where_they_do_not_belong(self):
        token, _ = self.new_token()
        base = ("--listen", "127.0.0.1:0")
        connect = ("--connect", "ws://127.0.0.1:1/connect")
        for program, flags in (
            ("culvert-agent", ["--connect", f"ws://u:{token}@127.0.0.1:1/connect"]),
            ("culvert-agent", ["--connect", f"ws://127.0.0.1:1/connect?token={token}"]),
            ("culvert-agent", [*connect, "--proxy", f"http://u:{token}@127.0.0.1:1"]),
            ("culvert-agent", [*connect, "--header", f"Authorization: Bearer {token}"]),
            ("culvert-server", [*base, "--token-file", self.file("a", f"agent foo {token}\n")]),
            ("culvert-server", [*base, "--token-file", self.file("b", f"agent {token}\n")]),
            ("culvert-server", [*base, "--token-file", self.file("c", f"{token}\n")]),
        ):
            done = self.run_to_end(program, *flags)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertNotIn(token, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
