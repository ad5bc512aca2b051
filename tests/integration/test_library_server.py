"""A server inside a program, by libculvert: its scenarios (tests/embed/serve.c), and the real
agent, culvertctl and an agent like the reference's at it."""
import re
import signal
import socket
import struct
import unittest

from tests.interop.peer.agent import Agent

from . import test_attack, test_forward, traffic
from .certs import Certificates
from .lab import LabCase, Process, binaries, scaled, wait_until
from .test_udp import Echo
from .traffic import MIB

SIZE = scaled("FORWARD_BYTES", 64 * MIB, 8 * MIB)
AGENT, VISITOR = "the-secret-of-agents", "the-secret-of-visitors"
TOKENS = {"PROBE_AGENT_TOKEN": AGENT, "PROBE_VISITOR_TOKEN": VISITOR}


class Host(Process):
    """`probe hosts`: a server of libculvert for others."""

    @property
    def url(self):
        wait_until(lambda: re.search(r"^url .*\n", self.log(), re.M), "its address")
        return re.search(r"^url (.*)\n", self.log(), re.M)[1]

    @property
    def port(self):
        return int(re.search(r":(\d+)/", self.url)[1])

    def says(self, *words):
        """Waits for a line that begins with one of @words."""
        lines = wait_until(
            lambda: [line for line in self.log().splitlines() if line.startswith(words)],
            lambda: f"{words} in {self.log()[-2000:]}",
        )
        return lines[-1]


class ServerCase(LabCase):
    def probe(self, scenario, *words, env=None, prefix=(), **how):
        argv = (*prefix, binaries() / "tests/embed/embed_probe", scenario, "-", *words)
        return self.start(f"probe-{scenario}", argv, env=env, **how)

    def holds(self, scenario, *words, env=None):
        probe = self.probe(scenario, *words, env=env)
        self.assertEqual(probe.wait(120), 0, probe.log()[-2000:])
        return probe


class Scenarios(ServerCase):
    def test_bytes_cross_from_a_visitors_session_to_an_agents(self):
        probe = self.holds("serves", env=TOKENS)
        for token in TOKENS.values():
            self.assertNotIn(token, probe.log())

    def test_bytes_cross_by_the_servers_own_dials(self):
        self.holds("dials")

    def test_two_servers_in_two_threads_share_nothing(self):
        self.holds("two-servers")

    def test_the_program_decides_who_comes_in_and_may_say_that_it_does_not_know(self):
        self.holds("strangers")
        self.holds("strangers", "odd")

    def test_the_program_decides_what_a_visitor_dials(self):
        self.holds("limits")

    def test_a_dial_of_its_own_that_fails_says_why(self):
        self.holds("limits", "own")

    def test_sessions_are_listed_and_ended(self):
        self.holds("lists")

    def test_a_close_waits_for_what_runs_and_tells_the_others_to_go(self):
        self.holds("drains")

    def test_a_close_waits_no_longer_than_it_was_told(self):
        self.holds("hastens")
        self.holds("hastens", "100")

    def test_a_server_is_closed_and_sessions_are_ended_from_within_any_callback(self):
        for where in ("authorize", "allow", "join", "leave", "log", "over"):
            for word in (where, f"end-{where}"):
                with self.subTest(word):
                    self.holds("acts", word)

    def test_mistakes_are_codes_and_leave_nothing_behind(self):
        self.holds("wrong-servers")


class Tls(Certificates, ServerCase):
    def test_bytes_cross_through_tls(self):
        files = {"PROBE_CA": self.ca, "PROBE_CERT": self.cert, "PROBE_KEY": self.key}
        self.holds("serves", env={name: str(path) for name, path in files.items()})


class Hosted(ServerCase, test_forward.Forward):
    """An agent `foo` at a program's server, and a visitor who may dial 127.0.0.1 through it."""

    env, token = TOKENS, VISITOR

    def setUp(self):
        LabCase.setUp(self)
        self.aim = self.target()
        self.host = self.probe("hosts", "/127.0.0.1:", env=self.env, kind=Host)
        self.url = self.host.url
        self.join()

    def join(self):
        self.agent_of_foo = self.agent(
            self.url, "--allow", "127.0.0.1:*", "--allow", "udp/127.0.0.1:*", token=AGENT
        )
        self.host.says("join agent foo")


class Programs(Hosted):
    def test_connect_carries_bytes_both_ways(self):
        self.assertRegex(self.host.says("join agent foo"), r"^join agent foo \d+\.\S+ culvert: 127")
        data = b"".join(traffic.content(3 * MIB))
        done = self.ctl("connect", self.to(self.aim), input=b"ECHO\n" + data)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertTrue(done.stdout == data)
        self.host.says("leave visitor culvertctl")

    def test_a_refusal_says_what_was_refused(self):
        closed = traffic.free_port()
        self.assert_fails(self.ctl("connect", f"foo/127.0.0.1:{closed}"), "connection refused")
        self.assert_fails(self.ctl("connect", "foo/127.0.0.2:1"), "not allowed")
        self.assert_fails(self.ctl("connect", "nobody/127.0.0.1:1"), "no session of that client")
        self.assert_fails(self.ctl("connect", "foo/127.0.0.1:1", token="x" * 43), "401")
        for token in TOKENS.values():
            self.assertNotIn(token, self.host.log())

    def test_an_agent_with_a_wrong_token_is_refused(self):
        agent = self.agent(self.url, key="bar", token=VISITOR)
        wait_until(lambda: "401" in agent.log(), "the refusal")
        self.assertIn("client bar refused: not allowed", self.host.log())
        self.assertNotIn("join agent bar", self.host.log())

    def test_bulk_and_many_at_once(self):
        _, port = self.forward()
        self.assertTrue(traffic.upload(port, SIZE))
        self.assertTrue(traffic.download(port, SIZE))
        self.assertEqual(traffic.full_duplex(port, SIZE), (True, SIZE))
        held = [traffic.visit(port, "ECHO") for _ in range(100)]
        self.assertTrue(all(traffic.ping(sock) for sock in held))
        for sock in held:
            sock.close()

    def test_half_closed_visitors_get_their_whole_answer(self):
        test_forward.Flows.test_half_closed_visitors_get_their_whole_answer(self)

    def test_a_reset_crosses_both_ways(self):
        test_forward.Breaks.test_a_reset_crosses_both_ways(self)

    def test_datagrams_stay_whole(self):
        echo, port = Echo(self), traffic.free_port()
        self.forward(f"127.0.0.1:{port}=foo/udp/127.0.0.1:{echo.port}")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(traffic.DEADLINE)
            sock.connect(("127.0.0.1", port))
            for size in (1, 1400, 9000):
                sock.send(b"x" * size)
                self.assertEqual(sock.recv(65536), b"x" * size)

    def test_a_visitor_who_leaves_before_the_answer_is_dialled_for_no_longer(self):
        self.agent_of_foo.signal(signal.SIGSTOP)
        _, port = self.forward()
        sock = traffic.visit(port, "ECHO")
        wait_until(lambda: traffic.sockets(port, "01"), "the visitor")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
        self.agent_of_foo.signal(signal.SIGCONT)
        self.wait_echo(port)

    def test_nothing_is_published_and_the_agent_says_so(self):
        what = f"tcp:{traffic.free_port()}=127.0.0.1:1"
        agent = self.agent(self.url, "--publish", what, key="bar", token=AGENT)
        wait_until(lambda: "does not know --publish" in agent.log(), "the word")

    def test_a_close_lets_a_transfer_end_and_tells_the_agent_to_come_back(self):
        _, port = self.forward()
        with traffic.visit(port, "ECHO") as sock:
            self.assertTrue(traffic.ping(sock))
            self.host.signal(signal.SIGTERM)
            wait_until(lambda: not traffic.listening(self.host.port), "the closed door")
            self.assertTrue(traffic.ping(sock))
        self.assertEqual(self.host.wait(), 0)
        wait_until(
            lambda: "the server stops or restarts" in self.agent_of_foo.log(), "the close frame"
        )

    def test_a_close_ends_what_does_not_end(self):
        _, port = self.forward()
        with traffic.visit(port, "ECHO") as sock:
            self.assertTrue(traffic.ping(sock))
            self.host.signal(signal.SIGTERM)
            self.assertEqual(self.host.wait(), 0)
            self.assertEqual(traffic.read_end(sock), (b"", False))


class Forwards(Hosted):
    """A local port of the program's server that leads to a target."""

    def setUp(self):
        LabCase.setUp(self)

    def lead(self, target):
        self.aim = target
        env = {**TOKENS, "PROBE_FORWARD": self.to(target)}
        self.host = self.probe("hosts", env=env, kind=Host)
        self.url = self.host.url
        return int(self.host.says("forward ").rsplit(":", 1)[1])

    def aimed_at(self, target):
        port = self.lead(target)
        self.join()
        return self.host, port

    def turned_away(self, port):
        """Whether a visitor is reset, be it before its connect has returned."""
        try:
            with traffic.visit(port) as sock:
                return traffic.read_end(sock) == (b"", False)
        except ConnectionError:
            return True

    def test_a_port_of_the_program_leads_to_a_target(self):
        port = self.lead(self.target())
        self.assertTrue(self.turned_away(port))
        wait_until(lambda: "no session of that client" in self.host.log(), "the reason")
        self.join()
        self.assertTrue(traffic.upload(port, SIZE))
        self.assertTrue(traffic.download(port, SIZE))
        self.assertEqual(traffic.full_duplex(port, SIZE), (True, SIZE))

    def test_a_reset_crosses_both_ways(self):
        test_forward.Breaks.test_a_reset_crosses_both_ways(self)


class Sessions(Hosted):
    env = {**TOKENS, "PROBE_MAX_SESSIONS": "1"}

    def test_one_more_is_answered_with_503_and_comes_in_when_there_is_room(self):
        late = self.agent(self.url, key="bar", token=AGENT)
        wait_until(lambda: "503" in late.log(), "the answer")
        self.assert_fails(self.ctl("connect", self.to(self.aim)), "503")
        self.assertNotIn("join agent bar", self.host.log())
        self.agent_of_foo.kill()
        self.host.says("join agent bar")


class Addresses(test_attack.Network, ServerCase):
    def test_so_many_strangers_of_one_address_and_any_number_of_agents(self):
        env = {**TOKENS, "PROBE_LISTEN": f"{self.HERE}:0", "PROBE_MAX_PER_ADDRESS": "2"}
        host = self.probe("hosts", env=env, prefix=self.ns.prefix, kind=Host)
        for key in ("a", "b", "c"):
            self.agent(host.url, key=key, token=AGENT, prefix=self.ns.prefix)
            host.says(f"join agent {key}")
        self.assert_places(host.port, 2)
        self.wait_log(host, re.compile(rf"{self.BAD}:\d+ refused: too many connections"))


class Reference(Hosted):
    """The same with an agent like the reference's, which knows none of our extensions."""

    def join(self):
        fields = [("Authorization", f"Bearer {AGENT}")]
        self.peer = Agent(self.host.port, fields=fields)
        self.addCleanup(self.peer.close)
        self.assertRegex(self.host.says("join agent foo"), "^join agent foo -: ")

    def test_it_serves_visitors(self):
        _, port = self.forward()
        self.assertTrue(traffic.upload(port, 4 * MIB))
        self.assertTrue(traffic.download(port, 4 * MIB))
        self.assertTrue(traffic.echoes(port))

    def test_a_dial_that_fails_ends_its_connection_alone(self):
        nowhere = traffic.free_port()
        self.forward(f"127.0.0.1:{nowhere}=foo/127.0.0.1:{traffic.free_port()}")
        with traffic.visit(nowhere) as sock:
            self.assertEqual(traffic.read_end(sock), (b"", False))
        _, port = self.forward()
        self.assertTrue(traffic.echoes(port))


if __name__ == "__main__":
    unittest.main()
