"""Strangers who cost as much as they can: slow heads, slow bodies, slow readers, and floods from
one address, while those who are in go on."""
import re
import socket
import statistics
import subprocess
import threading
import time
import unittest
import urllib.request

from tests.interop.peer import ws

from . import traffic
from .hello import Echo, real
from .lab import LabCase, binaries, sanitized, scaled, wait_until
from .netns import Namespace, why_not
from .proxies import Proxies

SLOW = scaled("CULVERT_SLOW", 1000, 300)  # connections of an attacker


class Good:
    """Visitors that come, ask and go, all the time; each must be served."""

    def __init__(self, port):
        self.port, self.times, self.failed = port, [], 0
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.stop.is_set():
            start = time.monotonic()
            if traffic.echoes(self.port):
                self.times.append(time.monotonic() - start)
            else:
                self.failed += 1

    def end(self):
        self.stop.set()
        self.thread.join()
        return self.times

    def p99(self, since=0):
        return statistics.quantiles(self.times[since:], n=100)[98] * 1000


class Slow(Proxies):
    """slowhttptest against the front door."""

    def attack(self, server, *mode):
        return self.start(
            "slowhttptest",
            [self.program("slowhttptest"), *mode, "-c", SLOW, "-r", SLOW, "-l", 12, "-i", 1]
            + ["-x", 24, "-p", 3, "-u", f"http://127.0.0.1:{server.port}/connect"],
        )

    @staticmethod
    def refused(admin, status):
        with urllib.request.urlopen(f"http://127.0.0.1:{admin}/metrics") as answer:
            text = answer.read().decode()
        row = rf'^culvert_front_door_refusals_total{{status="{status}"}} (\d+)$'
        return int(re.search(row, text, re.M)[1])

    def assert_good_ones_go_on(self, *mode, answered=None):
        """The attacker's connections are there, or each was @answered with that status at once."""
        admin = traffic.free_port()
        server, agent, port = self.tunnel("--admin", f"127.0.0.1:{admin}")
        with traffic.visit(port, "ECHO") as held:
            self.assertTrue(traffic.ping(held))
            good = Good(port)
            wait_until(lambda: len(good.times) >= 300, "good visitors")
            before, calm = len(good.times), good.p99()
            idle = server.rss()
            attacker = self.attack(server, *mode)
            peak = 0
            while attacker.alive():
                peak = max(peak, server.fds())
                self.assertTrue(traffic.ping(held), "an open connection suffered")
            good.end()
        self.assertEqual(good.failed, 0, "a good visitor was not served")
        self.assertGreater(len(good.times), before)
        self.assertTrue(
            peak > SLOW // 4 or self.refused(admin, answered) > SLOW // 4, "there was no attack"
        )
        self.assertLess(server.log().count(f": {answered} "), 100, "the log is a cause's too often")
        self.assertEqual(agent.log().count("session up"), 1, "the agent's session was lost")
        # a sanitizer keeps what was freed for a while
        self.assertLess(server.rss() - idle, (4 if sanitized() else 1) * (64 << 20))
        print(
            f"{mode[0]}: p99 of good visitors {calm:.2f} ms before, {good.p99(before):.2f} during, "
            f"{SLOW} slow ones"
        )
        wait_until(lambda: server.fds() < 64, lambda: f"{server.fds()} descriptors are left")

    def test_slow_heads(self):
        self.assert_good_ones_go_on("-H")

    def test_slow_bodies(self):
        """No body is waited for where none is wanted."""
        self.assert_good_ones_go_on("-B", answered=405)

    def test_slow_readers(self):
        self.assert_good_ones_go_on("-X", "-w", 10, "-y", 20, "-n", 1, "-z", 1, "-k", 1)


class Heads(LabCase):
    def test_a_head_that_does_not_come_in_time_is_answered_408(self):
        server = self.server()
        with traffic.visit(server.port) as silent, traffic.visit(server.port) as slow:
            slow.sendall(b"GET /connect HTTP/1.1\r\nHost: x\r\nX-")
            answer, orderly = traffic.read_end(slow)
            self.assertRegex(answer, b"^HTTP/1[.]1 408 ")
            self.assertTrue(orderly)
            self.assertEqual(traffic.read_end(silent)[0], b"")

    def test_more_strangers_than_are_heard_make_the_oldest_go(self):
        """And nobody is turned away for them."""
        server, _, port = self.tunnel()
        first = traffic.visit(server.port)
        self.addCleanup(first.close)
        crowd = [traffic.visit(server.port) for _ in range(4096)]
        for sock in crowd:
            self.addCleanup(sock.close)
        self.assertEqual(traffic.read_end(first)[0], b"")
        self.assertTrue(traffic.echoes(port))
        crowd[-1].sendall(b"GET / HTTP/1.0\r\n\r\n")
        self.assertRegex(crowd[-1].recv(100), b"^HTTP/1[.]1 404 ")


class Network(LabCase):
    """A network where visitors have addresses of their own."""

    HERE, BAD, GOOD = "10.9.9.9", "10.9.9.1", "10.9.9.2"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if why := why_not():
            raise unittest.SkipTest(f"no network namespace: {why}")

    def setUp(self):
        self.ns = Namespace("x")
        self.addCleanup(self.ns.delete)
        for address in (self.HERE, self.BAD, self.GOOD):
            self.ns.ip("addr", "add", address, "dev", "lo")
        super().setUp()

    def open(self, port, source, request=None):
        """A connection from @source; None when it was refused at once."""
        with self.ns.entered():
            sock = socket.socket()
        sock.settimeout(traffic.DEADLINE)
        self.addCleanup(sock.close)
        try:
            sock.bind((source, 0))
            sock.connect((self.HERE, port))
            if request:
                sock.sendall(request)
        except ConnectionError:
            return None
        return sock

    def assert_places(self, port, places):
        """So many strangers of one address may be at the front door at @port, and no more."""
        held = [self.open(port, self.BAD) for _ in range(places)]
        self.assertTrue(all(held))
        more = self.open(port, self.BAD, b"GET / HTTP/1.0\r\n\r\n")
        self.assertEqual(traffic.read_end(more)[0] if more else b"", b"")
        good = self.open(port, self.GOOD, b"GET / HTTP/1.0\r\n\r\n")
        self.assertRegex(traffic.read_end(good)[0], b"^HTTP/1[.]1 404 ")
        held[0].close()

        def served():
            sock = self.open(port, self.BAD, b"GET / HTTP/1.0\r\n\r\n")
            return sock and traffic.read_end(sock)[0].startswith(b"HTTP/1.1 404 ")

        wait_until(served, "the freed place")


class Addresses(Network):
    """Limits of one address."""

    def setUp(self):
        super().setUp()
        with self.ns.entered():
            self.aim = self.target()

    def echo(self, port, source):
        sock = self.open(port, source, b"ECHO\n")
        return sock if sock and traffic.ping(sock) else None

    def setup(self, *flags, agent=()):
        argv = ["--listen", f"{self.HERE}:8123", "--insecure-no-auth"]
        argv += ["--forward", f"{self.HERE}:9000=foo/{self.aim.address}"]
        program = binaries() / "culvert-server"
        server = self.start("server", [*self.ns.prefix, program, *argv, *flags])
        wait_until(lambda: traffic.sockets(9000, traffic.LISTEN, server.pid), "a listener")
        self.agent(f"ws://{self.HERE}:8123/connect", *agent, prefix=self.ns.prefix)
        wait_until(lambda: "client foo: session" in server.log(), "a session")
        return server

    def setup_files(self, *flags):
        """With a web server for a target: paths of it are FILES."""
        folder = self.dir / "served"
        folder.mkdir()
        (folder / "file").write_bytes(b"x")
        return self.setup(*flags, agent=("--serve", folder))

    FILES = b"GET /client/foo/http/culvert.files/file HTTP/1.1\r\nHost: here\r\n\r\n"

    def served(self, sock):
        """One request and its answer; None when there is none."""
        try:
            sock.sendall(self.FILES)
            with sock.makefile("rb") as answer:
                status = answer.readline()
                while answer.readline().strip():
                    pass
                return status.split()[1] == b"200" and answer.read(1) == b"x"
        except (ConnectionError, IndexError):
            return None

    def test_so_many_connections_of_one_address_at_a_forward(self):
        for threads in ("1", "2"):
            with self.subTest(threads=threads):
                server = self.setup("--max-conns-per-address", "5", "--threads", threads)
                held = [self.echo(9000, self.BAD) for _ in range(5)]
                self.assertTrue(all(held))
                self.assertIsNone(self.echo(9000, self.BAD), "one more")
                self.assertTrue(self.echo(9000, self.GOOD), "another address")
                self.assertTrue(all(traffic.ping(sock) for sock in held))
                held.pop().close()
                wait_until(lambda: self.echo(9000, self.BAD), "the freed place")
                line = rf"{self.BAD}:\d+ refused: too many connections of that address"
                self.wait_log(server, re.compile(line))
                for process in self.processes:
                    process.kill()

    def test_so_many_strangers_of_one_address_at_the_front_door(self):
        self.setup("--max-conns-per-address", "5")
        self.assert_places(8123, 5)

    def test_visitors_of_the_http_door_keep_their_place_between_requests(self):
        server = self.setup_files("--max-conns-per-address", "3")
        held = [self.open(8123, self.BAD) for _ in range(3)]
        for _ in range(2):
            self.assertTrue(all(self.served(sock) for sock in held))
        more = self.open(8123, self.BAD)
        self.assertFalse(more and self.served(more), "one more")
        self.assertTrue(self.served(self.open(8123, self.GOOD)), "another address")
        self.wait_log(server, "too many connections of that address")
        held.pop().close()

        def again():
            sock = self.open(8123, self.BAD)
            return sock and self.served(sock)

        wait_until(again, "the freed place")
        self.assertTrue(all(self.served(sock) for sock in held))

    def test_so_many_of_one_address_at_the_doors_that_ask_where_to(self):
        """Who has not said it yet counts as who has."""
        self.setup(
            *("--max-conns-per-address", "3", "--max-rate-per-address", "100"),
            *("--socks", f"{self.HERE}:9001", "--http-proxy", f"{self.HERE}:9002"),
        )
        connect = f"CONNECT {self.aim.address} HTTP/1.1\r\nHost: {self.aim.address}\r\n"
        connect += "Proxy-Authorization: Basic Zm9vOmJhcg==\r\n\r\n"

        def through(source):
            try:
                sock = self.open(9002, source, connect.encode())
                return sock if sock and b" 200 " in sock.recv(1000) else None
            except ConnectionError:
                return None

        for port, half in ((9001, b"\x05"), (9002, b"CONNECT ")):
            with self.subTest(port=port):
                held = [self.open(port, self.BAD, half) for _ in range(2)]
                last = wait_until(lambda: through(self.BAD), "one place is left")
                self.assertFalse(through(self.BAD), "one more")
                self.assertTrue(through(self.GOOD), "another address")
                for sock in (*held, last):
                    sock.close()

    def test_a_visitor_of_the_http_door_takes_one_turn(self):
        self.setup_files("--max-rate-per-address", "2")
        first, second = self.open(8123, self.BAD), self.open(8123, self.BAD)
        self.assertTrue(self.served(first) and self.served(second) and self.served(first))

    def test_so_many_half_client_hellos_of_one_address(self):
        self.setup(
            *("--max-conns-per-address", "5", "--route", f"tls:app.test=foo/{self.aim.address}")
        )
        held = [self.open(8123, self.BAD, real("app.test")[:200]) for _ in range(5)]
        self.assertTrue(all(held))
        more = self.open(8123, self.BAD, real("app.test"))
        self.assertEqual(traffic.read_end(more)[0] if more else b"", b"")
        good = self.open(8123, self.GOOD, b"GET / HTTP/1.0\r\n\r\n")
        self.assertRegex(traffic.read_end(good)[0], b"^HTTP/1[.]1 404 ")

    def test_tls_that_is_passed_on_holds_one_place_and_takes_one_turn(self):
        echo = Echo(self.ns)
        self.addCleanup(echo.close)
        server = self.setup(
            *("--max-conns-per-address", "2", "--max-rate-per-address", "2"),
            *("--route", f"tls:app.test=foo/{echo.address}"),
        )
        hello = real("app.test")
        for _ in range(2):
            sock = self.open(8123, self.BAD, hello)
            self.assertEqual(traffic.read_exactly(sock, len(hello)), hello)
        more = self.open(8123, self.BAD, hello)
        self.assertEqual(traffic.read_end(more)[0] if more else b"", b"")
        self.wait_log(server, "too many connections of that address")
        self.assertEqual(server.log().count("too many connections of that address"), 1)

    def test_a_visitors_session_holds_a_place_of_its_address(self):
        server = self.setup("--max-conns-per-address", "3")
        request = ws.request_text("/connect", self.HERE, [("X-Culvert-Visitor", "v")], ws.new_key())

        def session(source):
            sock = self.open(8123, source, request.encode())
            data = b"x" if sock else b""
            try:
                while data and not data.endswith(b"\r\n\r\n"):
                    more = sock.recv(1)
                    data = data + more if more else b""
            except ConnectionError:  # it was refused behind our backs
                return None
            return sock if data.startswith(b"xHTTP/1.1 101 ") else None

        held = [session(self.BAD) for _ in range(3)]
        self.assertTrue(all(held))
        self.assertIsNone(session(self.BAD), "one more")
        self.assertTrue(session(self.GOOD), "another address")
        held.pop().close()
        wait_until(lambda: session(self.BAD), "the freed place")
        self.wait_log(server, "session of v up", 5)
        self.assertEqual(server.log().count("session of v up"), 5)

    def test_an_agent_does_not_hold_a_place_of_its_address(self):
        """Any number of agents may share one, behind a NAT."""
        self.setup("--max-conns-per-address", "2")
        for key in ("a", "b", "c", "d"):
            self.agent(f"ws://{self.HERE}:8123/connect", key=key, prefix=self.ns.prefix)
        server = self.processes[0]
        self.wait_log(server, ": session ", 5)

    def test_so_many_a_second(self):
        server = self.setup("--max-rate-per-address", "1")
        wait_until(lambda: self.echo(9000, self.BAD), "the first one")
        flood = [self.echo(9000, self.BAD) for _ in range(200)]
        self.assertLess(sum(sock is not None for sock in flood), 200)
        self.assertTrue(self.echo(9000, self.GOOD), "another address")
        wait_until(lambda: self.echo(9000, self.BAD), "its turn, later")
        # what was refused is logged within bounds
        self.assertLess(server.log().count("too many connections of that address"), 100)


if __name__ == "__main__":
    unittest.main()
