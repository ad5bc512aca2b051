"""--publish: what an agent has the server expose, as its credential permits it."""
import re
import shlex
import signal
import socket
import subprocess
import unittest

from tests.interop.peer import wire, ws
from tests.interop.peer.agent import Agent as PeerAgent
from tests.interop.peer.server import Server as PeerServer

from . import traffic
from .lab import ROOT, binaries, wait_until
from .test_admin import AdminCase
from .test_docs import section
from .web_target import WebTarget

ENDED = re.compile(r"session \d+ ended")
KNOWS = ("X-Culvert-Features", "ack, halfclose, credit, dgram, publish")


class PublishCase(AdminCase):
    """A server whose token file permits foo and bar what @permits says, and no forwards."""

    permits = ("publish=tcp:*", "publish=http:*.example")
    threads = 1

    def setUp(self):
        super().setUp()
        self.port = traffic.free_port()

    def lab(self, *flags, permits=None, **how):
        permits = self.permits if permits is None else permits
        self.tokens_path, (self.foo, self.bar) = self.token_file(
            ("agent", "foo", *permits), ("agent", "bar", *self.permits)
        )
        self.lab_server = self.server(
            "--threads", self.threads, "--admin", f"127.0.0.1:{self.admin_port}", *flags,
            auth=("--token-file", self.tokens_path), **how,
        )
        return self.lab_server

    def publisher(self, *specs, key="foo", flags=(), url=None):
        """An agent that publishes @specs."""
        return self.agent(
            url or self.lab_server.url,
            *flags,
            *(word for spec in specs for word in ("--publish", spec)),
            key=key,
            token=self.foo if key == "foo" else self.bar,
        )

    def wait_closed(self, port):
        wait_until(lambda: not traffic.listening(port), "the port's end")

    def web_target(self):
        target = WebTarget()
        self.addCleanup(target.close)
        return target

    def get(self, host, path="/x", *flags):
        """(status, body) of a request for @host at the front door."""
        url = f"http://127.0.0.1:{self.lab_server.port}{path}"
        done = subprocess.run(
            ["curl", "-sS", "-H", f"Host: {host}", "-w", "\n%{http_code}", *flags, url],
            capture_output=True,
            timeout=traffic.DEADLINE,
        )
        body, _, status = done.stdout.rpartition(b"\n")
        return int(status), body.decode()

    def reaches(self, host):
        return self.get(host)[0] == 200

    def rewrite(self, *rows):
        """Other options for the agents' lines; the server reads them anew."""
        lines = self.tokens_path.read_text().splitlines()
        self.tokens_path.write_text(
            "".join(
                " ".join([*line.split()[:3], *options]) + "\n"
                for line, options in zip(lines, rows)
            )
        )
        self.lab_server.signal(signal.SIGHUP)


class Publish(PublishCase):
    def test_a_port_leads_to_the_agents_service_and_is_listed(self):
        self.lab()
        web = self.web_target()
        agent = self.publisher(f"tcp:{self.port}={web.address}")
        self.wait_log(agent, f"published tcp:{self.port} at 127.0.0.1:{self.port}")
        done = subprocess.run(
            ["curl", "-sS", f"http://127.0.0.1:{self.port}/a"], capture_output=True, text=True
        )
        self.assertIn('"path": "/a"', done.stdout, done.stderr)
        self.assertEqual(
            self.listed("forwards"),
            [
                {
                    "listen": f"127.0.0.1:{self.port}",
                    "client": "foo",
                    "target": f"tcp/{web.address}",
                    "published": True,
                }
            ],
        )
        self.assertRegex(self.ctl("forwards"), rf"127.0.0.1:{self.port} +foo .* yes")
        self.wait_log(self.lab_server, f"127.0.0.1:{self.port}, published: visitor ")
        self.assertIn(
            ("published", "foo", f"tcp:{self.port}"),
            [(e["kind"], e["client"], e["text"]) for e in self.listed("events")],
        )

    def test_a_name_leads_to_the_agents_site_and_is_listed(self):
        self.lab()
        web = self.web_target()
        agent = self.publisher(f"http:App.example.={web.address}")
        self.wait_log(agent, "published http:App.example. at http://app.example/")
        for host in ("app.example", "APP.EXAMPLE", "app.example.", f"app.example:{self.port}"):
            status, body = self.get(host, "/a?b")
            self.assertEqual(status, 200, body)
            self.assertIn('"path": "/a?b"', body)
            self.assertIn(f'["host", "{host}"]', body)
            self.assertIn('["x-forwarded-for", "127.0.0.1"]', body)
        for host in ("b.app.example", "example", "127.0.0.1"):
            self.assertEqual(self.get(host)[0], 404, host)
        self.assertEqual(
            self.listed("routes"),
            [
                {
                    "host": "app.example",
                    "tls": False,
                    "prefix": "",
                    "client": "foo",
                    "target": web.address,
                    "published": True,
                }
            ],
        )
        self.assertRegex(self.ctl("routes"), "app.example .* foo .* yes")

    def test_a_published_name_goes_before_a_wildcard_of_the_operators(self):
        mine, theirs = self.web_target(), self.web_target()
        self.lab("--route", f"*.example=bar/{theirs.address}")
        self.agent(self.lab_server.url, key="bar", token=self.bar)
        self.wait_log(self.publisher(f"http:a.example={mine.address}"), "published")
        self.wait_log(self.lab_server, "client bar: session")
        for host, target in (("a.example", mine), ("b.example", theirs), ("x.a.example", theirs)):
            before = len(target.requests)
            self.assertEqual(self.get(host)[0], 200)
            self.assertEqual(len(target.requests), before + 1, host)

    def test_agents_and_their_tokens_are_safe_behind_a_published_name(self):
        """Whoever takes the server's own name gets neither its agents and peers nor visitors'
        tokens."""
        self.lab(
            *("--peer-id", "a", "--peer-token", "from-a", "--peer", "b:from-b:ws://127.0.0.1:1/x"),
            permits=("publish=http:*",),
        )
        web = self.web_target()
        self.wait_log(self.publisher(f"http:127.0.0.1={web.address}"), "published")
        fields = [("X-API-Tunnel-ID", "b"), ("X-API-Tunnel-Token", "from-b")]
        peer, _ = ws.dial("127.0.0.1", self.lab_server.port, fields)
        self.addCleanup(peer.close)
        other = self.agent(self.lab_server.url, key="bar", token=self.bar)
        self.wait_log(other, "session up as bar")
        status, body = self.get("127.0.0.1", "/client/bar/http/h", "-H", "X-Culvert-Token: s3cret")
        self.assertEqual(status, 200)
        self.assertNotIn("s3cret", body)
        for header in ("X-Tunnel-ID", "X-Culvert-Visitor"):
            status, body = self.get(
                *("127.0.0.1", "/connect", "-H", f"{header}: me"),
                *("-H", "Authorization: Bearer s3cret"),
            )
            self.assertEqual((status, "s3cret" in body), (401, False), header)

    def test_what_is_not_permitted_is_refused_and_said_at_both_ends(self):
        self.lab(permits=("publish=tcp:8000-8100", "publish=http:*.a.example", "publish=tcp:*"))
        allowed = f"tcp:{self.port}={self.aim.address}"
        agent = self.publisher(
            *("http:b.example=127.0.0.1:1", "tcp:80=127.0.0.1:1"),
            *(allowed, "http:a.example=127.0.0.1:1"),
        )
        for what in ("http:b.example", "tcp:80", "http:a.example"):
            self.wait_log(agent, f"{what} is not published: not permitted by this client's cred")
            self.wait_log(self.lab_server, f'publish=): "{what}=127.0.0.1:1"')
        self.wait_echo(self.port, "what is permitted, in the same session")
        self.assertEqual(agent.log().count("session up"), 1)
        self.assertEqual(self.get("b.example")[0], 404)

    def test_a_target_that_the_credential_does_not_let_be_dialled_is_refused(self):
        self.lab(permits=("publish=tcp:*", "dial=127.0.0.1:1"))
        agent = self.publisher(f"tcp:{self.port}={self.aim.address}")
        self.wait_log(agent, "is not published: its target is not among those of this client's")
        self.assertFalse(traffic.listening(self.port))

    def test_a_killed_agent_takes_it_along_and_brings_it_back(self):
        self.lab()
        web = self.web_target()
        specs = (f"tcp:{self.port}={self.aim.address}", f"http:a.example={web.address}")
        for _ in range(2):
            agent = self.publisher(*specs)
            self.wait_echo(self.port)
            wait_until(lambda: self.reaches("a.example"), "the name")
            visitor = traffic.visit(self.port, "ECHO")
            self.addCleanup(visitor.close)
            self.assertTrue(traffic.ping(visitor))
            agent.kill()
            self.wait_closed(self.port)
            wait_until(lambda: self.get("a.example")[0] == 404, "the name's end")
            self.assertFalse(traffic.read_end(visitor)[1], "a reset, not an orderly end")
        self.assertEqual(self.listed("forwards") + self.listed("routes"), [])

    def test_the_agent_dials_what_it_publishes_and_nothing_more(self):
        self.lab("--http-proxy", f"127.0.0.1:{self.port}=foo")
        hidden, shown = self.target(), traffic.free_port()
        self.publisher(f"tcp:{shown}={self.aim.address}", flags=("--allow", "192.0.2.1:1"))
        self.wait_echo(shown)

        def connect(address):
            with socket.create_connection(("127.0.0.1", self.port), traffic.DEADLINE) as sock:
                sock.sendall(f"CONNECT {address} HTTP/1.1\r\nHost: {address}\r\n\r\n".encode())
                return sock.recv(12)

        self.assertEqual(connect(self.aim.address), b"HTTP/1.1 200")
        self.assertEqual(connect(hidden.address), b"HTTP/1.1 403")

    def test_it_listens_on_loopback_unless_told_otherwise(self):
        self.lab("--publish-address", "127.0.0.2")
        self.wait_log(self.publisher(f"tcp:{self.port}={self.aim.address}"), "published")
        self.assertTrue(traffic.echoes(self.port, host="127.0.0.2"))
        self.assertFalse(traffic.echoes(self.port))

    def test_an_agent_publishes_at_each_of_its_servers(self):
        other = self.lab()
        here, there = traffic.free_port(), other.url
        self.lab_server = self.server(
            "--insecure-no-auth", "--publish-allow", "tcp:*", "--publish-address", "127.0.0.3",
            auth=(),
        )
        agent = self.publisher(f"tcp:{here}={self.aim.address}", flags=("--connect", there))
        self.wait_log(agent, f"{there}: published tcp:{here} at 127.0.0.1:{here}")
        self.wait_log(agent, f"{self.lab_server.url}: published tcp:{here} at 127.0.0.3:{here}")

    def test_a_server_without_tokens_publishes_only_what_it_is_told_to(self):
        self.lab_server = self.server()
        self.foo = None
        agent = self.publisher(f"tcp:{self.port}={self.aim.address}")
        self.wait_log(agent, f"tcp:{self.port} is not published: this server lets nothing be")
        agent.stop()
        self.lab_server = self.server("--publish-allow", f"tcp:{self.port}")
        agent = self.publisher(f"tcp:{self.port}={self.aim.address}", "tcp:1=127.0.0.1:1")
        self.wait_log(agent, "tcp:1 is not published: not permitted by this server's --publish-all")
        self.wait_echo(self.port)

    def test_the_file_service_can_be_published(self):
        self.lab()
        (self.dir / "served").mkdir()
        (self.dir / "served" / "a").write_text("from the folder")
        self.publisher(
            "http:files.example=culvert.files:80", flags=("--serve", self.dir / "served")
        )
        wait_until(lambda: self.get("files.example", "/a") == (200, "from the folder"), "the file")

    def test_a_drain_closes_the_port_and_lets_visitors_finish(self):
        server = self.lab()
        self.publisher(f"tcp:{self.port}={self.aim.address}")
        self.wait_echo(self.port)
        size = 8 << 20
        with traffic.visit(self.port, f"GET {size} 7", receive_buffer=65536) as visitor:
            start = traffic.read_exactly(visitor, 1 << 20)
            server.signal(signal.SIGTERM)
            self.wait_closed(self.port)
            rest, orderly = traffic.read_end(visitor)
        self.assertTrue(orderly and len(start + rest) == size)
        self.assertEqual(server.wait(), 0)


class Clash(PublishCase):
    def test_another_client_waits_and_is_told_who_has_it(self):
        self.lab()
        foo = self.publisher(f"tcp:{self.port}={self.aim.address}", "http:a.example=127.0.0.1:1")
        self.wait_log(foo, "published http:a.example")
        mine, web = self.target(), self.web_target()
        bar = self.publisher(
            f"tcp:{self.port}={mine.address}", f"http:A.example={web.address}", key="bar"
        )
        for what in (f"tcp:{self.port}", "http:A.example"):
            self.wait_log(bar, f"{what} is not published: it is published by client foo; this one")
        before = mine.accepted
        self.assertTrue(traffic.echoes(self.port))
        self.assertEqual(mine.accepted, before)
        foo.kill()
        self.wait_log(bar, f"published tcp:{self.port}")
        self.wait_log(bar, "published http:A.example")
        self.assertTrue(traffic.echoes(self.port))
        self.assertEqual(mine.accepted, before + 1)
        self.assertTrue(self.reaches("a.example"))
        foo = self.publisher(f"tcp:{self.port}={self.aim.address}")
        self.wait_log(foo, "it is published by client bar; this one waits")

    def test_what_the_operator_has_set_up_stays_the_operators(self):
        server = self.lab(
            "--route", "a.example/api=bar/127.0.0.1:1",
            forwards={"main": f"foo/{self.aim.address}"},
        )
        port = server.forwards["main"]
        agent = self.publisher(
            f"tcp:{port}=127.0.0.1:1", "http:a.example=127.0.0.1:1",
            f"tcp:{server.port}=127.0.0.1:1", f"tcp:{self.port}={self.aim.address}",
        )
        self.wait_log(agent, f"tcp:{port} is not published: the port is a forward of the server's")
        self.wait_log(agent, "http:a.example is not published: the name is a route of the server's")
        self.wait_log(agent, f"tcp:{server.port} is not published: address already in use")
        self.wait_echo(self.port)
        self.wait_echo(port)

    def test_a_port_that_was_another_programs_is_had_when_that_is_gone(self):
        server = self.lab()
        with socket.create_server(("127.0.0.1", self.port)):
            agent = self.publisher(f"tcp:{self.port}={self.aim.address}")
            self.wait_log(agent, f"tcp:{self.port} is not published: address already in use")
            server.signal(signal.SIGHUP)
            self.wait_log(server, "reloaded")
        server.signal(signal.SIGHUP)
        self.wait_echo(self.port)
        self.assertEqual(agent.log().count("is not published"), 1, "said once")

    def test_it_is_tried_again_without_being_asked(self):
        self.lab()
        with socket.create_server(("127.0.0.1", self.port)):
            agent = self.publisher(f"tcp:{self.port}={self.aim.address}")
            self.wait_log(agent, "address already in use")
        self.wait_echo(self.port)

    def test_a_client_that_comes_back_meets_no_clash_with_itself_and_leaves_no_gap(self):
        server = self.lab()
        web = self.web_target()
        specs = (f"tcp:{self.port}={self.aim.address}", f"http:a.example={web.address}")
        frozen = self.publisher(*specs)
        self.wait_log(frozen, "published http:a.example")
        frozen.signal(signal.SIGSTOP)
        newer = self.publisher(*specs)
        self.wait_log(newer, "published http:a.example")
        self.assertTrue(traffic.echoes(self.port))
        self.assertTrue(self.reaches("a.example"))
        wait_until(lambda: ENDED.search(server.log()), "the end of who answers no question")
        self.assertTrue(traffic.echoes(self.port))
        self.assertTrue(self.reaches("a.example"))
        self.assertNotIn("withdrawn", server.log())
        self.assertNotIn("not published", newer.log())

    def test_the_newest_session_of_a_client_says_where_it_leads(self):
        self.lab()
        second = self.target()
        self.wait_log(self.publisher(f"tcp:{self.port}={self.aim.address}"), "published")
        newer = self.publisher(f"tcp:{self.port}={second.address}")
        self.wait_log(newer, "published")
        self.assertTrue(traffic.echoes(self.port))
        self.assertEqual((self.aim.accepted, second.accepted), (0, 1))
        newer.kill()
        wait_until(lambda: traffic.echoes(self.port) and self.aim.accepted, "the older one again")


class Reload(PublishCase):
    def test_what_is_no_longer_permitted_is_withdrawn_and_comes_back(self):
        self.lab()
        agent = self.publisher(f"tcp:{self.port}={self.aim.address}", "http:a.example=127.0.0.1:1")
        self.wait_log(agent, "published http:a.example")
        visitor = traffic.visit(self.port, "ECHO")
        self.addCleanup(visitor.close)
        self.assertTrue(traffic.ping(visitor))
        self.rewrite(("publish=http:a.example",), ())
        self.wait_log(agent, f"tcp:{self.port} is not published: not permitted by this client's")
        self.wait_closed(self.port)
        self.assertTrue(traffic.ping(visitor), "who is in stays")
        self.assertEqual(len(self.listed("routes")), 1)
        self.rewrite(("publish=tcp:*", "publish=http:a.example"), ())
        self.wait_log(agent, f"published tcp:{self.port}", 2)
        self.assertTrue(traffic.echoes(self.port))
        self.assertEqual(agent.log().count("published http:a.example"), 1, "no news of it")
        self.assertEqual(agent.log().count("session up"), 1)

    def test_a_credential_that_is_gone_takes_it_along(self):
        self.lab()
        foo = self.publisher(f"tcp:{self.port}={self.aim.address}")
        self.wait_log(foo, f"published tcp:{self.port}")
        bar = self.publisher(f"tcp:{self.port}={self.aim.address}", key="bar")
        self.wait_log(bar, "it is published by client foo")
        self.tokens_path.write_text(self.tokens_path.read_text().splitlines()[1] + "\n")
        self.lab_server.signal(signal.SIGHUP)
        self.wait_log(self.lab_server, "its credential is gone")
        self.wait_log(bar, f"published tcp:{self.port}")
        self.assertTrue(traffic.echoes(self.port), "the other one's")


class Strangers(PublishCase):
    def test_a_reference_server_ignores_it_and_the_agent_says_so(self):
        server = PeerServer()
        self.addCleanup(server.close)
        agent = self.agent(
            server.url, "--publish", f"tcp:{self.port}={self.aim.address}",
            "--publish", "http:a.example=127.0.0.1:1", "--allow", "192.0.2.1:1",
        )
        server.wait_session()
        port = server.forward("foo", self.aim.address)
        self.wait_echo(port)
        self.wait_log(agent, "nothing is published: this server does not know --publish")
        self.assertFalse(traffic.listening(self.port))

    def test_a_server_that_talks_nonsense_about_publications(self):
        server = PeerServer(fields=[KNOWS])
        self.addCleanup(server.close)
        agent = self.agent(server.url, "--publish", f"tcp:{self.port}={self.aim.address}")
        session = server.wait_session()
        for body in (b"+2 nowhere", b"-4294967295 x", b"+1 \x1b[2Jhere\r\nforged line"):
            session.send(19, 0, body)
        self.wait_log(agent, "the server spoke of a publication that was not asked for")
        self.wait_log(agent, r"\x1b[2Jhere\x0d\x0aforged line")
        self.wait_echo(server.forward("foo", self.aim.address))
        session.send(19, 0, b"no form at all")
        self.wait_log(agent, "session lost")

    def hearing(self, *wanted):
        """The WebSocket of a stranger that asks for @wanted, each in a header."""
        headers = [("X-Tunnel-ID", "foo"), ("Authorization", f"Bearer {self.foo}"), KNOWS]
        headers += [("X-Culvert-Publish", text) for text in wanted]
        sock, head = ws.dial("127.0.0.1", self.lab_server.port, headers, timeout=traffic.DEADLINE)
        self.addCleanup(sock.close)
        self.assertIn("publish", head.fields["x-culvert-features"])
        return sock

    def told(self, sock, count):
        """The next @count answers, as text."""
        said = []
        while len(said) < count:
            message = sock.receive()
            self.assertIsNotNone(message, said)
            if message.opcode == ws.BINARY:
                frame = wire.decode(message.payload)
                self.assertEqual((frame.kind, frame.conn), (19, 0))
                said.append(frame.text)
        return said

    def test_nonsense_is_answered_line_by_line_and_costs_nothing_else(self):
        server = self.lab()
        bad = [
            "tcp", "tcp:0=127.0.0.1:1", "udp:1=127.0.0.1:1", "tcp:8000=unix//run/x",
            "http:*=127.0.0.1:80", "http:a/b=127.0.0.1:80", "\xff\xfe=1", "=" * 540,
            "http:" + "a" * 600 + "=127.0.0.1:80",
        ]
        sock = self.hearing(*bad, f"tcp:{self.port}={self.aim.address}")
        said = self.told(sock, len(bad) + 1)
        self.assertTrue(all(text.startswith("-") for text in said[:-1]), said)
        self.assertEqual(said[-1], f"+{len(bad) + 1} 127.0.0.1:{self.port}")
        self.assertTrue(server.alive())
        for line in server.log().splitlines():
            self.assertTrue(line.isprintable(), line)

    def test_16_are_taken_and_the_next_is_told_so(self):
        self.lab()
        wanted = [f"http:{n}.example=127.0.0.1:1" for n in range(30)]
        said = self.told(self.hearing(*wanted), 17)
        self.assertEqual([text[0] for text in said].count("+"), 16)
        (over,) = [text for text in said if text[0] == "-"]
        self.assertRegex(over, "^-17 .*at most 16")
        self.assertEqual(len(self.listed("routes")), 16)

    def test_headers_that_a_proxy_has_joined_are_read(self):
        self.lab()
        said = self.told(
            self.hearing(f"tcp:{self.port}={self.aim.address} ,, http:a.example=127.0.0.1:1"), 2
        )
        self.assertEqual(said[0], f"+1 127.0.0.1:{self.port}")
        self.assertRegex(said[1], r"^\+2 http://a.example/")

    def test_one_that_asks_twice_for_the_same_has_it_once(self):
        self.lab()
        spec = f"tcp:{self.port}={self.aim.address}"
        sock = self.hearing(spec, spec)
        self.assertEqual({text[0] for text in self.told(sock, 2)}, {"+"})
        self.assertEqual(len(self.listed("forwards")), 1)
        sock.close()
        self.wait_closed(self.port)

    def test_an_end_that_could_not_be_told_gets_nothing(self):
        server = self.lab()
        agent = PeerAgent(
            server.port, "foo",
            fields=[
                ("Authorization", f"Bearer {self.foo}"),
                ("X-Culvert-Publish", f"tcp:{self.port}={self.aim.address}"),
            ],
        )
        self.addCleanup(agent.close)
        self.wait_log(server, "client foo: session 1 up")
        self.assertEqual(self.listed("forwards"), [])
        self.assertFalse(traffic.listening(self.port))


class Recipe(PublishCase):
    def test_the_example_works(self):
        """The commands of RECIPES.md, with ports that are free here."""
        text = section(ROOT / "docs/RECIPES.md", "## A port or a name that the agent asks for")
        code = re.sub(r" {2,}#.*", "", "\n".join(re.findall("^    (.*)", text, re.M)))
        web, front = self.web_target(), traffic.free_port()
        for old, new in (
            ("127.0.0.1:22", self.aim.address),
            ("127.0.0.1:8000", web.address),
            ("8123", str(front)),
            ("8022", str(self.port)),
            ("laptop.token", str(self.dir / "laptop.token")),
            ("tokens", str(self.dir / "tokens")),
        ):
            self.assertIn(old, code)
            code = code.replace(old, new)
        permit, serve, publish, _, curl = code.replace("\\\n", "").splitlines()
        token, digest = self.new_token()
        self.file("laptop.token", token)
        self.file("tokens", f"agent laptop {digest}\n")
        subprocess.run(permit, shell=True, check=True)
        for line in (serve, publish):
            program, *argv = shlex.split(line.removesuffix(" &"))
            self.start(program, [binaries() / program, *argv])
        self.wait_echo(self.port)
        wait_until(
            lambda: b'"path": "/"' in subprocess.run(shlex.split(curl), capture_output=True).stdout,
            "the site",
        )


class Threads(Publish):
    """The same with several loops: sessions and visitors come to any of them."""

    threads = 3

    def test_many_agents_on_all_loops(self):
        self.lab()
        ports = [traffic.free_port() for _ in range(9)]
        web = self.web_target()
        for n, port in enumerate(ports):
            self.publisher(f"tcp:{port}={self.aim.address}", f"http:{n}.example={web.address}")
        for n, port in enumerate(ports):
            self.wait_echo(port)
            for _ in range(4):  # each connection falls to some loop
                wait_until(lambda n=n: self.reaches(f"{n}.example"), "a name")
        self.rewrite(("publish=tcp:*",), ())
        wait_until(lambda: self.listed("routes") == [], "the names' end")
        for agent in self.processes[1:]:
            agent.kill()
        for port in ports:
            self.wait_closed(port)


class ClashOnThreads(Clash):
    threads = 3


if __name__ == "__main__":
    unittest.main()
