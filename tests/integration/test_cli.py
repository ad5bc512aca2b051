"""Flags, exit statuses and what the programs say: 0 orderly, 1 at run time, 2 bad flags or files,
3 could not open."""
import json
import socket
import unittest

from . import traffic
from .lab import LabCase

OPEN = "--insecure-no-auth"
PROGRAMS = ("culvert-server", "culvert-agent", "culvertctl")


class Cli(LabCase):
    def setUp(self):
        super().setUp()
        self.here = f"127.0.0.1:{traffic.free_port()}"

    def assert_bad(self, program, *argv, names=()):
        """Exit 2 and one line on standard error that holds each of @names."""
        done = self.run_to_end(program, *argv)
        with self.subTest(program, argv=argv):
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)
            for name in names:
                self.assertIn(name, done.stderr)

    def test_help_and_version(self):
        for program in PROGRAMS:
            with self.subTest(program):
                shown = self.run_to_end(program, "--help")
                self.assertEqual(shown.returncode, 0)
                self.assertGreater(len(shown.stdout.splitlines()), 5)
                version = self.run_to_end(program, "--version")
                self.assertEqual(version.returncode, 0)
                self.assertRegex(version.stdout, rf"^{program} \d+\.\d+\.\d+")

    def test_bad_flags_of_the_server(self):
        base = ("--listen", self.here, OPEN)
        local = f"127.0.0.1:{traffic.free_port()}"
        self.assert_bad("culvert-server", *base, "--no-such-flag", names=["no-such-flag"])
        self.assert_bad("culvert-server", "--listen", "nonsense", OPEN, names=["nonsense"])
        self.assert_bad("culvert-server", "--listen", "127.0.0.1:99999", OPEN, names=["99999"])
        self.assert_bad("culvert-server", *base, "stray", names=["stray"])
        self.assert_bad("culvert-server", *base, "--max-conns", "many", names=["max-conns"])
        self.assert_bad("culvert-server", *base, "--max-conns", "-1", names=["max-conns"])
        self.assert_bad("culvert-server", *base, "--log-level", names=["log-level"])
        self.assert_bad("culvert-server", *base, "--log-level", "loud", names=["log-level"])
        for target in (
            "foo",
            "foo/",
            "foo/127.0.0.1",
            "foo/127.0.0.1:0",
            "a::b/127.0.0.1:1",
            "/127.0.0.1:1",
        ):
            self.assert_bad(
                "culvert-server", *base, "--forward", f"{local}={target}", names=["forward"]
            )

    def test_bad_flags_of_the_agent(self):
        url = f"ws://{self.here}/connect"
        self.assert_bad("culvert-agent", "--id", "foo", "--no-such-flag", names=["no-such-flag"])
        self.assert_bad("culvert-agent", "--id", "foo", names=["connect"])
        for bad in ("http//x", "ftp://x/connect", "ws://"):
            self.assert_bad("culvert-agent", "--connect", bad, "--id", "foo", names=[bad])
        for key in ("a/b", "a::b", "", "k" * 80):
            self.assert_bad("culvert-agent", "--connect", url, "--id", key, names=["id"])
        for pattern in ("127.0.0.1:notaport", "127.0.0.1", "10.0.0.0/33:80", ":"):
            self.assert_bad(
                "culvert-agent",
                "--connect",
                url,
                "--id",
                "foo",
                "--allow",
                pattern,
                names=["allow"],
            )
        self.assert_bad(
            "culvert-agent",
            "--connect",
            url,
            "--id",
            "foo",
            "--header",
            "no colon",
            names=["header"],
        )
        self.assert_bad(
            "culvert-agent",
            "--connect",
            url,
            "--id",
            "foo",
            "--ca",
            self.dir / "absent.pem",
            names=["absent.pem"],
        )

    def test_a_token_in_a_url_is_refused(self):
        done = self.run_to_end(
            "culvert-agent", "--connect", f"ws://user:secret@{self.here}/connect", "--id", "foo"
        )
        self.assertEqual(done.returncode, 2)
        self.assertNotIn("secret", done.stderr)

    def test_bad_commands_of_culvertctl(self):
        self.assert_bad("culvertctl", "no-such-command", names=["no-such-command"])
        self.assert_bad("culvertctl", "token", names=["did you mean token new?"])

    def test_a_taken_port_is_3(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            for argv in (
                ["--listen", f"127.0.0.1:{port}"],
                ["--listen", self.here, "--forward", f"127.0.0.1:{port}=foo/127.0.0.1:1"],
            ):
                with self.subTest(argv):
                    done = self.run_to_end("culvert-server", OPEN, *argv)
                    self.assertEqual(done.returncode, 3, done.stderr)
                    self.assertIn(str(port), done.stderr)

    def test_an_address_that_is_not_ours_is_3(self):
        done = self.run_to_end("culvert-server", OPEN, "--listen", "192.0.2.1:8123")
        self.assertEqual(done.returncode, 3, done.stderr)

    def test_check_runs_nothing(self):
        done = self.run_to_end("culvert-server", "--listen", self.here, OPEN, "--check")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(self.here, done.stdout)
        self.assertFalse(traffic.listening(int(self.here.rpartition(":")[2])))

    def test_logs_go_to_standard_error_as_text_or_json(self):
        server = self.server("--log-format", "json", "--log-level", "debug")
        server.stop()
        lines = server.log().splitlines()
        self.assertGreater(len(lines), 0)
        for line in lines:
            self.assertIsInstance(json.loads(line), dict)


if __name__ == "__main__":
    unittest.main()
