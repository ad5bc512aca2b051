"""How things end: nothing that was sent in order is lost, and what is gone is noticed."""
import os
import signal
import socket
import struct
import subprocess
import threading
import unittest

from . import traffic
from .lab import LabCase, wait_until
from .netns import NetCase

MIB = traffic.MIB


IDLE = 30  # seconds: CV_KEEPALIVE_IDLE
TCP_REPAIR = 19


def reset(sock):
    """Ends @sock with a RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def vanish(sock):
    """Ends @sock without a word. Who is not permitted to (CAP_NET_ADMIN) says one."""
    try:
        sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
    except PermissionError:
        return reset(sock)
    sock.close()


class Polite(traffic.Target):
    """Ends its own direction when it has said everything, and reads until the visitor ends the
    other. (A socket that is closed over unread bytes resets, and its own kernel drops the rest.)"""

    def _serve(self, sock):
        def read_on():
            try:
                while sock.recv(MIB):
                    pass
            except OSError:
                pass

        size = int(sock.recv(64).split()[1])
        reader = threading.Thread(target=read_on, daemon=True)
        reader.start()
        for block in traffic.content(size, 3):
            sock.sendall(block)
        sock.shutdown(socket.SHUT_WR)
        reader.join()


class Counter(traffic.Target):
    """Answers only once the visitor has said that no more comes."""

    def _serve(self, sock):
        count = 0
        while data := sock.recv(MIB):
            count += len(data)
        sock.sendall(b"%d bytes\n" % count + b"." * (2 * MIB))


class Orderly(LabCase):
    def polite(self):
        target = Polite()
        self.addCleanup(target.close)
        server = self.server(forwards={"main": f"foo/{target.address}"})
        self.agent(server.url)
        return server.forwards["main"]

    def test_a_half_closed_visitor_gets_its_whole_answer(self):
        """`printf … | nc -N`: the end of its input crosses the tunnel, the answer comes back."""
        target = Counter()
        self.addCleanup(target.close)
        server = self.server(forwards={"main": f"foo/{target.address}"})
        self.agent(server.url)
        for size in (1, 3 * MIB):
            argv = ["nc", "-N", "127.0.0.1", str(server.forwards["main"])]

            def answer():
                return subprocess.run(
                    argv, input=b"x" * size, capture_output=True, timeout=traffic.DEADLINE,
                    check=False,
                ).stdout

            got = wait_until(answer, "a way in")
            self.assertEqual(got, b"%d bytes\n" % size + b"." * (2 * MIB))

    def test_a_slow_reader_that_still_writes_gets_the_last_byte(self):
        """The target is done and gone while most of its answer waits in kernels. The visitor's
        bytes then meet a connection that nobody reads: a RST in answer would cost it the rest."""
        port = self.polite()
        size = 6 * MIB
        wait_until(lambda: self.answers(port), "a way in")
        with traffic.visit(port, f"SEND {size}", receive_buffer=16384) as visitor:
            got = bytearray()
            while len(got) < size:
                visitor.sendall(b"still here")
                part = visitor.recv(65536)
                self.assertTrue(part, f"the end after {len(got)} of {size} bytes")
                got += part
            self.assertEqual(visitor.recv(1), b"")
        self.assertTrue(traffic.is_prefix(bytes(got), 3))

    def test_an_early_answer_outlives_the_request(self):
        """The target answers and shuts down while the visitor still sends."""
        port = self.polite()
        wait_until(lambda: self.answers(port), "a way in")
        for _ in range(10):
            with traffic.visit(port, "SEND 3") as visitor:
                visitor.sendall(bytes(4 * MIB))
                self.assertEqual(traffic.read_end(visitor), (b"3:0", True))

    def answers(self, port):
        try:
            with traffic.visit(port, "SEND 3") as visitor:
                return traffic.read_exactly(visitor, 3) == b"3:0"
        except OSError:
            return False


class Noticed(LabCase):
    def test_visitors_that_are_gone_while_nobody_reads_them(self):
        """One resets who was full: its last words have their time, and no more. One vanished, and
        the kernel asks for it."""
        server, _, port = self.tunnel(agent_flags=("--drain-timeout", "1"))
        full, silent = self.full(port), traffic.visit(port, "ECHO")
        self.assertTrue(traffic.ping(silent))
        held = [self.at_server(port, visitor) for visitor in (full, silent)]
        for inode in held:
            self.assertIn(inode, self.sockets(server))
        reset(full)
        vanish(silent)
        wait_until(
            lambda: not self.sockets(server) & set(held),
            lambda: f"the end of {set(held) & self.sockets(server)} of {held}",
        )

    def full(self, port):
        """A visitor of whom nothing more is taken."""
        visitor = traffic.visit(port, "HOLD")
        self.addCleanup(visitor.close)
        visitor.setblocking(False)

        def is_full():
            sent = 0
            try:
                while True:
                    sent += visitor.send(bytes(MIB))
            except BlockingIOError:
                pass
            self.assertTrue(traffic.echoes(port))
            return sent == 0

        wait_until(is_full, "back-pressure to the visitor")
        return visitor

    def at_server(self, port, visitor):
        """The other socket of @visitor's connection, as its number."""
        (row,) = traffic.connections(port, visitor.getsockname()[1])
        return row[9]

    def sockets(self, process):
        """Numbers of all sockets that @process has."""
        links = set()
        for fd in process.descriptors():
            try:
                links.add(os.readlink(f"/proc/{process.pid}/fd/{fd}"))
            except FileNotFoundError:
                pass  # closed since it was listed
        return {link[8:-1] for link in links if link.startswith("socket:")}


class Asked(NetCase):
    def test_the_kernel_asks_for_visitors_and_targets(self):
        """Beyond this machine: within it a target does not vanish."""
        with self.a.entered():
            target = self.target(host="10.77.0.1")
        server = self.program(
            self.a, "server", "culvert-server", "--insecure-no-auth", "--listen", "10.77.0.1:8123",
            *("--forward", f"10.77.0.1:9000=foo/{target.address}"),
        )
        self.wait_log(server, "forward 10.77.0.1")
        agent = self.program(
            self.b, "agent", "culvert-agent", "--connect", "ws://10.77.0.1:8123/connect",
            *("--id", "foo", "--allow", "10.77.0.1:*"),
        )
        self.wait_log(server, "client foo: session")
        with self.b.entered():
            visitor = traffic.visit(9000, "ECHO", host="10.77.0.1")
        self.addCleanup(visitor.close)
        self.assertTrue(traffic.ping(visitor))
        self.assert_asked(server, 9000, visitor.getsockname()[1])
        self.assert_asked(agent, None, target.port)

    def assert_asked(self, process, port, peer):
        """That the socket's timer is that of keepalive, once nothing is under way."""

        def ticks_left():
            (row,) = traffic.connections(port, peer, process.pid)
            kind, ticks = row[5].split(":")
            return kind == "02" and int(ticks, 16)

        ticks = wait_until(ticks_left, f"keepalive of the socket to port {peer}")
        self.assertLessEqual(ticks / os.sysconf("SC_CLK_TCK"), IDLE)


class Drain(LabCase):
    def test_a_visitor_that_never_reads_does_not_hold_the_server(self):
        server, _, port = self.tunnel("--drain-timeout", "1")
        with traffic.visit(port, f"GET {512 * MIB}", receive_buffer=8192):
            server.signal(signal.SIGTERM)
            self.assertEqual(server.wait(), 0)

    def test_an_agent_lets_a_transfer_finish(self):
        server, agent, port = self.tunnel()
        size = 64 * MIB
        with traffic.visit(port, f"GET {size} 5") as visitor:
            got = bytearray(traffic.read_exactly(visitor, MIB))
            agent.signal(signal.SIGTERM)
            wait_until(lambda: not traffic.echoes(port), "no new dials")
            got += traffic.read_exactly(visitor, size - MIB)
        self.assertEqual(len(got), size)
        self.assertTrue(traffic.is_prefix(bytes(got), 5))
        self.assertEqual(agent.wait(), 0)

    def test_an_agents_drain_has_an_end(self):
        _, agent, port = self.tunnel(agent_flags=("--drain-timeout", "1"))
        with traffic.visit(port, "HOLD"):
            agent.signal(signal.SIGTERM)
            self.assertEqual(agent.wait(), 0)


if __name__ == "__main__":
    unittest.main()
