"""The Debian packages: built, judged by lintian, installed in a Debian of their own, used there
as the examples say, and purged."""
import os
import re
import shutil
import subprocess
import unittest

from tests.integration import traffic
from tests.integration.lab import ROOT, wait_until

from .debian import DebianCase, mounts, run

OUT = ROOT / "build/deb"
PACKAGES = ("culvert-server", "culvert-agent", "culvertctl", "libculvert0", "libculvert-dev")


class Packages(DebianCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        run(ROOT / "tools/deb", env={**os.environ, "DEB_BUILD_OPTIONS": "noautodbgsym"})
        cls.files = [next(OUT.glob(f"{name}_*.deb")) for name in PACKAGES]

    def as_culvert(self, unit):
        """What the unit starts, as the user that it names."""
        text = (self.root / f"lib/systemd/system/{unit}.service").read_text()
        user = re.search(r"(?m)^User=(\S+)", text).group(1)
        command = re.search(r"(?m)^ExecStart=(.*)", text).group(1).split()
        who = (f"--reuid={user}", f"--regid={user}", "--clear-groups")
        return self.start(unit, ["chroot", self.root, "setpriv", *who, *command])

    def traces(self):
        """Files whose names say whose they are, but for the logs of dpkg and apt."""
        ours = ("-name", "*culvert*", "-not", "-path", "*/var/log/*")
        return run("find", self.root, "-xdev", *ours).split()

    def judge(self):
        changes = next(OUT.glob("culvert_*.changes"))
        run("lintian", "--fail-on", "error,warning", changes)
        if os.uname().machine == "x86_64":  # which has what the server opens by name
            self.assertIn("libipsec-mb1", run("dpkg-deb", "-f", self.files[0], "Recommends"))

    def install(self):
        for file in self.files:
            shutil.copy(file, self.root / "tmp")
        self.inside("apt-get", "update", "-q")
        names = [f"/tmp/{file.name}" for file in self.files]
        self.inside("apt-get", "install", "-qy", "--no-install-recommends", *names)
        for file in self.files:
            (self.root / "tmp" / file.name).unlink()
        if not mounts():
            self.tmpfiles("culvert-server.conf", "culvert-agent.conf")

    def tmpfiles(self, *names):
        """In the root it needs /proc."""
        if mounts():
            self.inside("systemd-tmpfiles", "--create", *names)
        else:
            run("systemd-tmpfiles", f"--root={self.root}", "--create", *names)

    def permit(self):
        """What the examples tell an operator to do."""
        made = self.inside("culvertctl", "token", "new")
        token, digest = re.findall(r": (\S+)", made)
        tokens = self.root / "etc/culvert/tokens"
        visitor, seen = re.findall(r": (\S+)", self.inside("culvertctl", "token", "new"))
        line = f"agent laptop {digest}\nvisitor me {seen} dial=laptop/my.app:80\n"
        self.file("visitor", visitor + "\n")
        with tokens.open("a") as out:
            out.write(line)
        self.file("token", token + "\n")
        shutil.copy(self.dir / "token", self.root / "etc/culvert/token")
        self.tmpfiles("culvert-agent.conf")

    def embed(self):
        """The library's example, compiled with what was installed; in the root it runs there."""
        usr = self.root / "usr"
        library = next(usr.glob("lib/*/libculvert.so")).parent
        source = usr / "share/doc/libculvert-dev/examples/serve_http.c"
        words = (source, "-I", usr / "include", "-L", library, "-lculvert", "-luv")
        run("cc", *words, "-o", self.root / "tmp/serve_http")
        config = library / "pkgconfig/culvert.pc"
        self.assertIn("prefix=/usr\n", config.read_text())
        token = (self.dir / "token").read_text().strip()
        url = "ws://127.0.0.1:8123/connect"
        argv = ["chroot", self.root, "/tmp/serve_http", url, "laptop"]
        return self.start("serve_http", argv, env={"CULVERT_TOKEN": token})

    def answers(self):
        visitor = "http://127.0.0.1:8123/client/laptop/http/my.app/hello"
        head = f"X-Culvert-Token: {(self.dir / 'visitor').read_text().strip()}"
        done = subprocess.run(
            ["curl", "-sf", "-H", head, visitor], capture_output=True, text=True
        )
        return done.stdout.startswith("GET /hello ")

    def test_they_install_move_bytes_by_the_examples_and_purge(self):
        self.judge()
        self.assertEqual(self.traces(), [])
        self.install()
        for path in ("etc/culvert/server.yaml", "etc/culvert/agent.yaml", "etc/culvert/tokens"):
            owner = self.inside("dpkg", "-S", f"/{path}").partition(":")[0]
            self.assertIn(f"/{path}", self.inside("dpkg-query", "-Wf", "${Conffiles}", owner))
        rights = self.inside("stat", "-c", "%U %a", "/etc/culvert/tokens")
        self.assertEqual(rights.split(), ["culvert", "600"])
        for path in ("grafana/culvert.json", "prometheus/culvert.rules.yaml"):
            self.assertTrue((self.root / "usr/share/culvert" / path).exists())
        socket = "lib/systemd/system/culvert-server.socket"
        self.assertTrue((self.root / socket).exists())
        self.assertFalse((self.root / "etc/systemd/system/sockets.target.wants").exists())
        self.permit()

        self.alone()
        self.target(port=22)
        daemons = [self.as_culvert("culvert-server")]
        self.wait_listening(daemons[0], 8123, 2222, 8124)
        daemons.append(self.as_culvert("culvert-agent"))
        self.wait_echo(2222)
        size = 16 << 20
        self.assertTrue(traffic.download(2222, size, 7))
        self.assertIn("laptop", self.inside("culvertctl", "clients"))
        self.assertEqual(daemons.pop().stop(), 0)
        self.embed()
        wait_until(self.answers, "an answer of the library's example")
        self.assertEqual(daemons.pop().stop(), 0)

        self.inside("apt-get", "purge", "-qy", *PACKAGES)
        self.assertEqual(self.traces(), [])


if __name__ == "__main__":
    unittest.main()
