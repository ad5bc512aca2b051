"""The units of systemd, as systemd itself judges them."""
import json
import re
import shutil
import subprocess
import unittest

from .lab import ROOT, LabCase

FOLDER = ROOT / "packaging" / "systemd"
EXPOSED_MOST = 20  # tenths: an exposure of 2.0


class Units(LabCase):
    def setUp(self):
        super().setUp()
        if not shutil.which("systemd-analyze"):
            self.skipTest("there is no systemd-analyze: tools/install-deps test")

    def judge(self, unit, *flags):
        return subprocess.run(
            ["systemd-analyze", "security", "--offline=true", "--no-pager", *flags, str(unit)],
            capture_output=True,
            text=True,
        )

    def test_exposure_is_2_at_most(self):
        units = sorted(FOLDER.glob("culvert-*.service"))
        self.assertEqual(len(units), 2)
        for unit in units:
            with self.subTest(unit.name):
                done = self.judge(unit, f"--threshold={EXPOSED_MOST}")
                self.assertEqual(done.returncode, 0, done.stdout[-2000:] + done.stderr)
                self.assertRegex(done.stdout, r"Overall exposure level for \S+: [01]\.\d")

    def test_the_judge_can_say_no(self):
        bare = self.file("bare.service", "[Service]\nExecStart=/usr/bin/culvert-server\n", 0o644)
        self.assertNotEqual(self.judge(bare, f"--threshold={EXPOSED_MOST}").returncode, 0)

    def test_systemd_understands_every_line(self):
        for unit in FOLDER.glob("*.service"):
            text = unit.read_text()
            program = re.search(r"^ExecStart=(\S+)", text, re.M).group(1)
            self.assertRegex(program, "^/usr/bin/culvert-(server|agent)$")
            self.file(unit.name, text.replace(program, "/bin/true"), 0o644)
        for unit in FOLDER.glob("*.socket"):
            self.file(unit.name, unit.read_text(), 0o644)
        units = [unit for unit in self.dir.iterdir() if unit.suffix in (".service", ".socket")]
        self.assertEqual(len(units), 3)
        for copy in units:
            done = subprocess.run(
                ["systemd-analyze", "verify", "--man=no", str(copy)],
                capture_output=True,
                text=True,
            )
            complaints = [line for line in done.stderr.splitlines() if copy.name in line]
            self.assertEqual(complaints, [])

    def test_the_socket_is_where_the_example_listens(self):
        unit = (FOLDER / "culvert-server.socket").read_text()
        address = re.search(r"^ListenStream=(\S+)", unit, re.M).group(1)
        example = (FOLDER.parent / "etc" / "server.yaml").read_text()
        self.assertIn(f"listen:\n  - {address}\n", example)

    def test_what_the_daemons_tell_is_listened_to(self):
        for unit in FOLDER.glob("*.service"):
            lines = unit.read_text().splitlines()
            for line in ("Type=notify", "WatchdogSec=30s", "Restart=on-failure"):
                self.assertIn(line, lines, unit.name)
            self.assertIn("ExecReload=/bin/kill -HUP $MAINPID", lines)

    def test_the_calls_that_start_up_needs_are_on_the_list(self):
        """What the program does before it confines itself, and how it does that."""
        done = subprocess.run(
            ["systemd-analyze", "syscall-filter", "@resources"], capture_output=True, text=True
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        for unit in FOLDER.glob("*.service"):
            lists = re.findall(r"^SystemCallFilter=(.*)$", unit.read_text(), re.M)
            self.assertEqual(lists[0], "@system-service")
            self.assertTrue({"seccomp", "prlimit64"} <= set(lists[-1].split()), json.dumps(lists))


if __name__ == "__main__":
    unittest.main()
