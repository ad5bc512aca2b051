"""What breaks in the middle: processes killed, links gone dumb, descriptors
used up, dials that fail."""
import pathlib
import subprocess
import sys
import unittest

from . import traffic
from .lab import LabCase, wait_until

MIB = traffic.MIB
SIZE = 1024 * MIB
SEEN = 8 * MIB
NOFILE = 64


class Killed(LabCase):
    """kill -9 in mid-transfer: the visitor sees an exact prefix and an end, and
    things come back by themselves."""

    def start_target(self):
        """A target of its own process."""
        process = self.start(
            "target", [sys.executable, "-m", "tests.integration.traffic", self.target_port]
        )
        wait_until(lambda: traffic.listening(self.target_port), "the target")
        return process

    def setUp(self):
        super().setUp()
        self.target_port = traffic.free_port()
        self.victim_target = self.start_target()
        self.lab_server = self.server(forwards={"main": f"foo/127.0.0.1:{self.target_port}"})
        self.lab_agent = self.agent(self.lab_server.url)
        self.port = self.lab_server.forwards["main"]
        self.wait_echo(self.port)
        self.idle = self.lab_server.fds()

    def assert_cut(self, kill):
        with traffic.visit(self.port, f"GET {SIZE} 0") as visitor:
            data = traffic.read_exactly(visitor, SEEN)
            self.assertEqual(len(data), SEEN)
            kill()
            rest, _ = traffic.read_end(visitor)
            data += rest
            self.assertLess(len(data), SIZE, "the transfer was not cut")
            self.assertTrue(traffic.is_prefix(data), "bytes that are no prefix")

    def assert_descriptors_back(self, process, idle):
        wait_until(
            lambda: process.fds() <= idle,
            lambda: f"descriptors back to {idle}, now {process.fds()}",
        )

    def test_the_agent(self):
        self.assert_cut(self.lab_agent.kill)
        self.assertFalse(traffic.echoes(self.port), "an echo without an agent")
        self.agent(self.lab_server.url)
        self.wait_echo(self.port, "an echo through a new agent")
        self.assert_descriptors_back(self.lab_server, self.idle)

    def test_the_target(self):
        self.assert_cut(self.victim_target.kill)
        self.start_target()
        self.wait_echo(self.port, "an echo from a new target")
        self.assertTrue(self.lab_agent.alive() and self.lab_server.alive())
        self.assert_descriptors_back(self.lab_server, self.idle)

    def test_the_server(self):
        idle = self.lab_agent.fds()
        self.assert_cut(self.lab_server.kill)
        new = self.restart(self.lab_server)
        self.wait_echo(self.port, "the agent's own return")
        self.assert_descriptors_back(self.lab_agent, idle)
        self.assert_descriptors_back(new, self.idle)


class HalfOpen(LabCase):
    """A link whose other end fell silent without a FIN: both ends notice, and a
    new session serves."""

    def setUp(self):
        super().setUp()
        self.aim = self.target()
        self.lab_server = self.server(forwards={"main": f"foo/{self.aim.address}"})
        self.relay = traffic.Relay(self.lab_server.port)
        self.addCleanup(self.relay.close)
        self.lab_agent = self.agent(f"ws://127.0.0.1:{self.relay.port}/connect")
        self.port = self.lab_server.forwards["main"]
        self.wait_echo(self.port)

    def test_the_server_ends_a_silent_session(self):
        """Its visitor gets an end although no packet of the link says so."""
        with traffic.visit(self.port, "ECHO") as visitor:
            self.assertTrue(traffic.ping(visitor))
            self.relay.freeze()
            rest, _ = traffic.read_end(visitor)
            self.assertEqual(rest, b"")
        self.assertTrue(self.lab_server.alive())
        self.relay.thaw()
        self.wait_echo(self.port, "the agent's return")

    def test_the_agent_ends_a_silent_session(self):
        """The target sees its connection end, and the agent is back once the way is open."""
        with traffic.visit(self.port, "ECHO") as visitor:
            self.assertTrue(traffic.ping(visitor))
            self.relay.freeze()
            wait_until(lambda: not self.aim.open, "the end of the target's connection")
        self.assertTrue(self.lab_agent.alive())
        self.relay.thaw()
        self.wait_echo(self.port, "the agent's return")

    def test_a_new_session_takes_over_from_a_silent_one(self):
        """While the old session only seems to live, a second agent of that key serves at once."""
        self.relay.freeze()
        self.agent(self.lab_server.url)
        self.wait_echo(self.port, "an echo through the newer session")


class Vanished(LabCase):
    """The agent dies while its network is gone: no FIN, no RST, no answer to a packet."""

    def setUp(self):
        super().setUp()
        own = pathlib.Path("/proc/self/ns/net").readlink()
        for flags in (["-n"], ["-U", "-r", "-n"]):
            holder = self.start("namespace", ["unshare", *flags, "sleep", "infinity"])
            place = pathlib.Path(f"/proc/{holder.pid}/ns/net")
            wait_until(
                lambda: not holder.alive() or place.readlink() != own, "a network of its own"
            )
            if holder.alive():
                self.inside = [
                    "nsenter",
                    "-t",
                    str(holder.pid),
                    *(["-U"] if "-U" in flags else []),
                    "-n",
                ]
                return self.link("up")
        self.skipTest("a network namespace is not permitted here")

    def link(self, state):
        subprocess.run([*self.inside, "ip", "link", "set", "lo", state], check=True)

    def sessions(self, server):
        return traffic.sockets(server.port, traffic.ESTABLISHED, server.pid)

    def test_the_server_lets_go_of_it(self):
        server = self.server(prefix=self.inside)
        wait_until(lambda: traffic.sockets(server.port, traffic.LISTEN, server.pid), "a listener")
        idle = server.fds()
        for _ in range(2):
            agent = self.agent(server.url, prefix=self.inside)
            wait_until(lambda: self.sessions(server), "a session")
            wait_until(lambda: server.fds() > idle, "its descriptor")
            self.link("down")
            agent.kill()
            self.assertEqual(self.sessions(server), 1, "the kill was noticed at once")
            wait_until(lambda: server.fds() <= idle, "the end of the session at the server")
            self.link("up")


class OutOfDescriptors(LabCase):
    def exhaust(self, process, port):
        """More visitors than @process has descriptors: what is open lives, and
        new ones come again afterwards."""
        with traffic.visit(port, "ECHO") as first:
            self.assertTrue(traffic.ping(first))
            crowd = []
            self.addCleanup(lambda: [visitor.close() for visitor in crowd])
            for _ in range(3 * NOFILE):
                try:
                    crowd.append(traffic.visit(port, "ECHO"))
                except OSError:
                    pass
            wait_until(
                lambda: process.fds() >= NOFILE - 24,
                lambda: f"descriptors used up, now {process.fds()}",
            )
            self.assertTrue(traffic.ping(first), "an open connection was lost")
            for visitor in crowd:
                visitor.close()
            self.wait_echo(port, "a new visitor after the crowd")
            self.assertTrue(traffic.ping(first), "an open connection was lost")

    def test_the_server(self):
        server, agent, port = self.tunnel(nofile=NOFILE)
        self.exhaust(server, port)
        self.assertTrue(agent.alive())

    def test_the_agent(self):
        target = self.target()
        server = self.server(forwards={"main": f"foo/{target.address}"})
        agent = self.agent(server.url, nofile=NOFILE)
        self.wait_echo(server.forwards["main"])
        self.exhaust(agent, server.forwards["main"])
        self.assertTrue(server.alive())


class Refused(LabCase):
    """A dial that fails costs one visitor its connection and nothing else."""

    def setUp(self):
        super().setUp()
        self.good = self.target()
        self.closed_port = traffic.free_port()

    def visit_to_the_end(self, port):
        try:
            with traffic.visit(port) as visitor:
                return traffic.read_end(visitor)
        except ConnectionError:  # the reset was there before connect() had returned
            return b"", False

    def assert_refused_beside(self, forwards, flags=()):
        server = self.server(forwards={"good": f"foo/{self.good.address}", "bad": forwards})
        agent = self.agent(server.url, *flags)
        self.wait_echo(server.forwards["good"])
        with traffic.visit(server.forwards["good"], "ECHO") as open_:
            for _ in range(5):
                got, orderly = self.visit_to_the_end(server.forwards["bad"])
                self.assertEqual(got, b"")
                self.assertFalse(orderly, "a refused dial looks like an orderly end")
                self.assertTrue(traffic.ping(open_), "the session did not live on")
        return server, agent

    def test_nobody_listens_at_the_target(self):
        self.assert_refused_beside(f"foo/127.0.0.1:{self.closed_port}")

    def test_a_name_that_does_not_resolve(self):
        self.assert_refused_beside("foo/no-such-host.invalid:80")

    def test_an_address_that_the_agent_does_not_allow(self):
        _, agent = self.assert_refused_beside(
            f"foo/127.0.0.1:{self.closed_port}", ["--allow", self.good.address]
        )
        self.wait_log(agent, str(self.closed_port))

    def test_by_default_only_loopback_is_dialled(self):
        self.assert_refused_beside("foo/192.0.2.1:80")

    def test_a_cloud_metadata_address_needs_its_name(self):
        self.assert_refused_beside(
            "foo/169.254.169.254:80", ["--allow", "*:80", "--allow", self.good.address]
        )


if __name__ == "__main__":
    unittest.main()
