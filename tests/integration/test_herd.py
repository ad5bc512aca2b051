"""All agents lose their server at once and come back, by the benchmark's own tool."""
import concurrent.futures
import contextlib
import signal
import sys
import threading
import time
import unittest

from tests.interop.peer import ws

from . import traffic
from .lab import ROOT, LabCase, wait_until

sys.path.insert(0, str(ROOT / "bench"))
import bed
import measures

AGENTS = 300
FLOODERS = 24


class Herd(LabCase):
    def test_a_killed_server_has_all_its_agents_back(self):
        """More come at once than it takes: they wait, and none is refused or lost."""
        target = self.target()
        for threads in (1, 2):
            with self.subTest(threads=threads):
                server = self.server(
                    *("--threads", threads, "--max-rate", 200 // threads),
                    forwards={"main": f"foo/{target.address}"},
                )
                agent = self.agent(server.url)
                self.wait_echo(server.forwards["main"])
                load = measures.Load(bed.build_load(self.dir / "load"), target.port, 1)
                flags = ("--port", server.port, "--conns", AGENTS)
                with measures.Held(load, "herd", *flags) as herd:
                    self.assertEqual(herd.report["joined"], AGENTS)
                    server.kill()
                    again = self.restart(server)
                    back = herd.next_report(traffic.DEADLINE)
                    self.assertEqual(back["joined"], AGENTS)
                    self.assertEqual(back["refused"], 0)
                    self.wait_echo(again.forwards["main"])
                self.assertEqual(herd.outcome, {"away": 0})
                self.assertIn("connections a second: they wait", again.log())
                self.assertTrue(agent.alive())
                wait_until(lambda: again.log().count(" ended: ") >= AGENTS, "their ends")
                self.assertTrue(again.alive())

    def test_idle_agents_that_are_all_gone_at_one_look(self):
        """More than the kernel says in one answer."""
        aim = self.target()
        server = self.server(forwards={"main": f"foo/{aim.address}"})
        links = []
        for n in range(AGENTS):
            fields = [("X-Tunnel-ID", f"k{n}"), ("X-Culvert-Features", "ack")]
            link, _ = ws.dial("127.0.0.1", server.port, fields, timeout=traffic.DEADLINE)
            self.addCleanup(link.close)
            links.append(link)

        def ask():
            for link in links:
                link.send(ws.PING)
            for link in links:
                while link.receive().opcode != ws.PONG:
                    pass

        idle = time.monotonic() + 2  # who says something later than that rests
        while time.monotonic() < idle:
            ask()
        ask()
        server.signal(signal.SIGSTOP)
        for link in links:
            link.close()
        server.signal(signal.SIGCONT)
        self.wait_log(server, " ended: ", AGENTS)
        self.agent(server.url)
        self.wait_echo(server.forwards["main"])

    def test_a_flood_at_one_address_leaves_the_other_its_turn(self):
        other = traffic.free_port()
        server = self.server("--listen", f"127.0.0.1:{other}", "--max-rate", 400)
        over = threading.Event()

        def knock(port):
            with traffic.visit(port) as sock:
                sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                return b"404" in sock.recv(4096)

        def flood():
            while not over.is_set():
                with contextlib.suppress(OSError):
                    knock(server.port)

        with concurrent.futures.ThreadPoolExecutor(FLOODERS) as pool:
            for _ in range(FLOODERS):
                pool.submit(flood)
            try:
                wait_until(lambda: "they wait" in server.log(), "the flood")
                for _ in range(20):
                    self.assertTrue(knock(other))
            finally:
                over.set()


if __name__ == "__main__":
    unittest.main()
