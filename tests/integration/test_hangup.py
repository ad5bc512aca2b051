"""A visitor who is gone before the target's answer: the agent's dial ends with it, and its places
are free. One who only said its last waits for its answer."""
import socket
import struct
import subprocess
import unittest

from . import traffic
from .lab import ROOT, binaries, wait_until
from .test_takeover import StuckTarget, Takeover

SIZE = 300_000


def cut(sock):
    """An end by RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


class HangUp(Takeover):
    """Dials of a target that does not answer; there is room for one that waits."""

    def setUp(self):
        super().setUp()
        self.stuck = StuckTarget()
        self.addCleanup(self.stuck.close)

    def place(self, *flags):
        server = self.lab("--max-pending-dials", 1, *flags, aim=self.stuck)
        self.join(server)
        return server

    # -- visitors who wait --

    def at_forward(self, server):
        return traffic.visit(server.forwards["main"], f"GET {SIZE} 0")

    def at_socks(self, server):
        return self.ask_socks(server, self.stuck.port)

    def at_connect(self, server):
        sock = traffic.visit(server.proxy)
        sock.sendall(f"CONNECT {self.stuck.address} HTTP/1.0\r\n\r\n".encode())
        return sock

    def at_fetch(self, server):
        sock = traffic.visit(server.proxy)
        sock.sendall(f"GET http://{self.stuck.address}/ HTTP/1.0\r\n\r\n".encode())
        return sock

    def at_http(self, server):
        sock = traffic.visit(server.port)
        where = f"/client/foo/http/{self.stuck.address}/"
        sock.sendall(f"GET {where} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        return sock

    def wait_dials(self, count):
        wait_until(lambda: len(self.stuck.dials()) == count, f"{count} dials at the agent")

    def assert_ends(self, server, way, end):
        sock = way(server)
        self.wait_dials(1)
        end(sock)
        self.wait_dials(0)
        self.assert_served(server, ["socks"])  # there is room

    def test_whoever_is_gone_is_dialled_for_no_longer(self):
        ways = {
            "forward": (self.at_forward, (cut,)),
            "socks": (self.at_socks, (cut, socket.socket.close)),
            "connect": (self.at_connect, (cut, socket.socket.close)),
            "fetch": (self.at_fetch, (cut,)),
            "http": (self.at_http, (cut,)),
        }
        for flags in ((), ("--threads", "3")):
            server = self.place(*flags)
            for name, (way, ends) in ways.items():
                for end in ends:
                    with self.subTest(way=name, end=end.__name__, flags=flags):
                        self.assert_ends(server, way, end)
            self.processes[-1].stop()

    def test_through_a_peer(self):
        here, there = self.mesh("ab", aim=self.stuck)
        self.join(there)
        wait_until(lambda: self.by_http(here), "the client of the peer")
        for name in ("at_forward", "at_socks", "at_connect", "at_http"):
            with self.subTest(way=name):
                self.assert_ends(here, getattr(self, name), cut)
        held = self.at_socks(here)
        self.addCleanup(held.close)
        self.wait_dials(1)
        here.kill()  # and so its session is lost
        self.wait_dials(0)
        self.assert_served(there, ["socks"])

    def test_a_visitors_session(self):
        server = self.place()
        process = subprocess.Popen(
            [binaries() / "culvertctl", "connect", "--server", server.url,
             f"foo/{self.stuck.address}"],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, bufsize=0,
        )
        self.addCleanup(process.stdin.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        process.stdin.write(b"GET 10 0\n")
        self.wait_dials(1)
        process.kill()
        self.wait_dials(0)
        self.assert_served(server, ["socks"])

    # -- visitors who said their last --

    def test_an_end_behind_words_is_no_hanging_up(self):
        ask = f"GET {SIZE} 0\n".encode()
        server = self.lab(aim=self.stuck)
        self.join(server)
        waiting = [self.at_forward(server), self.at_socks(server), self.at_connect(server)]
        for sock in waiting[1:]:
            sock.sendall(ask)
        waiting.append(self.at_fetch(server))
        for sock in waiting:
            self.addCleanup(sock.close)
        self.wait_dials(len(waiting))
        for sock in waiting:
            sock.shutdown(socket.SHUT_WR)
        self.assert_served(server, ["http"])  # and the ends before that
        self.assertEqual(len(self.stuck.dials()), len(waiting))
        self.stuck.free()
        for sock in waiting[:3]:
            data, orderly = traffic.read_end(sock)
            self.assertTrue(orderly)
            self.assertTrue(traffic.is_prefix(data[-SIZE:]))

    def test_a_close_at_a_forward_shows_when_the_target_answers(self):
        """Until then it is an end like any other, and what was said before is for the target."""
        server = self.lab(aim=self.stuck)
        self.join(server)
        sock = traffic.visit(server.forwards["main"], f"GET {64 * traffic.MIB} 0")
        peer = "127.0.0.1:%d" % sock.getsockname()[1]
        self.wait_dials(1)
        sock.close()
        self.assert_served(server, ["http"])  # and the end before that
        self.assertEqual(len(self.stuck.dials()), 1)
        self.stuck.free()
        line = f"visitor {peer} to foo/tcp/{self.stuck.address}: the local socket failed,"
        wait_until(lambda: line in server.log(), "the visitor's reset")
        wait_until(lambda: not self.stuck.open, "a reset at the target too")

    def test_a_unix_socket_that_is_closed_behind_words(self):
        """At a forward they are for the target, as of TCP; at a door nobody hears the answer."""
        path, door = self.dir / "forward", self.dir / "socks"
        server = self.server(
            "--socks", f"unix:{door}=foo", "--forward", f"unix:{path}=foo/{self.stuck.address}",
            forwards={"main": f"foo/{self.aim.address}"},
        )
        self.agent(server.url)
        self.wait_echo(server.forwards["main"])
        sock = traffic.visit(None, path=door)
        sock.sendall(b"\5\1\0\5\1\0\1\x7f\0\0\1" + struct.pack(">H", self.stuck.port))
        self.wait_dials(1)
        sock.close()
        self.wait_dials(0)
        with traffic.visit(None, "PUT 0", path=path):
            self.wait_dials(1)
        self.assertTrue(traffic.echoes(server.forwards["main"]))
        self.assertEqual(len(self.stuck.dials()), 1)
        self.stuck.free()
        wait_until(lambda: self.stuck.accepted, "the target's visitor")

    # -- visitors who leave a target that is through, and neither answers nor ends --

    def assert_is_let_go(self, visit, ends):
        """@visit(server, path, address) reaches a target that is silent, and what is sent then."""
        silent = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(silent.close)
        address = "127.0.0.1:{}".format(silent.getsockname()[1])
        path = self.dir / "forward"
        server = self.server("--forward", f"unix:{path}=foo/{address}")
        agent = self.agent(server.url)
        wait_until(lambda: "session up" in agent.log(), "the agent")
        for end in ends:
            with self.subTest(end=end.__name__):
                sock = visit(server, path, address)
                sock.sendall(b"xyz")
                held, _ = silent.accept()
                with held, held.makefile("rb") as words:
                    while words.read(1) != b"z":
                        pass
                    busy = agent.fds()
                    end(sock)
                    wait_until(lambda: agent.fds() < busy, "the end at the agent")

    def test_a_request_that_is_cut_in_its_body(self):
        def visit(server, path, address):
            sock = traffic.visit(server.port)
            head = f"POST /client/foo/http/{address}/ HTTP/1.1\r\nHost: x\r\n"
            sock.sendall(head.encode() + b"Content-Length: 9\r\n\r\n")
            return sock

        self.assert_is_let_go(visit, (cut, socket.socket.close))

    def test_a_unix_socket_that_is_closed(self):
        def visit(server, path, address):
            return traffic.visit(None, path=path)

        self.assert_is_let_go(visit, (socket.socket.close,))


if __name__ == "__main__":
    unittest.main()
