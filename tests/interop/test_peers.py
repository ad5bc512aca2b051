"""Peering in the reference's protocol: with a peer in Python, as recorded, and with ourselves."""
import http.client
import pathlib
import re
import signal
import socket
import struct
import threading
import unittest

from tests.integration import traffic
from tests.integration.lab import LabCase, wait_until
from tests.integration.test_udp import Echo
from tests.integration.visits import Breaker

from . import replay
from .peer import wire, ws
from .peer.agent import Agent
from .peer.server import ANNOUNCED, Server

TOKEN = "X-API-Tunnel-Token"


class PeerCase(LabCase):
    def foreign(self, **how):
        server = Server(**how)
        self.addCleanup(server.close)
        return server

    def peered(self, name, *peers, file=None, **how):
        """A Culvert @name whose peers are (id, url) rows; everyone's token is its name."""
        rows = [f"{peer}:token-{peer}:{url}" for peer, url in peers]
        flags = ["--peer-id", name, "--peer-token", f"token-{name}"]
        if file is None:
            flags += [word for row in rows for word in ("--peer", row)]
        else:
            self.file(file, "\n".join(rows) + "\n")
            flags += ["--peers-file", self.dir / file]
        return self.server(*flags, *how.pop("flags", ()), **how)

    def pair(self, target, *flags):
        """Two Culverts that peer, a and b, each with a forward to foo."""
        ports = traffic.free_port(), traffic.free_port()
        urls = [f"ws://127.0.0.1:{port}/connect" for port in ports]
        forwards = {"main": f"foo/{target.address}"}
        a = self.peered("a", ("b", urls[1]), port=ports[0], forwards=forwards, flags=flags)
        b = self.peered("b", ("a", urls[0]), port=ports[1], forwards=forwards, flags=flags)
        return a, b


class Foreign(PeerCase):
    """A server like the reference's at the other end."""

    def test_dials_both_ways(self):
        target = self.target()
        foreign = self.foreign(peers={"ours": "token-ours"})
        ours = self.peered(
            "ours", ("theirs", foreign.url), forwards={"far": f"far/{target.address}"}
        )
        self.agent(ours.url, key="near")
        far = Agent(foreign.port, "far")
        self.addCleanup(far.close)
        foreign.wait_session("far")
        link = foreign.dial_peer("127.0.0.1", ours.port, "theirs", "token-theirs")
        self.addCleanup(link.close)
        self.wait_echo(ours.forwards["far"], "an echo through the foreign peer's agent")

        def announced():
            session = foreign.peer_sessions.get("ours")
            return session and any(key == "near" for key, _ in session.remote_keys)

        wait_until(announced, "the announcement of near")
        port = foreign.forward("near", target.address)
        self.wait_echo(port, "an echo from the foreign peer through our agent")
        self.assertEqual(traffic.full_duplex(port, 1 << 20), (True, 1 << 20))

    def test_datagrams_that_a_foreign_peer_dials_are_not_joined(self):
        """Also those that come before the target is there."""
        foreign, echo = self.foreign(peers={"ours": "token-ours"}), Echo(self)
        ours = self.peered("ours", ("theirs", foreign.url))
        self.agent(ours.url, "--allow", "udp/127.0.0.1:*", key="near")
        wait_until(lambda: "ours" in foreign.peer_sessions, "our link")
        session = foreign.peer_sessions["ours"]
        wait_until(lambda: session.remote_keys, "AddClient")
        connection = session.dial("near::udp", f"127.0.0.1:{echo.port}")
        sent = [bytes([n]) * (n * 37 + 1) for n in range(40)]
        for data in sent:
            connection.write(data)
        self.assertEqual([connection.read() for _ in sent], sent)

    def test_dials_of_a_peer_that_are_refused_by_the_thousand(self):
        """Also where another thread has peers, which may have the client for all that is known."""
        foreign = self.foreign(peers={"ours": "token-ours"})
        ours = self.peered("ours", ("theirs", foreign.url), flags=("--threads", "2"))
        wait_until(lambda: "ours" in foreign.peer_sessions, "our link")
        session = foreign.peer_sessions["ours"]

        def flood():
            dials = [session.dial("nobody::tcp", "127.0.0.1:1") for _ in range(1000)]
            for dial in dials:
                dial.wait_end()
                self.assertEqual(dial.error, "no session of that client")

        flood()
        for _ in range(6):
            link = foreign.dial_peer("127.0.0.1", ours.port, "theirs", "token-theirs")
            self.addCleanup(link.close)
        wait_until(lambda: ours.log().count("peer theirs: session") >= 6, "their links")
        flood()
        self.assertLessEqual(ours.log().count("to nobody/tcp/127.0.0.1:1"), 100)

    def test_what_a_peer_announced_is_gone_with_its_session(self):
        target = self.target()
        foreign = self.foreign()
        ours = self.peered(
            "ours", ("theirs", foreign.url), forwards={"far": f"far/{target.address}"}
        )
        far = Agent(foreign.port, "far")
        self.addCleanup(far.close)
        foreign.wait_session("far")
        link = foreign.dial_peer("127.0.0.1", ours.port, "theirs", "token-theirs")
        self.wait_echo(ours.forwards["far"])
        link.close()
        wait_until(lambda: "peer theirs: session 1 ended" in ours.log(), "its end")
        self.assertFalse(traffic.echoes(ours.forwards["far"]))

    def test_a_peer_that_comes_back_takes_over_from_its_silent_sessions(self):
        """Whichever of our threads have them. By its silence alone a reference's would end after a
        minute, and what it had announced would be dialled until then: so does one that nobody
        replaces, though it was there before."""
        for flags in ((), ("--threads", "3")):
            with self.subTest(flags):
                urls = [f"ws://127.0.0.1:{traffic.free_port()}" for _ in range(2)]
                ours = self.peered("ours", *zip(("theirs", "others"), urls), flags=flags)
                for name in ("others", *["theirs"] * 8):  # none reads, so none answers
                    link, _ = ws.dial(
                        "127.0.0.1", ours.port, [(ANNOUNCED, name), (TOKEN, f"token-{name}")]
                    )
                    self.addCleanup(link.close)
                ended = re.compile(r"peer theirs: session \d+ ended")
                wait_until(lambda: len(ended.findall(ours.log())) >= 7, "the end of all but one")
                self.assertNotRegex(ours.log(), r"peer others: session \d+ ended")

    def test_a_wrong_token_is_no_peer(self):
        ours = self.server(
            "--peer-id", "ours", "--peer-token", "t", "--peer",
            f"theirs:right:ws://127.0.0.1:{traffic.free_port()}", auth=self.tokens(),
        )
        for name, token in (("theirs", "wrong"), ("others", "right"), ("theirs", "")):
            with self.assertRaisesRegex(ws.WsError, "401"):
                ws.dial("127.0.0.1", ours.port, [(ANNOUNCED, name), (TOKEN, token)])
        ours.stop()
        self.assertNotIn("right", ours.log())

    def tokens(self):
        path, _ = self.token_file(("agent", "foo"))
        return "--token-file", path


    def test_a_server_that_stops_takes_back_what_it_announced(self):
        """Before it tells the agent, whose connections run on; and a dial of the peer's that was
        under way is served."""
        target = self.target()
        foreign = self.foreign(peers={"ours": "token-ours"})
        ours = self.peered("ours", ("theirs", foreign.url))
        agent = self.agent(ours.url)
        wait_until(lambda: "ours" in foreign.peer_sessions, "our link")
        session = foreign.peer_sessions["ours"]
        wait_until(lambda: session.remote_keys, "AddClient")
        visitor = traffic.visit(foreign.forward("foo", target.address), "ECHO")
        self.addCleanup(visitor.close)
        self.assertTrue(traffic.ping(visitor))
        ours.signal(signal.SIGTERM)
        wait_until(lambda: not session.remote_keys, "RemoveClient")
        self.assertNotIn("session lost", agent.log())
        late = session.dial("foo::tcp", target.address)
        late.write(b"ECHO\nlate")
        self.assertEqual(late.read(), b"late")
        late.tunnel_close("EOF")
        self.assertTrue(traffic.ping(visitor, b"still here"))
        visitor.close()
        self.assertEqual(ours.wait(), 0)

    def test_a_connection_of_a_peers_runs_on_past_the_grace(self):
        """Until the drain's own end: an agent that has none is told long before, and the one that
        has it is not."""
        target = self.target()
        foreign = self.foreign(peers={"ours": "token-ours"})
        ours = self.peered("ours", ("theirs", foreign.url), flags=("--drain-timeout", "6"))
        for key in ("busy", "idle"):
            self.agent(ours.url, key=key)
        wait_until(lambda: "ours" in foreign.peer_sessions, "our link")
        session = foreign.peer_sessions["ours"]
        wait_until(lambda: len(session.remote_keys) == 2, "AddClient")
        visitor = traffic.visit(foreign.forward("busy", target.address), "ECHO")
        self.addCleanup(visitor.close)
        self.assertTrue(traffic.ping(visitor))
        ours.signal(signal.SIGTERM)
        wait_until(lambda: re.search("client idle: session . ended", ours.log()), "the idle one")
        self.assertTrue(traffic.ping(visitor, b"past the grace"))
        ours.wait()
        self.assertRegex(
            ours.log(),
            "(?s)client idle: session . ended.*drain: 1 connections did not end in time.*"
            "client busy: session . ended",
        )


def unsent(port):
    """Bytes that wait in the kernel to go to or from a TCP @port of loopback."""
    waiting = 0
    for row in pathlib.Path("/proc/self/net/tcp").read_text().splitlines()[1:]:
        fields = row.split()
        if fields[2].endswith(f":{port:04X}"):
            waiting += int(fields[4].partition(":")[0], 16)
    return waiting


class Deaf(PeerCase):
    """A peer that stops reading both links, the one that it opened and the one that we did. It
    still sends, so its links stand."""

    ROUNDS = 10

    def setUp(self):
        super().setUp()
        self.near = self.target()
        listener = socket.socket()
        self.addCleanup(listener.close)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        self.theirs = listener.getsockname()[1]
        self.ours = self.peered(
            "ours", ("theirs", f"ws://127.0.0.1:{self.theirs}/connect"),
            forwards={"near": f"foo/{self.near.address}", "far": "far/127.0.0.1:1"},
        )
        sock, _ = listener.accept()
        reader = sock.makefile("rb", ws.READ_BUFFER)
        self.outgoing = ws.accept(sock, reader, ws.read_head(reader))
        self.incoming, _ = ws.dial(
            "127.0.0.1", self.ours.port, [(ANNOUNCED, "theirs"), (TOKEN, "token-theirs")]
        )
        for link in (self.outgoing, self.incoming):
            self.addCleanup(link.close)

    def send(self, link, kind, conn, body):
        link.send(ws.BINARY, wire.Frame(kind, conn, body).encode())

    def fill(self):
        """Both links, until their sockets take no more."""
        self.send(self.outgoing, wire.CONNECT, 2, f"foo::tcp/{self.near.address}".encode())
        self.send(self.outgoing, wire.DATA, 2, b"GET %d 1\n" % (1 << 28))
        self.send(self.incoming, wire.ADD_CLIENT, 0, b"far/1")
        user = traffic.visit(self.ours.forwards["far"])
        self.addCleanup(user.close)
        threading.Thread(target=self.flood, args=(user,), daemon=True).start()
        port = self.incoming.sock.getsockname()[1]
        wait_until(lambda: unsent(self.theirs) > 65536, "a full link that we opened")
        wait_until(lambda: unsent(port) > 65536, "a full link that the peer opened")

    @staticmethod
    def flood(sock):
        try:
            for block in traffic.content(1 << 28):
                sock.sendall(block)
        except OSError:
            pass  # the test is over

    def announced_until(self, key):
        """What the peer hears, when it reads again, up to the news of @key."""
        heard = []
        while key not in heard:
            message = self.outgoing.receive()
            frame = wire.decode(message.payload) if message.opcode == ws.BINARY else None
            if frame and frame.kind == wire.ADD_CLIENT:
                heard.append(frame.text.partition("/")[0])
        return heard

    def test_delays_no_join_and_no_dial_and_misses_nothing(self):
        self.agent(self.ours.url)
        self.wait_echo(self.ours.forwards["near"])
        self.fill()
        keys = [f"k{n}" for n in range(self.ROUNDS)]
        for key in keys:
            agent = Agent(self.ours.port, key)
            self.addCleanup(agent.close)
            wait_until(lambda: f"client {key}: session" in self.ours.log(), f"{key} among us")
            self.assertTrue(traffic.echoes(self.ours.forwards["near"]))
            for link in (self.outgoing, self.incoming):
                link.send(ws.PING)
        self.assertNotRegex(self.ours.log(), r"session \d+ ended|session lost", "both still stand")
        self.assertEqual(self.announced_until(keys[-1]), ["foo", *keys])


class Replay(PeerCase):
    def test_as_recorded(self):
        """We are `second` in the recording as far as it is dialled, and `first` as far as it
        dials: the link on which everything happens is played at both of its ends."""
        events = [
            e for e in replay.load("peers")
            if e["link"] == "peer-link_first-second" and e["event"] == "message"
        ]
        foo, self_announced = events[1], events[0]
        ours = self.server(
            "--peer-id", "second", "--peer-token", "aaa", "--peer",
            f"first:aaa:ws://127.0.0.1:{traffic.free_port()}",
            forwards={"main": "foo/127.0.0.1:18300"},
        )
        link, _ = ws.dial("127.0.0.1", ours.port, [(ANNOUNCED, "first"), (TOKEN, "aaa")])
        player = replay.Player(link, 18300)
        self.addCleanup(link.close)
        player.send_event(self_announced)  # it announces its peers' sessions, we do not
        player.send_event(foo)
        player.settle()
        user = traffic.visit(ours.forwards["main"])
        self.addCleanup(user.close)
        player.expect_event(events[2])  # Connect foo::tcp
        user.sendall(b"via-peer")
        player.expect_event(events[3])
        player.send_event(events[4])
        self.assertEqual(traffic.read_exactly(user, 8), b"via-peer")
        user.close()
        for event in events[5:]:
            (player.expect_event if event["dir"] == "server->agent" else player.send_event)(event)
        player.settle()
        self.assertFalse(traffic.echoes(ours.forwards["main"]), "the route is gone")

    def test_as_recorded_from_the_other_end(self):
        events = [
            e for e in replay.load("peers")
            if e["link"] == "peer-link_first-second" and e["event"] == "message"
        ]
        second = self.foreign(peers={"first": "aaa"})
        target = self.target()
        ours = self.server(
            "--peer-id", "first", "--peer-token", "aaa", "--peer", f"second:aaa:{second.url}"
        )
        agent = self.agent(ours.url)
        wait_until(lambda: "first" in second.peer_sessions, "our link")
        session = second.peer_sessions["first"]
        self.assertEqual(second.requests[0].fields[ANNOUNCED.lower()], "first")
        self.assertNotIn("x-tunnel-id", second.requests[0].fields)
        wait_until(lambda: [k for k, _ in session.remote_keys] == ["foo"], "AddClient")
        connection = second.dial("foo", "tcp", target.address)
        text = next(e.text for e in session.trace if e.kind == wire.CONNECT)
        recorded = events[2]["body_text"]
        self.assertEqual(text.partition("/")[0], recorded.partition("/")[0])
        connection.tunnel_close("EOF")
        connection.close()
        agent.stop()
        wait_until(lambda: not session.remote_keys, "RemoveClient")


class Culverts(PeerCase):
    def test_a_visitor_of_either_finds_the_agent_of_one(self):
        for flags in ((), ("--threads", "3")):
            with self.subTest(flags):
                a, b = self.pair(self.target(), *flags)
                agents = [self.agent(a.url) for _ in range(4)]
                for server in (a, b):
                    self.wait_echo(server.forwards["main"])
                up = "client foo: session"  # a signal that comes before is no orderly end
                wait_until(lambda: a.log().count(up) == len(agents), "all agents")
                self.assertEqual(
                    traffic.full_duplex(b.forwards["main"], 1 << 20), (True, 1 << 20)
                )
                for agent in agents:
                    self.assertEqual(agent.stop(), 0)
                wait_until(
                    lambda: not traffic.echoes(b.forwards["main"]), "the end of the route"
                )
                self.agent(b.url)
                for server in (a, b):
                    self.wait_echo(server.forwards["main"])

    def test_datagrams_stay_whole_through_a_peer(self):
        """One by one they all arrive; of a burst each arrives as it was, or not at all."""
        echo, ports = Echo(self), [traffic.free_port() for _ in range(3)]
        urls = [f"ws://127.0.0.1:{port}/connect" for port in ports]
        rule = f"127.0.0.1:{ports[2]}=foo/udp/127.0.0.1:{echo.port}"
        flags = ("--threads", "2", "--forward", rule)
        a = self.peered("a", ("b", urls[1]), port=ports[0], flags=flags)
        b = self.peered("b", ("a", urls[0]), port=ports[1], flags=("--threads", "2"))
        self.agent(b.url, "--allow", "udp/127.0.0.1:*")
        wait_until(lambda: "client foo: session" in b.log(), "the agent")
        sock = self.flow(ports[2])
        block = b"".join(traffic.content(60000))
        for size in (1, 2, 100, 1400, 1473, 9000, 32640, 32641, 59999, 60000):
            sock.send(block[:size])
            self.assertEqual(sock.recv(65536), block[:size], size)
        sock.send(b"x" * 60001)
        sock.send(b"")
        burst = [bytes([n % 251 + 1]) * (n * 29 + 1) for n in range(2000)]
        for data in burst:
            sock.send(data)
        came, left = [], set(burst)
        while not came or came[-1] != b"last":
            sock.send(b"last")
            came += self.waiting(sock)
        self.assertLessEqual({data for data in came if data != b"last"}, left)
        self.assertGreater(len(came), 40)
        self.assertNotIn("datagrams: it may join", a.log() + b.log())

    def flow(self, port):
        """A visitor's socket, whose datagrams come back: the peer's client is known."""
        wait_until(lambda: self.asked(port), "an answer through the peer")
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(sock.close)
        sock.settimeout(traffic.DEADLINE)
        sock.connect(("127.0.0.1", port))
        return sock

    def asked(self, port):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.connect(("127.0.0.1", port))
            sock.send(b"here?")
            return self.waiting(sock)

    def waiting(self, sock):
        """What comes until nothing has for a moment."""
        came, before = [], sock.gettimeout()
        sock.settimeout(0.2)
        try:
            while True:
                came.append(sock.recv(65536))
        except TimeoutError:
            return came
        finally:
            sock.settimeout(before)

    def test_a_dead_target_is_refused_through_a_peer(self):
        target = self.target()
        a, b = self.pair(target)
        self.agent(a.url)
        self.wait_echo(b.forwards["main"])
        target.close()
        self.assertFalse(traffic.echoes(b.forwards["main"]))
        wait_until(lambda: "connection refused" in b.log(), "the agent's words, through the peer")

    def test_a_reset_crosses_a_peer_both_ways(self):
        breaker = Breaker()
        self.addCleanup(breaker.close)
        a, b = self.pair(breaker)
        self.agent(a.url)
        visitor = wait_until(lambda: self.served(b), "a visitor through the peer")
        visitor.sendall(b"x")
        self.assertEqual(traffic.read_end(visitor), (b"", False))
        visitor = traffic.visit(b.forwards["main"], "HOLD 10")
        traffic.read_exactly(visitor, 10)
        visitor.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        visitor.close()
        self.assertEqual(wait_until(lambda: breaker.ends, "the target's end"), ["reset"])

    def served(self, server):
        """A visitor who waits for the reset of a Breaker; None as long as there is no route."""
        try:
            visitor = traffic.visit(server.forwards["main"], "BREAK 10")
            self.addCleanup(visitor.close)
            return visitor if traffic.read_exactly(visitor, 10) else None
        except OSError:
            return None

    def test_three_in_a_ring_do_not_pass_a_dial_round(self):
        """Each has heard of foo from the one before, and nobody has it."""
        names = ["a", "b", "c"]
        ports = {name: traffic.free_port() for name in names}
        target = self.target()
        servers = {
            name: self.peered(
                name,
                *((n, f"ws://127.0.0.1:{ports[n]}/connect") for n in names if n != name),
                port=ports[name],
                forwards={"main": f"foo/{target.address}"},
            )
            for name in names
        }
        links = []
        for n, name in enumerate(names):
            # what the ring says is played by a link of the server before, which lies
            before = names[n - 1]
            link, _ = ws.dial(
                "127.0.0.1", ports[name], [(ANNOUNCED, before), (TOKEN, f"token-{before}")]
            )
            self.addCleanup(link.close)
            player = replay.Player(link, 18300)
            player.send(wire.ADD_CLIENT, 0, b"foo/1")
            player.settle()
            links.append(player)
        user = traffic.visit(servers["b"].forwards["main"])
        self.addCleanup(user.close)
        self.assertEqual(links[1].next_frame(wire.CONNECT, 2).text, f"foo::tcp/{target.address}")
        # the same dial comes to a, on the session that a opened to a peer of ours
        foreign = self.foreign(peers={"a": "token-a"})
        path = self.file("ring", f"b:token-b:{foreign.url}\n")
        again = self.server(
            "--peer-id", "a", "--peer-token", "token-a", "--peers-file", path
        )
        link, _ = ws.dial("127.0.0.1", again.port, [(ANNOUNCED, "b"), (TOKEN, "token-b")])
        self.addCleanup(link.close)
        liar = replay.Player(link, 18300)
        liar.send(wire.ADD_CLIENT, 0, b"foo/1")
        liar.settle()
        wait_until(lambda: "a" in foreign.peer_sessions, "the link of a")
        connection = foreign.peer_sessions["a"].dial("foo::tcp", target.address)
        self.assertEqual(connection.read(), b"")
        self.assertIn("no session", str(connection.error))
        liar.expect_quiet()  # it was not asked

    def test_in_a_ring_an_unknown_client_is_one_clear_error(self):
        """Said where the visitor came in; the other two are not asked."""
        names = ["a", "b", "c"]
        ports = {name: traffic.free_port() for name in names}
        target = self.target()
        servers = [
            self.peered(
                name,
                *((n, f"ws://127.0.0.1:{ports[n]}/connect") for n in names if n != name),
                port=ports[name],
                forwards={"main": f"foo/{target.address}"},
                flags=("--log-level", "debug"),
            )
            for name in names
        ]
        self.agent(servers[1].url)
        for server in servers:
            self.wait_echo(server.forwards["main"], "the ring")
        asked = http.client.HTTPConnection("127.0.0.1", servers[0].port, timeout=traffic.DEADLINE)
        self.addCleanup(asked.close)
        asked.request("GET", f"/client/nobody/http/{target.address}/")
        answer = asked.getresponse()
        self.assertEqual(answer.status, 404)
        self.assertIn(b"no session of that client", answer.read())
        for server in servers:  # what follows shows that they have done with it
            self.wait_echo(server.forwards["main"], "the ring")
        told = [len(re.findall(r"warn .* to nobody/", server.log())) for server in servers]
        self.assertEqual(told, [1, 0, 0])
        for server in servers[1:]:
            self.assertNotIn("nobody", server.log())

    def test_sighup_adds_and_removes_peers(self):
        target = self.target()
        ports = traffic.free_port(), traffic.free_port()
        urls = [f"ws://127.0.0.1:{port}/connect" for port in ports]
        forwards = {"main": f"foo/{target.address}"}
        a = self.peered("a", ("b", urls[1]), file="peers", port=ports[0], forwards=forwards)
        b = self.peered("b", ("a", urls[0]), port=ports[1], forwards=forwards)
        self.agent(b.url)
        self.wait_echo(a.forwards["main"])
        wait_until(lambda: "peer b: session" in a.log(), "what b opens")
        path = self.dir / "peers"
        row = path.read_text()
        path.write_text("# nobody\n")
        a.signal(signal.SIGHUP)
        wait_until(
            lambda: re.search(r"peer b: session \d+ ended", a.log()), "the end of what b opened"
        )
        wait_until(lambda: "session lost" in b.log(), "b's loss")
        self.assertFalse(traffic.echoes(a.forwards["main"]))
        path.write_text("bad line with token-b\n")
        a.signal(signal.SIGHUP)
        wait_until(lambda: "peers:1: needs the form ID:TOKEN:URL" in a.log(), "the complaint")
        self.assertNotIn("token-b", a.log())
        path.write_text(row)
        a.signal(signal.SIGHUP)
        self.wait_echo(a.forwards["main"], "the peer's return")


if __name__ == "__main__":
    unittest.main()
