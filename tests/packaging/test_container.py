"""The Containerfile, without the program that builds images: what it says, and what comes of its
steps in a root of Debian, where the programs run as its user and can write nowhere."""
import json
import os
import pathlib
import re
import shlex
import shutil
import unittest

from tests.integration import traffic
from tests.integration.lab import ROOT, LabCase, wait_until

from .debian import DebianCase, mounts, run

FILE = ROOT / "packaging/Containerfile"
BASE = re.compile(r"docker\.io/library/debian:(bookworm|12)(\.\d+|-\d{8})?(-slim)?")


def instructions():
    """[(word, rest)] in order, lines that go on joined, comments left out."""
    lines = (line for line in FILE.read_text().splitlines() if not line.startswith("#"))
    text = "\n".join(lines).replace("\\\n", " ")
    return [tuple(line.split(maxsplit=1)) for line in text.splitlines() if line.strip()]


def stages():
    """The instructions of each stage, without its FROM."""
    found = []
    for word, rest in instructions():
        if word == "FROM":
            found.append([])
        elif found:
            found[-1].append((word, rest))
    return found


def of(stage, wanted):
    return [rest for word, rest in stage if word == wanted]


class Text(LabCase):
    def test_it_begins_with_debian_12_and_fetches_nothing_by_itself(self):
        words = instructions()
        self.assertEqual([word for word, _ in words].count("ARG"), 1)
        name, _, value = words[0][1].partition("=")
        self.assertRegex(value, rf"^{BASE.pattern}$")
        bases = [rest.split()[0] for rest in of(words, "FROM")]
        self.assertEqual(bases, [f"${{{name}}}"] * 2)
        self.assertEqual(of(words, "ADD"), [])

    def test_what_it_copies_is_there(self):
        names = re.findall(r"(?m)^FROM .* AS (\S+)", FILE.read_text())
        copies = of(instructions(), "COPY")
        self.assertEqual(len(copies), 2)
        for copy in copies:
            *sources, _ = copy.split()
            if sources[0].startswith("--from="):
                self.assertIn(sources.pop(0).partition("=")[2], names)
                continue
            for source in sources:
                self.assertTrue((ROOT / source).exists(), source)

    def test_what_was_built_outside_is_not_copied(self):
        ignored = (ROOT / ".containerignore").read_text().split()
        self.assertIn("/build", ignored)
        self.assertIn("**/node_modules", ignored)

    def test_it_ends_as_nobody_special(self):
        last = stages()[-1]
        (user,) = of(last, "USER")
        self.assertRegex(user, r"^[1-9]\d{4,}:[1-9]\d{4,}$")
        words = [word for word, _ in last]
        self.assertNotIn("RUN", words[words.index("USER") :])


class Image(DebianCase):
    """The last stage, laid into a root."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        build, last = stages()
        for step in of(last, "RUN"):
            cls.inside("sh", "-ec", step)
        (step,) = of(build, "RUN")
        (install,) = re.findall(r"make install .*", step)
        words = [f"DESTDIR={cls.root}" if w == "DESTDIR=/out" else w for w in shlex.split(install)]
        env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
        run(*words, cwd=ROOT, env=env)
        (user,) = of(last, "USER")
        cls.uid, cls.gid = map(int, user.split(":"))
        (command,) = of(last, "CMD")
        cls.command = json.loads(command)

    def settings(self):
        """The examples as the volume /etc/culvert, with a token; that token."""
        folder = self.root / "etc/culvert"
        shutil.copytree(ROOT / "packaging/etc", folder)
        token, digest = re.findall(r": (\S+)", self.inside("culvertctl", "token", "new"))
        tokens = folder / "tokens"
        tokens.write_text(f"agent laptop {digest}\n")
        tokens.chmod(0o600)
        os.chown(tokens, self.uid, self.gid)
        return token

    def lock(self):
        """The root cannot be written to any more, where mounts are permitted."""
        if not mounts():
            return
        run("mount", "--bind", self.root, self.root)
        self.addCleanup(run, "umount", "-l", self.root)
        run("mount", "-o", "remount,bind,ro", self.root)
        with self.assertRaises(OSError):
            (self.root / "x").touch()

    def as_user(self, name, *argv, env=None):
        who = (f"--userspec={self.uid}:{self.gid}", "--groups=")
        return self.start(name, ["chroot", *who, self.root, *argv], env=env)

    def test_libraries_that_are_opened_by_name_are_there(self):
        program = (self.root / "usr/bin" / self.command[0]).read_bytes()
        sources = "".join(path.read_text() for path in (ROOT / "src/net").glob("*.c"))
        names = re.findall(r'(?m)^#define SONAME "(\S+)"', sources)
        self.assertGreaterEqual(len(names), 2)
        known = self.inside("ldconfig", "-p")
        for name in names:
            if name.encode() in program:  # not every machine has each
                self.assertIn(name, known)

    def test_server_and_agent_run_as_its_user_on_a_root_that_is_read_only(self):
        self.assertTrue((self.root / "usr/bin" / self.command[0]).exists())
        token = self.settings()
        self.lock()
        self.alone()
        self.target(port=22)
        server = self.as_user("server", *self.command)
        self.wait_listening(server, 8123, 2222, 8124)
        status = pathlib.Path(f"/proc/{server.pid}/status").read_text()
        self.assertEqual(re.search(r"(?m)^Uid:\t(\d+)", status)[1], str(self.uid))
        url = "ws://127.0.0.1:8123/connect"
        agent = ("culvert-agent", "--connect", url, "--id", "laptop", "--allow", "127.0.0.1:22")
        self.as_user("agent", *agent, env={"CULVERT_TOKEN": token})
        self.wait_echo(2222)
        self.assertTrue(traffic.download(2222, 1 << 20, 7))
        said = self.as_user("clients", "culvertctl", "clients")
        wait_until(lambda: not said.alive(), "culvertctl")
        self.assertIn("laptop", said.log())
        self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    unittest.main()
