"""The YAML file: a key for each flag, a flag wins, and errors that name file, line and key."""
import concurrent.futures
import os
import re
import shutil
import unittest

from . import traffic
from .certs import openssl
from .lab import ROOT, LabCase, Server, binaries

FLAG = re.compile(r"(?m)^  --([a-z-]+)(?: ('[^']+'|[A-Z][^ ]*))?")


class Config(LabCase):
    def check(self, text, *flags):
        return self.run_to_end(
            "culvert-server", "--config", self.file("culvert.yaml", text), "--check", *flags
        )

    def assert_bad(self, text, *names):
        done = self.check(text)
        self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
        self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)
        for name in ("culvert.yaml", *names):
            self.assertIn(name, done.stderr)

    def test_a_whole_file_runs(self):
        target, port, local = self.target(), traffic.free_port(), traffic.free_port()
        path = self.file(
            "culvert.yaml",
            f"""\
# the front door
listen:
  - 127.0.0.1:{port}
forward:
  - 127.0.0.1:{local}=foo/{target.address}
insecure-no-auth: true
max-conns: 100
log-level: debug
""",
        )
        server = self.start("server", [binaries() / "culvert-server", "--config", path], Server)
        self.wait_listening(server, port)
        self.agent(f"ws://127.0.0.1:{port}/connect")
        self.wait_echo(local)

    def test_a_flag_wins_over_the_file(self):
        file_port, flag_port = traffic.free_port(), traffic.free_port()
        done = self.check(
            f"listen:\n  - 127.0.0.1:{file_port}\ninsecure-no-auth: true\n",
            "--listen",
            f"127.0.0.1:{flag_port}",
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(str(flag_port), done.stdout)
        self.assertNotIn(str(file_port), done.stdout)

    def test_an_unknown_key(self):
        self.assert_bad(
            "listen:\n  - 127.0.0.1:1\ninsecure-no-auth: true\nlog-levle: info\n", "log-levle", "4"
        )

    def test_a_value_of_the_wrong_kind(self):
        self.assert_bad(
            "listen:\n  - 127.0.0.1:1\ninsecure-no-auth: true\nmax-conns: many\n", "max-conns", "4"
        )

    def test_a_value_that_says_nothing(self):
        self.assert_bad("listen:\n  - nonsense\ninsecure-no-auth: true\n", "nonsense")

    def refused(self, program, name, text):
        """The line that says why the file is not taken."""
        path = self.file(f"{program}-{name}", text)
        done = self.run_to_end(program, "--config", path, "--check")
        self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
        return done.stderr

    def check_key(self, program, flag, value):
        """A value that is a list's or nobody's, under the key of @flag."""
        said = self.refused(program, f"{flag}-kind.yaml", f"# one\n{flag}: {{x: y}}\n")
        self.assertIn(f"-kind.yaml:2: {flag}: ", said)
        said = self.refused(program, f"{flag}.yaml", f"# one\n{flag}: ~bad~\n")
        here = f"{flag}.yaml:2: {flag}: "
        if flag in ("config", "check", "help", "version"):
            self.assertIn(f"{here}unknown key", said)
            return
        self.assertNotIn("unknown key", said)
        if not value or value in ("N", "SECONDS", "BYTES", "LEVEL", "FORMAT"):
            self.assertIn(here, said)
            self.assertIn("'~bad~'", said)

    def test_every_flag_has_a_key_and_its_line_is_named(self):
        flags = []
        for program in ("culvert-server", "culvert-agent"):
            found = FLAG.findall(self.run_to_end(program, "--help").stdout)
            self.assertGreater(len(found), 20)
            flags += [(program, *flag) for flag in found]
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(lambda flag: self.check_key(*flag), flags))

    def test_the_installed_examples_are_taken_with_every_comment_off(self):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-subj", "/CN=x", "-keyout", self.dir / "key.pem", "-out", self.dir / "cert.pem")
        shutil.copy(self.dir / "cert.pem", self.dir / "ca.pem")
        self.file("token", "cvt_x\n")
        self.file("tokens", (ROOT / "packaging/etc/tokens").read_text())
        for program in ("server", "agent"):
            text = (ROOT / f"packaging/etc/{program}.yaml").read_text()
            text = text.replace("/etc/culvert", str(self.dir))
            for form in (text, re.sub(r"(?m)^#(?=[a-z-]+:|  - )", "", text)):
                path = self.file(f"{program}.yaml", form)
                done = self.run_to_end(f"culvert-{program}", "--config", path, "--check")
                self.assertEqual(done.returncode, 0, done.stderr)

    def test_no_yaml(self):
        self.assert_bad("listen: [\n")

    def test_an_absent_file(self):
        done = self.run_to_end("culvert-server", "--config", self.dir / "absent.yaml")
        self.assertEqual(done.returncode, 2)
        self.assertIn("absent.yaml", done.stderr)

    def test_a_bad_line_of_a_token_file_is_named(self):
        for text, line in (
            ("# agents\nagnet foo abc\n", "2"),
            ("agent foo\n", "1"),
            ("\n\nagent foo nohash\n", "3"),
        ):
            with self.subTest(text):
                path = self.file("tokens", text)
                done = self.run_to_end(
                    "culvert-server",
                    "--listen",
                    f"127.0.0.1:{traffic.free_port()}",
                    "--token-file",
                    path,
                )
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn("tokens", done.stderr)
                self.assertIn(line, done.stderr)

    def test_a_visitor_line_without_dial_is_refused_with_a_hint(self):
        path, _ = self.token_file(("visitor", "v"))
        done = self.run_to_end(
            "culvert-server", "--listen", f"127.0.0.1:{traffic.free_port()}", "--token-file", path
        )
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("dial=*/*:*", done.stderr)


if __name__ == "__main__":
    unittest.main()
