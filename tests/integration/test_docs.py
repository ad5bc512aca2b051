"""The documents against the programs and the tree: every flag, default and example, and every row
of a table that the code knows too."""
import html
import json
import os
import pathlib
import re
import subprocess
import unittest
import xml.etree.ElementTree

from tests.interop.peer import wire

from .lab import ROOT, LabCase, binaries, wait_until
from .sshd import Sshd
from .traffic import DEADLINE, free_port

DOCS = ROOT / "docs"
FLAG = re.compile(r"^  --([a-z-]+)(?: ('[^']+'|[A-Z][^ ]*))?(?: {2,}(.*))?$")
ROW = re.compile(r"^\| *`(.+?)` *\|(.*)\|$")
LINK = re.compile(r"\]\(([^)\s]+)\)")
DEFAULT = re.compile(r"\(default:? ([^)]*)\)")


def section(path, title):
    """The text under the heading @title, up to the next one of its level or above."""
    level = title.index(" ")
    found = re.search(
        rf"^{re.escape(title)}\n(.*?)(?=^#{{1,{level}}} |\Z)", path.read_text(), re.M | re.S
    )
    assert found, f"{path.name} has no section {title!r}"
    return found.group(1)


def rows(text):
    """{first cell without its backticks: the cells behind it} of all tables in @text."""
    found = {}
    for line in text.splitlines():
        if match := ROW.match(line):
            found[match.group(1)] = [cell.strip() for cell in match.group(2).split(" | ")]
    return found


def rows_plain(text):
    """The same of tables whose first cells may be without backticks."""
    cells = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in text.splitlines()]
    return {row[0]: row[1:] for row in cells}


def fenced(path, language):
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(), re.M | re.S)


def help_flags(text):
    """{flag with its value's name: (default, repeatable)} of a --help."""
    flags, wrapped = {}, None
    for line in text.splitlines():
        match = FLAG.match(line)
        if match:
            name, value, words = match.groups()
            wrapped = f"--{name} {value}" if value else f"--{name}"
        else:
            words = line.strip() if line.startswith("   ") else None
        if wrapped and words:
            default = DEFAULT.search(words)
            flags[wrapped] = (default.group(1) if default else "", "repeatable" in words)
            wrapped = None
    return flags


class Configuration(LabCase):
    page = DOCS / "CONFIGURATION.md"

    def test_every_flag_of_help_and_no_other(self):
        for program in ("culvert-server", "culvert-agent"):
            with self.subTest(program):
                shown = help_flags(self.run_to_end(program, "--help").stdout)
                text = section(self.page, f"## {program}").partition("\n### ")[0]
                told = {
                    flag: (cells[0], "repeatable" in cells[1])
                    for flag, cells in rows(text).items()
                    if flag.startswith("--")
                }
                self.assertGreater(len(shown), 10)
                self.assertEqual(told, shown)

    def test_every_command_of_culvertctl_and_no_other(self):
        shown = re.findall(r"^  (\S.*?)  ", self.run_to_end("culvertctl", "--help").stdout, re.M)
        self.assertGreater(len(shown), 2)
        text = section(self.page, "## culvertctl").partition("\n### ")[0]
        self.assertEqual(list(rows(text)), shown)

    def test_every_flag_of_connect_and_forward_and_no_other(self):
        text = section(self.page, "## culvertctl").partition("### connect and forward")[2]
        told = set(re.findall(r"--[a-z-]+", "\n".join(rows(text))))
        for command, others in (("connect", {"--udp-idle"}), ("forward", set())):
            shown = self.run_to_end("culvertctl", command, "--help").stdout
            self.assertEqual(told - others, set(re.findall(r"^  (--[a-z-]+)", shown, re.M)))

    def test_the_example_files_are_accepted(self):
        examples = fenced(self.page, "yaml")
        self.assertEqual(len(examples), 3)
        token, digest = self.new_token()
        self.file("token", token + "\n")
        self.file("tokens", f"agent laptop {digest}\n")
        for example in examples:
            program = example.splitlines()[0].removeprefix("# ")
            with self.subTest(program):
                path = self.file(f"{program}.yaml", example.replace("/etc/culvert", str(self.dir)))
                done = self.run_to_end(program, "--config", path, "--check")
                self.assertEqual(done.returncode, 0, done.stderr)

    def test_the_example_of_a_token_file_is_accepted(self):
        (example,) = fenced(self.page, "tokens")
        self.server(auth=("--token-file", self.file("tokens", example)))

    def test_the_example_forwards_are_accepted(self):
        found = re.findall(r"^    --forward (\S+)$", self.page.read_text(), re.M)
        self.assertGreater(len(found), 3)
        base = ("--listen", ":1", "--insecure-no-auth", "--check")
        for rule in found:
            with self.subTest(rule):
                done = self.run_to_end("culvert-server", *base, "--forward", rule.strip("'"))
                self.assertEqual(done.returncode, 0, done.stderr)

    def test_the_example_routes_are_accepted(self):
        found = re.findall(r"--route ([^\s`]+=\S+)", section(self.page, "## culvert-server"))
        found = [rule for rule in found if not rule.startswith("HOST")]
        self.assertGreater(len(found), 2)
        flags = [word for rule in found for word in ("--route", rule)]
        base = ("--listen", ":1", "--insecure-no-auth", "--check")
        done = self.run_to_end("culvert-server", *base, *flags)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_the_example_patterns_are_accepted(self):
        cells = [
            line.split("|")[1]
            for line in section(self.page, "## What an agent dials").splitlines()
            if line.startswith("| `")
        ]
        patterns = [pattern for cell in cells for pattern in re.findall(r"`(.+?)`", cell)]
        self.assertGreater(len(patterns), 7)
        for pattern in patterns:
            with self.subTest(pattern):
                done = self.run_to_end(
                    "culvert-agent", "--connect", "ws://x", "--check", "--allow", pattern
                )
                self.assertEqual(done.returncode, 0, done.stderr)


class Protocol(unittest.TestCase):
    def test_the_example_frames_are_what_they_say(self):
        """Rows of the table: `HEX` | name | fields as JSON."""
        examples = rows(section(DOCS / "PROTOCOL.md", "### Examples"))
        self.assertEqual(len(examples), 13)
        for text, (_, fields) in examples.items():
            with self.subTest(text):
                said = json.loads(fields.strip("`"))
                body = bytes.fromhex(said.get("body_hex", "")) or said.get("body", "").encode()
                deadline = 15000 if said["type"] in (wire.DATA, wire.CONNECT) else 0
                frame = wire.Frame(said["type"], said["conn"], body, said["id"], deadline)
                self.assertEqual(frame.encode().hex(" "), text)


class Architecture(unittest.TestCase):
    page = DOCS / "ARCHITECTURE.md"

    def test_the_layers_are_those_of_the_build(self):
        told = {
            layer: [cells[2], *cells[1].split()]
            for layer, cells in rows(section(self.page, "## Layers")).items()
        }
        built = {}
        for line in (ROOT / "cmake/layers.txt").read_text().splitlines():
            if words := line.split("#")[0].split():
                built[words[0]] = ["yes" if words[1] == "pure" else "no", *words[2:]]
        self.assertEqual({name: told.get(name) for name in built}, built)
        self.assertEqual(sorted(path.name for path in (ROOT / "src").iterdir()), sorted(built))

    def test_every_limit_stands_where_it_is_said_to(self):
        limits = rows(section(self.page, "## Limits"))
        self.assertGreater(len(limits), 20)
        for name, (*_, place) in limits.items():
            with self.subTest(name):
                code = (ROOT / place.strip("`")).read_text()
                self.assertRegex(code, rf"(?m)^#define {name}\b")


class Peering(LabCase):
    page = DOCS / "PEERING.md"

    def commands(self, ssh_port):
        """What is to be pasted, block by block, with ports that are free."""
        ports = {str(port): str(free_port()) for port in (8201, 8202, 2201, 2202)}
        ports["22"] = str(ssh_port)
        text = "\0".join(fenced(self.page, "sh"))
        for port in ports:
            self.assertRegex(text, rf"\b{port}\b")
        return re.sub(r"\b(8201|8202|2201|2202|22)\b", lambda m: ports[m[0]], text).split("\0")

    def shell(self, command, folder):
        path = f"PATH={binaries()}:{os.environ['PATH']}"
        return ["env", path, "sh", "-ec", f"cd {folder}\n{command}"]

    def test_the_example_of_two_servers_does_what_it_says(self):
        sshd = Sshd(self)
        files, a, b, agent, visit = self.commands(sshd.port)
        subprocess.run(self.shell(files, self.dir), check=True)
        peers = self.dir / "peers"
        a, b, _ = (
            self.start(name, self.shell(f"exec {command}", peers))
            for name, command in (("a", a), ("b", b), ("agent", agent))
        )
        visit = visit.strip().replace("ssh ", f"ssh -F {sshd.client_config} ") + " echo over there"

        def visited():
            done = subprocess.run(
                self.shell(visit, peers), capture_output=True, text=True, timeout=DEADLINE
            )
            return done.stdout == "over there\n"

        wait_until(visited, "a visitor of one at the agent of the other")
        for server, other in ((a, "b"), (b, "a")):
            wait_until(lambda: f"peer {other}: session" in server.log(), "a peer in each direction")


class Troubleshooting(unittest.TestCase):
    page = DOCS / "TROUBLESHOOTING.md"
    # what libuv and OpenSSL say
    system = {"connection refused", "unknown node or service", "address already in use",
              "wrong version number", "TLS"}

    @staticmethod
    def words():
        """All that the programs may say: their string literals, neighbours joined, with `…` for
        what printf fills in."""
        found = []
        for folder in ("cmd", "include", "src"):
            for path in (ROOT / folder).rglob("*.[ch]"):
                text = re.sub(r'"\s*\n?\s*"', "", path.read_text())
                found += re.findall(r'"((?:[^"\\\n]|\\.)*)"', text)
        return "\n".join(re.sub(r"%[-+0-9.*]*(?:ll|z)?[a-zA-Z]", "…", text) for text in found)

    def test_every_message_that_is_quoted_is_one_of_ours(self):
        words = self.words()
        messages = re.findall(r"^> (\w+): `(.+)`$", self.page.read_text(), re.M)
        quotes = re.findall(r"^> .*$", self.page.read_text(), re.M)
        self.assertEqual(len(messages), len(quotes))
        self.assertGreater(len(messages), 40)
        for program, message in messages:
            self.assertIn(program, ("agent", "server", "visitor", "culvertctl"))
            with self.subTest(message):
                parts = [part.strip() for part in re.split(r"…", message)]
                for part in filter(None, parts):
                    if part.strip(":, ") in words or part.strip(":, ") in self.system:
                        continue
                    for piece in re.split(r": |, ", part.strip(":, ")):
                        self.assertTrue(piece in self.system or piece in words, piece)


class Readme(LabCase):
    page = ROOT / "README.md"

    def quick_start(self):
        text = section(self.page, "## Quick start")
        return re.findall(r"^    (.*)", text, re.M)

    def test_the_quick_start_works_and_has_ten_lines_at_most(self):
        lines = self.quick_start()
        self.assertLessEqual(len(lines), 10)
        code = "\n".join(lines).replace("$PWD/build/release", str(binaries()))
        code = code.replace("--serve docs", f"--serve {DOCS}")
        for port in ("8123", "8124", "8080"):
            self.assertIn(port, code)
            code = code.replace(port, str(free_port()))
        code = code.replace("culvertctl clients", "culvertctl clients --admin http://127.0.0.1:"
                            + re.search(r"--admin 127.0.0.1:(\d+)", code)[1])
        # what runs on is ended by the shell, which knows it
        script = self.file("quick-start", f"trap 'kill $(jobs -p); wait' EXIT\n{code}\n")
        done = subprocess.run(["bash", "-eu", script], cwd=self.dir, capture_output=True, text=True,
                              timeout=DEADLINE, check=False)  # fmt: skip
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("RECIPES.md</a>", done.stdout)
        self.assertRegex(done.stdout, r"(?m)^laptop +1 ")

    def test_figures_are_those_that_were_measured(self):
        """Of ours those that are kept, of others those of PERFORMANCE.md."""
        kept = json.loads((ROOT / "bench/history/0.1.0.json").read_text())["tools"]
        told = {
            line.split(" | ")[0].strip("| "): line.strip("| ").split(" | ")[1:]
            for line in section(self.page, "## Next to others").splitlines()
        }
        measured = rows_plain(section(DOCS / "PERFORMANCE.md", "## Next to others"))
        names = ["remotedialer", "frp", "chisel", "rathole", "`ssh -R`, aes128-gcm"]

        def same(text, value):
            digits = len(text.partition(".")[2])
            self.assertEqual(float(text), round(value, digits), text)

        def compare(row, ours, others):
            plain, tls = re.fullmatch(r"(\S+), over TLS (\S+)", told[row][0]).groups()
            same(plain, ours("culvert"))
            same(tls, ours("culvert-wss"))
            for name, text in zip(names, told[row][1:], strict=True):
                same(text, others(name))

        def figure(name, column):
            return float(measured[name][column].split(" and ")[0].replace(",", ""))

        for row, key, column in (
            ("bulk, one stream, against `ssh -R`", "up1", 0),
            ("requests a second, 64 at once, against `ssh -R`", "c64_rate", 1),
        ):
            compare(row, lambda tool, k=key: kept[tool][k]["to_ssh"]["median"],
                    lambda name, c=column: figure(name, c) / figure(names[-1], c))
        compare("memory of a held connection at the server, KiB",
                lambda tool: kept[tool]["conn_server"]["median"], lambda name: figure(name, 3))

    def test_the_picture_shows_what_culvertctl_says(self):
        path = ROOT / "docs/images/terminal.svg"
        picture = html.unescape(re.sub(r"<[^>]*>", "", path.read_text()))
        xml.etree.ElementTree.parse(path)
        code = (ROOT / "cmd/culvertctl/operate.c").read_text()
        for table in ("clients", "conns", "top"):
            columns = re.search(rf"struct column {table}\[\] = {{(.*?)\n}};", code, re.S)[1]
            titles = re.findall(r'{"([^"]+)"', columns)
            self.assertRegex(picture, r"\n *" + " +".join(titles), "run `make picture`")


class Contributing(unittest.TestCase):
    page = DOCS / "CONTRIBUTING.md"

    def test_every_file_that_is_named_is_there(self):
        text = self.page.read_text()
        found = re.findall(r"`([a-zA-Z_.-]+(?:/[a-zA-Z_.-]+)+|CHANGELOG.md)`", text)
        self.assertGreater(len(set(found)), 40)
        for name in found:
            with self.subTest(name):
                self.assertTrue((ROOT / name).exists())

    def test_every_name_of_the_code_is_there(self):
        code = "\n".join(
            path.read_text()
            for folder in ("src", "cmd", "include")
            for path in (ROOT / folder).rglob("*.h")
        )
        names = re.findall(r"`(?:struct )?([a-z][a-z_]+)(?:\(\))?`", self.page.read_text())
        for name in names:
            with self.subTest(name):
                self.assertTrue(re.search(rf"\b{name}\b", code), name)

    def test_every_event_is_handled_where_it_is_said_to_be(self):
        """Where the page sends who adds an event: each file with a switch over them, and no
        other."""
        told = set(re.findall(r"`(\S+\.c)`", self.page.read_text().partition("event is handled")[2]
                              .partition("\n5.")[0]))
        there = {
            str(path.relative_to(ROOT)) for folder in ("src", "cmd")
            for path in (ROOT / folder).rglob("*.c")
            if "case CV_EVENT_CLOSED:" in path.read_text()
        }
        self.assertEqual(told, there)


class Flags(LabCase):
    def test_every_flag_that_a_page_names_is_one(self):
        """Of pages without a table of flags of their own."""
        known = set()
        for program in ("culvert-server", "culvert-agent", "culvertctl"):
            known |= set(re.findall(r"--[a-z-]+", self.run_to_end(program, "--help").stdout))
        for command in ("connect", "forward"):
            shown = self.run_to_end("culvertctl", command, "--help").stdout
            known |= set(re.findall(r"--[a-z-]+", shown))
        for name in ("MIGRATING", "TROUBLESHOOTING", "MONITORING", "OPERATING", "PEERING"):
            text = re.sub(r"systemctl .*", "", (DOCS / f"{name}.md").read_text())
            for flag in re.findall(r"(?<![-\w])--[a-z][a-z-]+", text):
                self.assertTrue(flag in known, f"{name}: {flag}")


class Links(unittest.TestCase):
    def test_every_link_between_documents_leads_somewhere(self):
        pages = [ROOT / "README.md", ROOT / "CHANGELOG.md", *DOCS.glob("*.md")]
        self.assertGreater(len(pages), 5)
        for page in pages:
            for link in LINK.findall(page.read_text()):
                target, _, anchor = link.partition("#")
                if "://" in target:
                    continue
                with self.subTest(page.name, link=link):
                    path = (page.parent / target) if target else page
                    self.assertTrue(path.exists(), link)
                    if anchor:
                        self.assertIn(anchor, self.anchors(path))

    @staticmethod
    def anchors(path: pathlib.Path):
        titles = re.findall(r"^#+ (.+)$", path.read_text(), re.M)
        return [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles]


if __name__ == "__main__":
    unittest.main()
