"""How things end: nothing that was sent in order is lost, and what is gone is noticed."""
import signal
import socket
import struct
import subprocess
import sys
import threading
import unittest

from . import traffic
from .lab import LabCase, wait_until

MIB = traffic.MIB


def reset(sock):
    """Ends @sock with a RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
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
    def test_a_visitor_that_resets_while_nobody_reads_it(self):
        """Its bytes cannot go on, so its socket is not read; its end is seen all the same."""
        server, agent, port = self.tunnel()
        before = (server.fds(), agent.fds())
        visitor = traffic.visit(port, "HOLD")
        visitor.setblocking(False)

        def full():
            sent = 0
            try:
                while True:
                    sent += visitor.send(bytes(MIB))
            except BlockingIOError:
                pass
            self.assertTrue(traffic.echoes(port))
            return sent == 0

        def unacked():
            info = visitor.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 28)
            return int.from_bytes(info[24:28], sys.byteorder)

        wait_until(full, "back-pressure to the visitor")
        # a full receiver drops segments; a reset behind them is out of its window, and dropped too
        wait_until(lambda: unacked() == 0, "what is under way to be taken")
        reset(visitor)
        wait_until(lambda: server.fds() <= before[0], "the server's socket to go")


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
