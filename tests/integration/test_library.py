"""libculvert: its scenarios (tests/embed) against a real server, what it exports, and its
examples, compiled against the installed library as a stranger would."""
import os
import pathlib
import platform
import re
import shutil
import signal
import subprocess
import tempfile
import unittest

from . import traffic
from .certs import Certificates
from .lab import ROOT, LabCase, Process, binaries, sanitized, wait_until

HEADERS = sorted((ROOT / "include/culvert").glob("*.h"))
FREE = ("-fsanitize=address,undefined",)  # what a program needs with a library that was built so


class Scenarios(LabCase):
    def probe(self, scenario, url, *words, env=None):
        argv = (binaries() / "tests/embed/embed_probe", scenario, url, *words)
        return self.start(f"probe-{scenario}", argv, env=env)

    def holds(self, scenario, url=None, *words, env=None):
        probe = self.probe(scenario, url or self.server().url, *words, env=env)
        self.assertEqual(probe.wait(120), 0, probe.log()[-2000:])
        return probe

    def test_bytes_cross_both_ways_at_once_and_each_way_ends_apart(self):
        self.holds("bytes")

    def test_who_does_not_read_holds_the_writer_back(self):
        self.holds("pauses")

    def test_nothing_may_be_dialled_unless_it_is_allowed(self):
        self.holds("refuses")

    def test_a_handler_may_decline(self):
        self.holds("declines")

    def test_a_pattern_lets_a_target_beside_the_agent_be_dialled(self):
        self.holds("allows", None, self.target().address)

    def test_an_abort_is_an_error_at_the_other_end_and_its_words_are_in_the_servers_log(self):
        server = self.server()
        self.holds("aborts", server.url)
        self.wait_log(server, "enough of that")

    def test_an_agent_closes_within_a_callback_and_its_connections_end(self):
        self.holds("closes")

    def test_both_close_in_the_middle_of_bulk(self):
        self.holds("leaves")

    def test_what_comes_after_a_close_is_dropped(self):
        self.holds("drops")

    def test_two_loops_in_two_threads_share_nothing(self):
        self.holds("threads")

    def test_mistakes_are_codes_and_leave_nothing_behind(self):
        self.holds("mistakes")

    def test_a_dial_fails_with_the_session_that_it_waits_for(self):
        self.holds("unreachable", f"ws://127.0.0.1:{traffic.free_port()}/connect")

    def test_tokens_are_shown_and_a_wrong_one_is_denied(self):
        path, (agent, visitor) = self.token_file(
            ("agent", "probe"), ("visitor", "me", "dial=probe/*:*")
        )
        server = self.server(auth=("--token-file", path))
        right = {"PROBE_AGENT_TOKEN": agent, "PROBE_VISITOR_TOKEN": visitor}
        probes = [self.holds("bytes", server.url, env=right)]
        wrong = {"PROBE_AGENT_TOKEN": visitor, "PROBE_VISITOR_TOKEN": agent}
        probes.append(self.holds("denied", server.url, env=wrong))
        for process in (server, *probes):
            for token in (agent, visitor):
                self.assertNotIn(token, process.log())

    def test_a_lost_server_is_found_again_and_a_dial_waits_for_it(self):
        server = self.server()
        probe = self.probe("returns", server.url)
        wait_until(lambda: "\nopen\n" in probe.log(), "a connection")
        server.kill()
        self.restart(server)
        self.assertEqual(probe.wait(120), 0, probe.log()[-2000:])
        self.assertIn("\nagain\n", probe.log())


class Tls(Certificates):
    def test_bytes_cross_through_tls(self):
        server = self.server("--tls-cert", self.cert, "--tls-key", self.key)
        url = server.url.replace("ws:", "wss:")
        Scenarios.holds(self, "bytes", url, env={"PROBE_CA": str(self.ca)})

    probe = Scenarios.probe


class Installed(LabCase):
    """The library as it is installed, and the examples with it."""

    @classmethod
    def setUpClass(cls):
        cls.prefix = pathlib.Path(tempfile.mkdtemp(prefix="culvert-library-"))
        cls.addClassCleanup(shutil.rmtree, cls.prefix)
        argv = ("cmake", "--install", binaries(), "--component", "library", "--prefix", cls.prefix)
        subprocess.run(argv, check=True, capture_output=True)
        config = next(cls.prefix.glob("lib/**/culvert.pc"))
        cls.library = config.parents[1]
        cls.env = {**os.environ, "PKG_CONFIG_PATH": str(config.parent)}

    def ask(self, *argv, **how):
        done = subprocess.run(
            [str(word) for word in argv], capture_output=True, text=True, env=self.env, **how
        )
        self.assertEqual(done.returncode, 0, f"{argv}: {done.stderr}")
        return done.stdout

    def config(self, *flags):
        return self.ask("pkg-config", *flags, "culvert").split()

    def compile(self, name, *flags):
        """The example @name, with what pkg-config says and nothing else."""
        out = self.dir / name
        free = FREE if sanitized() else ()
        words = ("-O1", "-g", "-Wall", "-Werror", *free, ROOT / "examples" / f"{name}.c", "-o", out)
        self.ask("cc", *words, *(flags or self.config("--cflags", "--libs")))
        return out

    def run_example(self, program, *words, **how):
        env = {**os.environ, "LD_LIBRARY_PATH": str(self.library)}
        return subprocess.run(
            [str(program), *words], capture_output=True, timeout=traffic.DEADLINE, env=env, **how
        )

    def example(self, serve_http):
        server = self.server(forwards={"web": "demo/my.app:80"})
        env = {"LD_LIBRARY_PATH": str(self.library)}
        self.start("serve_http", [serve_http, server.url, "demo"], Process, env=env)
        return server, f"http://127.0.0.1:{server.forwards['web']}"

    def answer(self, url, *flags):
        def ask():
            done = subprocess.run(["curl", "-sf", *flags, url], capture_output=True, text=True)
            return done.stdout

        return wait_until(ask, f"an answer of {url}")

    def test_a_handler_answers_curl_through_a_tunnel(self):
        _, url = self.example(self.compile("serve_http"))
        self.assertEqual(self.answer(url + "/hello?x"), "GET /hello?x HTTP/1.1\n")
        size = 3000  # of a head that comes in pieces
        said = self.answer(url + "/" + "a" * size, "--limit-rate", "100k")
        self.assertEqual(len(said), size + len("GET / HTTP/1.1\n"))

    def test_a_stream_is_dialled_through_a_server(self):
        server, url = self.example(self.compile("serve_http"))
        self.answer(url)
        dial = self.compile("dial")
        done = self.run_example(dial, server.url, "demo/my.app:80", "GET /y HTTP/1.0\r\n\r\n")
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertTrue(done.stdout.endswith(b"\r\n\r\nGET /y HTTP/1.0\n"), done.stdout)
        done = self.run_example(dial, server.url, "nobody/my.app:80", "")
        self.assertEqual((done.returncode, done.stdout), (1, b""))
        self.assertIn(b"nobody/my.app:80: ", done.stderr)

    def test_examples_link_with_the_static_library(self):
        static = [
            str(self.library / "libculvert.a") if word == "-lculvert" else word
            for word in self.config("--static", "--cflags", "--libs")
        ]
        program = self.compile("serve_http", *static)
        self.assertNotIn("libculvert", self.ask("ldd", program))
        _, url = self.example(program)
        self.assertEqual(self.answer(url), "GET / HTTP/1.1\n")

    def test_a_server_in_a_program_leads_a_local_port_to_an_agents_target(self):
        program, target, port, local = self.compile("embed_server"), self.target(), *(
            traffic.free_port() for _ in range(2)
        )
        env = {"LD_LIBRARY_PATH": str(self.library), "CULVERT_TOKEN": "sesame"}
        words = [f"127.0.0.1:{port}", f"127.0.0.1:{local}", f"foo/{target.address}"]
        server = self.start("embed_server", [program, *words], Process, env=env)
        url = f"ws://127.0.0.1:{port}/connect"
        self.wait_listening(server, port, local)
        stranger = self.agent(url, key="foo", token="open")
        wait_until(lambda: "401" in stranger.log(), "the refusal")
        self.agent(url, key="foo", token="sesame")
        self.wait_echo(local)
        wait_until(lambda: "foo comes from 127.0.0.1" in server.log(), "its line")
        server.signal(signal.SIGINT)
        self.assertEqual(server.wait(), 0, server.log())
        self.assertIn("foo goes: ", server.log())

    def test_examples_are_short_and_use_the_public_headers_alone(self):
        for path in (ROOT / "examples").glob("*.c"):
            text = path.read_text()
            self.assertLessEqual(len(text.splitlines()), 60, path)
            self.assertEqual(re.findall(r'#include "', text), [], path)

    def test_the_makefile_of_the_examples_builds_them(self):
        folder = self.dir / "examples"
        shutil.copytree(ROOT / "examples", folder)
        free = f"CFLAGS={' '.join(FREE)}" if sanitized() else "CFLAGS=-O2"
        self.ask("make", free, cwd=folder)
        for path in folder.glob("*.c"):
            self.assertTrue(path.with_suffix("").exists(), path)

    def test_each_header_compiles_alone_as_c11_and_as_cxx17(self):
        flags = self.config("--cflags")
        strict = ("-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only")
        for header in HEADERS:
            for compiler, standard, language in (("cc", "c11", "c"), ("c++", "c++17", "c++")):
                # libuv's own header asks for more than ISO C
                posix = ("-D_POSIX_C_SOURCE=200809L",) if language == "c" else ()
                how = (compiler, f"-std={standard}", "-x", language, *strict, *posix, *flags, "-")
                text = f"#include <culvert/{header.name}>\nextern int nothing;\n"
                self.ask(*how, input=text)

    def test_just_what_the_headers_declare_is_visible(self):
        text = "".join(header.read_text() for header in HEADERS)
        declared = sorted(re.findall(r"^CV_API [^(;]*?(\w+)\(", text, re.M))
        self.assertGreater(len(declared), 20)
        shared = self.ask("nm", "-D", "--defined-only", self.library / "libculvert.so")
        symbols = [line.split()[-1] for line in shared.splitlines() if " A " not in line]
        self.assertEqual(sorted(symbols), [f"{name}@@CULVERT_0" for name in declared])
        static = self.ask("nm", "-g", "--defined-only", self.library / "libculvert.a")
        self.assertEqual(sorted(re.findall(r"(?m) [A-Z] (\w+)$", static)), declared)

    def test_the_shared_library_needs_only_libuv_and_openssl(self):
        needed = self.ask("readelf", "-d", self.library / "libculvert.so")
        names = set(re.findall(r"NEEDED.*\[lib(\w+)[.-]", needed)) - {"asan", "ubsan", "tsan"}
        self.assertEqual(names, {"uv", "ssl", "crypto", "c"})
        self.assertIn("SONAME", needed)
        self.assertRegex(needed, r"SONAME.*\[libculvert\.so\.0\]")


@unittest.skipUnless(platform.machine() == "x86_64", "the baseline is of x86-64")
class Interface(LabCase):
    """What programs were compiled for, in tests/abi/libculvert.abi."""

    def abi(self, *baseline):
        return subprocess.run(
            [ROOT / "tools/abi", binaries(), *baseline], capture_output=True, text=True
        )

    def test_it_is_that_of_the_baseline(self):
        done = self.abi()
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_a_change_of_a_struct_or_a_function_is_noticed(self):
        text = (ROOT / "tests/abi/libculvert.abi").read_text()
        field = r"<data-member[^>]*>\s*<var-decl name='headers'.*?</data-member>"
        parameter = r"(<function-decl name='cv_dial'.*?)<parameter[^>]*/>"
        symbol = r"<elf-symbol name='cv_version'[^>]*/>"
        for change in (field, parameter, symbol):
            changed = re.sub(change, lambda match: (match.groups() or ("",))[0], text, 1, re.S)
            self.assertNotEqual(changed, text)
            done = self.abi(self.file("changed.abi", changed))
            self.assertEqual(done.returncode, 1, change)
            self.assertIn("not the interface", done.stderr)


if __name__ == "__main__":
    unittest.main()
