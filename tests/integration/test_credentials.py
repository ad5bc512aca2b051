"""What a line of the token file says, while sessions run: limits, expiry, reload, and lines that
are refused when the file is read."""
import datetime
import signal
import unittest

from . import traffic
from .lab import LabCase, wait_until

HASH = "sha256:" + "1" * 64


def in_seconds(seconds):
    """A time as expires= has it; whole seconds, so up to one earlier."""
    when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


class Credentials(LabCase):
    def setUp(self):
        super().setUp()
        self.aim = self.target()

    def guarded(self, *rows, flags=()):
        """(server, path, tokens), with a forward for foo and for bar."""
        path, tokens = self.token_file(*rows)
        forwards = {key: f"{key}/{self.aim.address}" for key in ("foo", "bar")}
        server = self.server(*flags, forwards=forwards, auth=("--token-file", path))
        return server, path, tokens

    def hold(self, port, count):
        """So many connections that stay; the last ones may wait for the end of others."""
        held = []

        def enough():
            try:
                sock = traffic.visit(port, "ECHO")
            except ConnectionResetError:
                return False
            self.addCleanup(sock.close)
            if traffic.ping(sock):
                held.append(sock)
            return len(held) == count

        wait_until(enough, f"{count} connections")
        return held

    def test_max_conns_of_a_credential(self):
        server, _, (foo, bar) = self.guarded(("agent", "foo", "max-conns=3"), ("agent", "bar"))
        self.agent(server.url, token=foo)
        self.agent(server.url, key="bar", token=bar)
        self.wait_echo(server.forwards["bar"])
        held = self.hold(server.forwards["foo"], 3)
        self.assertFalse(traffic.echoes(server.forwards["foo"]), "a fourth")
        self.assertTrue(traffic.echoes(server.forwards["bar"]), "another credential's")
        self.assertTrue(all(traffic.ping(sock) for sock in held))
        self.wait_log(server, "turned away: a limit is reached")

    def test_sessions_that_are_full_leave_visitors_to_their_twins(self):
        for flags in ((), ("--balance", "round-robin"), ("--threads", "2")):
            with self.subTest(flags=flags):
                server, _, (foo, _) = self.guarded(
                    ("agent", "foo", "max-conns=2"), ("agent", "bar"), flags=flags
                )
                for _ in range(3):
                    self.agent(server.url, token=foo)
                wait_until(lambda s=server: s.log().count("client foo: session") == 3, "sessions")
                held = self.hold(server.forwards["foo"], 6)
                self.assertFalse(traffic.echoes(server.forwards["foo"]), "a seventh")
                self.assertTrue(all(traffic.ping(sock) for sock in held))
                self.wait_log(server, "turned away: a limit is reached")

    def test_max_conns_follows_a_reload(self):
        server, path, (foo, _) = self.guarded(("agent", "foo", "max-conns=1"), ("agent", "bar"))
        self.agent(server.url, token=foo)
        (held,) = self.hold(server.forwards["foo"], 1)
        self.assertFalse(traffic.echoes(server.forwards["foo"]), "a second")
        path.write_text(path.read_text().replace("max-conns=1", "max-conns=2"))
        self.wait_echo(server.forwards["foo"])
        self.assertTrue(traffic.ping(held))

    def test_a_session_ends_when_its_credential_expires(self):
        for threads in ("1", "2"):
            with self.subTest(threads=threads):
                server, path, (foo, bar) = self.guarded(
                    ("agent", "foo", "expires=2199-01-01"),
                    ("agent", "bar", f"expires={in_seconds(3600)}"),
                    flags=("--threads", threads),
                )
                self.agent(server.url, token=foo)
                self.agent(server.url, key="bar", token=bar)
                self.wait_echo(server.forwards["bar"])
                wait_until(lambda: "client foo: session" in server.log(), "it came in")
                with traffic.visit(server.forwards["bar"], "ECHO") as visitor:
                    self.assertTrue(traffic.ping(visitor))
                    path.write_text(path.read_text().replace("2199-01-01", in_seconds(3)))
                    wait_until(
                        lambda: "client foo: its credential is gone: an expired token"
                        in server.log(),
                        server.log,
                    )
                    wait_until(lambda: "refused: an expired token" in server.log(), "its return")
                    self.assertFalse(traffic.echoes(server.forwards["foo"]))
                    self.assertTrue(traffic.ping(visitor), "another session suffered")

    def test_a_reload_may_put_the_expiry_off(self):
        server, path, (foo,) = self.guarded(("agent", "foo", "expires=2199-01-01"))
        agent = self.agent(server.url, token=foo)
        self.wait_echo(server.forwards["foo"])
        expires = in_seconds(15)
        for old, new in (("2199-01-01", expires), (expires, "2199-01-01")):
            reloads = server.log().count("reloaded")
            path.write_text(path.read_text().replace(old, new))
            wait_until(lambda: server.log().count("reloaded") > reloads, "the reload")
        wait_until(lambda: in_seconds(0) > expires, "the time that it would have ended")
        self.assertTrue(traffic.echoes(server.forwards["foo"]))
        self.assertEqual(agent.log().count("session up"), 1)

    def test_a_reload_that_takes_a_right_away_takes_it_at_once(self):
        server, path, (foo,) = self.guarded(("agent", "foo"))
        agent = self.agent(server.url, token=foo)
        self.wait_echo(server.forwards["foo"])
        path.write_text(path.read_text().rstrip() + " dial=127.0.0.1:1\n")
        server.signal(signal.SIGHUP)
        wait_until(lambda: "reloaded" in server.log(), "the reload")
        self.assertFalse(traffic.echoes(server.forwards["foo"]))
        self.assertEqual(agent.log().count("session up"), 1, "the session itself stays")

    def test_a_reload_of_a_bad_file_changes_nothing(self):
        server, path, (foo,) = self.guarded(("agent", "foo"))
        self.agent(server.url, token=foo)
        self.wait_echo(server.forwards["foo"])
        path.write_text("agent foo cvt_" + "a" * 43 + "\n")
        server.signal(signal.SIGHUP)
        wait_until(lambda: "reload: " in server.log(), "a complaint")
        self.assertRegex(server.log(), r"reload: \S+: \S*tokens-\d+:1: the hash is not sha256:")
        self.assertTrue(traffic.echoes(server.forwards["foo"]))

    def test_a_token_of_another_shape_is_refused_when_the_file_is_read(self):
        base = ("--listen", "127.0.0.1:0", "--token-file")
        for word in (
            "password",
            "hunter2hunter2",
            "cvt_" + "a" * 43,
            "md5:" + "1" * 32,
            "sha256:" + "1" * 63,
            "sha256:" + "1" * 65,
            "sha256:" + "g" * 64,
            "sha512:" + "1" * 128,
            "1" * 64,
            "$2b$12$" + "a" * 53,
        ):
            with self.subTest(word):
                path = self.file("tokens", f"# one\nagent foo {HASH}\nagent bar {word}\n")
                done = self.run_to_end("culvert-server", *base, path)
                self.assertEqual(done.returncode, 2)
                self.assertIn("tokens:3: the hash is not sha256: and 64", done.stderr)
                self.assertNotIn(word, done.stderr)


if __name__ == "__main__":
    unittest.main()
