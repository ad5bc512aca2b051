"""The programs under test as real processes, and the test case that starts and ends them."""
import ctypes
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from . import traffic
from .traffic import DEADLINE

ROOT = pathlib.Path(__file__).resolve().parents[2]
SANITIZER_WORDS = (
    "AddressSanitizer",
    "LeakSanitizer",
    "ThreadSanitizer",
    "UndefinedBehaviorSanitizer",
    "runtime error:",
)
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)

# visitors and targets of a thousand connections live in this process
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)


def binaries():
    """The folder of culvert-server: $CULVERT_BIN, else a release build, else a sanitizer build."""
    asked = os.environ.get("CULVERT_BIN")
    for folder in [asked] if asked else ["build/release", "build/asan"]:
        path = (ROOT / folder).resolve()
        if (path / "culvert-server").exists():
            return path
    raise FileNotFoundError(
        f"no culvert-server in {asked or 'build/release or build/asan'}: set CULVERT_BIN"
    )


def sanitized():
    """Whether the programs carry a sanitizer, so that sizes should be smaller."""
    program = (binaries() / "culvert-server").read_bytes()
    return any(symbol in program for symbol in (b"__asan_init", b"__tsan_init", b"__ubsan_handle"))


def scaled(name, release, sanitizer):
    """A size from the environment variable @name, or one that fits the build."""
    return int(os.environ.get(name) or (sanitizer if sanitized() else release))


def wait_until(condition, what, seconds=DEADLINE):
    """Polls @condition until it is true; its value. An AssertionError naming
    @what after the deadline."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"not seen in {seconds} s: {what() if callable(what) else what}")
        time.sleep(0.02)
    return value


class Process:
    """One child with a log of its own. It dies with this process, and is ended by its pid."""

    def __init__(self, argv, log, env=None, nofile=None, fds=()):
        self.argv, self.log_path = [str(word) for word in argv], log

        def in_child():
            _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if nofile:
                resource.setrlimit(resource.RLIMIT_NOFILE, (nofile, nofile))

        with open(log, "ab") as out:
            self.popen = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=ROOT,
                env={k: v for k, v in {**os.environ, **(env or {})}.items() if v is not None},
                preexec_fn=in_child,
                pass_fds=fds,
            )
        self.pid = self.popen.pid

    def log(self):
        return self.log_path.read_text(errors="replace")

    def alive(self):
        return self.popen.poll() is None

    def wait(self, seconds=DEADLINE):
        """The exit status (-N after signal N)."""
        return self.popen.wait(seconds)

    def signal(self, number):
        self.popen.send_signal(number)

    def kill(self):
        self.popen.kill()
        self.popen.wait()

    def stop(self, seconds=DEADLINE):
        """SIGTERM and the exit status; SIGKILL when that does not help."""
        if self.alive():
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
        try:
            return self.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return self.popen.returncode

    def rss(self):
        """Resident bytes."""
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        return 0

    def descriptors(self):
        return os.listdir(f"/proc/{self.pid}/fd")

    def fds(self):
        return len(self.descriptors())


class Server(Process):
    """A culvert-server: @port of its front door, @forwards from a name to a local port."""

    port, forwards, url = None, {}, None


class LabCase(unittest.TestCase):
    """A test with real processes. Their logs are shown, and kept, when it fails."""

    longMessage = True

    def run(self, result=None):
        result = result or self.defaultTestResult()
        bad = len(result.failures) + len(result.errors)
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="culvert-"))
        self.processes = []
        super().run(result)
        if len(result.failures) + len(result.errors) == bad:
            shutil.rmtree(self.dir, ignore_errors=True)
            return result
        print(f"\n{self.id()}: logs are kept in {self.dir}", file=sys.stderr)
        for log in sorted(self.dir.glob("*.log")):
            print(
                f"--- the end of {log.name}\n{log.read_text(errors='replace')[-3000:]}",
                file=sys.stderr,
            )
        return result

    def setUp(self):
        self.addCleanup(self._end_all)

    def _end_all(self):
        for process in reversed(self.processes):
            process.stop(20)
        complaints = [
            p.log_path.name for p in self.processes if any(w in p.log() for w in SANITIZER_WORDS)
        ]
        self.assertEqual(complaints, [], "a sanitizer complains")

    # -- processes --

    def file(self, name, text, mode=0o600):
        path = self.dir / name
        path.write_text(text)
        path.chmod(mode)
        return path

    def start(self, name, argv, kind=Process, **how):
        log = self.dir / f"{len(self.processes):02}-{name}.log"
        process = kind(argv, log, **how)
        self.processes.append(process)
        return process

    def run_to_end(self, program, *argv, env=None):
        """A run that ends by itself: the completed process, output as text."""
        return subprocess.run(
            [str(binaries() / program), *map(str, argv)],
            capture_output=True,
            text=True,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            timeout=DEADLINE,
            env={**os.environ, **(env or {})},
        )

    def server(
        self, *flags, forwards=None, auth=("--insecure-no-auth",), port=None, prefix=(), **how
    ):
        """A server that already listens. @forwards: name -> CLIENT/TARGET, each
        on a free local port."""
        port = port or traffic.free_port()
        ports = {name: traffic.free_port() for name in forwards or {}}
        argv = ["--listen", f"127.0.0.1:{port}", *auth, *flags]
        for name, target in (forwards or {}).items():
            argv += ["--forward", f"127.0.0.1:{ports[name]}={target}"]
        server = self.start(
            "server", [*prefix, binaries() / "culvert-server", *argv], Server, **how
        )
        server.port, server.forwards, server.url = port, ports, f"ws://127.0.0.1:{port}/connect"
        if not prefix:
            self.wait_listening(server, port, *ports.values())
        return server

    def restart(self, server):
        """A new process with the same command line."""
        new = self.start("server", server.argv, Server)
        new.port, new.forwards, new.url = server.port, server.forwards, server.url
        self.wait_listening(new, new.port, *new.forwards.values())
        return new

    def wait_listening(self, process, *ports):
        def ready():
            return all(traffic.listening(port) for port in ports) or not process.alive()

        wait_until(ready, f"listeners on {ports}")
        self.assertTrue(process.alive(), f"exit {process.popen.returncode}: {process.log()[-500:]}")

    def agent(self, url, *flags, key="foo", prefix=(), token=None, env=None, **how):
        env = {**(env or {}), **({"CULVERT_TOKEN": token} if token else {})}
        argv = [*prefix, binaries() / "culvert-agent", "--connect", url, "--id", key, *flags]
        return self.start(f"agent-{key}", argv, env=env, **how)

    def wait_log(self, process, text, count=1):
        """Until the log of @process has @text, a string or a compiled pattern, so often. A line may
        come later than the answer, the end or the other process's line that goes with it."""

        def seen():
            log = process.log()
            found = log.count(text) if isinstance(text, str) else len(text.findall(log))
            return found >= count

        wait_until(lambda: seen() or not process.alive(), f"{count} of {text!r} in the log")
        self.assertTrue(seen(), f"it ended without {text!r}: {process.log()[-800:]}")

    def wait_echo(self, port, what="an echo through the tunnel"):
        wait_until(lambda: traffic.echoes(port), what)

    def target(self, **where):
        target = traffic.Target(**where)
        self.addCleanup(target.close)
        return target

    def tunnel(self, *server_flags, target=None, agent_flags=(), **how):
        """(server, agent, local port): a forward `main` to @target (a new one
        by default) that works."""
        target = target or self.target()
        server = self.server(*server_flags, forwards={"main": f"foo/{target.address}"}, **how)
        agent = self.agent(server.url, *agent_flags)
        self.wait_echo(server.forwards["main"])
        return server, agent, server.forwards["main"]

    # -- credentials --

    def new_token(self):
        """(token, the hash that stands for it in a token file)."""
        done = self.run_to_end("culvertctl", "token", "new", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        made = json.loads(done.stdout)
        return made["token"], made["hash"]

    def token_file(self, *rows, mode=0o600):
        """Rows (role, name, options...) as a token file: (path, tokens in that order)."""
        lines, tokens = [], []
        for role, name, *options in rows:
            token, digest = self.new_token()
            tokens.append(token)
            lines.append(" ".join([role, name, digest, *options]))
        return self.file(f"tokens-{len(self.processes)}", "\n".join(lines) + "\n", mode), tokens
