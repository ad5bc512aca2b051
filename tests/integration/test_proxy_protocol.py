"""The PROXY protocol: what a proxy in front says of a visitor is believed where listeners are told
to, and targets are told of theirs; with Debian's HAProxy and nginx at either end."""
import pathlib
import re
import signal
import socket
import ssl
import subprocess
import unittest

from tests.interop.peer.agent import Agent as PeerAgent

from . import traffic
from .certs import Certificates
from .heads_proxy import LOCAL, SIGNATURE, HeadedTarget, block, line
from .hello import message, records, server_name
from .lab import binaries, wait_until
from .proxies import Proxies
from .test_admin import AdminCase
from .test_docs import DOCS, fenced
from .test_sni import unread
from .web_target import WebTarget

VISITOR, HERE = ("192.0.2.7", 4711), ("198.51.100.1", 443)
VISITOR6, HERE6 = ("2001:db8::7", 4711), ("2001:db8::1", 443)
HEADS = {
    "v1": (line(VISITOR, HERE), "192.0.2.7:4711"),
    "v1, IPv6": (line(VISITOR6, HERE6), "[2001:db8::7]:4711"),
    "v2": (block(VISITOR, HERE), "192.0.2.7:4711"),
    "v2, IPv6": (block(VISITOR6, HERE6), "[2001:db8::7]:4711"),
    "v2 with extras": (block(VISITOR, HERE, b"\x04\0\x03abc\xee\0\0"), "192.0.2.7:4711"),
}


class ProxyCase(Proxies, AdminCase):
    def run_haproxy(self, text, port):
        """Debian's HAProxy with the section @text, which listens at @port."""
        waits = "".join(f" timeout {what} 90s\n" for what in ("client", "server", "connect"))
        file = self.file(f"haproxy-{port}.cfg", f"defaults\n mode tcp\n{waits}{text}", 0o644)
        proxy = self.start("haproxy", [self.program("haproxy"), "-db", "-f", file])
        self.wait_listening(proxy, port)

    def haproxy(self, to, options, host="127.0.0.1"):
        """The port of one at @host in front of the local port @to."""
        port = traffic.free_port(host)
        where = f" bind {host}:{port}\n server culvert 127.0.0.1:{to} {options}\n"
        self.run_haproxy(f"listen front\n{where}", port)
        return port

    def run_nginx(self, text, port):
        """Debian's nginx with the server @text, which listens at @port."""
        temp = "".join(
            f"{kind}_temp_path {self.dir}/{kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        file = self.file(
            f"nginx-{port}.conf",
            f"daemon off; master_process off; pid {self.dir}/nginx.pid; error_log stderr;\n"
            f"events {{}}\nhttp {{ access_log off;\n{temp}{text} }}\n",
            0o644,
        )
        argv = [self.program("nginx"), "-p", self.dir, "-e", "stderr", "-c", file]
        self.wait_listening(self.start("nginx", argv), port)

    def nginx(self):
        """The address of one that wants a head and says what it read in it."""
        port = traffic.free_port()
        said = "$proxy_protocol_addr $proxy_protocol_port"
        said += " $proxy_protocol_server_addr $proxy_protocol_server_port"
        where = f"listen 127.0.0.1:{port} proxy_protocol;"
        self.run_nginx(f'server {{ {where} return 200 "{said}\n"; }}', port)
        return f"127.0.0.1:{port}"

    def headed(self, **where):
        target = HeadedTarget(**where)
        self.addCleanup(target.close)
        return target

    def join(self, server, **how):
        agent = self.agent(server.url, **how)
        wait_until(lambda: "client foo: session" in server.log(), "the agent")
        return agent

    def ask_nginx(self, port, host="127.0.0.1", source=""):
        """(what it says that the visitor is, what the visitor is)."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family) as sock:
            sock.settimeout(traffic.DEADLINE)
            sock.bind((source or host, 0))
            sock.connect((host, port))
            sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
            answer, _ = traffic.read_end(sock)
            words = answer.decode().split("\r\n\r\n")[-1].split()
            self.assertEqual(len(words), 4, answer)
            said = ((words[0], int(words[1])), (words[2], int(words[3])))
            return said, (sock.getsockname()[:2], (host, port))


class Sending(ProxyCase):
    def test_nginx_reads_who_came(self):
        aim = self.nginx()
        six = [traffic.free_port("::1") for _ in range(2)]
        server = self.server(
            "--forward", f"[::1]:{six[0]}=foo/{aim},send-proxy=v1",
            "--forward", f"[::1]:{six[1]}=foo/{aim},send-proxy=v2",
            forwards={"v1": f"foo/{aim},send-proxy=v1", "v2": f"foo/{aim},send-proxy=v2"},
        )
        self.join(server)
        for port in server.forwards.values():
            for source in ("127.0.0.1", "127.0.0.9"):
                said, real = self.ask_nginx(port, source=source)
                self.assertEqual(said, real)
        for port in six:
            said, real = self.ask_nginx(port, "::1")
            self.assertEqual(said, real)

    def test_all_that_follows_goes_through_untouched(self):
        aim = self.headed()
        size = 8 << 20
        rule = f"foo/{aim.address},send-proxy="
        server = self.server(forwards={version: rule + version for version in ("v1", "v2")})
        self.join(server)
        for port in server.forwards.values():
            self.assertEqual(traffic.full_duplex(port, size), (True, size))
            self.assertTrue(traffic.upload(port, size))
            self.assertTrue(traffic.download(port, size))
            with traffic.visit(port, "ECHO") as sock:
                sock.sendall(b"last words")
                sock.shutdown(socket.SHUT_WR)
                self.assertEqual(traffic.read_end(sock), (b"last words", True))
                self.assertEqual(aim.told[-1], (sock.getsockname(), ("127.0.0.1", port)))

    def test_a_target_that_speaks_first_need_not_wait_for_the_visitor(self):
        aim = self.headed()
        server = self.server(forwards={"main": f"foo/{aim.address},send-proxy=v2"})
        self.join(server)
        with traffic.visit(server.forwards["main"]) as sock:
            wait_until(lambda: aim.told, "the head")
            self.assertEqual(aim.told, [(sock.getsockname(), ("127.0.0.1", sock.getpeername()[1]))])

    def test_a_visitor_without_an_address_is_unknown(self):
        aim, path = self.headed(), self.dir / "in.sock"
        inner = self.headed(path=self.dir / "aim.sock")
        server = self.server(
            "--forward", f"unix:{path}=foo/{aim.address},send-proxy=v1",
            "--forward", f"unix:{path}2=foo/{aim.address},send-proxy=v2",
            forwards={"unix": f"foo/{inner.address},send-proxy=v2"},
        )
        self.agent(server.url, "--allow", f"unix/{self.dir}/aim.sock", "--allow", aim.address)
        wait_until(lambda: "client foo: session" in server.log(), "the agent")
        for end in ("", "2"):
            self.assertTrue(traffic.echoes(0, path=f"{path}{end}"))
        self.assertEqual(aim.told, [(None, None)] * 2)
        with traffic.visit(server.forwards["unix"], "ECHO") as sock:
            self.assertTrue(traffic.ping(sock))
            self.assertEqual(inner.told[0][0], sock.getsockname(), "a socket's path as the target")

    def test_through_peers_and_reference_agents(self):
        aim, there = self.headed(), traffic.free_port()
        server = self.server(
            *("--peer-id", "a", "--peer-token", "from-a"),
            *("--peer", f"b:from-b:ws://127.0.0.1:{there}/connect"),
            forwards={
                "peer": f"there/{aim.address},send-proxy=v2",
                "reference": f"old/{aim.address},send-proxy=v1",
            },
        )
        self.server(
            *("--peer-id", "b", "--peer-token", "from-b", "--peer", f"a:from-a:{server.url}"),
            port=there,
        )
        self.agent(f"ws://127.0.0.1:{there}/connect", key="there")
        reference = PeerAgent(server.port, key="old")
        self.addCleanup(reference.close)
        for name, port in server.forwards.items():
            self.wait_echo(port, name)
            with traffic.visit(port, "ECHO") as sock:
                self.assertTrue(traffic.ping(sock))
                self.assertEqual(aim.told[-1], (sock.getsockname(), ("127.0.0.1", port)), name)


class ReceivingCase(ProxyCase):
    """`main` is a forward behind a proxy, to a target that is told who came."""

    def setUp(self):
        super().setUp()
        self.aim = self.headed()

    def behind(self, *flags, target=None, **how):
        target = target or f"{self.aim.address},send-proxy=v2"
        server = self.server(
            "--admin", f"127.0.0.1:{self.admin_port}", *flags,
            forwards={"main": f"foo/{target},proxy-protocol"}, **how,
        )
        self.join(server)
        self.port = server.forwards["main"]
        return server

    def visit(self, head, request="ECHO", port=None):
        """A visitor's socket: @head and @request in one segment."""
        sock = socket.create_connection(("127.0.0.1", port or self.port), timeout=traffic.DEADLINE)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(head + (f"{request}\n".encode() if request else b""))
        return sock

    def assert_refused(self, data, port=None):
        """@data gets no answer, and an end at once."""
        with self.visit(data, None, port) as sock:
            self.assertEqual(traffic.read_end(sock)[0], b"")


class Receiving(ReceivingCase):
    def test_haproxy_in_front_and_nginx_behind(self):
        self.behind(target=f"{self.nginx()},send-proxy=v1")
        for options in ("send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c"):
            for host in ("127.0.0.1", "::1"):
                with self.subTest(options, host=host):
                    port = self.haproxy(self.port, options, host)
                    said, real = self.ask_nginx(port, host)
                    self.assertEqual(said, real)

    def test_all_that_haproxy_passes_on_goes_through(self):
        self.behind()
        size = 8 << 20
        for options in ("send-proxy", "send-proxy-v2"):
            port = self.haproxy(self.port, options)
            self.assertEqual(traffic.full_duplex(port, size), (True, size))
            with traffic.visit(port, "ECHO") as sock:
                sock.sendall(b"last words")
                sock.shutdown(socket.SHUT_WR)
                self.assertEqual(traffic.read_end(sock), (b"last words", True))
                self.assertEqual(self.aim.told[-1], (sock.getsockname(), ("127.0.0.1", port)))

    def test_haproxys_checks_of_health_are_accepted(self):
        server = self.behind()
        before = self.aim.accepted
        for options in ("send-proxy-v2 check check-send-proxy", "send-proxy-v2 check"):
            self.haproxy(self.port, f"{options} inter 50ms")
        wait_until(lambda: self.aim.accepted >= before + 3, "LOCAL, as a visit of the proxy's own")
        self.assertNotIn("PROXY protocol:", server.log())

    def test_the_head_names_the_visitor_everywhere(self):
        server = self.behind()
        for name, (head, peer) in HEADS.items():
            with self.subTest(name):
                with self.visit(head) as sock:
                    self.assertTrue(traffic.ping(sock))
                    self.assertEqual([conn["visitor"] for conn in self.listed("conns")], [peer])
                source, to = (VISITOR6, HERE6) if peer[0] == "[" else (VISITOR, HERE)
                self.assertEqual(self.aim.told[-1], (source, to))
                self.wait_quiet()
                wait_until(lambda p=peer: f"visitor {p} to foo/tcp/" in server.log(), "the line")

    def test_a_head_that_does_not_say_leaves_the_socket_its_own_addresses(self):
        self.behind()
        for head in (b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN what so ever\r\n", LOCAL,
                     SIGNATURE + b"\x21\0\0\0", SIGNATURE + b"\x21\x31\0\xd8" + bytes(216)):
            with self.subTest(head), self.visit(head) as sock:
                self.assertTrue(traffic.ping(sock))
                self.assertEqual(self.aim.told[-1], (sock.getsockname(), sock.getpeername()))

    def test_cut_at_every_byte(self):
        server = self.behind()
        for name in ("v1, IPv6", "v2, IPv6", "v2 with extras"):
            head, peer = HEADS[name]
            for cut in range(1, len(head) + 1):
                with self.visit(head[:cut], None) as sock:
                    wait_until(lambda: unread(self.port, server.pid) == 0, "the part is read")
                    sock.sendall(head[cut:] + b"ECHO\nall of it")
                    self.assertEqual(traffic.read_exactly(sock, 9), b"all of it", (name, cut))
                    self.assertIn(self.aim.told[-1][0][0], peer)
        self.assertNotIn("PROXY protocol:", server.log())

    def test_wrong_heads_are_refused_and_cost_nobody_else(self):
        server = self.behind()
        bad = {
            b"ECHO\n": "no head",
            b"\x16\x03\x01\x02\0": "no head",
            b"PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n": "malformed",
            b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n" + b"x" * 80: "no end",
            SIGNATURE + b"\x31": "a version other than 2",
            SIGNATURE + b"\x22": "an unknown command",
            SIGNATURE + b"\x21\x41": "an unknown family",
            SIGNATURE + b"\x21\x11\0\x05": "shorter than its addresses",
            SIGNATURE + b"\x20\0\xff\xff": "too long",
            block(VISITOR, HERE, b"\x04\xff\xff"): "what follows the addresses",
            block(VISITOR, HERE, b"\x03\0\x04abcd"): "the checksum is wrong",
        }
        with self.visit(HEADS["v2"][0]) as good:
            self.assertTrue(traffic.ping(good))
            accepted = self.aim.accepted
            for data, why in bad.items():
                self.assert_refused(data)
                wait_until(lambda w=why: f"refused: PROXY protocol: {w}" in server.log() or
                           w in server.log(), why)
            with self.visit(b"PROXY TCP4 1.2.3.4", None) as sock:
                sock.shutdown(socket.SHUT_WR)
                self.assertEqual(traffic.read_end(sock), (b"", True))
            wait_until(lambda: "ended inside the head" in server.log(), "the line")
            for _ in range(200):
                self.assert_refused(b"GET / HTTP/1.0\r\n\r\n")
            self.assertLess(server.log().count("refused: PROXY protocol:"), 100)
            self.assertEqual(self.aim.accepted, accepted)
            self.assertTrue(traffic.ping(good))

    def test_the_head_must_come_in_time(self):
        server = self.behind()
        with self.visit(b"PROXY TCP4 1", None) as part, self.visit(b"", None) as nothing:
            self.assertEqual(traffic.read_end(part)[0], b"")
            self.assertEqual(traffic.read_end(nothing)[0], b"")
        self.wait_log(server, "the head did not come in time", 2)
        self.assertEqual(server.log().count("the head did not come in time"), 2)

    def test_who_says_nothing_makes_room(self):
        server = self.behind()
        first = self.visit(b"PROXY", None)
        rest = [self.visit(b"", None) for _ in range(1024)]
        for sock in (first, *rest):
            self.addCleanup(sock.close)
        self.assertEqual(traffic.read_end(first)[0], b"")
        self.wait_log(server, "too many wait for theirs")
        with self.visit(HEADS["v1"][0]) as good:
            self.assertTrue(traffic.ping(good))

    def test_limits_an_address_go_by_the_head(self):
        server = self.behind("--max-conns-per-address", "1")
        other = line(("192.0.2.8", 1), HERE)
        with self.visit(HEADS["v2"][0]) as held:
            self.assertTrue(traffic.ping(held))
            self.assert_refused(line((VISITOR[0], 4712), HERE) + b"ECHO\n")
            wait_until(lambda: "192.0.2.7:4712 refused: too many" in server.log(), "the line")
            with self.visit(other) as sock:
                self.assertTrue(traffic.ping(sock))
            mapped = block(("::ffff:192.0.2.7", 1), ("::1", 1))
            self.assert_refused(mapped + b"ECHO\n")
            self.assertTrue(traffic.ping(held))

    def test_a_drain_waits_for_no_head(self):
        server = self.behind()
        with self.visit(b"PROXY", None) as sock:
            wait_until(lambda: unread(self.port, server.pid) == 0, "it is read")
            server.signal(signal.SIGTERM)
            self.assertEqual(traffic.read_end(sock)[0], b"")
        self.assertEqual(server.wait(), 0)

    def test_a_listener_that_is_not_told_passes_it_on_like_any_bytes(self):
        aim = self.target()
        server = self.server(forwards={"main": f"foo/{aim.address}"})
        self.join(server)
        head = HEADS["v1"][0]
        with self.visit(b"ECHO\n" + head, None, server.forwards["main"]) as sock:
            self.assertEqual(traffic.read_exactly(sock, len(head)), head)
        self.wait_log(server, "ended in order")
        self.assertNotIn("192.0.2.7", server.log())


class Doors(Certificates, ReceivingCase):
    """The other ways in."""

    def front(self, *flags, **how):
        """A server with one more front door, behind a proxy, at self.front_port."""
        self.front_port = traffic.free_port()
        rule = f"127.0.0.1:{self.front_port},proxy-protocol"
        server = self.behind("--listen", rule, *flags, **how)
        wait_until(lambda: traffic.listening(self.front_port), "the front door")
        return server

    def web(self):
        target = WebTarget()
        self.addCleanup(target.close)
        return target

    def test_the_http_door_tells_its_target(self):
        self.front("--route", f"app.test=foo/{self.web().address}")
        request = b"GET /x HTTP/1.0\r\nHost: app.test\r\n\r\n"
        for head, peer in HEADS.values():
            with self.visit(head + request, None, self.front_port) as sock:
                answer = traffic.read_end(sock)[0].decode()
                host = peer.rsplit(":", 1)[0].strip("[]")
                self.assertIn(f'["x-forwarded-for", "{host}"]', answer)
        self.assert_refused(request, self.front_port)

    def test_tls_comes_behind_the_head(self):
        flags = ("--tls-cert", self.cert, "--tls-key", self.key)
        self.port = self.front_port = traffic.free_port()
        server = self.server(
            *("--listen", f"127.0.0.1:{self.port},proxy-protocol"),
            *("--route", f"tunnel.test=foo/{self.web().address}", *flags),
        )
        self.join_tls(server)
        context = ssl.create_default_context(cafile=self.ca)
        with self.visit(HEADS["v2"][0], None) as sock:
            with context.wrap_socket(sock, server_hostname="tunnel.test") as tls:
                tls.sendall(b"GET / HTTP/1.0\r\nHost: tunnel.test\r\n\r\n")
                self.assertIn(b'["x-forwarded-for", "192.0.2.7"]', traffic.read_end(tls)[0])
        port = self.haproxy(self.port, "send-proxy-v2", "127.0.0.3")
        done = subprocess.run(
            ["curl", "-sS", "--max-time", "60", "--cacert", self.ca, "--interface", "127.0.0.9"]
            + ["--resolve", f"tunnel.test:{port}:127.0.0.3", f"https://tunnel.test:{port}/"],
            capture_output=True, text=True,
        )
        self.assertIn('["x-forwarded-for", "127.0.0.9"]', done.stdout, done.stderr)

    def join_tls(self, server):
        self.agent(server.url.replace("ws:", "wss:"), "--insecure")
        wait_until(lambda: "client foo: session" in server.log(), "the agent")

    def test_tls_that_is_passed_on_comes_behind_the_head(self):
        aim = self.target()
        server = self.front("--route", f"tls:app.test=foo/{aim.address}", "--threads", "2")
        hello = records(message(server_name("app.test")))
        for _ in range(4):
            with self.visit(HEADS["v1"][0] + hello, None, self.front_port):
                pass
        wait_until(
            lambda: server.log().count("tls:app.test: visitor 192.0.2.7:4711 to foo/tcp/") == 4,
            "the lines",
        )

    def test_agents_may_come_by_a_proxy(self):
        self.front()
        port = self.haproxy(self.front_port, "send-proxy-v2", "127.0.0.3")
        self.agent(f"ws://127.0.0.3:{port}/connect", key="far")
        wait_until(lambda: len(self.listed("clients")) == 2, "the agent")
        (address,) = [c["address"] for c in self.listed("clients") if c["client"] == "far"]
        ends = [row.split()[1:3] for row in pathlib.Path("/proc/net/tcp").read_text().splitlines()]
        (own,) = [a.split(":")[1] for a, b in ends if b.endswith(f":{port:04X}") and a != b]
        self.assertEqual(address, f"127.0.0.1:{int(own, 16)}", "of its socket to the proxy")

    def test_doors_of_socks_and_http(self):
        socks, proxy = traffic.free_port(), traffic.free_port()
        aim = self.target()
        server = self.behind(
            *("--socks", f"127.0.0.1:{socks}=foo,proxy-protocol"),
            *("--http-proxy", f"127.0.0.1:{proxy}=foo,proxy-protocol"),
        )
        hello = b"\5\1\0" + b"\5\1\0\1\x7f\0\0\1" + aim.port.to_bytes(2, "big")
        with self.visit(HEADS["v2"][0] + hello, None, socks) as sock:
            self.assertEqual(traffic.read_exactly(sock, 12)[:4], b"\5\0\5\0")
            sock.sendall(b"ECHO\n")
            self.assertTrue(traffic.ping(sock))
        connect = f"CONNECT {aim.address} HTTP/1.1\r\nHost: {aim.address}\r\n\r\n".encode()
        with self.visit(HEADS["v1, IPv6"][0] + connect, None, proxy) as sock:
            self.assertIn(b" 200 ", traffic.read_exactly(sock, 39))
            sock.sendall(b"ECHO\n")
            self.assertTrue(traffic.ping(sock))
        for text in (
            f"socks 127.0.0.1:{socks}: visitor 192.0.2.7:4711 to foo/",
            f"http-proxy 127.0.0.1:{proxy}: visitor [2001:db8::7]:4711 to foo/",
        ):
            wait_until(lambda t=text: t in server.log(), text)
        for port in (socks, proxy):
            self.assert_refused(hello, port)

    def test_by_a_unix_socket_and_any_loop(self):
        path, main = self.dir / "front.sock", self.dir / "main.sock"
        server = self.behind(
            *("--listen", f"unix:{path},proxy-protocol", "--threads", "3"),
            *("--forward", f"unix:{main},proxy-protocol=foo/{self.aim.address},send-proxy=v1"),
            *("--route", f"app.test=foo/{self.web().address}"),
        )
        for _ in range(6):
            with traffic.visit(0, path=path) as sock:
                sock.sendall(HEADS["v2"][0] + b"GET / HTTP/1.0\r\nHost: app.test\r\n\r\n")
                self.assertIn(b'["x-forwarded-for", "192.0.2.7"]', traffic.read_end(sock)[0])
            for head, told in ((HEADS["v2"][0], (VISITOR, HERE)), (LOCAL, (None, None))):
                with traffic.visit(0, path=main) as sock:
                    sock.sendall(head + b"ECHO\n")
                    self.assertTrue(traffic.ping(sock))
                    self.assertEqual(self.aim.told[-1], told)
            with self.visit(HEADS["v1"][0]) as sock:
                self.assertTrue(traffic.ping(sock))
        self.assertNotIn("PROXY protocol:", server.log())


class Manual(ProxyCase):
    def test_the_example_works(self):
        yaml, haproxy, nginx = (
            next(text for text in fenced(DOCS / "CONFIGURATION.md", kind) if "8080" in text or
                 "8000" in text) for kind in ("yaml", "haproxy", "nginx")
        )
        ports = {port: traffic.free_port() for port in (80, 8123, 8080, 8000)}

        def moved(text):
            for port, free in ports.items():
                text = re.sub(rf":{port}\b", f":{free}", text)
            return text.replace("/etc/culvert", str(self.dir))

        token, digest = self.new_token()
        self.file("tokens", f"agent laptop {digest}\n")
        config = self.file("server.yaml", moved(yaml))
        server = self.start("server", [binaries() / "culvert-server", "--config", config])
        self.wait_listening(server, ports[8123], ports[8080])
        self.agent(f"ws://127.0.0.1:{ports[8123]}/connect", key="laptop", token=token)
        wait_until(lambda: "client laptop: session" in server.log(), "the agent")
        self.run_nginx(moved(nginx), ports[8000])
        self.run_haproxy(moved(haproxy), ports[80])
        answer = subprocess.run(
            ["curl", "-sS", "--interface", "127.0.0.9", f"http://127.0.0.1:{ports[80]}/"],
            capture_output=True, text=True, timeout=traffic.DEADLINE,
        )
        self.assertEqual(answer.stdout, "hello, 127.0.0.9\n", answer.stderr)


class Flags(ProxyCase):
    def check(self, *flags):
        return self.run_to_end(
            *("culvert-server", "--listen", "127.0.0.1:0", "--insecure-no-auth", "--check", *flags)
        )

    def test_datagrams_have_no_head(self):
        for suffix in ("send-proxy=v2", "proxy-protocol"):
            done = self.check("--forward", f"127.0.0.1:0=foo/udp/127.0.0.1:53,{suffix}")
            self.assertEqual(done.returncode, 2)
            self.assertIn("the PROXY protocol goes with connections", done.stderr)

    def test_culvertctl_leaves_it_to_the_server(self):
        for suffix in ("send-proxy=v2", "proxy-protocol"):
            rule = f"127.0.0.1:0=foo/127.0.0.1:1,{suffix}"
            done = self.run_to_end("culvertctl", "forward", "--server", "ws://127.0.0.1:1", rule)
            self.assertEqual(done.returncode, 2)
            self.assertIn("the PROXY protocol needs a --forward of the server", done.stderr)

    def test_the_file_may_hold_mappings(self):
        aim, port, direct = self.headed(), traffic.free_port(), traffic.free_port()
        config = self.file(
            "server.yaml",
            f"""
listen:
  - 127.0.0.1:{direct}
forward:
  - forward: 127.0.0.1:{port}=foo/{aim.address}
    proxy-protocol: true
    send-proxy: v2
insecure-no-auth: true
""",
        )
        server = self.server("--config", config, "--listen", f"127.0.0.1:{direct}")
        self.join(server)
        with socket.create_connection(("127.0.0.1", port), timeout=traffic.DEADLINE) as sock:
            sock.sendall(HEADS["v1"][0] + b"ECHO\n")
            self.assertTrue(traffic.ping(sock))
        self.assertEqual(aim.told, [(VISITOR, HERE)])


if __name__ == "__main__":
    unittest.main()
