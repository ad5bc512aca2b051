"""The SOCKS5 and HTTP proxy doors, by hand and with the programs that people use."""
import base64
import http.server
import shutil
import socket
import subprocess
import threading
import unittest

from . import traffic
from .lab import LabCase, wait_until
from .sshd import Sshd

PAGE = b"<title>through the tunnel</title><p>it came through</p>"


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers GET with PAGE and POST with the number of bytes it was sent."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.heads.append((self.path, self.headers.items()))
        self.answer(PAGE)

    def do_POST(self):
        left = int(self.headers["Content-Length"])
        size = left
        while left:
            left -= len(self.rfile.read(min(left, 65536)))
        self.answer(str(size).encode())

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def page_server(case):
    """Serves PAGE until @case ends; `heads` has the path and headers of each request."""
    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    web.heads = []
    threading.Thread(target=web.serve_forever, daemon=True).start()
    case.addCleanup(web.server_close)
    case.addCleanup(web.shutdown)
    return web


class Doors(LabCase):
    """A server with both doors, two agents `foo` and `bar`, and visitors: @all may dial all through
    foo, @some only the target."""

    threads = 2

    def setUp(self):
        super().setUp()
        self.aim = self.target()
        self.web = page_server(self)
        self.page = f"http://127.0.0.1:{self.web.server_port}/page?q=1"
        path, tokens = self.token_file(
            ("agent", "foo"),
            ("agent", "bar"),
            ("visitor", "all", "dial=foo/*:*"),
            ("visitor", "some", f"dial=foo/{self.aim.address}"),
        )
        foo, bar, self.all, self.some = tokens
        self.socks, self.proxy = traffic.free_port(), traffic.free_port()
        self.own_socks, self.own_proxy = traffic.free_port(), traffic.free_port()
        self.lab = self.server(
            "--threads", self.threads, "--log-level", "debug",
            "--socks", f"127.0.0.1:{self.socks}", "--http-proxy", f"127.0.0.1:{self.proxy}",
            "--socks", f"127.0.0.1:{self.own_socks}=foo",
            "--http-proxy", f"127.0.0.1:{self.own_proxy}=foo",
            auth=("--token-file", path),
            forwards={"foo": f"foo/{self.aim.address}", "bar": f"bar/{self.aim.address}"},
        )
        self.agent(self.lab.url, key="foo", token=foo)
        self.agent(self.lab.url, key="bar", token=bar)
        self.wait_echo(self.lab.forwards["foo"])
        self.wait_echo(self.lab.forwards["bar"])
        self.closed = traffic.free_port()

    def browse(self, proxy):
        """Has a browser look at the page through @proxy."""
        done = subprocess.run(
            [
                shutil.which("chromium-headless-shell") or shutil.which("chromium"), "--headless",
                "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                "--disable-background-networking", f"--user-data-dir={self.dir}/browser",
                "--proxy-bypass-list=<-loopback>", f"--proxy-server={proxy}", "--dump-dom",
                self.page,
            ],
            capture_output=True, text=True, timeout=2 * traffic.DEADLINE,
        )
        self.assertIn("it came through", done.stdout, done.stderr[-2000:])

    # -- by hand --

    def connect(self, port):
        sock = socket.create_connection(("127.0.0.1", port), traffic.DEADLINE)
        self.addCleanup(sock.close)
        return sock

    def curl(self, *words):
        return subprocess.run(
            ["curl", "-sS", "--noproxy", "", "--max-time", str(traffic.DEADLINE), *words],
            capture_output=True,
            text=True,
        )


def words(*parts):
    return b"".join(bytes([len(part)]) + part for part in parts)


class Socks(Doors):
    def dial(self, user, password, host, port, door=None, command=1):
        """(socket, reply) of a login that must work and the request behind it."""
        sock = self.connect(door or self.socks)
        sock.sendall(b"\5\1\2")
        self.assertEqual(traffic.read_exactly(sock, 2), b"\5\2")
        sock.sendall(b"\1" + words(user.encode(), password.encode()))
        self.assertEqual(traffic.read_exactly(sock, 2), b"\1\0")
        sock.sendall(bytes([5, command, 0, 3]) + words(host.encode()) + port.to_bytes(2, "big"))
        reply = traffic.read_exactly(sock, 10)
        self.assertEqual((reply[0], reply[2:]), (5, b"\0\1\0\0\0\0\0\0"))
        return sock, reply[1]

    def test_bytes_flow_both_ways(self):
        sock, reply = self.dial("foo", self.all, "127.0.0.1", self.aim.port)
        self.assertEqual(reply, 0)
        sock.sendall(b"ECHO\n")
        self.assertTrue(traffic.ping(sock, b"x" * 300_000))

    def test_everything_in_one_packet_or_byte_by_byte(self):
        """What a visitor says before it was answered is the target's first bytes."""
        said = (
            b"\5\1\2\1" + words(b"foo", self.all.encode())
            + b"\5\1\0\1\x7f\0\0\1" + self.aim.port.to_bytes(2, "big") + b"ECHO\nhello"
        )
        want = b"\5\2\1\0\5\0\0\1\0\0\0\0\0\0hello"
        for size in (len(said), 1):
            with self.subTest(size):
                sock = self.connect(self.socks)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for at in range(0, len(said), size):
                    sock.sendall(said[at : at + size])
                self.assertEqual(traffic.read_exactly(sock, len(want)), want)
                self.assertTrue(traffic.ping(sock))

    def test_replies_say_what_became_of_the_dial(self):
        cases = {
            "refused by the target": ("foo", self.all, "127.0.0.1", self.closed, 5),
            "not allowed to the visitor": ("foo", self.some, "127.0.0.1", self.closed, 2),
            "not allowed by the agent": ("foo", self.all, "192.0.2.1", 80, 2),
            "no such name": ("foo", self.all, "no-such-name.invalid", 80, 4),
            "port 0": ("foo", self.all, "127.0.0.1", 0, 1),
        }
        for name, (user, password, host, port, want) in cases.items():
            with self.subTest(name):
                sock, reply = self.dial(user, password, host, port)
                self.assertEqual(reply, want)
                self.assertEqual(sock.recv(1), b"")

    def test_udp_associate_and_bind_are_refused_as_what_they_are(self):
        for command in (2, 3):
            with self.subTest(command):
                _, reply = self.dial("foo", self.all, "0.0.0.0", 0, command=command)
                self.assertEqual(reply, 7)

    def test_who_may_not_come_in_is_told_no_more_than_that(self):
        for user, password in (
            ("foo", "cvt_wrong"), ("bar", self.all), ("nobody", self.all), ("a/b", self.all),
            ("", ""),
        ):
            with self.subTest(user):
                sock = self.connect(self.socks)
                sock.sendall(b"\5\1\2\1" + words(user.encode(), password.encode()))
                self.assertEqual(traffic.read_exactly(sock, 4), b"\5\2\1\1")
                self.assertEqual(sock.recv(1), b"")
        sock = self.connect(self.socks)
        sock.sendall(b"\5\1\0")
        self.assertEqual(traffic.read_end(sock), (b"\5\xff", True))
        self.lab.stop()
        self.assertNotIn(self.all, self.lab.log())
        self.assertEqual(self.aim.accepted, 2)

    def test_noise_ends_the_connection_alone(self):
        held, _ = self.dial("foo", self.all, "127.0.0.1", self.aim.port)
        held.sendall(b"ECHO\n")
        for noise in (b"\4\1\0\x50\x7f\0\0\1\0", b"GET / HTTP/1.1\r\n\r\n", b"\5\1\2\5"):
            sock = self.connect(self.socks)
            sock.sendall(noise)
            while sock.recv(100):
                pass
        self.assertTrue(traffic.ping(held))

    def test_a_client_that_is_gone(self):
        self.processes[1].kill()
        wait_until(lambda: "client foo: session" in self.lab.log() and
                   not traffic.echoes(self.lab.forwards["foo"]), "its end")
        _, reply = self.dial("foo", self.all, "127.0.0.1", self.aim.port)
        self.assertIn(reply, (1, 3))

    def test_a_door_of_one_client_asks_for_no_login(self):
        sock = self.connect(self.own_socks)
        sock.sendall(b"\5\1\0\5\1\0\1\x7f\0\0\1" + self.aim.port.to_bytes(2, "big"))
        self.assertEqual(traffic.read_exactly(sock, 12), b"\5\0\5\0\0\1\0\0\0\0\0\0")
        sock.sendall(b"ECHO\n")
        self.assertTrue(traffic.ping(sock))

    def test_curl(self):
        for scheme, user in (("socks5", "foo"), ("socks5h", "foo")):
            proxy = f"{scheme}://{user}:{self.all}@127.0.0.1:{self.socks}"
            done = self.curl("--proxy", proxy, self.page)
            self.assertEqual((done.returncode, done.stdout), (0, PAGE.decode()), done.stderr)
        done = self.curl("--proxy", f"socks5h://foo:{self.all}@127.0.0.1:{self.socks}",
                         f"http://127.0.0.1:{self.closed}/")
        self.assertEqual(done.returncode, 97, done.stderr)  # CURLE_PROXY
        self.assertIn("(5)", done.stderr)

    def test_ssh(self):
        sshd = Sshd(self)
        done = sshd.run(
            f"ncat --proxy-type socks5 --proxy 127.0.0.1:{self.socks} "
            f"--proxy-auth foo:{self.all} %h %p", "echo", "over there",
        )
        self.assertEqual((done.returncode, done.stdout), (0, "over there\n"), done.stderr)

    def test_a_browser(self):
        """Chromium knows no password for SOCKS: it takes the door of one client."""
        self.browse(f"socks5://127.0.0.1:{self.own_socks}")
        self.assertIn("/page?q=1", [path for path, _ in self.web.heads])
        self.wait_log(self.lab, f"socks 127.0.0.1:{self.own_socks}: visitor")


class HttpProxy(Doors):
    def ask(self, text, door=None):
        """(status, the whole answer) to a request that is refused."""
        sock = self.connect(door or self.proxy)
        sock.sendall(text.encode())
        answer, orderly = traffic.read_end(sock)
        self.assertTrue(orderly)
        return int(answer.split()[1]), answer.decode()

    def login(self, user="foo", password=None):
        pair = base64.b64encode(f"{user}:{password or self.all}".encode()).decode()
        return f"Proxy-Authorization: Basic {pair}\r\n"

    def connect_to(self, host_port, *headers, version="1.0"):
        return f"CONNECT {host_port} HTTP/{version}\r\n" + "".join(headers) + "\r\n"

    def test_bytes_flow_both_ways_after_200(self):
        sock = self.connect(self.proxy)
        sock.sendall((self.connect_to(self.aim.address, self.login()) + "ECHO\nhello").encode())
        want = b"HTTP/1.1 200 Connection established\r\n\r\nhello"
        self.assertEqual(traffic.read_exactly(sock, len(want)), want)
        self.assertTrue(traffic.ping(sock, b"x" * 300_000))

    def test_refusals(self):
        closed = f"127.0.0.1:{self.closed}"
        cases = {
            "no login": (self.connect_to(closed), 407, 'Proxy-Authenticate: Basic realm="culvert'),
            "a wrong one": (self.connect_to(closed, self.login(password="cvt_no")), 407, ""),
            "another client": (self.connect_to(closed, self.login("bar")), 407, ""),
            "not the visitor's": (self.connect_to(closed, self.login(password=self.some)), 403, ""),
            "not the agent's": (
                self.connect_to("192.0.2.1:80", self.login()), 403, "not allowed by the agent"),
            "refused": (self.connect_to(closed, self.login()), 502, "connection refused"),
            "no name": (self.connect_to("no-such.invalid:1", self.login()), 502, "resolved"),
            "no port": (self.connect_to("127.0.0.1", self.login()), 400, ""),
            "no HTTP": ("hello\r\n\r\n", 400, ""),
            "no proxy request": (f"GET / HTTP/1.0\r\n{self.login()}\r\n", 400, "CONNECT"),
            "https": (f"GET https://a/ HTTP/1.0\r\n{self.login()}\r\n", 400, "http URLs"),
        }
        for name, (text, status, words_of_it) in cases.items():
            with self.subTest(name):
                got, answer = self.ask(text)
                self.assertEqual(got, status, answer)
                self.assertIn(words_of_it, answer)
        self.lab.stop()
        self.assertNotIn(self.all, self.lab.log())

    def test_curl(self):
        proxy = ("--proxy", f"http://127.0.0.1:{self.proxy}", "--proxy-user", f"foo:{self.all}")
        done = self.curl(*proxy, "--proxytunnel", self.page)
        self.assertEqual((done.returncode, done.stdout), (0, PAGE.decode()), done.stderr)
        done = self.curl(*proxy, self.page, self.page)
        self.assertEqual((done.returncode, done.stdout), (0, 2 * PAGE.decode()), done.stderr)
        path, headers = self.web.heads[-1]
        self.assertEqual(path, "/page?q=1")
        self.assertFalse([name for name, _ in headers if name.lower().startswith("proxy-")])
        done = self.curl(*proxy, "--proxytunnel", f"http://127.0.0.1:{self.closed}/")
        self.assertIn("502", done.stderr)

    def test_a_body_for_an_http_url(self):
        body = self.dir / "body"
        body.write_bytes(b"".join(traffic.content(8 << 20)))
        done = self.curl(
            "--proxy", f"http://foo:{self.all}@127.0.0.1:{self.proxy}", "--data-binary", f"@{body}",
            self.page,
        )
        self.assertEqual((done.returncode, done.stdout), (0, str(8 << 20)), done.stderr)

    def test_ssh(self):
        sshd = Sshd(self)
        for proxy in (
            f"ncat --proxy-type http --proxy 127.0.0.1:{self.proxy} "
            f"--proxy-auth foo:{self.all} %h %p",
            f"nc.openbsd -X connect -x 127.0.0.1:{self.own_proxy} %h %p",
        ):
            done = sshd.run(proxy, "echo", "over there")
            self.assertEqual((done.returncode, done.stdout), (0, "over there\n"), done.stderr)

    def test_a_browser(self):
        self.browse(f"http://127.0.0.1:{self.own_proxy}")


class OpenDoors(LabCase):
    """With --insecure-no-auth a user name is enough."""

    def test_any_password_will_do(self):
        aim, door = self.target(), traffic.free_port()
        server = self.server("--socks", f"127.0.0.1:{door}", forwards={"foo": f"foo/{aim.address}"})
        self.agent(server.url)
        self.wait_echo(server.forwards["foo"])
        for password in (b"", b"whatever"):
            sock = socket.create_connection(("127.0.0.1", door), traffic.DEADLINE)
            self.addCleanup(sock.close)
            sock.sendall(b"\5\2\0\2\1" + words(b"foo", password) +
                         b"\5\1\0\1\x7f\0\0\1" + aim.port.to_bytes(2, "big") + b"ECHO\n")
            self.assertEqual(traffic.read_exactly(sock, 14)[:6], b"\5\2\1\0\5\0")
            self.assertTrue(traffic.ping(sock))


del Doors  # a base: not to be run by itself

if __name__ == "__main__":
    unittest.main()
