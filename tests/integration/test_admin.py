"""The admin API, /metrics and what culvertctl makes of them."""
import contextlib
import fcntl
import http.client
import json
import os
import pty
import re
import shutil
import signal
import socket
import struct
import subprocess
import termios
import unittest

from . import traffic
from .lab import LabCase, binaries, wait_until


SHORT_MESSAGE = b"\x81\x80\0\0\0\0"  # an empty one, which is no token


class AdminCase(LabCase):
    def setUp(self):
        super().setUp()
        self.admin_port = traffic.free_port()
        self.aim = self.target()

    def watched(self, *flags, **how):
        """A server with an admin listener, and a forward `main` to the agent foo."""
        server = self.server(
            "--admin", f"127.0.0.1:{self.admin_port}", *flags,
            forwards={"main": f"foo/{self.aim.address}"}, **how,
        )
        wait_until(lambda: traffic.listening(self.admin_port), "the admin listener")
        return server

    def ask(self, path, method="GET", port=None, **headers):
        """(status, body as text)."""
        connection = http.client.HTTPConnection(
            "127.0.0.1", port or self.admin_port, timeout=traffic.DEADLINE
        )
        self.addCleanup(connection.close)
        connection.request(
            method, path, headers={name.replace("_", "-"): text for name, text in headers.items()}
        )
        answer = connection.getresponse()
        return answer.status, answer.read().decode()

    def wait_quiet(self):
        """Until the visitors of before are gone."""
        wait_until(lambda: self.listed("conns") == [], "the end of the echo")

    def listed(self, name, **headers):
        status, body = self.ask(f"/api/v1/{name}", **headers)
        self.assertEqual(status, 200, body)
        return json.loads(body)

    def join_loops(self, server):
        """Agents k0, k1, … on more than one of the server's loops, as they are listed."""
        clients = []
        while len(clients) < 6 or len({client["worker"] for client in clients}) == 1:
            self.agent(server.url, key=f"k{len(clients)}")
            wait_until(lambda: len(self.listed("clients")) > len(clients), "its session")
            clients = self.listed("clients")
        return clients

    def ctl(self, *argv, env=None):
        """culvertctl's output; the test fails when that does."""
        done = self.run_to_end(
            "culvertctl", *argv, "--admin", f"http://127.0.0.1:{self.admin_port}", env=env
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout


class Api(AdminCase):
    def test_what_is_there_is_listed(self):
        server = self.watched()
        self.assertEqual(self.listed("clients"), [])
        self.agent(server.url)
        self.wait_echo(server.forwards["main"])
        self.wait_quiet()
        with traffic.visit(server.forwards["main"], "ECHO") as visitor:
            self.assertTrue(traffic.ping(visitor, b"x" * 1000))
            (client,) = self.listed("clients")
            self.assertEqual((client["client"], client["culvert"]), ("foo", True))
            self.assertGreaterEqual(client["bytes_in"], 1000)
            (conn,) = self.listed("conns")
            self.assertEqual((conn["client"], conn["target"]), ("foo", f"tcp/{self.aim.address}"))
            self.assertEqual(conn["visitor"], "127.0.0.1:%d" % visitor.getsockname()[1])
            self.assertEqual(self.listed("status")["conns"], 1)
        wait_until(lambda: self.listed("conns") == [], "the visitor's end")
        (forward,) = self.listed("forwards")
        self.assertEqual(forward["listen"], f"127.0.0.1:{server.forwards['main']}")
        self.assertIn(("joined", "foo"), [(e["kind"], e["client"]) for e in self.listed("events")])
        for name in ("peers", "rooms", "routes"):
            self.assertEqual(self.listed(name), [])

    def test_peers_are_listed_both_ways(self):
        other_port = traffic.free_port()
        server = self.watched(
            *("--peer-id", "a", "--peer-token", "from-a"),
            *("--peer", f"b:from-b:ws://127.0.0.1:{other_port}/connect"),
        )
        self.server(
            *("--peer-id", "b", "--peer-token", "from-b"),
            *("--peer", f"a:from-a:{server.url}"),
            port=other_port,
        )
        self.agent(f"ws://127.0.0.1:{other_port}/connect", key="there")

        def both():
            return {(p["direction"], p["state"], p.get("clients")) for p in self.listed("peers")}

        wait_until(lambda: both() == {("in", "up", 1), ("out", "up", None)}, both)
        self.assertEqual({peer["peer"] for peer in self.listed("peers")}, {"b"})
        self.assertEqual(self.listed("clients"), [], "a peer is no client")
        self.assertRegex(self.ctl("peers"), r"(?m)^b +out +ws://")

    def test_routes_are_listed(self):
        self.watched("--route", "a.example/x=foo/127.0.0.1:80")
        self.assertEqual(
            self.listed("routes"),
            [
                {
                    "tls": False,
                    "host": "a.example",
                    "prefix": "/x",
                    "client": "foo",
                    "target": "127.0.0.1:80",
                    "published": False,
                }
            ],
        )

    def test_lists_are_of_all_loops(self):
        server = self.watched("--threads", "3")
        clients = self.join_loops(server)
        keys = [f"k{n}" for n in range(len(clients))]
        self.assertEqual(sorted(client["client"] for client in clients), sorted(keys))
        self.assertEqual(len({client["session"] for client in clients}), len(keys))
        self.assertEqual(self.ask("/api/v1/clients/k4", "DELETE")[0], 200)
        wait_until(lambda: "k4" in [e["client"] for e in self.listed("events")
                                    if e["kind"] == "left"], "its end")

    def test_a_kicked_client_comes_back(self):
        server = self.watched()
        self.agent(server.url)
        self.wait_echo(server.forwards["main"])
        session = self.listed("clients")[0]["session"]
        self.assertEqual(self.ask("/api/v1/clients/foo", "DELETE"), (200, '{"ended":1}\n'))
        self.wait_echo(server.forwards["main"], "its return")
        self.assertNotEqual(self.listed("clients")[0]["session"], session)
        self.assertEqual(self.ask("/api/v1/clients/nobody", "DELETE")[0], 404)

    def test_one_connection_is_cut_and_no_other(self):
        server = self.watched()
        self.agent(server.url)
        self.wait_echo(server.forwards["main"])
        port = server.forwards["main"]
        with traffic.visit(port, "ECHO") as kept, traffic.visit(port, "ECHO") as ended:
            self.assertTrue(traffic.ping(kept) and traffic.ping(ended))
            name = "127.0.0.1:%d" % ended.getsockname()[1]
            (conn,) = [conn for conn in self.listed("conns") if conn["visitor"] == name]
            self.assertEqual(self.ask(f"/api/v1/conns/{conn['id']}", "DELETE")[0], 200)
            self.assertEqual(traffic.read_end(ended)[0], b"")
            self.assertTrue(traffic.ping(kept))
        line = wait_until(
            lambda: re.search(rf"visitor {name} .*reason=killed", server.log()), "its line"
        )
        self.assertEqual(line[0].count("ended by an operator"), 1, line[0])
        for wrong in ("0", "-1", "x", "999999"):
            self.assertEqual(self.ask(f"/api/v1/conns/{wrong}", "DELETE")[0], 404, wrong)

    def test_a_drain_lets_a_transfer_finish(self):
        server = self.watched()
        self.agent(server.url)
        port = server.forwards["main"]
        self.wait_echo(port)
        self.assertEqual(self.ask("/readyz")[0], 200)
        with traffic.visit(port, f"GET {8 << 20} 5", receive_buffer=65536) as visitor:
            start = traffic.read_exactly(visitor, 1 << 20)
            self.assertEqual(self.ask("/api/v1/drain", "POST"), (202, '{"draining":true}\n'))
            wait_until(lambda: self.ask("/readyz") == (503, "draining\n"), "not ready")
            self.assertEqual(self.ask("/healthz"), (200, "ok\n"))
            rest, orderly = traffic.read_end(visitor)
            self.assertTrue(orderly and len(start + rest) == 8 << 20)
        self.assertEqual(server.wait(), 0)

    def test_a_server_without_work_ends_after_it_has_answered(self):
        server = self.watched()
        self.assertEqual(self.ask("/api/v1/drain", "POST"), (202, '{"draining":true}\n'))
        self.assertEqual(server.wait(), 0)

    def test_what_is_no_request_of_ours_is_refused(self):
        self.watched()
        self.assertEqual(self.ask("/api/v1/nothing")[0], 404)
        self.assertEqual(self.ask("/nothing")[0], 404)
        self.assertEqual(self.ask("/", "POST")[0], 404)
        self.assertEqual(self.ask("/api/v1/status", "POST")[0], 405)
        self.assertEqual(self.ask("/api/v1/drain")[0], 405)
        self.assertEqual(self.ask("/api/v1/clients/foo")[0], 405)
        self.assertEqual(self.ask("/" + "x" * 600)[0], 414)

    def test_a_slow_client_does_not_keep_others(self):
        self.watched()
        with socket.create_connection(("127.0.0.1", self.admin_port)) as slow:
            slow.sendall(b"GET /api/v1/st")
            self.assertEqual(self.ask("/healthz")[0], 200)

    def test_a_unix_socket(self):
        path = self.dir / "admin"
        self.server("--admin", f"unix:{path}")
        done = self.run_to_end("culvertctl", "status", "--json", "--admin", f"unix:{path}")
        self.assertEqual(json.loads(done.stdout)["name"], "culvert-server", done.stderr)


class Locks(AdminCase):
    def test_a_page_of_another_site_learns_and_does_nothing(self):
        server = self.watched()
        for headers in (
            {"Host": "evil.example"},
            {"Host": f"evil.example:{self.admin_port}"},
            {"Origin": "http://evil.example"},
            {"Origin": "null"},
            {"Origin": f"http://localhost:{self.admin_port}", "Host": "127.0.0.1"},
        ):
            for method, path in (("GET", "/api/v1/clients"), ("POST", "/api/v1/drain")):
                self.assertEqual(self.ask(path, method, **headers)[0], 403, headers)
        self.assertEqual(self.ask("/readyz")[0], 200)
        self.assertTrue(server.alive())

    def test_this_machines_names_are_let_in(self):
        self.watched()
        for host in ("localhost", "127.0.0.1", "127.9.9.9:80", f"localhost:{self.admin_port}",
                     "[::1]", "[::1]:8124"):
            self.assertEqual(self.ask("/api/v1/status", Host=host)[0], 200, host)
        own = f"127.0.0.1:{self.admin_port}"
        self.assertEqual(self.ask("/api/v1/status", Host=own, Origin=f"http://{own}")[0], 200)

    def test_answers_say_that_no_page_may_use_them(self):
        self.watched()
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=20)
        self.addCleanup(connection.close)
        connection.request("GET", "/api/v1/status")
        answer = connection.getresponse()
        answer.read()
        fields = {name.lower(): text for name, text in answer.getheaders()}
        self.assertIn("default-src 'none'", fields["content-security-policy"])
        self.assertEqual(fields["x-content-type-options"], "nosniff")
        self.assertEqual(fields["cache-control"], "no-store")
        self.assertFalse([name for name in fields if name.startswith("access-control")])

    def test_a_token_is_needed_where_others_can_reach_it(self):
        done = self.run_to_end(
            "culvert-server", "--listen", "127.0.0.1:0", "--insecure-no-auth", "--check",
            "--admin", "0.0.0.0:0",
        )
        self.assertEqual(done.returncode, 2)
        self.assertIn("--admin-token-file", done.stderr)

    def test_the_role_admin_and_no_other_is_let_in(self):
        path, (admin, visitor) = self.token_file(
            ("admin", "ops"), ("visitor", "v", "dial=*/*:*")
        )
        server = self.watched("--admin-token-file", path)
        right = {"Authorization": f"Bearer {admin}"}
        self.assertEqual(self.ask("/api/v1/status")[0], 401)
        self.assertEqual(self.ask("/api/v1/status", Authorization=f"Bearer {visitor}")[0], 401)
        self.assertEqual(self.ask("/api/v1/status", Authorization=admin)[0], 401)
        self.assertEqual(self.ask("/metrics")[0], 401)
        self.assertEqual(self.ask("/healthz")[0], 200)
        self.assertEqual(self.ask("/api/v1/status", Host="any.example", **right)[0], 200)
        file = self.file("admin.token", admin + "\n")
        self.assertIn("uptime", self.ctl("status", "--admin-token-file", file))
        self.assertIn("uptime", self.ctl("status", env={"CULVERT_ADMIN_TOKEN": admin}))
        path.write_text("\n".join(path.read_text().splitlines()[1:]) + "\n")
        server.signal(signal.SIGHUP)
        wait_until(lambda: self.ask("/api/v1/status", **right)[0] == 401, "the reload")


    def test_who_asks_slowly_makes_room(self):
        """Heads that do not end, pages that are not taken, watchers who are not let in and stay:
        more of each than there are places."""
        self.watched()
        lines = [
            b"GET / HTTP/1.1\r\nHost: localhost\r\n",
            b"GET /dashboard.js HTTP/1.1\r\nHost: localhost\r\n\r\n",
            b"GET /api/v1/live HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" + SHORT_MESSAGE,
        ]
        with contextlib.ExitStack() as stack:
            for line in lines:
                for _ in range(300):
                    slow = stack.enter_context(socket.socket())
                    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                    slow.connect(("127.0.0.1", self.admin_port))
                    with contextlib.suppress(ConnectionError):
                        slow.sendall(line)
                for _ in range(20):
                    self.assertEqual(self.ask("/healthz")[0], 200, line)


class Metrics(AdminCase):
    def values(self):
        status, text = self.ask("/metrics")
        self.assertEqual(status, 200)
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}

    def test_what_happened_is_counted(self):
        server = self.watched()
        agent = self.agent(server.url)
        port = server.forwards["main"]
        self.wait_echo(port)
        wait_until(lambda: self.values()["culvert_connections"] == 0, "the end of the echo")
        before = self.values()
        self.assertTrue(traffic.upload(port, 100_000))
        self.assertTrue(traffic.download(port, 50_000))
        wait_until(lambda: self.values()["culvert_connections"] == 0, "the end of both")
        after = self.values()

        def grown(name):
            return after[name] - before[name]

        self.assertGreaterEqual(grown('culvert_bytes_total{direction="out"}'), 100_000)
        self.assertGreaterEqual(grown('culvert_bytes_total{direction="in"}'), 50_000)
        self.assertEqual(grown("session_server_total_add_connections"), 2)
        self.assertEqual(grown("session_server_total_remove_connections"), 2)
        self.assertEqual(grown("culvert_dial_duration_seconds_count"), 2)
        self.assertEqual(after["culvert_sessions"], 1)
        self.assertEqual(after["session_server_total_add_websocket_session"], 1)
        agent.stop()
        wait_until(lambda: self.values()["culvert_sessions"] == 0, "its end")
        gone = self.values()
        self.assertEqual(gone["session_server_total_remove_websocket_session"], 1)
        for name in (
            'culvert_bytes_total{direction="out"}',
            "session_server_total_add_connections",
        ):
            self.assertGreaterEqual(gone[name], after[name], "a counter went back")

    def test_promtool_finds_nothing_to_say(self):
        promtool = shutil.which("promtool")
        self.assertTrue(promtool, "no promtool: tools/install-deps test")
        self.watched("--threads", "2")
        text = self.ask("/metrics")[1]
        done = subprocess.run(
            [promtool, "check", "metrics"], input=text, text=True, capture_output=True, check=False
        )
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))


class Ctl(AdminCase):
    def test_tables_and_orders(self):
        server = self.watched()
        self.assertEqual(self.ctl("clients"), "no agent is connected\n")
        self.agent(server.url)
        port = server.forwards["main"]
        self.wait_echo(port)
        self.wait_quiet()
        with traffic.visit(port, "ECHO") as visitor:
            self.assertTrue(traffic.ping(visitor))
            self.assertRegex(self.ctl("clients"), r"^CLIENT +SESSION .*\nfoo +1 ")
            table = self.ctl("conns")
            self.assertIn(f"tcp/{self.aim.address}", table)
            number = re.search(r"^ *(\d+)  foo", table, re.M).group(1)
            self.assertEqual(json.loads(self.ctl("conns", "--json"))[0]["id"], int(number))
            self.assertIn(f"ended connection {number}", self.ctl("cut", number))
            self.assertEqual(traffic.read_end(visitor)[0], b"")
        self.assertIn(str(port), self.ctl("forwards"))
        self.assertIn("joined", self.ctl("events"))
        self.assertEqual(self.ctl("peers"), "no peer is connected\n")
        self.assertIn("ended the sessions of foo", self.ctl("kick", "foo"))
        self.wait_echo(port, "its return")
        self.assertIn("takes no more work", self.ctl("drain"))
        self.assertEqual(server.wait(), 0)

    def test_the_flag_may_stand_first(self):
        self.watched()
        done = self.run_to_end(
            "culvertctl", "--admin", f"http://127.0.0.1:{self.admin_port}", "status"
        )
        self.assertIn("uptime", done.stdout, done.stderr)

    def test_errors_say_what_to_do(self):
        for argv, words in (
            (["kick"], "which client?"),
            (["kick", "a", "b"], "too many words: 'b'"),
            (["kick", "a b"], "not a client key"),
            (["cut", "x"], "`culvertctl conns` has them"),
            (["clients", "--sideways"], "no such flag: '--sideways'"),
            (["clients", "--watch=x"], "no number of seconds"),
            (["status", "--admin"], "a URL is needed"),
            (["clinets"], "did you mean clients?"),
            (["xyzzy"], "(--help shows what there is)"),
        ):
            done = self.run_to_end("culvertctl", *argv)
            self.assertEqual(done.returncode, 2, argv)
            self.assertIn(words, done.stderr)

    def test_a_server_that_is_not_reached(self):
        front = self.watched()
        web = f"http://127.0.0.1:{front.port}"
        for url, words in (
            (f"http://127.0.0.1:{traffic.free_port()}", "does the server run with --admin?"),
            (f"unix:{self.dir}/nothing", "there is no such socket"),
            ("127.0.0.1 8124", "--admin takes http://HOST:PORT or unix:PATH"),
            ("ftp://127.0.0.1", "--admin takes http://HOST:PORT or unix:PATH"),
            (web, "is that the address of the server's --admin?"),
            (web.replace("http", "https"), "is that the address of the server's --admin?"),
        ):
            for command in ("status", "clients", "top", "drain"):
                done = self.run_to_end("culvertctl", command, "--admin", url)
                self.assertEqual(done.returncode, 1, url)
                self.assertIn(words, done.stderr)
                self.assertEqual(done.stderr.count("\n"), 1)

    def test_a_token_that_is_missing_and_one_that_is_wrong(self):
        path, (_, other) = self.token_file(("admin", "ops"), ("visitor", "v", "dial=*/*:*"))
        self.watched("--admin-token-file", path)
        url = f"http://127.0.0.1:{self.admin_port}"
        for env, words in (
            ({}, "an admin token is needed"),
            ({"CULVERT_ADMIN_TOKEN": other}, "does not take the token (is it that of a line"),
        ):
            done = self.run_to_end("culvertctl", "status", "--admin", url, env=env)
            self.assertEqual(done.returncode, 1)
            self.assertIn(words, done.stderr)
        done = self.run_to_end(
            "culvertctl", "status", "--admin", url, "--admin-token-file", "/none"
        )
        self.assertEqual(done.returncode, 2)
        self.assertIn("no token can be read from", done.stderr)

    def test_who_is_not_there_may_have_been_mistyped(self):
        server = self.watched()
        for key in ("laptop", "build-host"):
            self.agent(server.url, key=key)
        wait_until(lambda: len(self.listed("clients")) == 2, "both")
        for word, said in (
            ("latpop", "no client latpop is connected (did you mean laptop? `culvertctl clients` "),
            ("buildhost", "did you mean build-host?"),
            ("zebra", "no client zebra is connected (`culvertctl clients` lists them)"),
        ):
            done = self.run_to_end(
                "culvertctl", "kick", word, "--admin", f"http://127.0.0.1:{self.admin_port}"
            )
            self.assertEqual(done.returncode, 1)
            self.assertIn(said, done.stderr)
        done = self.run_to_end(
            "culvertctl", "cut", "99", "--admin", f"http://127.0.0.1:{self.admin_port}"
        )
        self.assertEqual(done.returncode, 1)
        self.assertIn("no connection 99 is open (`culvertctl conns` lists them)", done.stderr)

    def test_a_server_without_a_directory_says_so(self):
        self.watched()
        self.assertEqual(self.ctl("directory"), "this server has no --directory\n")
        self.assertEqual(self.ctl("directory", "--json"), "null\n")

    LISTS = ("clients", "conns", "peers", "rooms", "forwards", "routes", "events")

    def everything(self):
        """A server where each list has something, and with names as long as may be; what holds the
        connection."""
        key = "a-key-of-79-bytes-" + "x" * 61
        server = self.server(
            "--admin", f"127.0.0.1:{self.admin_port}", "--peer-id", "a", "--peer-token", "t",
            "--peer", f"{'p' * 79}:t:ws://a-long-name-of-a-server.example.invalid:8123/connect",
            "--route", f"{'host.' * 20}example/prefix=foo/127.0.0.1:80",
            "--rooms", "127.0.0.1:0", forwards={"main": f"{key}/{self.aim.address}"},
        )
        self.agent(server.url, key=key)
        self.wait_echo(server.forwards["main"])
        visitor = traffic.visit(server.forwards["main"], "ECHO")
        self.addCleanup(visitor.close)
        self.assertTrue(traffic.ping(visitor))

    def at_terminal(self, columns, *argv, lines=24, until=None):
        """What culvertctl writes to a terminal of that size: all of it, or up to @until."""
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        child = subprocess.Popen(
            [binaries() / "culvertctl", *argv, "--admin", f"http://127.0.0.1:{self.admin_port}"],
            stdin=slave, stdout=slave, stderr=slave,
        )
        os.close(slave)
        text = b""
        with open(master, "rb", buffering=0) as terminal:
            while not (until and re.search(until, text)):
                try:
                    text += terminal.read(65536)
                except OSError:  # it has ended
                    break
            child.terminate()
            child.wait()
        return text.decode().replace("\r\n", "\n")

    def test_tables_fit_the_terminal(self):
        self.everything()
        for columns in (80, 120):
            for name in self.LISTS:
                text = self.at_terminal(columns, name)
                self.assertLessEqual(max(map(len, text.splitlines())), columns, text)
                if name != "rooms":
                    self.assertGreater(text.count("\n"), 1, text)
        for name in self.LISTS[:2]:
            self.assertIn("a-key-of-79-bytes-" + "x" * 61, self.ctl(name), "piped: all of it")

    def test_every_list_is_to_be_had_as_json(self):
        self.everything()
        for name in self.LISTS:
            self.assertEqual(
                [set(entry) for entry in json.loads(self.ctl(name, "--json"))],
                [set(entry) for entry in self.listed(name)],
            )
        self.assertEqual(json.loads(self.ctl("status", "--json"))["name"], "culvert-server")

    def test_top_is_live_and_as_high_as_the_terminal(self):
        server = self.watched()
        for n in range(9):
            self.agent(server.url, key=f"k{n}")
        wait_until(lambda: len(self.listed("clients")) == 9, "all")
        text = self.at_terminal(80, "top", lines=10, until=rb"(?s)more.*\x1b\[2J.*more")
        for screen in text.split("\x1b[2J")[1:]:
            self.assertLess(screen.count("\n"), 10)
        self.assertIn("9 agents, 0 connections, 0 B/s from them", text)
        self.assertIn("... and 4 more", text)
        log = self.start(
            "top", [binaries() / "culvertctl", "top", "--json", "--admin",
                    f"http://127.0.0.1:{self.admin_port}"],
        )

        def first():
            with contextlib.suppress(json.JSONDecodeError):  # not all of it is written yet
                return json.JSONDecoder().raw_decode(log.log())[0]

        rows = wait_until(first, "a look")
        self.assertEqual(len(rows), 9)
        self.assertIn("rate_in", rows[0])

    def test_events_say_when(self):
        server = self.watched()
        self.agent(server.url)
        wait_until(lambda: self.listed("events"), "it joined")
        self.assertRegex(self.ctl("events"), r"^ *AGO +KIND +CLIENT +TEXT\n *\d+s  joined  foo ")

    def test_watching_shows_it_again(self):
        self.watched()
        log = self.start(
            "watch", [binaries() / "culvertctl", "status", "--json", "--watch=1", "--admin",
                      f"http://127.0.0.1:{self.admin_port}"],
        )
        wait_until(lambda: log.log().count('"uptime_seconds"') >= 2, "two looks")


if __name__ == "__main__":
    unittest.main()
