"""culvertctl forward: local listeners whose visitors reach targets over one session."""
import concurrent.futures
import re
import signal
import socket
import struct
import unittest

from . import traffic
from .lab import scaled, wait_until
from .test_udp import Echo
from .traffic import MIB
from .visits import UP, TlsVisits, Visits

SIZE = scaled("FORWARD_BYTES", 64 * MIB, 8 * MIB)


class Forward(Visits):
    def forward(self, *words, ready=True):
        """(process, port): a forward that works, to the target unless @words say something else."""
        port = traffic.free_port()
        words = words or (f"127.0.0.1:{port}={self.to(self.aim)}",)
        process = self.start(
            "forward", self.words("forward", *words), env=self.environment()
        )
        if ready:
            wait_until(
                lambda: process.log().count(" leads to ") == len(words) or not process.alive(),
                "the listeners",
            )
            self.assertTrue(process.alive(), process.log())
        return process, port

    def aimed_at(self, target):
        port = traffic.free_port()
        return self.forward(f"127.0.0.1:{port}={self.to(target)}")[0], port


class Flows(Forward):
    def test_many_visitors_at_once_over_one_session(self):
        _, port = self.forward()
        with concurrent.futures.ThreadPoolExecutor(32) as pool:
            served = list(pool.map(lambda _: traffic.echoes(port), range(300)))
            sent = list(pool.map(lambda n: traffic.download(port, MIB, n), range(32)))
        self.assertTrue(all(served) and all(sent))
        open_ = [traffic.visit(port, "ECHO") for _ in range(100)]
        self.assertTrue(all(traffic.ping(sock) for sock in open_))
        self.assertEqual(self.lab.log().count(UP), 1)
        for sock in open_:
            sock.close()

    def test_more_visitors_than_the_soft_limit_of_files_lets_in(self):
        port = traffic.free_port()
        words = self.words("forward", f"127.0.0.1:{port}={self.to(self.aim)}")
        process = self.start(
            "forward", ["prlimit", "--nofile=64:2048", *words], env=self.environment()
        )
        wait_until(lambda: " leads to " in process.log(), "the listener")
        held = [traffic.visit(port, "ECHO") for _ in range(200)]
        self.assertTrue(all(traffic.ping(sock) for sock in held))
        for sock in held:
            sock.close()

    def test_bulk_both_ways(self):
        _, port = self.forward()
        self.assertTrue(traffic.upload(port, SIZE))
        self.assertTrue(traffic.download(port, SIZE))
        self.assertEqual(traffic.full_duplex(port, SIZE), (True, SIZE))

    def test_several_listeners_and_socket_files(self):
        app = self.target(path=self.dir / "app.sock")
        near, port = self.dir / "near.sock", traffic.free_port()
        process, _ = self.forward(
            f"unix:{near}={self.to(self.aim)}", f"127.0.0.1:{port}={self.to(app)}"
        )
        self.assertTrue(traffic.echoes(None, path=near))
        self.assertTrue(traffic.echoes(port))
        self.assertEqual((self.aim.accepted, app.accepted), (2, 1))  # one was the lab's own
        self.assertEqual(process.stop(), 0)
        self.assertFalse(near.exists(), "the socket file stays behind")

    def test_half_closed_visitors_get_their_whole_answer(self):
        _, port = self.forward()
        with traffic.visit(port, "ECHO") as sock:
            sock.sendall(b"x" * 300_000)
            sock.shutdown(socket.SHUT_WR)
            self.assertEqual(traffic.read_end(sock), (b"x" * 300_000, True))

    def test_one_who_does_not_read_holds_up_nobody(self):
        process, port = self.forward()
        before = process.rss()
        with traffic.visit(port, f"GET {512 * MIB} 7", receive_buffer=8192) as stalled:
            for _ in range(40):
                self.assertTrue(traffic.echoes(port), "a visitor beside it")
            self.assertTrue(traffic.download(port, 8 * MIB), "a download beside it")
            self.assertLess(process.rss() - before, 256 * MIB)
            self.assertTrue(traffic.is_prefix(traffic.read_exactly(stalled, MIB), 7))


class Breaks(Forward):
    def test_a_reset_crosses_both_ways(self):
        breaker = self.breaker()
        process, port = self.aimed_at(breaker)
        with traffic.visit(port, "BREAK 1000") as sock:
            traffic.read_exactly(sock, 1000)
            sock.sendall(b"x")
            self.assertEqual(traffic.read_end(sock), (b"", False))
        sock = traffic.visit(port, "HOLD 10")
        traffic.read_exactly(sock, 10)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
        wait_until(lambda: breaker.ends, "the target's end")
        self.assertEqual(breaker.ends, ["reset"])
        self.assertTrue(process.alive())

    def test_a_target_that_cannot_be_had(self):
        port, closed = traffic.free_port(), traffic.free_port()
        process, _ = self.forward(f"127.0.0.1:{port}=foo/127.0.0.1:{closed}")
        with traffic.visit(port) as sock:
            self.assertEqual(traffic.read_end(sock), (b"", False))
        line = f"127.0.0.1:{port} to foo/tcp/127.0.0.1:{closed}: dial tcp 127.0.0.1:{closed}"
        wait_until(lambda: f"{line}: connect: connection refused" in process.log(), "the reason")

    def test_it_outlives_the_server(self):
        """Who is in the middle is reset; who comes later is served again."""
        process, port = self.forward()
        with traffic.visit(port, "ECHO") as sock:
            self.assertTrue(traffic.ping(sock))
            self.lab.kill()
            self.assertEqual(traffic.read_end(sock), (b"", False))
        wait_until(lambda: "session lost" in process.log(), "the loss")
        self.assertFalse(traffic.echoes(port))
        wait_until(lambda: "no session with the server now" in process.log(), "the reason")
        self.lab = self.restart(self.lab)
        self.wait_echo(port, "an echo when the server is back")

    def test_it_ends_with_a_signal(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            breaker = self.breaker()
            process, port = self.aimed_at(breaker)
            with traffic.visit(port, "HOLD 10") as sock:
                traffic.read_exactly(sock, 10)
                process.signal(number)
                self.assertEqual(process.wait(), 0, process.log())
                self.assertEqual(traffic.read_end(sock)[1], False)
            self.assertEqual(wait_until(lambda: breaker.ends, "the target's end"), ["reset"])


class Refused(Forward):
    def refuse(self, code, text, *words, token=None):
        done = self.ctl("forward", *words, token=token)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertIn(text, done.stderr.decode())

    def test_what_cannot_work_is_said_at_once(self):
        rule = f"127.0.0.1:{traffic.free_port()}={self.to(self.aim)}"
        self.refuse(1, "401", rule, token="nonsense")
        self.refuse(1, "connection refused", "--server", "ws://127.0.0.1:1/connect", rule)
        taken = f"127.0.0.1:{self.lab.port}"
        self.refuse(3, f"{taken}: address already in use", f"{taken}={self.to(self.aim)}")
        self.refuse(2, "say what to forward")
        self.refuse(2, "needs the form LISTEN=CLIENT/HOST:PORT: '8022:foo'", "8022:foo")


class Datagrams(Forward):
    agent_may = ("--allow", "udp/127.0.0.1:*")

    def ask(self, sock, data):
        sock.send(data)
        return sock.recv(65536)

    def test_they_come_out_as_they_went_in(self):
        echo, port = Echo(self), traffic.free_port()
        process, _ = self.forward(
            f"127.0.0.1:{port}=foo/udp/127.0.0.1:{echo.port}", "--udp-idle", "1", ready=False
        )
        wait_until(lambda: f":{port} leads to foo/udp/" in process.log(), "the listener")
        block = b"".join(traffic.content(60000))
        socks = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3)]
        for sock in socks:
            self.addCleanup(sock.close)
            sock.settimeout(traffic.DEADLINE)
            sock.connect(("127.0.0.1", port))
            for size in (1, 2, 1400, 9000, 32641, 60000):
                self.assertEqual(self.ask(sock, block[:size]), block[:size], size)
        self.assertEqual(len(echo.asked), 3)
        sent = [bytes([n + 1]) * (n * 37 + 1) for n in range(40)]
        for data in sent:
            socks[0].send(data)
        self.assertEqual([socks[0].recv(65536) for _ in sent], sent)
        wait_until(
            lambda: len(re.findall(r"udp/\S+ ended in order", self.lab.log())) == 3, "their ends"
        )
        self.assertEqual(self.ask(socks[0], b"again"), b"again")
        self.assertEqual(len(echo.asked), 4, "a flow of its own")
        process.stop()
        self.assertEqual(process.popen.returncode, 0)

    def test_a_target_that_is_not_allowed_is_said(self):
        port = traffic.free_port()
        process, _ = self.forward(f"127.0.0.1:{port}=foo/udp/192.0.2.1:1", ready=False)
        wait_until(lambda: f":{port} leads to" in process.log(), "the listener")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"hello", ("127.0.0.1", port))
            wait_until(lambda: "not allowed by the agent" in process.log(), "a complaint")


class TlsFlows(TlsVisits, Flows):
    pass


class TlsBreaks(TlsVisits, Breaks):
    pass


if __name__ == "__main__":
    unittest.main()
