"""TLS passed through by the name in its ClientHello: the target's certificate is what the visitor
sees, and its bytes are what the target sees."""
import os
import pathlib
import re
import socket
import ssl
import subprocess
import unittest

from . import traffic
from .certs import Certificates
from .hello import GREASE, Echo, extension, message, real, records, server_name
from .lab import LabCase, wait_until
from .web_target import WebTarget


class SniCase(LabCase):
    def routed(self, *flags, name="app.test", target=None, threads=None):
        """A server that passes @name on to @target (self.aim), with an agent foo in."""
        target = target or self.aim.address
        flags += ("--threads", threads) if threads else ()
        server = self.server("--route", f"tls:{name}=foo/{target}", *flags)
        tls = "--tls-cert" in flags
        self.agent(
            server.url.replace("ws:", "wss:") if tls else server.url,
            *(("--insecure",) if tls else ()),
        )
        wait_until(lambda: "client foo: session" in server.log(), "the agent")
        return server


class RealPrograms(Certificates, SniCase):
    """Our own certificate is for tunnel.test, the target's for app.test."""

    def setUp(self):
        super().setUp()
        self.own = ("--tls-cert", self.cert, "--tls-key", self.key)
        cert, key = self.certificate("app", "subjectAltName=DNS:app.test")
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(cert, key)
        tls.set_alpn_protocols(["only-the-target-knows", "http/1.1"])
        self.aim = WebTarget(tls)
        self.addCleanup(self.aim.close)

    def curl(self, server, name, *flags):
        return subprocess.run(
            ["curl", "-sS", "--max-time", "60", "--cacert", str(self.ca), *flags]
            + ["--resolve", f"{name}:{server.port}:127.0.0.1"]
            + [f"https://{name}:{server.port}/x"],
            capture_output=True,
            text=True,
            timeout=90,
        )

    def s_client(self, server, name, *flags):
        return subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-CAfile", str(self.ca)]
            + ["-verify_return_error", "-verify_hostname", name, *(flags or ("-servername", name))],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=90,
        )

    def test_curl_and_openssl_verify_the_targets_certificate(self):
        for own, threads in (((), 1), (self.own, 1), (self.own, 3)):
            with self.subTest(tls=bool(own), threads=threads):
                server = self.routed(*own, threads=str(threads))
                for _ in range(3 * threads):  # each connection falls to some loop
                    done = self.curl(server, "app.test")
                    self.assertEqual(done.returncode, 0, done.stderr)
                    self.assertIn('"path": "/x"', done.stdout)
                    self.assertNotIn("x-forwarded", done.stdout, "nobody looked inside")
                for version in ("-tls1_2", "-tls1_3"):
                    done = self.s_client(
                        *(server, "app.test", "-servername", "App.Test", version),
                        *("-alpn", "only-the-target-knows"),
                    )
                    self.assertEqual(done.returncode, 0, done.stderr)
                    self.assertIn("subject=CN = app", done.stdout)
                    self.assertIn("ALPN protocol: only-the-target-knows", done.stdout)
                line = r"tls:app\.test: visitor 127\.0\.0\.1:\d+ to foo/tcp/127\.0\.0\.1:\d+: ended"
                self.wait_log(server, re.compile(line))

    def test_another_name_and_none_are_ours(self):
        server = self.routed(*self.own)
        before = self.aim.conns
        for flags in (("-servername", "tunnel.test"), ("-noservername",)):
            done = self.s_client(server, "tunnel.test", *flags)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("subject=CN = server", done.stdout)
        done = self.curl(server, "tunnel.test", "-o", "/dev/null", "-w", "%{http_code}")
        self.assertEqual(done.stdout, "404", done.stderr)
        self.assertEqual(self.aim.conns, before)

    def test_nothing_but_tls_is_what_it_was(self):
        """Plain HTTP at a door without a certificate, and garbage at one with."""
        plain, tls = self.routed(), self.routed(*self.own)
        self.assertTrue(
            talk(plain.port, b"GET /nothing HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 404 ")
        )
        talk(tls.port, b"GET /nothing HTTP/1.0\r\n\r\n")
        self.assertEqual(self.curl(tls, "app.test").returncode, 0)

    def test_a_certificate_that_is_read_anew_does_not_touch_the_route(self):
        server = self.routed(*self.own)
        with self.tls_to(server) as held:
            server.signal(1)
            wait_until(lambda: "reloaded" in server.log(), "the reload")
            self.assertEqual(self.curl(server, "app.test").returncode, 0)
            held.sendall(b"GET /after HTTP/1.0\r\n\r\n")
            self.assertIn(b"200", held.recv(100))

    def tls_to(self, server):
        context = ssl.create_default_context(cafile=self.ca)
        sock = socket.create_connection(("127.0.0.1", server.port), timeout=traffic.DEADLINE)
        return context.wrap_socket(sock, server_hostname="app.test")


def talk(port, data):
    """All that is answered to @data and an end; what came before a reset, when there is one."""
    out = b""
    with socket.create_connection(("127.0.0.1", port), timeout=traffic.DEADLINE) as sock:
        try:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            while piece := sock.recv(65536):
                out += piece
        except ConnectionError:
            pass
    return out


def unread(port, pid):
    """Bytes that came on connections to @port and that @pid has not read."""
    count = 0
    for row in pathlib.Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        fields = row.split()
        if fields[1].endswith(f":{port:04X}") and fields[3] == traffic.ESTABLISHED:
            count += int(fields[4].split(":")[1], 16)
    return count


class Hellos(SniCase):
    """Odd ClientHellos, at a door without TLS of its own: whoever is not passed on hears HTTP."""

    def setUp(self):
        super().setUp()
        self.aim = Echo()
        self.addCleanup(self.aim.close)

    def assert_passed(self, server, data):
        self.assertEqual(talk(server.port, data), data)

    def assert_not_passed(self, server, data):
        before = self.aim.accepted
        self.assertIn(talk(server.port, data).split(b" ")[:2], ([b"HTTP/1.1", b"400"], [b""]))
        self.assertEqual(self.aim.accepted, before)

    def test_cut_at_every_byte(self):
        server = self.routed()
        hello = real("app.test")
        tail = os.urandom(100)
        for cut in range(1, len(hello) + 1):
            with socket.create_connection(("127.0.0.1", server.port), timeout=90) as sock:
                sock.sendall(hello[:cut])
                wait_until(lambda: unread(server.port, server.pid) == 0, "the first part is read")
                sock.sendall(hello[cut:] + tail)
                sock.shutdown(socket.SHUT_WR)
                got = b""
                while piece := sock.recv(65536):
                    got += piece
            self.assertEqual(got, hello + tail, cut)

    def test_records_of_any_size_and_grease(self):
        server = self.routed()
        grease = (extension(GREASE, b""), extension(GREASE + 0x1010, b"\0"))
        hello = message(grease[0], server_name("app.test"), grease[1])
        for size in (1, 2, 7, 100, 16384):
            self.assert_passed(server, records(hello, size) + b"and more")
        self.assert_passed(server, records(message(server_name("APP.test."))))

    def test_a_large_one_and_one_that_is_too_large(self):
        server = self.routed()
        for size in (10_000, 16_000):
            padding = extension(21, bytes(size))
            self.assert_passed(server, records(message(padding, server_name("app.test"))))
        for size in (16_384, 40_000):
            padding = extension(21, bytes(size))
            self.assert_not_passed(server, records(message(padding, server_name("app.test"))))

    def test_other_names_no_name_and_garbage(self):
        server = self.routed()
        for name in ("other.test", "app.test.evil.test", "xapp.test", "sub.app.test", "*.test"):
            self.assert_not_passed(server, records(message(server_name(name))))
        good = records(message(server_name("app.test")))
        self.assert_not_passed(server, records(message()))
        self.assert_not_passed(server, records(message(server_name("app.test") * 2)))
        self.assert_not_passed(server, b"\x16\3\1\0\0" + good)
        self.assert_not_passed(server, b"\x16" + os.urandom(600))
        self.assert_not_passed(server, good[:-1])
        self.assert_passed(server, good)

    def test_wildcards_are_for_names_that_have_no_route_of_their_own(self):
        sub, own = traffic.Target(), traffic.Target()
        self.addCleanup(sub.close)
        self.addCleanup(own.close)
        server = self.routed(
            *("--route", f"tls:*.sub.app.test=foo/{sub.address}"),
            *("--route", f"tls:own.sub.app.test=foo/{own.address}"),
            name="*.app.test",
        )
        for name, count in (("a.app.test", 1), ("A.b.App.test", 2), ("sub.app.test", 3)):
            self.assert_passed(server, records(message(server_name(name))))
            self.assertEqual(self.aim.accepted, count)
        for name, target in (("a.sub.app.test", sub), ("own.sub.app.test", own)):
            with socket.create_connection(("127.0.0.1", server.port), timeout=90) as sock:
                sock.sendall(records(message(server_name(name))))
                wait_until(lambda target=target: target.accepted == 1, name)
        for name in ("app.test", "xapp.test", "a.app.test.evil.test"):
            self.assert_not_passed(server, records(message(server_name(name))))
        self.assertEqual((self.aim.accepted, sub.accepted, own.accepted), (3, 1, 1))

    def test_a_slow_one_is_let_go(self):
        server = self.routed()
        for part in (real("app.test")[:100], b""):
            with socket.create_connection(("127.0.0.1", server.port), timeout=90) as sock:
                sock.sendall(part)
                self.assertEqual(sock.recv(100), b"")
        self.assertEqual(self.aim.accepted, 0)

    def test_without_the_agent_or_the_target_the_visitor_sees_a_reset(self):
        server = self.server(
            *("--route", "tls:app.test=nobody/127.0.0.1:1"),
            *("--route", f"tls:gone.test=foo/127.0.0.1:{traffic.free_port()}"),
        )
        self.agent(server.url)
        wait_until(lambda: "client foo: session" in server.log(), "the agent")
        for name in ("app.test", "gone.test"):
            with socket.create_connection(("127.0.0.1", server.port), timeout=90) as sock:
                sock.sendall(real(name))
                with self.assertRaises(ConnectionResetError):
                    sock.recv(100)
            wait_until(lambda n=name: f"tls:{n}: visitor" in server.log(), "the line")

    def test_by_a_unix_socket_and_any_loop(self):
        path = self.dir / "front.sock"
        server = self.routed("--listen", f"unix:{path}", threads="3")
        hello = records(message(server_name("app.test")))
        for _ in range(6):
            with socket.socket(socket.AF_UNIX) as sock:
                sock.settimeout(traffic.DEADLINE)
                sock.connect(str(path))
                sock.sendall(hello)
                sock.shutdown(socket.SHUT_WR)
                got = b""
                while piece := sock.recv(65536):
                    got += piece
                self.assertEqual(got, hello)
        self.wait_log(server, "tls:app.test: visitor unix to foo/tcp/")


class Flags(LabCase):
    def check(self, *routes):
        flags = [word for route in routes for word in ("--route", route)]
        return self.run_to_end(
            *("culvert-server", "--listen", "127.0.0.1:0", "--insecure-no-auth", "--check", *flags)
        )

    def test_a_name_may_have_both_routes(self):
        done = self.check("app.test=foo/127.0.0.1:80", "tls:app.test=foo/127.0.0.1:443")
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_what_is_no_route_is_refused_at_start(self):
        for route, words in (
            ("tls:app.test", "form"),
            ("tls:=foo/127.0.0.1:443", "name alone"),
            ("tls:app.test:443=foo/127.0.0.1:443", "name alone"),
            ("tls:app.test/x=foo/127.0.0.1:443", "name alone"),
            ("tls:*=foo/127.0.0.1:443", "name alone"),
            ("tls:*.=foo/127.0.0.1:443", "name alone"),
            ("tls:a.*.test=foo/127.0.0.1:443", "name alone"),
            ("tls:*.10.0.0.1=foo/127.0.0.1:443", "name alone"),
            ("tls:10.0.0.1=foo/127.0.0.1:443", "name alone"),
            ("tls:app.test=foo/udp/127.0.0.1:443", "HOST:PORT"),
        ):
            with self.subTest(route):
                done = self.check(route)
                self.assertEqual(done.returncode, 2)
                self.assertRegex(done.stderr, f"--route: .*{words}.*: '")
        done = self.check("tls:app.test=foo/127.0.0.1:1", "tls:APP.test=foo/127.0.0.1:2")
        self.assertIn("already", done.stderr)


if __name__ == "__main__":
    unittest.main()
