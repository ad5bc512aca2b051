"""--threads: sessions live on several loops; a visitor finds its own whichever took it in."""
import concurrent.futures
import re
import signal
import socket
import unittest

from tests.interop.peer import ws

from . import traffic
from .certs import Certificates
from .lab import LabCase, wait_until

THREADS = 3
KEYS = [f"agent-{n}" for n in range(12)]
UP = re.compile(r"client (\S+): session (\d+) up")


class Threads(LabCase):
    def setUp(self):
        super().setUp()
        self.targets = {key: self.target() for key in KEYS}

    def threaded(self, *flags, **how):
        forwards = {key: f"{key}/{target.address}" for key, target in self.targets.items()}
        return self.server("--threads", THREADS, *flags, forwards=forwards, **how)

    def sessions(self, server):
        """Client key -> the worker of its newest session: ids are dealt out in turn."""
        return {key: (int(number) - 1) % THREADS for key, number in UP.findall(server.log())}

    def join_all(self, server):
        for key in KEYS:
            self.agent(server.url, key=key)
        for key in KEYS:
            self.wait_echo(server.forwards[key])

    def hold(self, port):
        """A visitor who stays; None when he is turned away."""
        try:
            sock = traffic.visit(port, "ECHO")
        except OSError:
            return None
        self.addCleanup(sock.close)
        return sock if traffic.ping(sock) else None

    def test_every_visitor_finds_its_own_client(self):
        """Visitors and agents land on any loop; a dial that reached a wrong client would be counted
        by the wrong target."""
        server = self.threaded()
        self.join_all(server)
        self.assertGreater(len(set(self.sessions(server).values())), 1, "one loop has all sessions")
        before = {key: target.accepted for key, target in self.targets.items()}
        visits = [key for key in KEYS for _ in range(20)]
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            served = list(pool.map(lambda key: traffic.echoes(server.forwards[key]), visits))
        self.assertTrue(all(served))
        for key, target in self.targets.items():
            self.assertEqual(target.accepted - before[key], 20, key)

    def test_bulk_both_ways_on_all_loops(self):
        server = self.threaded()
        self.join_all(server)
        with concurrent.futures.ThreadPoolExecutor(len(KEYS)) as pool:
            sent = list(
                pool.map(lambda key: traffic.full_duplex(server.forwards[key], 2 << 20), KEYS)
            )
        self.assertEqual(sent, [(True, 2 << 20)] * len(KEYS))

    def test_a_client_that_comes_back_on_another_loop_takes_over(self):
        server = self.threaded()
        key = KEYS[0]
        workers, frozen = set(), []
        while len(workers) < THREADS:
            agent = self.agent(server.url, key=key)
            wait_until(lambda: len(UP.findall(server.log())) == len(frozen) + 1, "the session")
            workers.add(self.sessions(server)[key])
            self.wait_echo(server.forwards[key], "an echo through the newest session")
            agent.signal(signal.SIGSTOP)
            frozen.append(agent)

    def test_the_last_session_of_a_key_leaves_no_route(self):
        server = self.threaded()
        key = KEYS[0]
        agents = [self.agent(server.url, key=key) for _ in range(4)]
        wait_until(lambda: len(UP.findall(server.log())) == 4, "four sessions")
        for agent in agents:
            self.wait_echo(server.forwards[key])
            agent.kill()
        wait_until(lambda: len(re.findall(r"session \d+ ended: ", server.log())) >= 4, "their ends")
        self.assertFalse(traffic.echoes(server.forwards[key]))

    def test_a_lost_client_costs_nobody_else(self):
        server = self.threaded()
        self.join_all(server)
        held = {key: traffic.visit(server.forwards[key], "ECHO") for key in KEYS[1:]}
        for sock in held.values():
            self.addCleanup(sock.close)
            self.assertTrue(traffic.ping(sock))
        self.processes[1].kill()  # the agent of KEYS[0]
        wait_until(lambda: re.search(r"session \d+ ended: ", server.log()), "its end")
        for sock in held.values():
            self.assertTrue(traffic.ping(sock))

    def test_limits_hold_for_all_loops_together(self):
        server = self.threaded("--max-conns", "5", "--max-sessions", str(len(KEYS)))
        self.join_all(server)
        self.agent(server.url, key="one-more")
        wait_until(
            lambda: any("503" in process.log() for process in self.processes), "a refused session"
        )
        # those of before may hold their places for a moment yet
        held = [
            wait_until(lambda k=key: self.hold(server.forwards[k]), "a place") for key in KEYS[:5]
        ]
        self.assertFalse(traffic.echoes(server.forwards[KEYS[6]]))
        held[0].close()
        self.wait_echo(server.forwards[KEYS[6]], "a place")

    def test_a_reload_reaches_every_loop(self):
        path, tokens = self.token_file(*[("agent", key) for key in KEYS])
        server = self.threaded(auth=("--token-file", path))
        for key, token in zip(KEYS, tokens):
            self.agent(server.url, key=key, token=token)
        for key in KEYS:
            self.wait_echo(server.forwards[key])
        lines = path.read_text().splitlines()
        path.write_text(lines[0] + "\n")
        server.signal(signal.SIGHUP)
        wait_until(
            lambda: server.log().count("its credential is gone") == len(KEYS) - 1,
            "the end of those whose line is gone",
        )
        self.assertTrue(traffic.echoes(server.forwards[KEYS[0]]))

    def test_sigterm_lets_a_transfer_finish(self):
        server = self.threaded()
        self.join_all(server)
        visitors = []
        for key in KEYS[:4]:
            visitor = traffic.visit(server.forwards[key], f"GET {8 << 20} 5", receive_buffer=65536)
            self.addCleanup(visitor.close)
            visitors.append((visitor, traffic.read_exactly(visitor, 1 << 20)))
        server.signal(signal.SIGTERM)
        wait_until(lambda: not traffic.listening(server.port), "the end of accepting")
        for visitor, start in visitors:
            rest, orderly = traffic.read_end(visitor)
            self.assertTrue(orderly)
            self.assertTrue(traffic.is_prefix(start + rest, 5) and len(start + rest) == 8 << 20)
            visitor.close()
        self.assertEqual(server.wait(), 0)

    def test_a_drain_has_an_end(self):
        server = self.threaded("--drain-timeout", "1")
        self.join_all(server)
        for key in KEYS[:4]:
            visitor = traffic.visit(server.forwards[key], "ECHO")
            self.addCleanup(visitor.close)
            self.assertTrue(traffic.ping(visitor))
        server.signal(signal.SIGTERM)
        self.assertEqual(server.wait(), 0)

    def test_an_address_in_use_is_refused(self):
        """SO_REUSEPORT alone would let a second server in beside the first."""
        server = self.threaded()
        other = self.run_to_end(
            "culvert-server", "--threads", 2, "--listen", f"127.0.0.1:{server.port}",
            "--insecure-no-auth",
        )
        self.assertEqual(other.returncode, 3, other.stderr)
        self.assertIn("in use", other.stderr)

    def test_a_front_door_at_a_unix_socket_serves_all_loops(self):
        path = self.dir / "front"
        server = self.threaded("--listen", f"unix:{path}")
        for n in range(THREADS * 2):
            sock = socket.socket(socket.AF_UNIX)
            sock.settimeout(traffic.DEADLINE)
            self.addCleanup(sock.close)
            sock.connect(str(path))
            sock.sendall(ws.request_text("/connect", "x", [("X-Tunnel-ID", f"u-{n}")]).encode())
            self.assertEqual(ws.read_head(sock.makefile("rb")).status, 101)
        wait_until(lambda: server.log().count("client u-") == THREADS * 2, "their sessions")
        workers = [worker for key, worker in self.sessions(server).items() if key[0] == "u"]
        self.assertEqual(sorted(workers), sorted(list(range(THREADS)) * 2))


class TlsThreads(Certificates):
    def test_loops_share_certificates_through_reloads(self):
        aim = self.target()
        server = self.server(
            "--threads", THREADS, "--tls-cert", self.cert, "--tls-key", self.key,
            forwards={key: f"{key}/{aim.address}" for key in KEYS},
        )
        url = f"wss://127.0.0.1:{server.port}/connect"
        for key in KEYS:
            self.agent(url, "--ca", self.ca, key=key)
            server.signal(signal.SIGHUP)
        for key in KEYS:
            self.wait_echo(server.forwards[key])


if __name__ == "__main__":
    unittest.main()
