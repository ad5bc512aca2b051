"""culvertctl connect: a target at standard input and output, over the visitor's own session."""
import hashlib
import os
import pathlib
import pty
import re
import shutil
import signal
import subprocess
import unittest

from tests.interop.peer import wire, ws

from . import traffic
from .lab import sanitized, scaled, wait_until
from .proxies import Proxies
from .sshd import Sshd
from .traffic import MIB
from .visits import UP, TlsVisits, Visits

NUMBERS = r"session=(\d+) conn=\d+"
SIZE = scaled("CONNECT_BYTES", 64 * MIB, 8 * MIB)


def rss(process):
    status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


class Bytes(Visits):
    def test_the_answer_comes_whole_after_the_end_of_input(self):
        """Half-close: an echo ends only when it has read the end, and then all of it is there."""
        data = b"".join(traffic.content(3 * MIB))
        done = self.ctl("connect", self.to(self.aim), input=b"ECHO\n" + data)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertTrue(done.stdout == data)

    def test_files_at_both_ends(self):
        path = self.dir / "file"
        with open(path, "wb") as file:
            done = self.ctl(
                "connect", "foo", self.aim.address, input=b"GET %d 5\n" % SIZE, stdout=file
            )
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(hashlib.sha256(path.read_bytes()).hexdigest(), traffic.digest_of(SIZE, 5))
        with open(self.dir / "put", "wb") as file:
            file.write(b"PUT %d\n" % SIZE + path.read_bytes())
        with open(self.dir / "put", "rb") as file:
            done = self.ctl("connect", self.to(self.aim), stdin=file)
        self.assertEqual(
            (done.returncode, done.stdout.decode()), (0, traffic.digest_of(SIZE, 5)), done.stderr
        )

    def test_a_socket_file(self):
        target = self.target(path=self.dir / "app.sock")
        done = self.ctl("connect", self.to(target), input=b"ECHO\nhello")
        self.assertEqual((done.returncode, done.stdout), (0, b"hello"), done.stderr)

    def test_a_terminal_needs_no_key_after_the_last_word(self):
        near, far = pty.openpty()
        self.addCleanup(os.close, near)
        process = self.open("connect", self.to(self.aim), stdin=far)
        os.close(far)
        os.write(near, b"GET 1000 3\n")
        out, _ = process.communicate(timeout=traffic.DEADLINE)
        self.assertEqual((process.returncode, len(out)), (0, 1000))

    def test_a_reader_who_does_not_read_costs_bounded_memory(self):
        """The target's bytes stay where they are: in the end nobody takes any."""
        small = self.target(buffer=65536)
        process = self.open("connect", self.to(small))
        before = {p: p.rss() for p in (self.lab, self.agent_of_foo)}
        process.stdin.write(b"GET %d 7\n" % (512 * MIB))
        for _ in range(40):
            done = self.ctl("connect", self.to(self.aim), input=b"ECHO\nbeside")
            self.assertEqual(done.stdout, b"beside", done.stderr)
        most = (4 if sanitized() else 1) * 64 * MIB
        self.assertLess(rss(process), most)
        for other, was in before.items():
            self.assertLess(other.rss() - was, most)
        self.assertTrue(traffic.is_prefix(process.stdout.read(65536), 7))

    def test_many_at_once_find_their_way(self):
        running = [self.open("connect", self.to(self.aim)) for _ in range(20)]
        for number, process in enumerate(running):
            out, error = process.communicate(b"GET 100000 %d\n" % number, traffic.DEADLINE)
            self.assertEqual(process.returncode, 0, error)
            self.assertTrue(traffic.is_prefix(out, number) and len(out) == 100000)


class Ends(Visits):
    def waiting(self, target, request, **how):
        """One whose first bytes are through."""
        process = self.open("connect", self.to(target), **how)
        process.stdin.write(request)
        self.assertEqual(len(process.stdout.read(1)), 1)
        return process

    def finish(self, process):
        out, error = process.communicate(timeout=traffic.DEADLINE)
        return process.returncode, out, error.decode()

    def test_a_target_that_resets(self):
        """What came before it is there, and then it is an error."""
        breaker = self.breaker()
        process = self.waiting(breaker, b"BREAK 100000\n")
        rest = b""
        while len(rest) < 99999:
            rest += process.stdout.read(99999 - len(rest))
        process.stdin.write(b"now")
        code, _, error = self.finish(process)
        self.assertEqual(code, 1)
        self.assertIn(f"culvertctl: connect: foo/{breaker.address}: ", error)
        self.assertIn("connection reset", error)

    def test_a_visitor_who_dies_is_a_reset_for_the_target_and_not_an_end(self):
        for number in (signal.SIGKILL, signal.SIGINT, signal.SIGTERM):
            with self.subTest(signal=number):
                breaker = self.breaker()
                process = self.waiting(breaker, b"HOLD 10\n")
                process.send_signal(number)
                code, _, error = self.finish(process)
                self.assertEqual((code, error), (-number, ""))
                self.assertEqual(wait_until(lambda: breaker.ends, "the target's end"), ["reset"])

    def test_a_visitor_who_ends_is_an_end_for_the_target(self):
        breaker = self.breaker()
        process = self.waiting(breaker, b"HOLD 10\n")
        self.assertEqual(self.finish(process)[0], 0)
        self.assertEqual(breaker.ends, ["end"])

    def test_a_server_that_dies(self):
        process = self.waiting(self.aim, b"ECHO\nx")
        self.lab.kill()
        code, _, error = self.finish(process)
        self.assertEqual(code, 1)
        self.assertIn("session lost", error)
        self.assertEqual(error.count("\n"), 1, error)

    def test_a_server_that_stops_lets_it_finish(self):
        process = self.waiting(self.aim, b"ECHO\nx")
        self.lab.signal(signal.SIGTERM)
        wait_until(lambda: "draining: 1 connections" in self.lab.log(), "the drain")
        process.stdin.write(b"still there")
        self.assertEqual(process.stdout.read(11), b"still there")
        self.assertEqual(self.finish(process)[0], 0)
        self.assertEqual(self.lab.wait(), 0)

    def test_a_token_that_is_taken_away_ends_it(self):
        process = self.waiting(self.aim, b"ECHO\nx")
        lines = self.tokens.read_text().splitlines(keepends=True)
        self.tokens.write_text("".join(line for line in lines if not line.startswith("visitor")))
        self.lab.signal(signal.SIGHUP)
        process.wait(traffic.DEADLINE)
        code, _, error = self.finish(process)
        self.assertEqual(code, 1)
        self.assertIn('session lost: the other end closed it: "the credential is gone"', error)

    def test_output_that_nobody_takes(self):
        breaker = self.breaker()
        process = self.waiting(breaker, b"HOLD 1000000\n")
        process.stdout.close()
        self.assertEqual(process.wait(traffic.DEADLINE), -signal.SIGPIPE)
        self.assertEqual(process.stderr.read(), b"")
        self.assertEqual(wait_until(lambda: breaker.ends, "the target's end"), ["reset"])
        with open("/dev/full", "wb") as full:
            done = self.ctl("connect", self.to(self.aim), input=b"GET 100000 1\n", stdout=full)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"connect: standard output: No space left", done.stderr)

    def test_places_are_given_back(self):
        """Of the address, and of sessions: there are more runs than places."""
        lab = self.server("--max-sessions", 2, "--max-conns-per-address", 4)
        self.agent(lab.url)
        self.url = lab.url
        wait_until(lambda: "session 1 up" in lab.log(), "the agent")
        for _ in range(10):
            done = self.ctl("connect", self.to(self.aim), input=b"ECHO\nx")
            self.assertEqual((done.returncode, done.stdout), (0, b"x"), done.stderr)
        self.open("connect", self.to(self.aim))
        wait_until(lambda: lab.log().count(UP) == 11, "a session that stays")
        self.assert_fails(self.ctl("connect", self.to(self.aim)), "503", "sessions")


class Refused(Visits):
    def test_without_the_right_token(self):
        path, (agent, other, wildcard) = self.token_file(
            ("agent", "bar"), ("visitor", "bob", "dial=bar/*:*"), ("visitor", "eve", "dial=*/*:80")
        )
        with open(self.tokens, "a", encoding="ascii") as file:
            file.write(path.read_text())
        self.lab.signal(signal.SIGHUP)
        wait_until(lambda: "reloaded" in self.lab.log(), "the reload")
        to = self.to(self.aim)
        hint = "is it the token of a line `visitor`"
        self.assert_fails(self.ctl("connect", to, token="nonsense"), "401", hint)
        self.assert_fails(self.ctl("connect", to, token=agent), "401", hint)
        self.assert_fails(self.ctl("connect", to, token=other), to, "not allowed")
        dial = to.replace("/", "/tcp/")
        line = re.compile(f"visitor [^ ]+ as bob to {dial} refused: .* client=foo {NUMBERS}\n")
        self.wait_log(self.lab, line)
        session = line.search(self.lab.log())[1]
        self.wait_log(self.lab, re.compile(rf": session of culvertctl up .*session={session}\n"))
        self.assert_fails(self.ctl("connect", to, token=wildcard), to, "not allowed")
        environment = {"CULVERT_SERVER": self.url, "CULVERT_TOKEN": ""}
        done = self.run_to_end("culvertctl", "connect", *self.trust, to, env=environment)
        self.assertEqual(done.returncode, 1)
        self.assertIn("a visitor's token is needed: --token-file FILE", done.stderr)
        file = self.file("token", self.token + "\n")
        done = self.ctl("connect", "--token-file", file, to, token="nonsense", input=b"ECHO\nx")
        self.assertEqual(done.stdout, b"x", done.stderr)

    def test_what_became_of_the_dial_is_said(self):
        closed = traffic.free_port()
        self.assert_fails(
            self.ctl("connect", f"foo/127.0.0.1:{closed}"),
            f"foo/127.0.0.1:{closed}: dial tcp 127.0.0.1:{closed}: connect: connection refused",
        )
        self.assert_fails(self.ctl("connect", "foo", "10.9.8.7:22"), "not allowed by the agent")
        self.agent_of_foo.stop()
        ended = re.compile(r"client foo: session \d+ ended")
        wait_until(lambda: ended.search(self.lab.log()), "the agent's end")
        self.assert_fails(self.ctl("connect", self.to(self.aim)), "no session of that client")

    def test_no_server(self):
        url = f"ws://127.0.0.1:{traffic.free_port()}/connect"
        done = self.ctl("connect", "--server", url, self.to(self.aim))
        self.assert_fails(done, url, "connection refused")
        done = self.ctl("connect", "--server", self.lab.url.replace("connect", "x"), "foo/h:1")
        self.assert_fails(done, "404", "is that the URL that agents connect to?")

    def test_words_that_say_nothing_sensible(self):
        for words, text in (
            ((), "say what to reach"),
            (("foo",), "say what to reach"),
            (("foo/host",), "HOST:PORT"),
            (("foo", "udp/h:1"), "datagrams"),
            (("fo o/h:1",), "client key"),
            (("foo/h:1", "bar/h:1"), "one destination is enough"),
            (("foo/h:1", "--ca", "/nowhere"), "/nowhere: No such file"),
            (("foo/h:1", "--cert", "/dev/null"), "--cert: needs --key"),
            (("foo/h:1", "--server", "nonsense"), "--server: not a URL"),
            (("foo/h:1", "--token", "secret"), "unknown flag: '--token'"),
        ):
            with self.subTest(words=words):
                done = self.ctl("connect", *words)
                self.assert_fails(done, "culvertctl: connect: ", text, code=2)


class Strangers(Visits):
    """Sessions of visitors who do what they should not, spoken by hand."""

    def session(self, name="someone", token=None):
        fields = [("X-Culvert-Visitor", name), ("Authorization", f"Bearer {token or self.token}")]
        link, _ = ws.dial("127.0.0.1", self.lab.port, fields)
        self.addCleanup(link.close)
        return link

    def say(self, link, kind, body, conn=0):
        link.send(ws.BINARY, wire.Frame(kind, conn, body).encode())

    def answer(self, link, conn):
        while True:
            message = link.receive()
            if message.opcode == ws.BINARY:
                frame = wire.decode(message.payload)
                if frame.conn == conn:
                    return frame

    def test_who_may_not_in(self):
        for name, token, status in (("a/b", None, 400), ("", None, 401), ("v", "cvt_x", 401)):
            with self.subTest(name=name, token=token):
                with self.assertRaisesRegex(ws.WsError, str(status)):
                    self.session(name, token)

    def test_clients_that_a_visitor_announces_are_no_clients(self):
        link = self.session()
        self.say(link, wire.ADD_CLIENT, b"bar/1")
        wait_until(lambda: "an announcement was ignored: it is no peer's" in self.lab.log(), "it")
        self.assert_fails(self.ctl("connect", "bar/127.0.0.1:1"), "no session of that client")

    def test_dials_that_are_none(self):
        link = self.session()
        for conn, (body, text) in enumerate((
            (b"tcp/127.0.0.1:1", "a dial here says CLIENT::PROTO"),
            (b"baz::tcp/127.0.0.1:1", "not allowed"),
            (b"a b::tcp/127.0.0.1:1", "not a client key"),
            (b"foo::tcp/127.0.0.1", "needs the form HOST:PORT"),
        )):
            with self.subTest(body=body):
                self.say(link, wire.CONNECT, body, conn=2 * conn + 1)
                frame = self.answer(link, 2 * conn + 1)
                self.assertEqual(frame.kind, wire.ERROR)
                self.assertRegex(frame.text, text)


    def test_dials_that_are_refused_by_the_thousand(self):
        """They cost neither descriptors nor a line of the log each; nor do those over a limit."""
        lab = self.server("--max-conns", 1, "--max-sessions", 10)
        self.lab, self.token = lab, "any"
        session = self.session()
        files = lab.fds()
        for conn in range(1, 6001, 2):
            self.say(session, wire.CONNECT, b"nobody::tcp/127.0.0.1:1", conn=conn)
        self.assertIn("no session of that client", self.answer(session, 5999).text)
        self.assertLessEqual(lab.fds(), files)
        self.agent(lab.url)
        wait_until(lambda: "client foo: session" in lab.log(), "the agent")
        hold = self.target()
        for conn in range(6001, 12001, 2):
            self.say(session, wire.CONNECT, f"foo::tcp/{hold.address}".encode(), conn=conn)
        self.assertIn("a limit is reached", self.answer(session, 11999).text)
        self.assertLess(lab.log().count("refused: "), 100)  # 20, and one a second

        def told():
            told.conn += 2
            self.say(session, wire.CONNECT, b"nobody::tcp/127.0.0.1:1", conn=told.conn)
            self.answer(session, told.conn)
            return re.search(r"\d{3,} more like the next line in the last \d+ s", lab.log())

        told.conn = 12001
        wait_until(told, "how many there were")


class Ssh(Visits):
    """With the programs that people use."""

    def setUp(self):
        super().setUp()
        self.sshd = Sshd(self)
        self.proxy = " ".join(
            ["env", f"CULVERT_SERVER={self.url}", f"CULVERT_TOKEN={self.token}"]
            + self.words("connect", "foo", "%h:%p")
        )

    def test_files_both_ways(self):
        command = [*self.sshd.command(self.proxy), "-p", str(self.sshd.port)]
        host = f"{self.sshd.user}@127.0.0.1"
        data = b"".join(traffic.content(SIZE))
        done = subprocess.run([*command, host, "sha256sum"], input=data, capture_output=True)
        self.assertEqual(done.stdout.split()[:1], [traffic.digest_of(SIZE).encode()], done.stderr)
        done = subprocess.run([*command, host, "cat"], input=data, capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(done.stdout == data)

    def test_git_clones_and_pushes(self):
        there, here = self.dir / "there.git", self.dir / "here"
        ssh = " ".join(
            f"'{word}'" for word in [*self.sshd.command(self.proxy), "-p", str(self.sshd.port)]
        )
        environment = {
            **os.environ, "GIT_SSH_COMMAND": ssh, "GIT_CONFIG_GLOBAL": "/dev/null",
            **{f"GIT_{who}_{what}": "t@t" for who in ("AUTHOR", "COMMITTER")
               for what in ("NAME", "EMAIL")},
        }

        def git(*words):
            done = subprocess.run(["git", *map(str, words)], env=environment, capture_output=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            return done.stdout

        git("init", "-q", "--bare", there)
        git("clone", "-q", f"{self.sshd.user}@127.0.0.1:{there}", here)
        (here / "file").write_bytes(b"".join(traffic.content(SIZE)))
        git("-C", here, "add", "file")
        git("-C", here, "commit", "-qm", "one")
        git("-C", here, "push", "-q", "origin", "HEAD:main")
        pushed = git("-C", there, "rev-parse", "main")
        self.assertEqual(pushed, git("-C", here, "rev-parse", "HEAD"))
        shutil.rmtree(here)
        git("clone", "-q", "-b", "main", f"{self.sshd.user}@127.0.0.1:{there}", here)
        digest = hashlib.sha256((here / "file").read_bytes()).hexdigest()
        self.assertEqual(digest, traffic.digest_of(SIZE))


class Proxied(Visits, Proxies):
    def test_through_a_proxy(self):
        _, port = self.tinyproxy()
        done = self.ctl(
            "connect", "--proxy", f"http://127.0.0.1:{port}", self.to(self.aim), input=b"ECHO\nx"
        )
        self.assertEqual((done.returncode, done.stdout), (0, b"x"), done.stderr)


class Tls(TlsVisits):
    def test_a_certificate_that_is_not_trusted(self):
        done = self.run_to_end(
            "culvertctl", "connect", self.to(self.aim), env=self.environment()
        )
        self.assertEqual(done.returncode, 1)
        self.assertIn("certificate", done.stderr)


class TlsBytes(Tls, Bytes):
    pass


class TlsEnds(Tls, Ends):
    test_places_are_given_back = None


class TlsSsh(Tls, Ssh):
    pass


if __name__ == "__main__":
    unittest.main()
