"""Lines of the log with fields, and systemd's journal: a mount namespace has one of the test's."""
import json
import os
import re
import signal
import unittest

from tests.interop.peer.agent import Agent

from . import traffic
from .journal import Journal, parse
from .lab import LabCase, wait_until

UPGRADE = (
    b"GET /connect HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n\r\n"
)
HOSTILE = "x\nCULVERT_CLIENT=forged\nPRIORITY=0\n\x1b[31m"


class Liar(Agent):
    """Ends each connection with a text that would be fields of its own."""

    def serve_connection(self, connection, proto, address):
        connection.tunnel_close(HOSTILE)


class Fields(LabCase):
    """Where standard error is a file."""

    def visited(self, *flags):
        target = self.target()
        server = self.server(*flags, forwards={"main": f"foo/{target.address}"})
        self.agent(server.url, *flags)
        self.wait_echo(server.forwards["main"])
        wait_until(lambda: "ended in order" in server.log(), "the line of the visit")
        return server

    def test_text_has_them_at_the_end_of_a_line(self):
        log = self.visited().log()
        self.assertRegex(log, r"(?m) client foo: session 1 up from \S+ client=foo session=1$")
        fields = r"client=foo session=1 conn=\d+ reason=eof"
        self.assertRegex(log, rf"(?m): visitor .* ended in order.* {fields}$")

    def test_json_has_them_as_members(self):
        server = self.visited("--log-format", "json")
        rows = [json.loads(line) for line in server.log().splitlines()]
        up = next(row for row in rows if "session 1 up" in row["msg"])
        self.assertEqual((up["client"], up["session"]), ("foo", 1))
        self.assertNotIn("client=", up["msg"])
        visit = next(row for row in rows if "ended in order" in row["msg"])
        self.assertEqual((visit["client"], visit["session"]), ("foo", 1))
        self.assertIsInstance(visit["conn"], int)
        self.assertEqual(visit["reason"], "eof")

    def test_the_agents_have_them_too(self):
        """What it refuses, what it cannot reach, and how its session goes."""
        closed = traffic.free_port()
        server = self.server(
            forwards={"refused": "foo/127.0.0.2:1", "closed": f"foo/127.0.0.1:{closed}"}
        )
        flags = ("--log-format", "json", "--allow", "127.0.0.1:*")
        agent = self.agent(server.url, *flags)
        wait_until(lambda: "session 1 up" in server.log(), "the session")
        for name in ("refused", "closed"):
            self.assertFalse(traffic.echoes(server.forwards[name]))

        def row(text):
            rows = [json.loads(line) for line in agent.log().splitlines()]
            return next((row for row in rows if text in row["msg"]), None)

        texts = {"127.0.0.2:1: not allowed": "refused", "connection refused": "dial"}
        for text, reason in texts.items():
            said = wait_until(lambda text=text: row(text), agent.log)
            self.assertEqual((said["client"], said["session"]), ("foo", 1), said)
            self.assertIn(f"connection {said['conn']}: ", said["msg"])
            self.assertEqual(said["reason"], reason)
        server.stop()
        lost = wait_until(lambda: row("session lost: the server stops"), agent.log)
        self.assertEqual((lost["session"], lost["reason"]), (1, "restart"))
        self.restart(server)
        wait_until(lambda: '"session":2' in agent.log(), "the next session")
        up = r'session up as foo","client":"foo","session":2\}'
        self.assertRegex(agent.log(), up)

    def test_each_line_of_an_agent_says_whose_it_is(self):
        agent = self.agent(f"ws://127.0.0.1:{traffic.free_port()}/connect", "--insecure")
        wait_until(lambda: len(agent.log().splitlines()) >= 2, agent.log)
        for line in agent.log().splitlines():
            self.assertRegex(line, r" client=foo( session=\d+)?( reason=\w+)?$")

    def test_a_cause_that_goes_on_is_counted(self):
        """A client that wants to dial from here, which only a peer may do, two hundred times."""
        server = self.server()
        odd = Agent(server.port, key="odd")
        self.addCleanup(odd.close)
        line = "it wants to dial from here: refused"
        for _ in range(200):
            odd.session.dial("tcp", "127.0.0.1:1")
        wait_until(lambda: server.log().count(line) >= 20, server.log)

        def counted():
            odd.session.dial("tcp", "127.0.0.1:1")
            return re.search(r"(\d+) more like the next line in the last \d+ s", server.log())

        held = wait_until(counted, "how many were left out")
        self.assertGreater(int(held.group(1)), 100)
        self.assertLess(server.log().count(line), 100)


    def test_guesses_at_the_front_door_are_counted(self):
        path, _ = self.token_file(("agent", "foo"))
        server = self.server(auth=("--token-file", path))
        guess = b"X-Tunnel-ID: %s\r\nAuthorization: Bearer cvt_guess"

        def guessed(times, client=b"foo"):
            for _ in range(times):
                with traffic.visit(server.port) as sock:
                    sock.sendall(UPGRADE % (guess % client))
                    self.assertIn(b" 401 ", sock.recv(200))
            return re.search(r"\d+ more like the next line in the last \d+ s", server.log())

        guessed(200)
        wait_until(lambda: guessed(1), "how many were left out")
        self.assertLess(server.log().count("client foo refused: no such token"), 200)
        for line in re.findall(r".* more like the next line .*", server.log()):
            self.assertNotIn("client=", line, "they may be about others")
        guessed(1, b"bar")
        wait_until(lambda: "client bar refused: no such token" in server.log(), "another's line")


@unittest.skipUnless(os.geteuid() == 0, "needs root for a mount namespace")
class Journaled(LabCase):
    def setUp(self):
        super().setUp()
        self.journal = Journal(self.dir / "journal")
        self.addCleanup(self.journal.close)

    def journaled(self, *flags, journal=None, auth=("--insecure-no-auth",), **how):
        target = self.target()
        server = self.server(
            *flags,
            forwards={"main": f"foo/{target.address}"},
            prefix=(journal or self.journal).prefix(),
            auth=auth,
            **how,
        )
        self.wait_listening(server, server.port)
        return server

    def test_lines_go_there_with_fields(self):
        server = self.journaled()
        self.agent(server.url)
        self.wait_echo(server.forwards["main"])
        up = self.journal.wait("session 1 up")
        self.assertEqual(up["PRIORITY"], "6")
        self.assertEqual(up["SYSLOG_IDENTIFIER"], "culvert-server")
        self.assertEqual((up["CULVERT_CLIENT"], up["CULVERT_SESSION"]), ("foo", "1"))
        self.assertNotIn("client=", up["MESSAGE"])
        visit = self.journal.wait("ended in order")
        self.assertEqual((visit["CULVERT_CLIENT"], visit["CULVERT_SESSION"]), ("foo", "1"))
        self.assertRegex(visit["CULVERT_CONN"], r"^\d+$")
        self.assertEqual(visit["CULVERT_REASON"], "eof")
        self.assertEqual(self.journal.wait("anyone may come in")["PRIORITY"], "4")
        self.assertEqual(server.log(), "")

    def test_the_agents_too(self):
        server = self.server()
        agent = self.agent(server.url, prefix=self.journal.prefix())
        up = self.journal.wait("session up as foo")
        self.assertEqual(up["SYSLOG_IDENTIFIER"], "culvert-agent")
        self.assertEqual((up["CULVERT_CLIENT"], up["CULVERT_SESSION"]), ("foo", "1"))
        agent.signal(signal.SIGTERM)
        self.assertEqual(self.journal.wait("session closed")["CULVERT_REASON"], "leaves")
        self.assertEqual(agent.log(), "")

    def test_without_its_socket_lines_have_their_priority(self):
        absent = Journal(self.dir / "absent", listens=False)
        self.addCleanup(absent.close)
        server = self.journaled(journal=absent)
        self.agent(server.url)
        self.wait_echo(server.forwards["main"])
        self.assertRegex(server.log(), r"(?m)^<4>\d{4}-\S+ warn --insecure-no-auth: ")
        self.assertRegex(server.log(), r"(?m)^<6>\S+ info client foo: .* client=foo session=1$")

    def test_json_that_was_asked_for_stays_json(self):
        server = self.journaled("--log-format", "json")
        self.agent(server.url)
        self.wait_echo(server.forwards["main"])
        for line in server.log().splitlines():
            priority, text = re.match(r"<(\d)>(.*)", line).groups()
            self.assertEqual({"info": "6", "warn": "4"}[json.loads(text)["level"]], priority)
        self.assertEqual(self.journal.raw, [])

    def test_standard_error_that_is_another_file_is_written_to(self):
        server = self.journaled(env={"SAID": "1:1"})
        self.wait_log(server, re.compile(r"(?m)^\d{4}-\S+ info front door at"))
        self.assertEqual(self.journal.raw, [])

    def test_what_a_stranger_says_makes_no_field(self):
        """The text with which an agent ends a connection stands in the line of the visit."""
        server = self.journaled()
        liar = Liar(server.port)
        self.addCleanup(liar.close)
        wait_until(lambda: not traffic.echoes(server.forwards["main"]), "a visit that fails")
        entry = self.journal.wait("forged")
        self.assertEqual(entry["CULVERT_CLIENT"], "foo")
        self.assertIn("x\\x0aCULVERT_CLIENT=forged\\x0aPRIORITY=0", entry["MESSAGE"])
        for data in self.journal.raw:
            names = [name for name, _ in parse(data)]
            self.assertEqual(len(names), len(set(names)), names)
            self.assertNotIn("\n", dict(parse(data))["MESSAGE"])

    def test_no_token_gets_there(self):
        path, (good, visitors) = self.token_file(
            ("agent", "foo"), ("visitor", "walter", "dial=foo/*:*")
        )
        wrong, _ = self.new_token()
        socks = traffic.free_port()
        flags = ("--log-level", "debug", "--socks", f"127.0.0.1:{socks}")
        server = self.journaled(*flags, auth=("--token-file", path))
        for token in (good, wrong):
            how = {"prefix": self.journal.prefix(), "token": token}
            self.agent(server.url, "--log-level", "debug", **how)
        self.wait_echo(server.forwards["main"])
        self.journal.wait("client foo refused: no such token")
        for token in (visitors, wrong):
            with traffic.visit(socks) as sock:
                login = bytes([1, 3]) + b"foo" + bytes([len(token)]) + token.encode()
                sock.sendall(b"\5\1\2" + login + b"\5\1\0\1\x7f\0\0\1\0\1")
                traffic.read_end(sock)
        self.journal.wait("as walter to foo")
        everything = b"\n".join(self.journal.raw)
        for token in (good, wrong, visitors):
            self.assertNotIn(token[4:].encode(), everything)
        self.assertEqual(server.log(), "")


if __name__ == "__main__":
    unittest.main()
