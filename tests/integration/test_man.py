"""Manual pages and completions, which are made from --help, against --help."""
import os
import re
import shutil
import subprocess
import unittest

from .lab import ROOT, LabCase, binaries

PROGRAMS = ("culvert-server", "culvert-agent", "culvertctl")
DAEMONS = PROGRAMS[:2]
WORD = re.compile(r"--([a-z][a-z-]*)")
NO_KEYS = {"config", "check", "help", "version"}
# Sources a completion with what it needs of its shell, and says what it offers for a line.
BASH = """
source /usr/share/bash-completion/bash_completion
source "$1"
COMP_LINE=$2 COMP_POINT=${#2} COMP_TYPE=9 COMP_KEY=9
read -ra COMP_WORDS <<<"$2"
[[ $2 == *' ' ]] && COMP_WORDS+=('')
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
"_$(tr - _ <<<"${COMP_WORDS[0]}")"
printf '%s\\n' "${COMPREPLY[@]}"
"""
ZSH = """
_arguments() {
    if [[ $1 == -C && ${#typed} -gt 2 ]]; then
        state=rest words=(${typed[2,-1]}) CURRENT=$((${#typed} - 1))
    else
        [[ $1 != -C ]] || state=command
        print -rl -- "$@"
    fi
}
_describe() { print -rl -- "${commands[@]}" }
compadd() { print -rl -- "$@" }
typed=(${=2})
[[ $2 != *' ' ]] || typed+=('')
complete_it() { source "$file" }
file=$1
complete_it
"""


class Made(LabCase):
    """What stands in the folder packaging of the build."""

    def made(self, name):
        path = binaries() / "packaging" / name
        self.assertTrue(path.exists(), f"no {path}: was scdoc there when CMake ran?")
        return path

    def tool(self, *argv):
        self.assertIsNotNone(shutil.which(argv[0]), f"no {argv[0]}: tools/install-deps test")
        env = {**os.environ, "HOME": str(self.dir), "MANWIDTH": "400", "LC_ALL": "C.UTF-8"}
        return subprocess.run(
            [str(word) for word in argv], capture_output=True, text=True, env=env, timeout=60
        )

    def flags(self, program):
        """The flags of --help, of whatever command."""
        done = self.run_to_end(program, "--help")
        self.assertEqual(done.returncode, 0)
        return set(WORD.findall(done.stdout)) | self.own_flags(program)

    def own_flags(self, program):
        """Those that a command's own --help lists."""
        found = set()
        for command in self.commands() if program == "culvertctl" else ():
            text = self.run_to_end(program, *command.split(), "--help").stdout
            found |= set(re.findall(r"(?m)^  --([a-z-]+)", text))
        return found

    def commands(self):
        text = self.run_to_end("culvertctl", "--help").stdout
        table = text.partition("Commands:\n")[2].partition("\n\n")[0]
        found = re.findall(r"(?m)^  ([a-z]+(?: [a-z]+)?)", table)
        self.assertGreater(len(found), 10)
        return found


class Pages(Made):
    def page(self, name):
        done = self.tool("man", "-P", "cat", "-l", self.made(name))
        self.assertEqual(done.returncode, 0, done.stderr)
        return re.sub(".\b", "", done.stdout)

    @staticmethod
    def part(text, title):
        return re.search(rf"^{title}\n(.*?)(?=^\S|\Z)", text, re.M | re.S).group(1)

    def test_a_page_has_the_flags_of_help_and_no_others(self):
        for program in PROGRAMS:
            with self.subTest(program):
                text = self.page(f"{program}.1")
                told = set(WORD.findall(text)) - {"name"}
                self.assertEqual(told, self.flags(program))

    def test_each_flag_of_a_daemon_has_an_item_with_its_words(self):
        for program in DAEMONS:
            text = self.run_to_end(program, "--help").stdout
            text = re.sub(r"\n {10,}", "  ", text)
            shown = dict(re.findall(r"(?m)^  --([a-z-]+).*?  +(\S.*)$", text))
            items = re.findall(r"(?m)^ {7}--([a-z-]+).*\n {11}(\S.*)$", self.page(f"{program}.1"))
            with self.subTest(program):
                self.assertEqual(dict(items), shown)

    def test_the_page_of_culvertctl_has_its_commands_and_no_others(self):
        told = re.findall(
            r"(?m)^ {7}([a-z]+(?: [a-z]+)?)", self.part(self.page("culvertctl.1"), "COMMANDS")
        )
        self.assertEqual(told, self.commands())

    def test_the_page_of_a_file_has_the_keys_and_no_others(self):
        for program in DAEMONS:
            with self.subTest(program):
                keys = self.part(self.page(f"{program}.yaml.5"), "KEYS")
                told = re.findall(r"(?m)^ {7}([a-z-]+): ", keys)
                self.assertEqual(set(told), self.flags(program) - NO_KEYS)

    def test_the_page_of_tokens_names_what_the_document_does(self):
        text = self.page("culvert-tokens.5")
        rows = (ROOT / "docs/CONFIGURATION.md").read_text().partition("| role | options |")[2]
        options = set(re.findall(r"`([a-z-]+=)", rows.partition("\n\n")[0]))
        self.assertEqual(len(options), 4)
        self.assertEqual(set(re.findall(r"(?m)^ {7}([a-z-]+=)", text)), options)

    def test_the_page_of_the_library_has_its_functions_and_headers_and_no_others(self):
        folder = ROOT / "include/culvert"
        headers = {path.name: path.read_text() for path in folder.glob("*.h")}
        there = set(re.findall(r"\bCV_API\s[^;(]*\b(cv_\w+)\(", "".join(headers.values())))
        self.assertGreater(len(there), 20)
        text = self.page("culvert.3")
        self.assertEqual(set(re.findall(r"\b(cv_\w+)\(\)", text)), there)
        told = set(re.findall(r"#include <culvert/(\w+\.h)>", text))
        self.assertEqual(told, set(headers) - {"api.h"})

    def test_pages_render_without_a_warning(self):
        sources = sorted((ROOT / "packaging/man").glob("*.scd"))
        self.assertEqual(len(sources), 7)
        for source in sources:
            page = self.made(source.name.removesuffix(".scd"))
            with self.subTest(page.name):
                done = self.tool("man", "--warnings", "-E", "UTF-8", "-Tutf8", "-Z", "-l", page)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                lint = self.tool("mandoc", "-T", "lint", "-W", "error", page)
                self.assertEqual((lint.returncode, lint.stdout, lint.stderr), (0, "", ""))


class Completions(Made):
    def offers(self, shell, line):
        """The words that the completion of @shell offers at the end of @line."""
        program = line.split()[0]
        path = self.made(f"{program}.{shell}")
        argv = {
            "bash": ("bash", "-c", BASH, "bash", path, line),
            "zsh": ("zsh", "-f", "-c", ZSH, "zsh", path, line),
            "fish": ("fish", "-c", 'source $argv[1]; complete -C $argv[2]', path, line),
        }[shell]
        done = self.tool(*argv)
        self.assertEqual((done.returncode, done.stderr), (0, ""), f"{shell}: {line}")
        return done.stdout.splitlines()

    def flags_offered(self, shell, line):
        lines = self.offers(shell, line)
        found = (re.match(r"(?:\(- \*\)|\*)?--([a-z-]+[a-z])", row) for row in lines)
        return {match.group(1) for match in found if match}

    def test_a_daemon_is_offered_the_flags_of_help_and_no_others(self):
        for program in DAEMONS:
            for shell in ("bash", "zsh", "fish"):
                with self.subTest(program, shell=shell):
                    self.assertEqual(
                        self.flags_offered(shell, f"{program} --"), self.flags(program)
                    )

    def test_culvertctl_is_offered_its_commands_and_no_others(self):
        first = {command.split()[0] for command in self.commands()}
        for shell in ("bash", "zsh", "fish"):
            with self.subTest(shell):
                rows = self.offers(shell, "culvertctl ")
                words = {re.split(r"[:\t]", row)[0] for row in rows}
                self.assertEqual({word for word in words if re.fullmatch("[a-z]+", word)}, first)

    def test_commands_of_two_words_are_offered_the_second(self):
        pairs = [command.split() for command in self.commands() if " " in command]
        self.assertGreater(len(pairs), 1)
        for first, second in pairs:
            for shell in ("bash", "zsh", "fish"):
                with self.subTest(first, shell=shell):
                    self.assertIn(second, self.offers(shell, f"culvertctl {first} "))

    def test_the_commands_together_are_offered_the_flags_of_help_and_no_others(self):
        for shell in ("bash", "zsh", "fish"):
            with self.subTest(shell):
                offered = self.flags_offered(shell, "culvertctl --")
                for command in self.commands():
                    offered |= self.flags_offered(shell, f"culvertctl {command} --")
                self.assertEqual(offered, self.flags("culvertctl"))

    def test_levels_are_offered_as_values(self):
        for shell in ("bash", "fish"):
            with self.subTest(shell):
                rows = self.offers(shell, "culvert-agent --log-level ")
                words = sorted(row.split("\t")[0] for row in rows)
                self.assertEqual(words, ["debug", "error", "info", "warn"])
        (spec,) = [
            row for row in self.offers("zsh", "culvert-agent --") if row.startswith("--log-level")
        ]
        self.assertTrue(spec.endswith(":LEVEL:(error warn info debug)"), spec)


if __name__ == "__main__":
    unittest.main()
