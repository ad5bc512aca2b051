"""A dial that its session does not carry goes to another one: an agent is frozen, or killed."""
import pathlib
import signal
import socket
import struct
import threading
import unittest

from . import traffic
from .lab import LabCase, wait_until
from .test_doors import PAGE, page_server

SYN_SENT = "02"
THREADS = 3


class StuckTarget(traffic.Target):
    """A target whose dials hang until it is freed: its backlog is full."""

    def __init__(self):
        self.freed = threading.Event()
        super().__init__()
        self.listener.listen(0)
        self.fill = []
        while True:
            sock = socket.socket()
            sock.settimeout(0.2)
            self.fill.append(sock)
            if sock.connect_ex(("127.0.0.1", self.port)) != 0:
                return

    def _accept(self):
        self.freed.wait()
        super()._accept()

    def dials(self):
        """The agents' dials under way: how often each has sent its SYN again."""
        own = {sock.getsockname()[1] for sock in self.fill}
        rows = [row.split() for row in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return [
            int(row[6], 16)
            for row in rows
            if row[2].endswith(f":{self.port:04X}")
            and row[3] == SYN_SENT
            and int(row[1].split(":")[1], 16) not in own
        ]

    def free(self):
        for sock in self.fill:
            sock.close()
        self.fill = []
        self.listener.listen(64)
        self.freed.set()

    def close(self):
        self.free()
        super().close()


class Takeover(LabCase):
    def setUp(self):
        super().setUp()
        self.aim = self.target()
        self.web = page_server(self)

    def start(self, *words, **how):
        process = super().start(*words, **how)
        self.addCleanup(process.signal, signal.SIGCONT)
        return process

    def lab(self, *flags, aim=None, name="a", peers=(), port=None):
        """A server `name` with all doors to @aim."""
        socks, proxy = traffic.free_port(), traffic.free_port()
        if peers:
            flags += ("--peer-id", name, "--peer-token", f"from-{name}")
        for peer, place in peers:
            flags += ("--peer", f"{peer}:from-{peer}:ws://127.0.0.1:{place}/connect")
        server = self.server(
            *("--socks", f"127.0.0.1:{socks}=foo", "--http-proxy", f"127.0.0.1:{proxy}=foo"),
            *flags,
            forwards={"main": f"foo/{(aim or self.aim).address}"},
            port=port,
        )
        server.socks, server.proxy = socks, proxy
        return server

    def mesh(self, names, aim=None, flags=()):
        """Servers: the first one, and its peers."""
        ports = {name: traffic.free_port() for name in names}
        hub = names[0]
        servers = []
        for name in names:
            others = names[1:] if name == hub else hub
            peers = [(other, ports[other]) for other in others]
            servers.append(self.lab(*flags, name=name, aim=aim, port=ports[name], peers=peers))
        for name in names[1:]:
            wait_until(lambda name=name: f"peer {name}: session" in servers[0].log(), "the peer")
        return servers

    def join(self, server, *flags):
        before = server.log().count("client foo: session")
        agent = self.agent(server.url, *flags)
        wait_until(lambda: server.log().count("client foo: session") > before, "the session")
        return agent

    # -- ways in --

    def ask_socks(self, server, port):
        sock = traffic.visit(server.socks)
        sock.sendall(b"\5\1\0\5\1\0\1\x7f\0\0\1" + struct.pack(">H", port))
        self.assertEqual(traffic.read_exactly(sock, 2), b"\5\0")
        return sock

    def by_socks(self, server):
        with self.ask_socks(server, self.aim.port) as sock:
            self.assertEqual(traffic.read_exactly(sock, 10)[:2], b"\5\0")
            sock.sendall(b"ECHO\n")
            return traffic.ping(sock)

    def connect_head(self):
        aim = self.aim.address
        return f"CONNECT {aim} HTTP/1.1\r\nHost: {aim}\r\n\r\n".encode()

    def by_connect(self, server):
        with traffic.visit(server.proxy) as sock:
            sock.sendall(self.connect_head())
            self.assertIn(b" 200 ", traffic.read_exactly(sock, 39))
            sock.sendall(b"ECHO\n")
            return traffic.ping(sock)

    def by_http(self, server):
        where = f"/client/foo/http/127.0.0.1:{self.web.server_port}/"
        with traffic.visit(server.port) as sock:
            sock.sendall(f"GET {where} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            return traffic.read_end(sock)[0].endswith(PAGE)

    def ways(self):
        return {
            "forward": lambda server: traffic.echoes(server.forwards["main"]),
            "socks": self.by_socks,
            "connect": self.by_connect,
            "http": self.by_http,
        }

    def assert_served(self, server, ways=None):
        for name in ways or self.ways():
            self.assertTrue(self.ways()[name](server), name)


class Frozen(Takeover):
    """SIGSTOP; every visitor is answered before the SIGCONT."""

    def test_the_newer_of_two_agents(self):
        for flags in ((), ("--threads", THREADS)):
            for way in self.ways():
                with self.subTest(way=way, flags=flags):
                    server = self.lab(*flags)
                    self.join(server)
                    newest = self.join(server)
                    self.assert_served(server, ["forward"])
                    newest.signal(signal.SIGSTOP)
                    self.assert_served(server, [way])
                    self.wait_log(server, "is silent: another one is tried")

    def test_the_next_visitor_does_not_wait(self):
        server = self.lab()
        self.join(server)
        newest = self.join(server)
        newest.signal(signal.SIGSTOP)
        for _ in range(3):
            self.assert_served(server)
        self.assertEqual(server.log().count("is silent"), 1)
        newest.signal(signal.SIGCONT)
        self.assert_served(server)

    def test_an_agent_whose_twin_is_at_a_peer(self):
        here, there = self.mesh("ab")
        local = self.join(here)
        self.join(there)
        self.wait_echo(here.forwards["main"])
        local.signal(signal.SIGSTOP)
        self.assert_served(here)
        self.assertEqual(here.log().count("is silent"), 1)

    def test_a_peer(self):
        """Of two that have the client; the frozen one announced it last."""
        here, first, second = self.mesh("abc")
        self.join(first)
        self.wait_echo(here.forwards["main"])
        self.join(second)
        self.wait_echo(second.forwards["main"])
        second.signal(signal.SIGSTOP)
        self.assert_served(here)

    def mesh_with_twins(self, *flags):
        """Two peers have the client; the newer agent, which is dialled first, freezes."""
        here, first, second = self.mesh("abc", flags=flags)
        self.join(first)
        self.wait_echo(here.forwards["main"])
        frozen = self.join(second)
        self.wait_echo(second.forwards["main"])
        wait_until(
            lambda: traffic.echoes(here.forwards["main"]) and self.went_by(second), "the newer one"
        )
        frozen.signal(signal.SIGSTOP)
        return here

    def went_by(self, server):
        return "visitor a to foo" in server.log()

    def test_an_agent_at_a_peer_whose_twin_is_at_another_one(self):
        for flags in ((), ("--threads", 2)):
            with self.subTest(flags):
                here = self.mesh_with_twins(*flags)
                self.assert_served(here)
                self.assertEqual(here.log().count("is silent: another one is tried"), 4)

    def test_a_peers_only_agent_is_waited_for(self):
        """Its server says that it is silent; nobody has another one, and nobody is refused."""
        here, there = self.mesh("ab")
        frozen = self.join(there)
        self.wait_echo(here.forwards["main"])
        frozen.signal(signal.SIGSTOP)
        for _ in range(2):
            with traffic.visit(here.forwards["main"], "ECHO") as visitor:
                visitor.settimeout(2)
                with self.assertRaises(TimeoutError):
                    visitor.recv(1)
        with traffic.visit(here.forwards["main"], "ECHO") as visitor:
            frozen.signal(signal.SIGCONT)
            self.assertTrue(traffic.ping(visitor))

    def test_a_peers_only_agent_comes_back_elsewhere_while_a_visitor_waits(self):
        here, first, second = self.mesh("abc")
        frozen = self.join(first)
        self.wait_echo(here.forwards["main"])
        frozen.signal(signal.SIGSTOP)
        with traffic.visit(here.forwards["main"], "ECHO") as visitor:
            self.join(second)
            self.assertTrue(traffic.ping(visitor))

    def test_an_agent_that_comes_back_while_a_visitor_waits(self):
        server = self.lab()
        frozen = self.join(server)
        self.assert_served(server, ["forward"])
        frozen.signal(signal.SIGSTOP)
        with traffic.visit(server.forwards["main"], "ECHO") as visitor:
            self.join(server)
            self.assertTrue(traffic.ping(visitor))

    def test_the_only_one_is_waited_for(self):
        for flags in ((), ("--threads", THREADS)):
            with self.subTest(flags):
                server = self.lab(*flags)
                agent = self.join(server)
                self.assert_served(server, ["forward"])
                agent.signal(signal.SIGSTOP)
                with traffic.visit(server.forwards["main"], "ECHO") as visitor:
                    visitor.settimeout(2)
                    with self.assertRaises(TimeoutError):
                        visitor.recv(1)
                    agent.signal(signal.SIGCONT)
                    visitor.settimeout(traffic.DEADLINE)
                    self.assertTrue(traffic.ping(visitor))


class Killed(Takeover):
    """SIGKILL while the target has not answered yet."""

    def setUp(self):
        super().setUp()
        self.aim = StuckTarget()
        self.addCleanup(self.aim.close)

    def dialled(self, count=1):
        wait_until(lambda: len(self.aim.dials()) == count, f"{count} dials")

    def assert_survives(self, server, victim):
        """Visitors of the doors lose the session that dials for them, and do not notice."""
        early = b"".join(traffic.content(40000, 7))
        with traffic.visit(server.forwards["main"], "ECHO") as raw, self.ask_socks(
            server, self.aim.port
        ) as socks, traffic.visit(server.proxy) as proxy:
            raw.sendall(early)
            proxy.sendall(self.connect_head())
            self.dialled(3)
            victim.kill()
            wait_until(lambda: server.log().count("was lost: another one is tried") == 3, "moves")
            self.dialled(3)
            self.aim.free()
            self.assertEqual(traffic.read_exactly(socks, 10)[:2], b"\5\0")
            self.assertIn(b" 200 ", traffic.read_exactly(proxy, 39))
            self.assertEqual(traffic.read_exactly(raw, len(early)), early)
            for sock in (socks, proxy):
                sock.sendall(b"ECHO\n")
                self.assertTrue(traffic.ping(sock))
            self.assertTrue(traffic.ping(raw))

    def test_the_newer_of_two_agents(self):
        server = self.lab()
        self.join(server)
        self.assert_survives(server, self.join(server))

    def test_with_threads(self):
        server = self.lab("--threads", THREADS)
        for _ in range(3):
            self.join(server)
        self.assert_survives(server, self.join(server))

    def test_the_http_door(self):
        server = self.lab()
        self.join(server)
        newest = self.join(server)
        where = f"/client/foo/http/{self.aim.address}/"
        with traffic.visit(server.port) as sock:
            sock.sendall(f"GET {where}?timeout=60 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            self.dialled()
            newest.kill()
            wait_until(lambda: "was lost: another one is tried" in server.log(), "the move")
            self.aim.free()
            wait_until(lambda: self.aim.accepted > 0, "the dial of the other agent")

    def announced_twice(self):
        """(a server, its two peers, an agent of each): the first's visitors reach either agent."""
        here, *peers = self.mesh("abc", aim=self.aim)
        agents = []
        for peer in peers:
            agents.append(self.join(peer))
            wait_until(lambda: self.is_reached(here, agents[-1]), "the announcement")
        return here, peers, agents

    def is_reached(self, server, agent):
        with self.ask_socks(server, self.aim.port) as visitor:
            visitor.settimeout(0.2)
            try:
                traffic.read_exactly(visitor, 1)
            except TimeoutError:
                return dials(agent, self.aim.port)
        return False

    def dialling(self, agents):
        return next((n for n, agent in enumerate(agents) if dials(agent, self.aim.port)), None)

    def assert_moves(self, here, agents, victims):
        self.dialled(0)
        with traffic.visit(here.forwards["main"], "ECHO") as raw:
            self.dialled()
            victims[self.dialling(agents)].kill()
            wait_until(lambda: "was lost: another one is tried" in here.log(), "the move")
            self.aim.free()
            self.assertTrue(traffic.ping(raw))

    def test_a_peer(self):
        here, peers, agents = self.announced_twice()
        self.assert_moves(here, agents, peers)

    def test_the_agent_of_a_peer_that_has_no_other(self):
        here, _, agents = self.announced_twice()
        self.assert_moves(here, agents, agents)

    def test_the_only_agent_is_told_of(self):
        server = self.lab()
        agent = self.join(server)
        with self.ask_socks(server, self.aim.port) as socks, traffic.visit(server.proxy) as proxy:
            proxy.sendall(self.connect_head())
            self.dialled(2)
            agent.kill()
            self.assertEqual(traffic.read_exactly(socks, 10)[:2], b"\5\1")
            answer, _ = traffic.read_end(proxy)
        self.assertIn(b" 502 ", answer)
        self.assertIn(b"the client's session ended", answer)

    def test_a_dial_is_tried_again_once(self):
        server = self.lab()
        self.join(server)
        agents = [self.join(server), self.join(server)]
        with self.ask_socks(server, self.aim.port) as socks:
            self.dialled()
            agents[1].kill()
            wait_until(lambda: server.log().count("another one is tried") == 1, "the move")
            self.dialled()
            agents[0].kill()
            self.assertEqual(traffic.read_exactly(socks, 10)[:2], b"\5\1")
        self.assertEqual(server.log().count("another one is tried"), 1)


class Slow(Takeover):
    def test_a_slow_target_is_dialled_once(self):
        """Its agent lives, although another one is there too."""
        self.aim = StuckTarget()
        self.addCleanup(self.aim.close)
        server = self.lab()
        self.join(server)
        self.join(server)
        with traffic.visit(server.forwards["main"], "ECHO") as visitor:
            wait_until(lambda: self.aim.dials() and max(self.aim.dials()) >= 2, "three seconds")
            self.assertEqual(len(self.aim.dials()), 1)
            self.aim.free()
            self.assertTrue(traffic.ping(visitor))
        self.assertNotIn("another one is tried", server.log())

    def test_a_refused_dial_is_an_answer(self):
        """Another agent of the key is not asked."""
        server = self.lab()
        self.join(server)
        self.join(server)
        with self.ask_socks(server, traffic.free_port()) as socks:
            self.assertEqual(traffic.read_exactly(socks, 10)[:2], b"\5\5")
        self.assertNotIn("another one is tried", server.log())


def dials(process, port):
    """Whether @process dials @port now."""
    inodes = set()
    for fd in pathlib.Path(f"/proc/{process.pid}/fd").iterdir():
        try:
            inodes.add(str(fd.readlink()))
        except OSError:
            pass
    rows = [row.split() for row in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(row[2].endswith(f":{port:04X}") and f"socket:[{row[9]}]" in inodes for row in rows)


if __name__ == "__main__":
    unittest.main()
