"""The feed of the dashboard: who may watch, what is told, and to those who read slowly."""
import contextlib
import http.client
import json
import re
import selectors
import signal
import struct
import threading
import time
import unittest

from tests.interop.peer import ws

from . import netns, traffic
from .lab import LabCase, binaries, wait_until
from .test_admin import AdminCase

PATH = "/api/v1/live"
WATCHERS_MAX = 16


class Watch:
    """Who watches: what it was told, put together."""

    def __init__(self, port, token="", origin=None, wait=traffic.DEADLINE):
        origin = origin or f"http://127.0.0.1:{port}"
        self.ws, _ = ws.dial("127.0.0.1", port, [("Origin", origin)], PATH, wait)
        self.clients, self.conns, self.events, self.kinds = {}, {}, [], []
        self.status, self.code = None, None
        if token is not None:
            self.say(json.dumps({"token": token}))

    def say(self, text):
        self.ws.send(ws.TEXT, text.encode())

    def hear(self):
        """The next document; None when the server closed, why says @code."""
        message = self.ws.receive()
        if message is None or message.opcode == ws.CLOSE:
            self.code = struct.unpack(">H", message.payload[:2])[0] if message else 0
            return None
        document = json.loads(message.payload)
        self.kinds.append(document["type"])
        if document["type"] == "events":
            self.events += document["events"]
        else:
            self._take(document)
        return document

    def _take(self, document):
        self.status, self.peers = document["status"], document["peers"]
        if document["type"] == "full":
            self.clients, self.conns = {}, {}
        for client in document["clients"]["new"]:
            self.clients[client["session"]] = client
        for session, conns, bytes_in, bytes_out, rtt in document["clients"]["now"]:
            self.clients[session].update(
                conns=conns, bytes_in=bytes_in, bytes_out=bytes_out, rtt_ms=rtt
            )
        for session in document["clients"]["gone"]:
            del self.clients[session]
        self.conns |= {conn["id"]: conn for conn in document["conns"]["new"]}
        for number in document["conns"]["gone"]:
            del self.conns[number]

    def until(self, condition):
        while not condition():
            assert self.hear(), f"closed: {self.code}"

    def end(self):
        """The code that it is closed with."""
        while self.hear():
            pass
        return self.code


class LiveCase(AdminCase):
    def watch(self, *args, **how):
        watch = Watch(self.admin_port, *args, **how)
        self.addCleanup(watch.ws.close)
        return watch


def stripped(objects):
    """Without what changes by itself."""
    return [{k: v for k, v in one.items() if k not in ("seconds", "rtt_ms")} for one in objects]


class Told(LiveCase):
    def is_told(self, watch, name):
        """Whether @watch knows just what the API lists."""

        def rows(objects):
            key = "session" if name == "clients" else "id"
            return sorted(stripped(objects), key=lambda one: one[key])

        return rows(getattr(watch, name).values()) == rows(self.listed(name))

    def test_everything_once_and_then_what_changed(self):
        server = self.watched("--threads", "3")
        first = self.watch()
        first.until(lambda: first.status)
        self.assertEqual((first.clients, first.conns, first.peers), ({}, {}, []))
        clients = self.join_loops(server)
        self.agent(server.url)
        self.wait_echo(server.forwards["main"])
        self.wait_quiet()
        with contextlib.ExitStack() as held:
            for _ in range(9):
                visitor = held.enter_context(traffic.visit(server.forwards["main"], "ECHO"))
                self.assertTrue(traffic.ping(visitor))
            second = self.watch()
            for watch in (first, second):
                for name in ("clients", "conns"):
                    wait_until(lambda w=watch, n=name: w.hear() and self.is_told(w, n), name)
                self.assertEqual((len(watch.clients), len(watch.conns)), (len(clients) + 1, 9))
            visitor.close()
            first.until(lambda: len(first.conns) == 8)
        first.until(lambda: not first.conns)
        self.assertEqual(self.ask("/api/v1/clients/k1", "DELETE")[0], 200)
        first.until(lambda: "left" in [event["kind"] for event in first.events])
        self.assertEqual(first.kinds.count("full"), 1)
        self.assertIn("delta", first.kinds)

    def test_bytes_are_told_as_they_flow(self):
        server = self.watched()
        self.agent(server.url)
        self.wait_echo(server.forwards["main"])
        self.wait_quiet()
        watch = self.watch()
        watch.until(lambda: watch.clients)
        (client,) = watch.clients.values()
        before = client["bytes_in"]
        self.assertTrue(traffic.download(server.forwards["main"], 100_000))
        watch.until(lambda: client["bytes_in"] >= before + 100_000)
        self.assertEqual(watch.kinds.count("full"), 1)

    def test_round_trips_are_measured_while_somebody_watches(self):
        server = self.watched()
        fields = [("X-Tunnel-ID", "far"), ("X-Culvert-Features", "ack")]
        agent, _ = ws.dial("127.0.0.1", server.port, fields, "/connect", traffic.DEADLINE)
        self.addCleanup(agent.close)

        def answer():
            message = agent.receive()
            self.assertEqual(message.opcode, ws.PING)
            agent.send(ws.PONG, message.payload)

        answer()  # the one that it begins with
        wait_until(lambda: self.listed("clients")[0]["rtt_ms"], "that answer")
        self.watch()
        answer()

    def test_round_trips_of_all_are_measured_in_turn(self):
        """Also of more agents than a loop has measured before the first ones are due again."""
        server = self.watched()
        selector = selectors.DefaultSelector()
        self.addCleanup(selector.close)
        left, quiet_since = set(), time.monotonic()

        def answer(agent):
            """Whether it was asked."""
            message = agent.receive()
            if message.opcode == ws.PING:
                agent.send(ws.PONG, message.payload)
            return message.opcode == ws.PING

        for n in range(1100):
            fields = [("X-Tunnel-ID", f"k{n}"), ("X-Culvert-Features", "ack")]
            agent, _ = ws.dial("127.0.0.1", server.port, fields, "/connect", traffic.DEADLINE)
            self.addCleanup(agent.close)
            self.assertTrue(answer(agent), "the question that it begins with")
            selector.register(agent.sock, selectors.EVENT_READ, agent)
            left.add(agent)
        threading.Thread(target=self.watch().end, daemon=True).start()

        def all_asked():
            nonlocal quiet_since
            for key, _ in selector.select(1):
                if answer(key.data):
                    left.discard(key.data)
            if time.monotonic() > quiet_since + 4:  # else they are let go
                quiet_since = time.monotonic()
                for agent in left:
                    agent.send(ws.PING)
            return not left

        wait_until(all_asked, lambda: f"{len(left)} agents were not asked")

    def test_nothing_is_done_while_nobody_watches(self):
        self.watched("--threads", "2")
        self.assertTrue(self.unlooked())
        self.assertEqual(self.metric("culvert_live_looks_total"), 0)
        watch = self.watch()
        watch.until(lambda: watch.kinds.count("delta") == 2)
        self.assertGreaterEqual(self.metric("culvert_live_looks_total"), 2 * 3)
        watch.ws.close()
        wait_until(self.unlooked, "the end of the looks")

    def metric(self, name):
        return int(re.search(rf"(?m)^{re.escape(name)} (\d+)", self.ask("/metrics")[1])[1])

    def unlooked(self):
        """Whether no loop is looked at for watchers while its clock goes on for seconds."""
        clock = 'culvert_loop_lag_seconds_count{worker="0"}'
        looks, since = self.metric("culvert_live_looks_total"), self.metric(clock)
        wait_until(lambda: self.metric(clock) >= since + 3, "seconds")
        return self.metric("culvert_live_looks_total") == looks

    def test_events_come_as_they_occur_with_those_of_before(self):
        server = self.watched("--threads", "2")
        self.agent(server.url, key="early")
        wait_until(lambda: self.listed("clients"), "its session")
        watch = self.watch()
        watch.until(lambda: watch.events)
        self.assertEqual([event["client"] for event in watch.events], ["early"])
        self.assertEqual(watch.kinds[0], "full")
        for n in range(3):
            self.agent(server.url, key=f"k{n}")
            watch.until(lambda: watch.events[-1]["client"] == f"k{n}")
        self.assertEqual([event["number"] for event in watch.events], [1, 2, 3, 4])

    def test_a_version_is_told_of_agents_that_say_it(self):
        server = self.watched()
        self.agent(server.url, key="ours")
        self.agent(server.url, "--header", "User-Agent: other/2", key="other")
        self.agent(server.url, "--header", "User-Agent: culvert-agent/9.9\"\\<b>", key="odd")
        wait_until(lambda: len(self.listed("clients")) == 3, "all three")
        versions = {client["client"]: client["version"] for client in self.listed("clients")}
        own = self.listed("status")["version"]
        self.assertEqual(versions, {"ours": own, "other": None, "odd": "9.9"})
        self.assertRegex(self.ctl("clients"), rf"(?m)^ours +\d+ +{own} ")
        self.assertRegex(self.ctl("clients"), r"(?m)^other +\d+ +- ")

    def test_a_drain_ends_it(self):
        server = self.watched()
        watch = self.watch()
        watch.until(lambda: watch.status)
        self.ask("/api/v1/drain", "POST")
        watch.end()
        self.assertEqual(server.wait(), 0)


class Locks(LiveCase):
    def test_a_page_of_another_site_or_name_is_refused(self):
        self.watched()
        for origin in ("http://evil.example", "null", f"https://localhost:{self.admin_port}"):
            with self.assertRaises((ws.WsError, OSError), msg=origin):
                self.watch(origin=origin)
        sock, reader = ws.connect("127.0.0.1", self.admin_port, traffic.DEADLINE)
        with sock:
            sock.sendall(ws.request_text(PATH, "evil.example", [], ws.new_key()).encode())
            with contextlib.suppress(ConnectionResetError):
                self.assertEqual(reader.read(1), b"")
        for path in ("/", "/api/v1/status", "/api/v1/live/"):
            with self.assertRaises((ws.WsError, OSError), msg=path):
                ws.dial("127.0.0.1", self.admin_port, (), path, traffic.DEADLINE)
        self.assertEqual(self.ask(PATH)[0], 426)

    def test_the_token_is_the_first_message(self):
        path, (admin, visitor) = self.token_file(("admin", "ops"), ("visitor", "v", "dial=*/*:*"))
        server = self.watched("--admin-token-file", path)
        for wrong in ("", visitor, "x", f"Bearer {admin}"):
            self.assertEqual(self.watch(wrong).end(), 4401, wrong)
        watch = self.watch(admin)
        watch.until(lambda: watch.status)
        path.write_text("\n".join(path.read_text().splitlines()[1:]) + "\n")
        server.signal(signal.SIGHUP)
        self.assertEqual(watch.end(), 4401)

    def test_what_is_no_message_of_ours_closes(self):
        self.watched()
        for text in ("hello", "{}", '{"token":1}', "[]", ""):
            watch = self.watch(None)
            watch.say(text)
            self.assertEqual(watch.end(), 4400, text)
        watch = self.watch(None)
        watch.say("x" * 2000)
        self.assertEqual(watch.end(), 1009)
        watch = self.watch()
        watch.say('{"token":""}')
        self.assertEqual(watch.end(), 4400)

    def test_who_says_nothing_is_not_waited_for(self):
        self.watched()
        self.assertEqual(self.watch(None).end(), 0)

    def test_who_says_nothing_makes_room(self):
        self.watched()
        silent = [self.watch(None) for _ in range(WATCHERS_MAX + 4)]
        watch = self.watch()
        watch.until(lambda: watch.status)
        self.assertEqual([one.end() for one in silent[:5]], [1013] * 5)

    def test_who_was_not_let_in_keeps_no_place(self):
        """Though it neither reads nor answers the close frame."""
        path, (admin,) = self.token_file(("admin", "ops"))
        self.watched("--admin-token-file", path)
        self.strangers = [self.watch("x") for _ in range(WATCHERS_MAX)]
        refused = f"culvert_admin_refusals_total {WATCHERS_MAX}"
        as_admin = {"Authorization": f"Bearer {admin}"}
        wait_until(lambda: refused in self.ask("/metrics", **as_admin)[1], refused)
        watch = self.watch(admin)
        watch.until(lambda: watch.status)

    def test_one_watcher_too_many_is_told_to_come_later(self):
        self.watched()
        watches = [self.watch() for _ in range(WATCHERS_MAX)]
        for watch in watches:
            watch.until(lambda: watch.status)
        self.assertEqual(self.watch().end(), 1013)
        watches[0].ws.close()

        def again():
            with contextlib.suppress(ws.WsError, OSError):
                with contextlib.closing(self.watch().ws) as late:
                    return late.receive().opcode == ws.TEXT

        wait_until(again, "a place")
        watches[1].until(lambda: watches[1].kinds.count("delta") > 1)


@unittest.skipIf(netns.why_not(), netns.why_not())
class Slow(LabCase):
    """In a namespace whose sockets hold little."""

    def test_who_reads_slowly_misses_documents_and_is_told_everything_anew(self):
        """And who does not read at all is dropped."""
        ns = netns.Namespace("l")
        self.addCleanup(ns.delete)
        for name in ("tcp_wmem", "tcp_rmem"):
            ns.run("sysctl", "-q", "-w", f"net.ipv4.{name}=4096 8192 16384")
        argv = ["--listen", "127.0.0.1:8123", "--insecure-no-auth", "--admin", "127.0.0.1:8124"]
        server = self.start("server", [*ns.prefix, binaries() / "culvert-server", *argv])
        with ns.entered():
            wait_until(lambda: self.healthy(), "the admin listener")
        for n in range(200):  # sessions make documents long
            with ns.entered():
                end, _ = ws.dial(
                    "127.0.0.1", 8123, [("X-Tunnel-ID", f"agent-{n}-{'x' * 60}")], "/connect",
                    traffic.DEADLINE,
                )
            self.addCleanup(end.close)
        with ns.entered():
            slow, quick, deaf = Watch(8124), Watch(8124), Watch(8124)
        for watch in (slow, quick, deaf):
            self.addCleanup(watch.ws.close)
        quick.until(lambda: quick.kinds.count("delta") == 3)
        slow.until(lambda: slow.kinds.count("full") == 2)
        self.assertLess(slow.kinds.count("delta"), 3, slow.kinds)
        self.assertEqual(quick.kinds.count("full"), 1)
        slow.until(lambda: slow.kinds[-1] == "delta")
        self.assertEqual(slow.clients.keys(), quick.clients.keys())

        def watched_by(count):
            return traffic.sockets(8124, traffic.ESTABLISHED, server.pid) == count

        self.assertTrue(watched_by(3))
        wait_until(
            lambda: slow.hear() and quick.hear() and watched_by(2), "the end of who reads nothing"
        )

    @staticmethod
    def healthy():
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", 8124, timeout=5)
            with contextlib.closing(connection):
                connection.request("GET", "/healthz")
                return connection.getresponse().status == 200


if __name__ == "__main__":
    unittest.main()
