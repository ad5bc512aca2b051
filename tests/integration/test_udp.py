"""Forwards of `udp/`: datagrams stay what they are, flows are apart and end, and a real name server
answers a real dig."""
import re
import shutil
import socket
import subprocess
import threading
import unittest

from tests.interop.peer.agent import Agent

from . import traffic
from .lab import LabCase, wait_until

DIG = ("dig", "+notcp", "+tries=1", "+time=30", "@127.0.0.1")


class Echo:
    """A UDP service that answers each datagram with itself, and counts those who ask."""

    def __init__(self, case):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.port = self.sock.getsockname()[1]
        self.asked = set()
        case.addCleanup(self.sock.close)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                data, peer = self.sock.recvfrom(65536)
                self.asked.add(peer)
                if data != b"quiet":
                    self.sock.sendto(data, peer)
            except OSError:
                return


class Udp(LabCase):
    def setUp(self):
        super().setUp()
        self.echo = Echo(self)

    def tunnel_of(self, target, *flags):
        """(server, agent, UDP port here) for a forward to udp/@target."""
        port, check = traffic.free_port(), self.target()
        server = self.server(
            "--forward", f"127.0.0.1:{port}=foo/udp/{target}", *flags,
            forwards={"up": f"foo/{check.address}"},
        )
        agent = self.agent(server.url, *self.agent_flags)
        self.wait_echo(server.forwards["up"])
        return server, agent, port

    agent_flags = ()

    def visitor(self, port):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.settimeout(traffic.DEADLINE)
        sock.connect(("127.0.0.1", port))
        self.addCleanup(sock.close)
        return sock

    def ask(self, sock, data):
        sock.send(data)
        return sock.recv(65536)

    def test_a_datagram_comes_out_as_it_went_in(self):
        _, _, port = self.tunnel_of(f"127.0.0.1:{self.echo.port}", "--threads", 2)
        sock = self.visitor(port)
        block = b"".join(traffic.content(60000))
        for size in (1, 2, 100, 1400, 1473, 9000, 32640, 32641, 59999, 60000):
            self.assertEqual(self.ask(sock, block[:size]), block[:size], size)

    def test_many_at_once_stay_apart(self):
        """They come before the target was dialled, too."""
        _, _, port = self.tunnel_of(f"127.0.0.1:{self.echo.port}")
        sock = self.visitor(port)
        sent = [bytes([n]) * (n * 37 + 1) for n in range(40)]
        for data in sent:
            sock.send(data)
        self.assertEqual([sock.recv(65536) for _ in sent], sent)

    def test_one_that_is_too_long_or_empty_is_lost_alone(self):
        _, _, port = self.tunnel_of(f"127.0.0.1:{self.echo.port}")
        sock = self.visitor(port)
        sock.send(b"x" * 60001)
        sock.send(b"")
        self.assertEqual(self.ask(sock, b"after it"), b"after it")

    def test_visitors_have_flows_of_their_own(self):
        _, _, port = self.tunnel_of(f"127.0.0.1:{self.echo.port}", "--threads", 3)
        socks = [self.visitor(port) for _ in range(20)]
        for n, sock in enumerate(socks):
            sock.send(b"%d" % n)
        for n, sock in enumerate(socks):
            self.assertEqual(sock.recv(100), b"%d" % n)
        self.assertEqual(len(self.echo.asked), 20)

    def test_an_idle_flow_ends_and_another_one_begins(self):
        server, _, port = self.tunnel_of(f"127.0.0.1:{self.echo.port}", "--udp-idle", "1")
        sock = self.visitor(port)
        self.assertEqual(self.ask(sock, b"one"), b"one")
        wait_until(lambda: re.search(r"udp/\S+ ended in order", server.log()), "its end")
        self.assertEqual(self.ask(sock, b"two"), b"two")
        self.assertEqual(len(self.echo.asked), 2)

    def test_flows_of_an_address_are_bounded(self):
        server, _, port = self.tunnel_of(f"127.0.0.1:{self.echo.port}")
        socks = [self.visitor(port) for _ in range(1024)]
        for sock in socks:
            self.assertEqual(self.ask(sock, b"in"), b"in")
        self.visitor(port).send(b"one more")
        wait_until(lambda: re.search(r"udp: visitor \S+ turned away", server.log()), "a refusal")
        self.assertEqual(self.ask(socks[0], b"still here"), b"still here")

    def test_bulk_beside_datagrams_disturbs_neither(self):
        server, _, port = self.tunnel_of(f"127.0.0.1:{self.echo.port}")
        sock, done = self.visitor(port), []
        bulk = threading.Thread(
            target=lambda: done.append(traffic.full_duplex(server.forwards["up"], 16 << 20))
        )
        bulk.start()
        block = b"".join(traffic.content(40000))
        for n in range(200):
            self.assertEqual(self.ask(sock, block[: 1 + n * 199]), block[: 1 + n * 199])
        bulk.join()
        self.assertEqual(done, [(True, 16 << 20)])

    def test_a_target_that_nobody_serves_ends_the_flow(self):
        server, _, port = self.tunnel_of(f"127.0.0.1:{self.closed_port()}")
        self.visitor(port).send(b"hello")
        wait_until(lambda: "connection refused" in server.log(), "its end")

    def closed_port(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", 0))
            return sock.getsockname()[1]

    def test_the_agent_refuses_what_it_does_not_allow(self):
        self.agent_flags = ("--allow", "127.0.0.1:*")  # tcp alone
        server, agent, port = self.tunnel_of(f"127.0.0.1:{self.echo.port}")
        self.visitor(port).send(b"hello")
        wait_until(lambda: "not allowed by the agent" in server.log(), "a refusal")
        self.assertTrue(traffic.echoes(server.forwards["up"]))

    def test_dig(self):
        name_port = traffic.free_port()
        long = " ".join(f'"{chr(97 + n) * 200}"' for n in range(6)).replace('"', "")
        self.start(
            "dnsmasq",
            [
                shutil.which("dnsmasq") or "/usr/sbin/dnsmasq", "--keep-in-foreground",
                "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--no-daemon",
                f"--port={name_port}", "--listen-address=127.0.0.1", "--bind-interfaces",
                "--address=/culvert.test/192.0.2.7", "--edns-packet-max=4096",
                "--txt-record=long.test," + ",".join(long.split()),
            ],
        )
        wait_until(lambda: traffic.listening(name_port), "the name server")
        _, _, port = self.tunnel_of(f"127.0.0.1:{name_port}")
        done = subprocess.run(
            [*DIG, "-p", str(port), "+short", "culvert.test"], capture_output=True, text=True
        )
        self.assertEqual((done.returncode, done.stdout), (0, "192.0.2.7\n"), done.stderr)
        done = subprocess.run(
            [*DIG, "-p", str(port), "+bufsize=4096", "long.test", "TXT"],
            capture_output=True, text=True,
        )
        self.assertIn("f" * 200, done.stdout)
        self.assertGreater(int(re.search(r"MSG SIZE\s+rcvd: (\d+)", done.stdout)[1]), 1200)


    def test_a_reference_agent_is_said_to_be_one(self):
        """It knows no datagrams, but while nothing is in the way each frame is one to it, too."""
        port = traffic.free_port()
        server = self.server("--forward", f"127.0.0.1:{port}=foo/udp/127.0.0.1:{self.echo.port}")
        peer = Agent(server.port)
        self.addCleanup(peer.close)
        sock = self.visitor(port)
        for size in (1, 1400, 9000):
            self.assertEqual(self.ask(sock, b"x" * size), b"x" * size)
        self.wait_log(server, "client foo does not know datagrams")


class Ranges(LabCase):
    def test_a_range_of_ports_leads_to_as_many_targets(self):
        first, here = traffic.free_run(3), traffic.free_run(3)
        aims = [self.target(port=first + n) for n in range(3)]
        server = self.server(
            "--forward", f"127.0.0.1:{here}-{here + 2}=foo/127.0.0.1:{first}-{first + 2}",
        )
        self.agent(server.url)
        for n in range(3):
            self.wait_echo(here + n)
        self.assertEqual([aim.accepted > 0 for aim in aims], [True] * 3)


if __name__ == "__main__":
    unittest.main()
