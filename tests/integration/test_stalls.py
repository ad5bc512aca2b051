"""Requests and answers that stand still at the HTTP door: who waits for one is told, and nobody
else notices."""
import http.client
import json
import signal
import socket
import threading
import unittest

from . import traffic
from .lab import wait_until
from .test_web import WebCase

HUGE = 64 * traffic.MIB  # more than all buffers on the way take
UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


class Bystander:
    """A visitor of the same agent who asks again and again, on one connection."""

    def __init__(self, port, address):
        self.conn = http.client.HTTPConnection("127.0.0.1", port, timeout=traffic.DEADLINE)
        self.path = f"/client/foo/http/{address}/beside"
        self.turns, self.over, self.problem = 0, threading.Event(), None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        try:
            while not self.over.is_set():
                self.conn.request("POST", self.path, b"x" * 50000)
                if json.loads(self.conn.getresponse().read())["size"] != 50000:
                    raise ValueError("another size")
                self.turns += 1
        except Exception as problem:  # whatever it is, the test shall show it
            self.problem = problem

    def end(self):
        self.over.set()
        self.thread.join()
        self.conn.close()


class Stalls(WebCase):
    def setUp(self):
        super().setUp()
        self.lab = self.door("--http-body-timeout", "1", "--http-idle-timeout", "1")
        self.listener = socket.socket()
        self.addCleanup(self.listener.close)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen()
        self.listener.settimeout(traffic.DEADLINE)
        self.bystander = Bystander(self.lab.port, self.aim.address)
        self.addCleanup(self.bystander.end)
        wait_until(lambda: self.bystander.turns or self.bystander.problem, "the bystander")

    def tearDown(self):
        self.bystander.end()
        self.lab.stop()  # else the agent waits for connections that are kept idle

    def ask(self, method, headers="", query="", body=b"", port=None, **how):
        """(visitor, target) of one request, of which the target has read head and @body."""
        visitor = traffic.visit(port or self.lab.port, **how)
        self.addCleanup(visitor.close)
        address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        head = f"{method} /client/foo/http/{address}/{query} HTTP/1.1\r\nHost: x\r\n{headers}\r\n"
        visitor.sendall(head.encode() + body)
        target, _ = self.listener.accept()
        self.addCleanup(target.close)
        target.settimeout(traffic.DEADLINE)
        got = b""
        while b"\r\n\r\n" not in got or body[-5:] not in got:
            piece = target.recv(4096)
            self.assertTrue(piece, got)
            got += piece
        return visitor, target

    def assert_nobody_else_noticed(self):
        turns = self.bystander.turns
        wait_until(
            lambda: self.bystander.turns > turns + 1 or self.bystander.problem, "the bystander"
        )
        self.assertIsNone(self.bystander.problem)

    def assert_answer(self, visitor, status, words):
        got, orderly = traffic.read_end(visitor)
        self.assertTrue(got.startswith(b"HTTP/1.1 %d " % status), got)
        self.assertIn(words, got)
        self.assertTrue(orderly)
        self.assertEqual(got.count(b"HTTP/1.1"), 1)

    def assert_given_up(self, target):
        """What came until its reset, which gives the places of its connection back."""
        got, orderly = traffic.read_end(target)
        self.assertFalse(orderly)
        return got

    def test_a_visitor_that_stops_in_its_body(self):
        for headers, half in (
            ("Content-Length: 10\r\n", b"half!"),
            ("Transfer-Encoding: chunked\r\n", b"a\r\nhalf!"),
        ):
            with self.subTest(headers):
                visitor, target = self.ask("POST", headers, body=half)
                self.assert_answer(visitor, 408, b"body did not come in time")
                self.assert_given_up(target)
                self.assert_nobody_else_noticed()

    def test_a_drain_waits_as_long_and_no_longer(self):
        self.bystander.end()
        visitor, target = self.ask("POST", "Content-Length: 10\r\n", body=b"half!")
        self.lab.signal(signal.SIGTERM)
        self.assert_answer(visitor, 408, b"body did not come in time")
        self.assert_given_up(target)
        self.assertEqual(self.lab.wait(), 0)
        self.assertNotIn("did not end in time", self.lab.log())

    def test_the_operator_says_how_long(self):
        """Where nothing is said it is longer: who stopped first is waited for still."""
        patient = self.server()
        self.agent(patient.url)
        wait_until(lambda: "client foo: session" in patient.log(), "the agent")
        first, _ = self.ask("POST", "Content-Length: 10\r\n", port=patient.port)
        second, _ = self.ask("POST", "Content-Length: 10\r\n")
        self.assert_answer(second, 408, b"body did not come in time")
        first.setblocking(False)
        with self.assertRaises(BlockingIOError):
            first.recv(1)
        first.close()

    def test_a_target_that_takes_no_more_of_a_body(self):
        visitor, target = self.ask("POST", f"Content-Length: {HUGE}\r\n")

        def send():
            try:
                visitor.sendall(bytes(HUGE))
            except OSError:
                pass

        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        self.assert_answer(visitor, 504, b"did not answer in time")
        self.assertLess(len(self.assert_given_up(target)), HUGE)
        self.assert_nobody_else_noticed()
        visitor.close()
        sender.join()

    def test_a_target_that_stops_in_the_head_of_its_answer(self):
        visitor, target = self.ask("GET", query="?timeout=1")
        target.sendall(b"HTTP/1.1 200 OK\r\nContent-")
        self.assert_answer(visitor, 504, b"did not answer in time")
        self.assert_given_up(target)
        self.assert_nobody_else_noticed()

    def test_a_target_that_falls_silent_in_its_answer(self):
        """It is reset, so that no half of an answer looks whole; a WebSocket as well."""
        heads = (
            b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
            b"HTTP/1.1 200 OK\r\n\r\nhalf",
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket"
            b"\r\n\r\nhalf",
        )
        for head in heads:
            with self.subTest(head):
                visitor, target = self.ask("GET", UPGRADE)
                target.sendall(head)
                got, orderly = traffic.read_end(visitor)
                self.assertIn(b"half", got)
                self.assertFalse(orderly)
                self.assert_given_up(target)
                self.assert_nobody_else_noticed()
        self.assertEqual(self.lab.log().count("was silent for too long in its answer"), len(heads))

    def test_a_visitor_that_takes_nothing_of_its_answer(self):
        visitor, target = self.ask("GET", receive_buffer=8192)
        with self.assertRaises(ConnectionError):
            target.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % HUGE + bytes(HUGE))
        wait_until(lambda: "had its answer not taken for too long" in self.lab.log(), "a line")
        got, orderly = traffic.read_end(visitor)
        self.assertTrue(0 < len(got) < HUGE)
        self.assertFalse(orderly)
        self.assert_nobody_else_noticed()


if __name__ == "__main__":
    unittest.main()
