"""max-conns= on a visitor's line: so many connections at once with that token, over all ways in."""
import base64
import re
import select
import signal
import socket
import struct
import threading
import unittest

from . import traffic
from .lab import wait_until
from .visits import Visits

TEXT = "too many connections with that token"


class Web:
    """An HTTP service: /held is answered when it is freed, and then at once."""

    def __init__(self):
        self.free, self.held = threading.Event(), 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        with sock:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += sock.recv(1)
            if b"/held" in head:
                self.held += 1
                self.free.wait()
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            sock.recv(1)

    def close(self):
        self.free.set()
        self.listener.close()


class Quota(Visits):
    """A way in is open(way): what holds a connection, or None when that is refused as it ought to
    be."""

    threads = 2
    limit = 2

    def server_flags(self):
        self.socks, self.proxy = traffic.free_port(), traffic.free_port()
        return (
            "--socks", f"127.0.0.1:{self.socks}", "--http-proxy", f"127.0.0.1:{self.proxy}",
        )

    def setUp(self):
        super().setUp()
        self.web = Web()
        self.addCleanup(self.web.close)
        path, (self.few, self.other) = self.token_file(
            ("visitor", "few", f"max-conns={self.limit}", "dial=foo/*:*"),
            ("visitor", "other", f"max-conns={self.limit}", "dial=foo/*:*"),
        )
        with open(self.tokens, "a", encoding="ascii") as file:
            file.write(path.read_text())
        self.reload()
        self.near = traffic.free_port()
        process = self.start(
            "forward", self.words("forward", f"127.0.0.1:{self.near}={self.to(self.aim)}"),
            env=self.environment(self.few),
        )
        wait_until(lambda: " leads to " in process.log(), "the listener")

    def reload(self):
        before = self.lab.log().count("reloaded")
        self.lab.signal(signal.SIGHUP)
        wait_until(lambda: self.lab.log().count("reloaded") > before, "the reload")

    def set_limit(self, limit):
        text = re.sub(r"max-conns=\d+", f"max-conns={limit}", self.tokens.read_text())
        self.tokens.write_text(text)
        self.reload()

    # -- ways in --

    def visit(self, port):
        sock = traffic.visit(port)
        self.addCleanup(sock.close)
        return sock

    def by_socks(self, token):
        sock = self.visit(self.socks)
        sock.sendall(b"\5\1\2\1\3foo" + bytes([len(token)]) + token.encode())
        self.assertEqual(traffic.read_exactly(sock, 4), b"\5\2\1\0")
        sock.sendall(b"\5\1\0\1\x7f\0\0\1" + struct.pack(">H", self.aim.port))
        reply = traffic.read_exactly(sock, 10)
        if reply[1] == 0:
            return sock
        self.assertEqual(reply[1], 1)

    def by_connect(self, token):
        sock = self.visit(self.proxy)
        pair = base64.b64encode(f"foo:{token}".encode()).decode()
        sock.sendall(
            f"CONNECT {self.aim.address} HTTP/1.0\r\nProxy-Authorization: Basic {pair}\r\n\r\n"
            .encode()
        )
        head = traffic.read_exactly(sock, len("HTTP/1.1 200 Connection established\r\n\r\n"))
        if b" 200 " in head:
            return sock
        self.assertIn(b" 429 ", head)
        self.assertIn(TEXT.encode(), traffic.read_end(sock)[0])

    def request(self, path, token):
        sock = self.visit(self.lab.port)
        sock.sendall(
            f"GET /client/foo/http/{self.web.address}{path} HTTP/1.1\r\nHost: x\r\n"
            f"X-Culvert-Token: {token}\r\n\r\n".encode()
        )
        return sock

    def by_http(self, token):
        """Held by a request that its target has, and does not answer."""
        before = self.web.held
        sock = self.request("/held", token)
        wait_until(
            lambda: self.web.held > before or select.select([sock], [], [], 0)[0], "an outcome"
        )
        if self.web.held > before:
            return sock
        answer = traffic.read_end(sock)[0]
        self.assertIn(b" 429 ", answer)
        self.assertIn(TEXT.encode(), answer)

    def by_session(self, token):
        process = self.open("connect", self.to(self.aim), token=token)
        process.stdin.write(b"ECHO\nx")
        if process.stdout.read(1) == b"x":
            return process
        self.assertEqual(process.wait(traffic.DEADLINE), 1)
        self.assertIn(TEXT, process.stderr.read().decode())

    def by_forward(self, token):
        self.assertEqual(token, self.few)
        try:
            sock = self.visit(self.near)
            sock.sendall(b"ECHO\nx")
            self.assertEqual(sock.recv(1), b"x")
            return sock
        except (ConnectionResetError, BrokenPipeError):
            return None

    def ways(self):
        return (self.by_socks, self.by_connect, self.by_http, self.by_session, self.by_forward)

    def leave(self, held):
        """Ends it as its way in has it."""
        if isinstance(held, socket.socket):
            held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            held.close()
        else:
            self.end(held)

    def taken(self, way, token=None):
        """Once the places of those who left are free."""
        return wait_until(lambda: way(token or self.few), "a place")

    # -- tests --

    def test_who_holds_all_places_is_refused_at_every_way_in(self):
        for way in self.ways():
            with self.subTest(way=way.__name__):
                held = [self.taken(way) for _ in range(self.limit)]
                for again in self.ways():
                    self.assertIsNone(again(self.few), again.__name__)
                other = self.by_socks(self.other)
                self.assertIsNotNone(other, "another token's")
                self.leave(held.pop())
                held.append(self.taken(self.by_session))
                for one in (*held, other):
                    self.leave(one)
        line = rf"socks \S+: visitor \S+ as few to foo/\S+: turned away: {TEXT},"
        self.wait_log(self.lab, re.compile(line))

    def test_answered_requests_take_no_place(self):
        """Though the target's connection is kept for the next one, and the visitor's too."""
        self.web.free.set()
        for _ in range(3 * self.limit):
            with self.request("/", self.few) as sock:
                self.assertIn(b" 200 ", sock.recv(4096))
        sock = self.request("/", self.few)
        self.assertIn(b" 200 ", sock.recv(4096))
        for _ in range(self.limit):
            self.assertIsNotNone(self.by_socks(self.few))

    def test_a_reload_counts_those_who_stand(self):
        held = [self.by_socks(self.few), self.by_session(self.few)]
        self.set_limit(3)
        held.append(self.by_connect(self.few))
        self.assertIsNotNone(held[2])
        self.assertIsNone(self.by_socks(self.few))
        self.set_limit(1)
        held[0].sendall(b"ECHO\n")
        self.assertTrue(traffic.ping(held[0]), "who stands is left alone")
        for one in held[:2]:
            self.leave(one)
        wait_until(lambda: self.lab.log().count("as few to foo/") >= 2, "their ends")
        self.assertIsNone(self.by_socks(self.few))
        self.leave(held[2])
        self.leave(self.taken(self.by_socks))
        self.taken(self.by_socks)
        self.assertIsNone(self.by_socks(self.few))


if __name__ == "__main__":
    unittest.main()
