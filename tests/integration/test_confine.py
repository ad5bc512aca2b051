"""What the daemons give up once they run: system calls, core dumps, and with --user root's rights.
That the filter kills nothing that is used is shown by every other test of this folder."""
import os
import pathlib
import pwd
import re
import signal
import subprocess
import unittest

from . import traffic
from .certs import Certificates
from .lab import LabCase, binaries, sanitized, wait_until
from .proxies import Proxies

NOBODY = "nobody"
AS_NOBODY = ["setpriv", "--reuid", NOBODY, "--clear-groups"]
ROOT = os.geteuid() == 0


def status(process, field):
    """One field of /proc/PID/status, for each thread."""
    tasks = pathlib.Path(f"/proc/{process.pid}/task").glob("*/status")
    rows = [re.search(rf"^{field}:\s*(.*)$", t.read_text(), re.M) for t in tasks]
    return {row.group(1) for row in rows}


class Confined(LabCase):
    def assert_confined(self, process):
        self.assertEqual(status(process, "Seccomp"), {"2"}, "a filter on every thread")
        self.assertEqual(status(process, "NoNewPrivs"), {"1"})

    def test_both_daemons_have_a_filter_on_every_thread(self):
        for threads in ("1", "2"):
            with self.subTest(threads=threads):
                server, agent, port = self.tunnel("--threads", threads)
                self.assert_confined(server)
                self.assert_confined(agent)
                self.assertTrue(traffic.upload(port, 1 << 20))

    def test_it_can_be_switched_off(self):
        server, agent, _ = self.tunnel("--unconfined", agent_flags=["--unconfined"])
        for process in (server, agent):
            self.assertEqual(status(process, "Seccomp"), {"0"})

    def test_no_core_is_dumped(self):
        for process in self.tunnel()[:2]:
            limits = pathlib.Path(f"/proc/{process.pid}/limits").read_text()
            self.assertRegex(limits, r"Max core file size +0 +0 ")
            process.signal(signal.SIGQUIT)
            self.assertEqual(process.wait(), -signal.SIGQUIT)
            self.assertEqual(list(self.dir.glob("core*")), [])

    def test_a_user_that_is_not_there_is_a_bad_flag(self):
        for program, flags in (
            ("culvert-server", ["--listen", "127.0.0.1:0", "--insecure-no-auth"]),
            ("culvert-agent", ["--connect", "ws://127.0.0.1:1/connect"]),
        ):
            for user in ("no-such-user", f"{NOBODY}:no-such-group", ":", ":adm"):
                with self.subTest(program, user=user):
                    done = self.run_to_end(program, *flags, "--user", user)
                    self.assertEqual(done.returncode, 2, done.stderr)
                    self.assertRegex(done.stderr, "^culvert-[a-z]+: --user: (user|group) ")


@unittest.skipUnless(ROOT, "needs root")
class Dropped(LabCase):
    """--user: root opens everything, and then is root no longer."""

    def test_every_thread_is_that_user_and_what_was_opened_works(self):
        row = pwd.getpwnam(NOBODY)
        path, (token,) = self.token_file(("agent", "foo"))  # root's, mode 600
        flags = ("--user", NOBODY, "--threads", "2")
        aim = self.target()
        server = self.server(
            *flags, forwards={"main": f"foo/{aim.address}"}, auth=("--token-file", path)
        )
        agent = self.agent(server.url, "--user", NOBODY, token=token)
        self.wait_echo(server.forwards["main"])
        for process in (server, agent):
            self.assertEqual(status(process, "Uid"), {"\t".join([str(row.pw_uid)] * 4)})
            self.assertEqual(status(process, "Gid"), {"\t".join([str(row.pw_gid)] * 4)})
            self.assertEqual({int(caps, 16) for caps in status(process, "CapEff")}, {0})
            self.assertEqual({int(caps, 16) for caps in status(process, "CapPrm")}, {0})

    def test_another_process_of_that_user_sees_no_secrets(self):
        """Neither the environment, where the token came in, nor memory."""
        server = self.server()
        agent = self.agent(server.url, "--user", NOBODY, token="cvt_canary")
        wait_until(lambda: "session up" in agent.log(), "a session")
        for file in ("environ", "mem", "maps"):
            done = subprocess.run(
                [*AS_NOBODY, "cat", f"/proc/{agent.pid}/{file}"],
                capture_output=True,
                text=True,
            )
            self.assertNotEqual(done.returncode, 0, file)
            self.assertIn("Permission denied", done.stderr)

    def test_who_is_not_root_cannot_become_another(self):
        done = subprocess.run(
            [*AS_NOBODY, self.visible("culvert-server")]
            + ["--listen", "127.0.0.1:0", "--insecure-no-auth", "--user", "daemon"],
            capture_output=True,
            text=True,
            timeout=traffic.DEADLINE,
        )
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("Operation not permitted", done.stderr)

    def visible(self, program):
        """A copy of @program that another user can reach."""
        self.dir.chmod(0o755)
        copy = self.dir / program
        copy.write_bytes((binaries() / program).read_bytes())
        copy.chmod(0o755)
        return copy


class NothingMissed(Certificates, Proxies):
    """A busy life under strace: after the filter is on, no call fails for not being on its list."""

    EXPECTED = {"clone3"}  # libc then takes clone(), whose flags the filter can see

    def traced(self, name):
        """Before a command, which keeps its place as our child: -D."""
        return ["strace", "-D", "-f", "-o", self.dir / f"{name}.strace"]

    def assert_nothing_missed(self, name, pid):
        file = self.dir / f"{name}.strace"
        ended = re.compile(rf"^{pid} +\+\+\+ exited with 0", re.M)
        wait_until(lambda: ended.search(file.read_text(errors="replace")), "the end of the trace")
        text = file.read_text(errors="replace")
        # strace writes a call in two parts when another thread's comes between.
        filtered = re.search(
            r"seccomp\(SECCOMP_SET_MODE_FILTER, .*\) += 0\n"
            r"|<\.\.\. seccomp resumed>\) += 0\n",
            text,
        )
        calls = [line for line in text.splitlines() if "seccomp" in line]
        self.assertTrue(filtered, f"{name}: no filter was set: {calls}")
        after = text[filtered.end() :]
        missed = set(re.findall(r"(\w+)\(.*ENOSYS", after))
        self.assertLessEqual(missed, self.EXPECTED)
        self.assertNotIn("SIGSYS", after)

    def setUp(self):
        super().setUp()
        if sanitized():
            self.skipTest("a sanitizer has calls of its own, and is too slow under strace")
        self.program("strace")
        self.folder = self.dir / "served"
        self.folder.mkdir()
        (self.folder / "file").write_bytes(b"x" * 100000)

    def test_the_filter_misses_nothing(self):
        path, (token,) = self.token_file(("agent", "foo"))
        aim, unix = self.target(), self.target(path=self.dir / "aim.sock")
        forwards = {
            "main": f"foo/{aim.address}",
            "name": f"foo/localhost:{aim.port}",
            "absent": "foo/no-such-host.invalid:80",
            "unix": f"foo/{unix.address}",
            "files": "foo/culvert.files:80",
        }
        server = self.server(
            *("--tls-cert", self.cert, "--tls-key", self.key, "--threads", "2"),
            *("--listen", f"unix:{self.dir}/front.sock", "--log-level", "debug"),
            forwards=forwards,
            auth=("--token-file", path),
            prefix=self.traced("server"),
        )
        self.wait_listening(server, server.port, *server.forwards.values())
        _, proxy = self.tinyproxy()
        flags = ["--ca", self.ca, "--serve", self.folder, "--allow", "*:*"]
        flags += ["--allow", unix.address, "--log-level", "debug"]
        url = server.url.replace("ws:", "wss:")
        agents = [
            self.agent(url, *flags, *more, prefix=self.traced(f"agent{i}"), token=token)
            for i, more in enumerate(([], ["--proxy", f"http://127.0.0.1:{proxy}"]))
        ]
        self.busy(server)
        server.signal(signal.SIGHUP)
        wait_until(lambda: "reloaded" in server.log(), "the reload")
        agents[0].stop()
        self.wait_echo(server.forwards["main"], "an echo through the proxied agent")
        self.busy(server)
        for process in (agents[1], server):
            process.stop()
        for name, process in (("server", server), ("agent0", agents[0]), ("agent1", agents[1])):
            self.assert_nothing_missed(name, process.pid)

    def busy(self, server):
        for name in ("main", "name", "unix"):
            self.wait_echo(server.forwards[name], name)
            self.assertTrue(traffic.download(server.forwards[name], 4 << 20))
            self.assertTrue(traffic.upload(server.forwards[name], 4 << 20))
        self.assertFalse(traffic.echoes(server.forwards["absent"]))
        for path in (b"/", b"/file", b"/absent"):
            with traffic.visit(server.forwards["files"]) as visitor:
                visitor.sendall(b"GET " + path + b" HTTP/1.0\r\n\r\n")
                self.assertIn(b"HTTP/1.", traffic.read_end(visitor)[0])


if __name__ == "__main__":
    unittest.main()
