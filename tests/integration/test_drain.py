"""Who is at the front door when the server is told to stop."""
import re
import signal
import socket
import ssl
import unittest

from . import traffic
from .certs import Certificates
from .lab import wait_until
from .test_sni import unread
from .web_target import WebTarget


class Drain(Certificates):
    def setUp(self):
        super().setUp()
        self.web = WebTarget()
        self.addCleanup(self.web.close)
        self.aim = self.target()

    def place(self, *flags):
        """A server with the agent foo, and one without whose connections it is told to go."""
        self.lab = self.server(*flags, forwards={"main": f"foo/{self.aim.address}"})
        scheme = "wss" if "--tls-cert" in flags else "ws"
        for key in ("foo", "idle"):
            self.agent(
                f"{scheme}://127.0.0.1:{self.lab.port}/connect", "--ca", self.ca, key=key
            )
            wait_until(lambda: f"client {key}: session" in self.lab.log(), "the agent")

    def hold(self):
        """A visitor with whom foo stays."""
        held = traffic.visit(self.lab.forwards["main"], "ECHO")
        self.addCleanup(held.close)
        self.assertTrue(traffic.ping(held))
        return held

    def come(self, words=b""):
        """A connection to the front door that has said @words, which the server has read."""
        before = self.lab.fds()
        sock = traffic.visit(self.lab.port)
        self.addCleanup(sock.close)
        wait_until(lambda: self.lab.fds() > before, "it is accepted")
        return self.say(sock, words)

    def say(self, sock, words):
        sock.sendall(words)
        wait_until(lambda: unread(self.lab.port, self.lab.pid) == 0, "it is read")
        return sock

    def head(self, client="foo", method="GET"):
        """The two halves of a request's head."""
        path = f"/client/{client}/http/{self.web.address}/"
        return f"{method} {path}".encode(), b"x HTTP/1.1\r\nHost: x\r\n\r\n"

    def keep(self):
        """A connection of which a request was answered already."""
        sock = self.come(b"".join(self.head()))
        got = b""
        while not got.endswith(b"}"):
            got += sock.recv(4096)
        self.assertNotIn(b"Connection: close", got)
        return sock

    def stop(self):
        self.lab.signal(signal.SIGTERM)
        wait_until(lambda: "draining: " in self.lab.log(), "the drain")
        wait_until(lambda: not traffic.listening(self.lab.port), "the end of accepting")

    def wait_gone(self, key):
        said = re.compile(rf"client {key}: session \d+ ended")
        wait_until(lambda: said.search(self.lab.log()), f"the end of {key}")

    def assert_answer(self, sock, status, words):
        got, orderly = traffic.read_end(sock)
        self.assertTrue(got.startswith(b"HTTP/1.1 %d " % status), got)
        self.assertIn(b"Connection: close\r\n", got)
        self.assertIn(words, got)
        self.assertTrue(orderly)

    def test_who_has_said_nothing_goes_at_once(self):
        for flags in ((), ("--threads", "3")):
            with self.subTest(flags):
                self.place(*flags)
                held, idle = self.hold(), [self.come(), self.keep()]
                self.stop()
                for sock in idle:
                    self.assertEqual(traffic.read_end(sock), (b"", True))
                self.assertTrue(traffic.ping(held))
                held.close()
                self.assertEqual(self.lab.wait(), 0)

    def test_a_request_that_has_begun_is_waited_for_and_answered(self):
        agent = b"HTTP/1.1\r\nHost: x\r\nX-Tunnel-ID: new\r\nUpgrade: websocket\r\n"
        agent += b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        agent += b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        for flags in ((), ("--threads", "3")):
            with self.subTest(flags):
                self.place(*flags)
                held = self.hold()
                half, rest = self.head()
                gone, _ = self.head("idle")
                coming = [
                    (self.come(half), rest, 200, b'"path": "/x"'),
                    (self.say(self.keep(), half), rest, 200, b'"path": "/x"'),
                    (self.come(gone), rest, 503, b"the server stops"),
                    (self.come(b"GET /connect "), agent, 503, b"the server stops"),
                    (self.come(b"GET /elsewhere"), rest, 404, b"nothing here"),
                ]
                self.stop()
                self.wait_gone("idle")
                for sock, words, status, answer in coming:
                    sock.sendall(words)
                    self.assert_answer(sock, status, answer)
                self.assertTrue(traffic.ping(held))
                held.close()
                self.assertEqual(self.lab.wait(), 0)

    def test_the_server_waits_for_it_when_all_agents_have_gone(self):
        for flags in ((), ("--threads", "3")):
            with self.subTest(flags):
                self.place(*flags)
                half, rest = self.head()
                first, second = self.come(half), self.come(half)
                self.stop()
                self.wait_gone("foo")
                self.wait_gone("idle")
                for sock in (first, second):
                    sock.sendall(rest)
                    self.assert_answer(sock, 503, b"the server stops")
                self.assertEqual(self.lab.wait(), 0)

    def test_it_is_not_waited_for_without_end(self):
        self.place("--drain-timeout", "1")
        half, _ = self.head()
        late = self.come(half)
        self.stop()
        self.assertEqual(traffic.read_end(late)[0], b"")
        self.assertEqual(self.lab.wait(), 0)

    def test_behind_tls(self):
        self.place("--tls-cert", self.cert, "--tls-key", self.key)
        context = ssl.create_default_context(cafile=str(self.ca))
        held, half, rest = self.hold(), *self.head()
        idle, late = (
            context.wrap_socket(traffic.visit(self.lab.port), server_hostname="127.0.0.1")
            for _ in range(2)
        )
        self.addCleanup(idle.close)
        self.addCleanup(late.close)
        hello = ssl.MemoryBIO()
        shake = context.wrap_bio(ssl.MemoryBIO(), hello, server_hostname="127.0.0.1")
        with self.assertRaises(ssl.SSLWantReadError):
            shake.do_handshake()
        shaking = self.come(hello.read())
        wait_until(lambda: shaking.recv(1, socket.MSG_PEEK), "the server's half of the handshake")
        self.say(late, half)
        self.stop()
        self.assertEqual(traffic.read_end(idle), (b"", True))
        late.sendall(rest)
        self.assert_answer(late, 200, b'"path": "/x"')
        shaking.setblocking(False)
        shaking.recv(65536)
        with self.assertRaises(BlockingIOError):
            shaking.recv(1)
        shaking.close()
        held.close()
        self.assertEqual(self.lab.wait(), 0)


if __name__ == "__main__":
    unittest.main()
