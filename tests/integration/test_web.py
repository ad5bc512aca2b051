"""The HTTP door: curl and plain sockets, through the tunnel, to targets that say what they saw."""
import hashlib
import http.client
import json
import socket
import ssl
import subprocess

from . import traffic
from .certs import Certificates
from .lab import LabCase, sanitized, wait_until
from .web_target import BLOCK, WebTarget, exchange

BIG = 100 << 20


class WebCase(LabCase):
    def setUp(self):
        super().setUp()
        self.aim = self.web_target()

    def web_target(self, tls=None):
        target = WebTarget(tls)
        self.addCleanup(target.close)
        return target

    def door(self, *flags, agent_flags=(), token=None, **how):
        """A server with an agent foo that has joined."""
        server = self.server(*flags, **how)
        self.agent(server.url, *agent_flags, token=token)
        wait_until(lambda: "client foo: session" in server.log(), "the agent")
        self.url = f"http://127.0.0.1:{server.port}/client/foo/http/{self.aim.address}"
        return server

    def curl(self, url, *flags):
        """(status, body)."""
        done = subprocess.run(
            ["curl", "-sS", "--max-time", "120", "-o", "-", "-w", "\n%{http_code}", *flags, url],
            capture_output=True,
            timeout=150,
        )
        body, _, status = done.stdout.rpartition(b"\n")
        return int(status), body, done

    def seen(self, url, *flags):
        """What the target says that it saw."""
        status, body, done = self.curl(url, *flags)
        self.assertEqual(status, 200, (body, done.stderr))
        return json.loads(body)


class Door(WebCase):
    def test_method_path_query_and_headers_reach_the_target(self):
        server = self.door()
        for method in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS"):
            saw = self.seen(f"{self.url}/a//b/%2e?c=d&timeout=9", "-X", method, "-H", "X-Own: 1")
            self.assertEqual((saw["method"], saw["path"]), (method, "/a//b/%2e?c=d&timeout=9"))
        headers = dict(saw["headers"])
        self.assertEqual(headers["host"], self.aim.address)
        self.assertEqual(headers["x-own"], "1")
        self.assertEqual(headers["x-forwarded-for"], "127.0.0.1")
        self.assertEqual(headers["x-forwarded-proto"], "http")
        self.assertEqual(headers["x-forwarded-host"], f"127.0.0.1:{server.port}")

    def test_head_has_a_length_and_no_body(self):
        self.door()
        status, body, _ = self.curl(f"{self.url}/x", "-I")
        self.assertEqual(status, 200)
        self.assertIn(b"Content-Length:", body)

    def test_connections_are_kept_on_both_sides(self):
        server = self.door()
        before = self.aim.conns
        visitor = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        for number in range(20):
            visitor.request("POST", f"/client/foo/http/{self.aim.address}/{number}", b"x" * number)
            saw = json.loads(visitor.getresponse().read())
            self.assertEqual((saw["path"], saw["size"]), (f"/{number}", number))
        self.assertEqual(self.aim.conns - before, 1)
        visitor.close()

    def test_requests_in_a_row_are_answered_in_that_row(self):
        server = self.door()
        path = f"/client/foo/http/{self.aim.address}"
        one = f"POST {path}/1 HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
        two = f"POST {path}/2 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
        two += "2\r\nhi\r\n0\r\n\r\n"
        end = f"GET {path}/3 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
        answers = exchange(server.port, (one + two + end).encode()).decode()
        self.assertEqual(answers.count("HTTP/1.1 200 Fine"), 3)
        self.assertEqual(
            self.aim.requests, ["POST /1", "POST /2", "GET /3"], "in order, and nothing else"
        )

    def test_large_bodies_go_both_ways_in_bounded_memory(self):
        server = self.door()
        size = BIG // 10 if sanitized() else BIG
        body = self.dir / "body"
        body.write_bytes(BLOCK * (size // len(BLOCK)))
        want = hashlib.sha256(body.read_bytes()).hexdigest()
        before = server.rss()
        for flags in ((), ("-H", "Transfer-Encoding: chunked")):
            saw = self.seen(self.url + "/up", "-T", str(body), *flags)
            self.assertEqual((saw["size"], saw["sha256"]), (size - size % len(BLOCK), want))
        for how in ("length", "chunked", "close"):
            done = subprocess.run(
                f"curl -sS {self.url}/big/{how}/{size} | sha256sum",
                shell=True,
                capture_output=True,
                text=True,
                timeout=200,
            )
            self.assertEqual(done.stdout.split()[0], want, (how, done.stderr))
        if not sanitized():
            self.assertLess(server.rss() - before, 24 << 20)

    def test_a_visitor_that_does_not_read_holds_the_target_back(self):
        server = self.door()
        before = server.rss()
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as slow:
            slow.sendall(
                f"GET /client/foo/http/{self.aim.address}/big/chunked/{1 << 30} HTTP/1.1\r\n"
                "Host: h\r\n\r\n".encode()
            )
            self.assertTrue(slow.recv(100).startswith(b"HTTP/1.1 200"))
            self.assertEqual(self.seen(self.url + "/other")["path"], "/other")
            if not sanitized():
                self.assertLess(server.rss() - before, 48 << 20)

    def test_a_body_that_is_cut_is_seen_to_be_cut(self):
        self.door()
        for how in ("cut", "cutchunk"):
            _, _, done = self.curl(f"{self.url}/big/{how}/70000")
            self.assertNotEqual(done.returncode, 0, how)

    def test_a_websocket_passes(self):
        server = self.door()
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as sock:
            sock.sendall(
                f"GET /client/foo/http/{self.aim.address}/ws HTTP/1.1\r\nHost: h\r\n"
                "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n\r\n".encode()
            )
            got = b""
            while not got.endswith(b"hello"):
                piece = sock.recv(4096)
                self.assertTrue(piece, got)
                got += piece
            self.assertTrue(got.startswith(b"HTTP/1.1 101"))
            data = b"\x81\x85\x00\x00\x00\x00frame" * 10000
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            back = b""
            while piece := sock.recv(65536):
                back += piece
            self.assertEqual(back, data)

    def test_an_upgrade_that_nobody_asked_for_is_refused(self):
        self.door()
        self.assertEqual(self.curl(self.url + "/ws")[0], 502)

    def test_interim_heads_pass_up_to_a_limit(self):
        self.door()
        status, body, _ = self.curl(self.url + "/interim/64", "-i")
        self.assertEqual((status, body.count(b"HTTP/1.1 103 ")), (200, 64))
        status, body, _ = self.curl(self.url + "/interim/65")
        self.assertEqual(status, 502)
        self.assertIn(b"1xx without end", body)

    def test_smuggled_requests_reach_nobody(self):
        server = self.door()
        path = f"/client/foo/http/{self.aim.address}"
        evil = f"GET {path}/evil HTTP/1.1\r\nHost: h\r\n\r\n"
        start = f"POST {path}/good HTTP/1.1\r\nHost: h\r\n"
        for rest in (
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "Content-Length: 0\r\nContent-Length: 50\r\n\r\n",
            "Content-Length: +5\r\n\r\n",
            "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
            "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\n0 \r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\n5\r\nhello0\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\n1\n\nx\r\n0\r\n\r\n",
        ):
            answer = exchange(server.port, (start + rest + evil).encode())
            self.assertTrue(answer.startswith(b"HTTP/1.1 400"), (rest, answer))
            self.assertEqual(answer.count(b"HTTP/1.1"), 1, rest)
        self.assertEqual([r for r in self.aim.requests if "evil" in r], [])


class Errors(WebCase):
    def test_each_failure_has_its_status_and_says_why(self):
        server = self.door()
        base = f"http://127.0.0.1:{server.port}/client"
        closed = traffic.free_port()
        for url, status, words in (
            (f"{base}/nobody/http/{self.aim.address}/", 404, b"no session"),
            (f"{base}/foo/http/127.0.0.1:{closed}/", 502, b"connection refused"),
            (f"{base}/foo/http/192.0.2.1:80/", 403, b"not allowed"),
            (f"{base}/foo/ftp/{self.aim.address}/", 404, b"scheme"),
            (f"{base}/foo", 404, b"scheme"),
            (f"{base}/foo/http/a:b:c/", 400, b""),
            (f"{self.url}/garbage", 502, b""),
            (f"{self.url}/hangup", 502, b"without an answer"),
            (f"{self.url}/silent?timeout=1", 504, b"in time"),
            (f"{self.url}/{'x' * 9000}", 414, b"too long"),
        ):
            got, body, done = self.curl(url)
            self.assertEqual(got, status, (url[:90], body, done.stderr))
            self.assertIn(words, body)
        got, body, _ = self.curl(self.url, "-H", "X: " + "y" * 9000)
        self.assertEqual(got, 431, body)
        self.assertEqual(self.seen(self.url + "/still")["path"], "/still")



class Routes(WebCase):
    def test_names_and_prefixes_lead_to_their_targets(self):
        api = self.web_target()
        self.door(
            *("--route", f"app.test=foo/{self.aim.address}"),
            *("--route", f"app.test/api=foo/{api.address}"),
        )
        root = self.url.split("/client/")[0]
        for host, path, target in (
            ("app.test", "/", self.aim),
            ("APP.test:80", "/apix?q", self.aim),
            ("app.test", "/connect", self.aim),
            ("app.test", "/client/foo/http/x/", self.aim),
            ("app.test", "/api", api),
            ("app.test", "/api/v1?q", api),
        ):
            saw = self.seen(root + path, "-H", f"Host: {host}")
            self.assertEqual(target.requests[-1], f"GET {path}")
            self.assertEqual(dict(saw["headers"])["host"], host)
            self.assertEqual(dict(saw["headers"])["x-forwarded-host"], host)
        self.assertEqual(self.curl(root + "/", "-H", "Host: other.test")[0], 404)

    def test_wildcards_lead_where_no_name_of_its_own_does(self):
        all_, sub, own = self.web_target(), self.web_target(), self.web_target()
        self.door(
            *("--route", f"*.app.test=foo/{all_.address}"),
            *("--route", f"*.sub.app.test/x=foo/{sub.address}"),
            *("--route", f"own.sub.app.test=foo/{own.address}"),
        )
        root = self.url.split("/client/")[0]
        for host, path, target in (
            ("a.app.test", "/", all_),
            ("B.c.App.Test.:8080", "/x", all_),
            ("sub.app.test", "/x", all_),
            ("a.sub.app.test", "/x/y", sub),
            ("a.sub.app.test", "/y", all_),
            ("own.sub.app.test", "/x", own),
            ("a.own.sub.app.test", "/x", sub),
        ):
            self.seen(root + path, "-H", f"Host: {host}")
            self.assertEqual(target.requests[-1], f"GET {path}", host)
        for host in ("app.test", "xapp.test", "a.app.test.evil.test", ".app.test"):
            self.assertEqual(self.curl(root + "/", "-H", f"Host: {host}")[0], 404, host)

    def test_what_only_we_may_say_is_said_by_us(self):
        server = self.door("--route", f"app.test=foo/{self.aim.address}")
        saw = self.seen(
            f"http://127.0.0.1:{server.port}/",
            *("-H", "Host: app.test"),
            *("-H", "X-Forwarded-For: 10.0.0.1"),
            *("-H", "X-Forwarded-Proto: https"),
            *("-H", "Forwarded: for=10.0.0.1"),
            *("-H", "X-API-Tunnel-Token: secret"),
            *("-H", "Connection: X-Own, X-Forwarded-For, Host"),
            *("-H", "X-Own: 1"),
            *("-H", "Proxy-Authorization: Basic eA=="),
        )
        headers = [row for row in saw["headers"] if row[0] not in ("user-agent", "accept")]
        self.assertEqual(
            sorted(headers),
            [
                ["host", "app.test"],
                ["x-forwarded-for", "127.0.0.1"],
                ["x-forwarded-host", "app.test"],
                ["x-forwarded-proto", "http"],
            ],
        )

    def test_an_agent_comes_in_by_a_routed_name_too(self):
        server = self.door("--route", f"127.0.0.1=foo/{self.aim.address}")  # it has joined
        self.assertEqual(
            self.seen(f"http://127.0.0.1:{server.port}/connect")["path"], "/connect"
        )

    def test_a_route_that_is_none_is_refused_at_start(self):
        for route, words in (
            ("app.test", "form"),
            ("app.test:80=foo/127.0.0.1:80", "host"),
            ("*=foo/127.0.0.1:80", "host"),
            ("*.=foo/127.0.0.1:80", "host"),
            ("a*.test=foo/127.0.0.1:80", "host"),
            ("a.*.test=foo/127.0.0.1:80", "host"),
            ("*.10.0.0.1=foo/127.0.0.1:80", "host"),
            ("*.[::1]=foo/127.0.0.1:80", "host"),
            ("app.test/a?b=foo/127.0.0.1:80", "prefix"),
            ("app.test=f oo/127.0.0.1:80", "client key"),
            ("app.test=foo/127.0.0.1", "HOST:PORT"),
            ("app.test=foo/udp/127.0.0.1:80", "HOST:PORT"),
        ):
            done = self.run_to_end(
                "culvert-server",
                *("--listen", "127.0.0.1:0", "--insecure-no-auth", "--check", "--route", route),
            )
            self.assertEqual(done.returncode, 2, route)
            self.assertIn("--route", done.stderr)
            self.assertIn(words, done.stderr)


class Https(Certificates):
    def test_the_certificate_of_an_https_target_is_verified(self):
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(self.cert, self.key)
        aim = WebTarget(tls)
        self.addCleanup(aim.close)
        trusting = self.server("--target-ca", self.ca)
        doubting = self.server()
        for server in (trusting, doubting):
            self.agent(server.url)
            wait_until(lambda s=server: "client foo: session" in s.log(), "the agent")
        path = f"/client/foo/https/{aim.address}/x"
        answer = exchange(trusting.port, f"GET {path} HTTP/1.0\r\n\r\n".encode())
        self.assertIn(b'"path": "/x"', answer)
        answer = exchange(doubting.port, f"GET {path} HTTP/1.0\r\n\r\n".encode())
        self.assertTrue(answer.startswith(b"HTTP/1.1 502"), answer)
        self.assertIn(b"certificate is refused", answer)

    def test_an_https_target_that_does_not_answer_is_given_up(self):
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(self.cert, self.key)
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        server = self.server("--target-ca", self.ca)
        self.agent(server.url)
        wait_until(lambda: "client foo: session" in server.log(), "the agent")
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as visitor:
            head = f"GET /client/foo/https/{address}/?timeout=1 HTTP/1.1\r\nHost: h\r\n\r\n"
            visitor.sendall(head.encode())
            with tls.wrap_socket(listener.accept()[0], server_side=True) as target:
                self.assertTrue(target.recv(4096).startswith(b"GET /?timeout=1 "))
                self.assertTrue(visitor.recv(4096).startswith(b"HTTP/1.1 504 "))
                wait_until(lambda: f"to foo/tcp/{address}: " in server.log(), "its end")


WEBSOCKET_SERVER = """
import asyncio, websockets
async def echo(ws):
    async for message in ws:
        await ws.send(message)
    await ws.wait_closed()
    print("closed", ws.close_code, flush=True)
async def main():
    async with websockets.serve(echo, "127.0.0.1", 0, max_size=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Future()
asyncio.run(main())
"""

WEBSOCKET_CLIENT = """
import asyncio, os, ssl, sys, websockets
async def main():
    url, ca = sys.argv[1:3]
    tls = {"ssl": ssl.create_default_context(cafile=ca)} if url.startswith("wss") else {}
    async with websockets.connect(url, max_size=None, **tls) as ws:
        await (await ws.ping())
        for message in ("hello", os.urandom(1 << 20), ""):
            await ws.send(message)
            assert await ws.recv() == message
        await ws.send(["in ", "three ", "parts"])
        assert await ws.recv() == "in three parts"
    print("done", ws.close_code)
asyncio.run(main())
"""


class RealWebSockets(Certificates):
    """The websockets library of Python, Debian's, at both ends."""

    PYTHON = "/usr/bin/python3"

    def test_it_passes_by_path_and_by_route_over_tls(self):
        target = self.start("websocket", [self.PYTHON, "-c", WEBSOCKET_SERVER])
        wait_until(lambda: target.log().endswith("\n"), "the WebSocket server")
        address = f"127.0.0.1:{int(target.log())}"
        plain = self.server()
        tls = self.server(
            *("--tls-cert", self.cert, "--tls-key", self.key),
            *("--route", f"127.0.0.1=foo/{address}"),
        )
        for server, scheme in ((plain, "ws"), (tls, "wss")):
            self.agent(f"{scheme}://127.0.0.1:{server.port}/connect", "--ca", self.ca)
            wait_until(lambda: "client foo: session" in server.log(), "the agent")
        for turn, url in enumerate(
            (
                f"ws://127.0.0.1:{plain.port}/client/foo/http/{address}/",
                f"wss://127.0.0.1:{tls.port}/",
            )
        ):
            with self.subTest(url=url):
                done = subprocess.run(
                    [self.PYTHON, "-c", WEBSOCKET_CLIENT, url, str(self.ca)],
                    capture_output=True,
                    text=True,
                    timeout=traffic.DEADLINE,
                )
                self.assertEqual((done.stdout, done.stderr), ("done 1000\n", ""))
                wait_until(
                    lambda: target.log().count("closed 1000") == turn + 1, "the close at the target"
                )


class Limits(WebCase):
    def test_a_body_over_the_limit_is_refused_with_either_framing(self):
        self.door("--max-body", "1K")
        self.assertEqual(self.seen(self.url + "/x", "-d", "x" * 1024)["size"], 1024)
        for flags in ((), ("-H", "Transfer-Encoding: chunked")):
            got, body, _ = self.curl(self.url + "/x", "-d", "x" * 1025, *flags)
            self.assertEqual(got, 413, body)

    def test_sessions_on_another_loop_are_reached(self):
        server = self.door("--threads", "3")
        for number in range(12):  # each connection falls to some loop
            self.assertEqual(self.seen(f"{self.url}/{number}")["path"], f"/{number}")
        server.signal(15)
        self.assertEqual(server.wait(), 0)


class Tokens(WebCase):
    def guarded(self, dial):
        path, (agent, visitor) = self.token_file(("agent", "foo"), ("visitor", "v", f"dial={dial}"))
        self.door(auth=("--token-file", path), token=agent)
        return agent, visitor

    def test_a_visitors_token_opens_what_it_may_and_stays_here(self):
        agent, visitor = self.guarded(f"foo/{self.aim.address}")
        saw = self.seen(self.url + "/x", "-H", f"X-Culvert-Token: {visitor}")
        self.assertNotIn("x-culvert-token", dict(saw["headers"]))
        self.assertNotIn(visitor, str(saw))
        for flags in (
            (),
            ("-H", "X-Culvert-Token: cvt_wrong"),
            ("-H", f"X-Culvert-Token: {agent}"),
            ("-H", f"Authorization: Bearer {visitor}"),
        ):
            self.assertEqual(self.curl(self.url + "/x", *flags)[0], 401, flags)
        elsewhere = self.url.replace(self.aim.address, "127.0.0.1:1")
        got, _, _ = self.curl(elsewhere, "-H", f"X-Culvert-Token: {visitor}")
        self.assertEqual(got, 403)
        for process in self.processes:
            self.assertNotIn(visitor, process.log())
