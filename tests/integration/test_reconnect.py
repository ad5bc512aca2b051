"""Agents come back, servers drain, sessions of one key take over from each other."""
import datetime
import signal
import struct
import unittest

from tests.interop.peer import ws

from . import traffic
from .lab import LabCase, wait_until

MIB = traffic.MIB


class Reconnect(LabCase):
    def test_an_agent_started_before_its_server(self):
        target, port = self.target(), traffic.free_port()
        agent = self.agent(f"ws://127.0.0.1:{port}/connect")
        wait_until(agent.log, "the agent's complaint")
        server = self.server(forwards={"main": f"foo/{target.address}"}, port=port)
        self.wait_echo(server.forwards["main"])

    def test_after_a_restart_of_the_server(self):
        server, agent, port = self.tunnel()
        for _ in range(3):
            self.assertEqual(server.stop(), 0)
            server = self.restart(server)
            self.wait_echo(port, "the agent's return")
        self.assertTrue(agent.alive())

    def test_the_newest_session_of_a_key_is_preferred(self):
        server, first, port = self.tunnel()
        with traffic.visit(port, "ECHO") as old:
            self.assertTrue(traffic.ping(old))
            second = self.agent(server.url)
            first.signal(signal.SIGSTOP)
            self.addCleanup(first.signal, signal.SIGCONT)
            self.wait_echo(port, "an echo through the newer agent")
            first.signal(signal.SIGCONT)
            self.assertTrue(second.alive())

    def test_a_killed_agents_twin_goes_on(self):
        server, first, port = self.tunnel()
        self.agent(server.url)
        first.kill()
        self.wait_echo(port)


class Drain(LabCase):
    def test_sigterm_ends_an_idle_server_and_agent_with_0(self):
        server, agent, _ = self.tunnel()
        self.assertEqual(agent.stop(), 0)
        self.assertEqual(server.stop(), 0)

    def test_sigterm_lets_a_transfer_finish(self):
        """New visitors are turned away while the old one reads to its end; then
        the exit status is 0."""
        server, _, port = self.tunnel()
        with traffic.visit(port, f"GET {16 * MIB} 5", receive_buffer=65536) as visitor:
            data = traffic.read_exactly(visitor, MIB)
            server.signal(signal.SIGTERM)
            wait_until(lambda: not traffic.listening(port), "the end of accepting")
            rest, orderly = traffic.read_end(visitor)
            self.assertTrue(orderly)
            self.assertEqual(len(data + rest), 16 * MIB)
            self.assertTrue(traffic.is_prefix(data + rest, 5))
        self.assertEqual(server.wait(), 0)

    def test_a_drain_has_an_end(self):
        """A visitor that stays does not keep the server for ever."""
        server, _, port = self.tunnel("--drain-timeout", "1")
        with traffic.visit(port, "ECHO") as visitor:
            self.assertTrue(traffic.ping(visitor))
            server.signal(signal.SIGTERM)
            server.wait()

    def test_agents_are_told_one_by_one(self):
        """Spread over three seconds, by the times in the log; only their mean is asked for."""
        server = self.server()
        links = []
        for n in range(300):
            link, _ = ws.dial("127.0.0.1", server.port, [("X-Tunnel-ID", f"k{n}")])
            self.addCleanup(link.close)
            links.append(link)
        wait_until(lambda: server.log().count(" up from ") == len(links), "all sessions")
        server.signal(signal.SIGTERM)
        self.assertEqual({self.code_of_close(link) for link in links}, {1012})
        self.assertEqual(server.wait(), 0)
        times = [
            datetime.datetime.fromisoformat(line.split()[0])
            for line in server.log().splitlines()
            if " draining: " in line or " ended: " in line
        ]
        self.assertEqual(len(times), 1 + len(links))
        mean = sum(((time - times[0]).total_seconds() for time in times[1:])) / len(links)
        self.assertGreater(mean, 1)

    def code_of_close(self, link):
        """Reads on to the close frame, answers it, and returns its code."""
        while message := link.receive():
            if message.opcode == ws.CLOSE:
                (code,) = struct.unpack(">H", message.payload[:2])
                link.close(code)
                return code
        return None

    def test_who_has_a_connection_is_told_when_that_has_ended(self):
        for flags in ((), ("--threads", "2")):
            with self.subTest(flags):
                server, busy, port = self.tunnel(*flags)
                idle = self.agent(server.url, key="idle")
                wait_until(lambda: "client idle: session" in server.log(), "the idle agent")
                with traffic.visit(port, "ECHO") as visitor:
                    self.assertTrue(traffic.ping(visitor))
                    server.signal(signal.SIGTERM)
                    wait_until(lambda: "session lost: the server stops" in idle.log(), "its word")
                    self.assertNotIn("session lost", busy.log())
                    self.assertTrue(traffic.ping(visitor, b"still here"))
                wait_until(lambda: "session lost" in busy.log(), "the word to the busy agent")
                self.assertEqual(server.wait(), 0)

    def test_an_agent_goes_on_with_its_other_server(self):
        """And comes back to this one when it is there again."""
        target = self.target()
        servers = [self.server(forwards={"main": f"foo/{target.address}"}) for _ in range(2)]
        agent = self.agent(servers[0].url, "--connect", servers[1].url)
        first, second = (server.forwards["main"] for server in servers)
        self.wait_echo(first)
        self.wait_echo(second)
        with traffic.visit(second, "ECHO") as visitor:
            self.assertTrue(traffic.ping(visitor))
            self.assertEqual(servers[0].stop(), 0)
            self.assertTrue(traffic.ping(visitor, b"still here"))
            self.restart(servers[0])
            self.wait_echo(first, "the agent's return")
            self.assertTrue(traffic.ping(visitor, b"all the time"))
        self.assertTrue(agent.alive())

    def test_sigint_is_as_good(self):
        server, agent, _ = self.tunnel()
        for process in (agent, server):
            process.signal(signal.SIGINT)
            self.assertEqual(process.wait(), 0)


if __name__ == "__main__":
    unittest.main()
