"""SIGHUP: what the configuration says of forwards, routes and peers holds from then on, and nothing
that runs is cut."""
import http.client
import json
import signal
import socket
import threading
import unittest

from . import traffic
from .hello import Echo, real
from .lab import LabCase, Server, binaries, wait_until
from .web_target import WebTarget

RELOADS = 20


class Stream:
    """Visitors that come one after the other, all the time; each must be served."""

    def __init__(self, port):
        self.port, self.served, self.failed = port, 0, 0
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.stop.is_set():
            if traffic.echoes(self.port):
                self.served += 1
            else:
                self.failed += 1

    def end(self):
        self.stop.set()
        self.thread.join()


class ReloadCase(LabCase):
    THREADS = 1

    def setUp(self):
        super().setUp()
        self.aim, self.other = self.target(), self.target()
        self.port, self.kept = traffic.free_port(), traffic.free_port()

    def write(self, **rules):
        """The configuration, with lists of @rules; the kept forward is always there."""
        rules["forward"] = [f"127.0.0.1:{self.kept}=foo/{self.aim.address}"] + rules.get(
            "forward", []
        )
        lines = [f"listen: [127.0.0.1:{self.front}]", "insecure-no-auth: true"]
        lines += [f"threads: {self.THREADS}", "log-level: debug"]
        for key, values in rules.items():
            lines.append(f"{key}: {json.dumps(values)}")
        return self.file("server.yaml", "\n".join(lines) + "\n")

    def lab(self, *flags, **rules):
        """A server with that file, and the agent foo."""
        self.front = traffic.free_port()
        file = self.write(**rules)
        argv = [binaries() / "culvert-server", "--config", file, *flags]
        server = self.start("server", argv, Server)
        server.port, server.url = self.front, f"ws://127.0.0.1:{self.front}/connect"
        self.wait_listening(server, self.kept)
        self.agent(server.url, "--allow", "*:*", "--allow", "udp/127.0.0.1:*")
        self.wait_echo(self.kept)
        return server

    def hup(self, server, **rules):
        """Writes the file anew and has it read."""
        if rules:
            self.write(**rules)
        before = server.log().count(" reloaded")
        server.signal(signal.SIGHUP)
        wait_until(lambda: server.log().count(" reloaded") > before, "the reload")

    def to(self, target, port=None):
        return f"127.0.0.1:{port or self.port}=foo/{target.address}"

    def wait_led_to(self, target, port=None):
        """Until visitors get to @target and to no other: every thread has heard of it."""

        def there():
            before = target.accepted
            return all(traffic.echoes(port or self.port) for _ in range(8)) and (
                target.accepted == before + 8
            )

        wait_until(there, "visitors at the target")

    def is_proxied(self):
        try:
            with traffic.visit(self.port) as visitor:
                visitor.sendall(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nECHO\n")
                return traffic.ping(visitor)
        except OSError:
            return False

    def listening(self, port):
        return traffic.sockets(port, traffic.LISTEN)


class Forwards(ReloadCase):
    def test_one_comes_and_goes_and_its_connections_stay(self):
        server = self.lab()
        self.assertFalse(traffic.listening(self.port))
        self.hup(server, forward=[self.to(self.aim)])
        wait_until(lambda: self.listening(self.port) == self.THREADS, "listeners of all threads")
        with traffic.visit(self.port, "ECHO") as visitor:
            self.assertTrue(traffic.ping(visitor))
            self.hup(server, forward=[])
            wait_until(lambda: not self.listening(self.port), "the listeners' end")
            self.assertTrue(traffic.ping(visitor), "an open connection was cut")
        self.wait_log(server, f"forward 127.0.0.1:{self.port} closed")
        self.wait_echo(self.kept)

    def test_another_target_is_for_new_visitors(self):
        server = self.lab(forward=[self.to(self.aim)])
        with traffic.visit(self.port, "ECHO") as visitor:
            self.assertTrue(traffic.ping(visitor))
            self.hup(server, forward=[self.to(self.other)])
            self.wait_led_to(self.other)
            self.assertTrue(traffic.ping(visitor), "an open connection was cut")
        self.wait_log(server, f"leads now to foo/tcp/{self.other.address}")
        self.hup(server, forward=[f"127.0.0.1:{self.port}=nobody/{self.other.address}"])
        wait_until(lambda: not traffic.echoes(self.port), "another client")

    def test_a_kept_one_loses_nobody(self):
        server = self.lab()
        stream = Stream(self.kept)
        with traffic.visit(self.kept, "ECHO") as held:
            for turn in range(RELOADS):
                target = self.other if turn % 2 else self.aim
                self.hup(server, forward=[self.to(target)] if turn % 3 else [])
                self.assertTrue(traffic.ping(held))
            wait_until(lambda: stream.served > 10 * RELOADS or stream.failed, "visitors")
        stream.end()
        self.assertEqual(stream.failed, 0, f"of {stream.served}")

    def test_a_port_that_cannot_be_had_costs_no_other(self):
        server = self.lab()
        with socket.create_server(("127.0.0.1", self.port)):
            more = traffic.free_port()
            self.hup(server, forward=[self.to(self.aim), self.to(self.aim, more)])
            line = f"reload: forward 127.0.0.1:{self.port} is not there: address already in use"
            wait_until(lambda: line in server.log(), "the complaint")
            self.wait_echo(more)
        self.hup(server)
        self.wait_echo(self.port)
        self.wait_echo(more)

    def test_a_range_grows_and_shrinks(self):
        server = self.lab()
        base = traffic.free_run(8)

        def span(count):
            ends = f"{base}-{base + count - 1}"
            return f"127.0.0.1:{ends}=foo/127.0.0.1:{ends}"

        def open_ports():
            return [i for i in range(8) if self.listening(base + i) == self.THREADS]

        for count in (2, 8, 3):
            self.hup(server, forward=[span(count)])
            wait_until(lambda: open_ports() == list(range(count)), f"{count} ports")

    def test_unix_and_udp(self):
        server = self.lab()
        path = self.dir / "door.sock"
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(udp.close)
        udp.bind(("127.0.0.1", 0))
        self.hup(
            server,
            forward=[
                f"unix:{path}=foo/{self.aim.address}",
                f"127.0.0.1:{self.port}=foo/udp/127.0.0.1:{udp.getsockname()[1]}",
            ],
        )
        self.assertTrue(traffic.echoes(None, path=str(path)))
        visitor = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(visitor.close)
        udp.settimeout(traffic.DEADLINE)
        visitor.connect(("127.0.0.1", self.port))
        visitor.send(b"hello")
        self.assertEqual(udp.recv(100), b"hello")
        # the port of datagrams becomes one of streams
        self.hup(server, forward=[self.to(self.aim)])
        self.assertFalse(path.exists())
        self.wait_echo(self.port)

    def test_flags_hold_as_before(self):
        server = self.server(
            "--threads", self.THREADS, forwards={"main": f"foo/{self.aim.address}"}
        )
        self.agent(server.url)
        self.wait_echo(server.forwards["main"])
        self.hup(server)
        self.wait_echo(server.forwards["main"])

    def test_an_address_in_other_words_or_of_another_kind(self):
        """Its listeners are not the old ones, which other threads have for a moment yet."""
        server = self.lab(forward=[self.to(self.aim)])
        for turn in range(3):
            self.hup(server, forward=[f":{self.port}=foo/{self.other.address}"])
            self.wait_led_to(self.other)
            self.hup(server, forward=[self.to(self.aim)])
            self.wait_led_to(self.aim)
            for rules in ([], [self.to(self.aim)]):  # one right after the other
                self.write(forward=rules)
                server.signal(signal.SIGHUP)
            rule = f"127.0.0.1:{self.port},proxy-protocol=foo/{self.aim.address}"
            self.hup(server, forward=[rule])
            wait_until(self.is_proxied, "the PROXY protocol")
        self.assertNotIn("is not there", server.log())

    def test_what_was_there_before_is_all_that_is_listed(self):
        admin = traffic.free_port()
        server = self.lab("--admin", f"127.0.0.1:{admin}", forward=[self.to(self.aim)])

        def listed(what):
            done = self.run_to_end(
                "culvertctl", what, "--json", "--admin", f"http://127.0.0.1:{admin}"
            )
            self.assertEqual(done.returncode, 0, done.stderr)
            return json.loads(done.stdout)

        self.hup(server, forward=[self.to(self.other)], route=["a.test/x=foo/127.0.0.1:1"])
        self.assertEqual(
            [(row["listen"], row["target"]) for row in listed("forwards")],
            [
                (f"127.0.0.1:{self.kept}", f"tcp/{self.aim.address}"),
                (f"127.0.0.1:{self.port}", f"tcp/{self.other.address}"),
            ],
        )
        self.assertEqual([row["host"] for row in listed("routes")], ["a.test"])
        self.hup(server, route=[])
        self.assertEqual(len(listed("forwards")), 1)
        self.assertEqual(listed("routes"), [])

    def test_a_drain_in_the_middle(self):
        """Doors that open while others close: nothing is left, and it ends."""
        server = self.lab()
        for turn in range(3):
            self.write(forward=[self.to(self.aim)] if turn % 2 else [])
            server.signal(signal.SIGHUP)
        server.signal(signal.SIGTERM)
        self.assertEqual(server.wait(), 0)
        self.assertFalse(traffic.listening(self.port))


class BadFiles(ReloadCase):
    def test_nothing_changes_and_the_place_is_named(self):
        server = self.lab(forward=[self.to(self.aim)])
        file = self.dir / "server.yaml"
        good = file.read_text()
        for line, what in (
            ("forward: [x]", "forward"),
            ("listne: 1", "listne"),
            ("route: ['a.test']", "route"),
            ("{", "server.yaml"),
        ):
            with self.subTest(line=line):
                kept = "\n".join(row for row in good.splitlines() if "forward" not in row[:8])
                file.write_text(f"{line}\n{kept if 'forward' in line else good}")
                before = len(server.log())
                self.hup(server)
                said = server.log()[before:]
                self.assertRegex(said, r"error reload: culvert-server: .*server\.yaml")
                self.assertIn(what, said)
                self.wait_echo(self.port)
                self.wait_echo(self.kept)
        file.unlink()
        before = len(server.log())
        self.hup(server)
        self.assertIn("server.yaml", server.log()[before:])
        self.wait_echo(self.port)

    def test_what_takes_a_restart_is_said(self):
        server = self.lab()
        text = (self.dir / "server.yaml").read_text()
        text = text.replace(f"threads: {self.THREADS}", "threads: 5\nudp-idle: 7\nmax-conns: 9")
        self.file("server.yaml", text)
        self.hup(server)
        waits = {row.split("reload: ")[1].split(" ")[0] for row in server.log().splitlines()
                 if "that takes a restart" in row}
        self.assertEqual(waits, {"threads", "udp-idle", "max-conns"})
        self.wait_echo(self.kept)


class Routes(ReloadCase):
    def web_target(self):
        target = WebTarget()
        self.addCleanup(target.close)
        return target

    def ask(self, connection, host):
        """The status, and who answered it."""
        connection.request("GET", "/", headers={"Host": host})
        answer = connection.getresponse()
        body = answer.read()
        return answer.status, body

    def test_the_next_request_takes_the_new_ones(self):
        """Of a connection that is kept, too."""
        old, new = self.web_target(), self.web_target()
        server = self.lab(route=[f"a.test=foo/{old.address}", f"b.test=foo/{old.address}"])
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=90)
        self.addCleanup(connection.close)
        self.assertEqual(self.ask(connection, "a.test")[0], 200)
        held = connection.sock
        self.hup(server, route=[f"a.test=foo/{new.address}", f"c.test=foo/{new.address}"])

        def at_the_new():
            status, _ = self.ask(connection, "a.test")
            return status == 200 and new.requests

        wait_until(at_the_new, "the new target")
        self.assertIs(connection.sock, held, "the visitor's connection was cut")
        self.assertEqual(self.ask(connection, "c.test")[0], 200)
        self.assertEqual(self.ask(connection, "b.test")[0], 404)

    def test_routes_of_tls_come_and_go(self):
        echo = Echo()
        self.addCleanup(echo.close)
        server = self.lab()
        hello = real("app.test")

        def passed():
            with traffic.visit(server.port) as visitor:
                visitor.sendall(hello)
                try:
                    return visitor.recv(len(hello)) == hello[: len(hello)]
                except ConnectionError:
                    return False

        self.assertFalse(passed())
        self.hup(server, route=[f"tls:app.test=foo/{echo.address}"])
        wait_until(passed, "the target behind TLS")
        with traffic.visit(server.port) as visitor:
            visitor.sendall(hello)
            self.assertEqual(traffic.read_exactly(visitor, len(hello)), hello)
            self.hup(server, route=[])
            wait_until(lambda: not any(passed() for _ in range(8)), "the route's end")
            visitor.sendall(b"more")
            self.assertEqual(traffic.read_exactly(visitor, 4), b"more")


class Peers(ReloadCase):
    def test_one_of_the_file_comes_and_goes(self):
        far = traffic.free_port()
        flags = ("--peer-id", "here", "--peer-token", "token-here")
        server = self.lab(*flags, forward=[f"127.0.0.1:{self.port}=bar/{self.other.address}"])
        other = self.server(
            *("--peer-id", "there", "--peer-token", "token-there"),
            *("--peer", f"here:token-here:{server.url}"),
            port=far,
        )
        self.agent(other.url, key="bar")
        wait_until(lambda: "client bar: session" in other.log(), "the far agent")
        self.assertFalse(traffic.echoes(self.port))
        rules = {"forward": [f"127.0.0.1:{self.port}=bar/{self.other.address}"]}
        self.hup(server, peer=[f"there:token-there:{other.url}"], **rules)
        self.wait_echo(self.port, "the peer's client")
        self.hup(server)
        self.assertTrue(traffic.echoes(self.port), "a peer that stays was let go")
        self.hup(server, peer=[], **rules)
        wait_until(lambda: not traffic.echoes(self.port), "the peer's end")
        self.wait_log(server, f"peer there at {other.url} is gone")


class OnThreads(Forwards):
    THREADS = 2


class RoutesOnThreads(Routes):
    THREADS = 2


if __name__ == "__main__":
    unittest.main()
