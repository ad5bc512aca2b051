"""docs/THREAT-MODEL.md names tests that there are."""
import re
import unittest

from .lab import ROOT

PAGE = (ROOT / "docs" / "THREAT-MODEL.md").read_text()
TABLE = re.compile(r"^\| attack \| what happens \| test \|\n\|[-|]+\|\n((?:\|.*\n)+)", re.M)
NAME = re.compile(r"`([a-z_]+(?:\.[A-Za-z_]+)*)`")


def exists(name):
    """Whether @name is a module here, a class in one, or a test of another folder."""
    first, _, rest = name.partition(".")
    if first == "unit":
        layer, _, test = rest.partition(".")
        folder = ROOT / "tests" / "unit" / layer
        return any((folder / f).exists() for f in (f"test_{test}.c", f"{test}_test.c"))
    if first == "fuzz":
        return not rest or (ROOT / "tests" / "fuzz" / f"{rest}.c").exists()
    if first == "sim":
        return True
    if first == "interop":
        module, _, rest = rest.partition(".")
        file = ROOT / "tests" / "interop" / f"{module}.py"
    else:
        file = ROOT / "tests" / "integration" / f"test_{first}.py"
        if name == "confine_calls":
            file = file.with_name("confine_test.c")
    if not file.exists():
        return False
    return not rest or re.search(rf"^class {rest}\(", file.read_text(), re.M) is not None


class ThreatModel(unittest.TestCase):
    def test_every_attack_names_a_test_that_is_there(self):
        rows = [row for table in TABLE.findall(PAGE) for row in table.splitlines()]
        self.assertGreaterEqual(len(rows), 40)
        for row in rows:
            names = NAME.findall(row.rsplit("|", 2)[1])
            self.assertTrue(names, row)
            for name in names:
                with self.subTest(name):
                    self.assertTrue(exists(name), f"{name} in: {row}")

    def test_a_name_that_is_not_there_is_noticed(self):
        for name in ("nowhere", "auth.Nobody", "unit.net.nothing", "interop.test_x", "fuzz.y"):
            self.assertFalse(exists(name), name)
        for name in ("auth", "attack.Slow", "unit.net.tls", "interop.test_pause.Flood", "fuzz"):
            self.assertTrue(exists(name), name)


if __name__ == "__main__":
    unittest.main()
