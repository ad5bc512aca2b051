"""Processes of the benchmark: started here, watched in /proc, ended by their own ids only."""

import os
import shutil
import signal
import socket
import subprocess
import time

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024
END_PATIENCE_S = 3.0
ORPHAN_GRACE_S = 0.5


def free_port():
    """A port of 127.0.0.1 that nothing listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _stat(pid):
    """The fields of /proc/PID/stat from the state on, or None when the process is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return None


def tree(pid):
    """@pid and its descendants."""
    children = {}
    for name in os.listdir("/proc"):
        stat = _stat(name) if name.isdigit() else None
        if stat:
            children.setdefault(int(stat[1]), []).append(int(name))
    found = [pid]
    for parent in found:
        found += children.get(parent, [])
    return found


def cpu_seconds(pid):
    """User and system seconds of @pid, its descendants, and the children it has waited for."""
    ticks = 0
    for member in tree(pid):
        stat = _stat(member)
        if stat:
            ticks += sum(int(field) for field in stat[11:15])
    return ticks / TICKS_PER_SECOND


def run_seconds(pid):
    """Seconds that the threads of @pid have run, to the nanosecond where the kernel counts them;
    threads that have ended are left out, and so are children."""
    try:
        nanoseconds = 0
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as file:
                nanoseconds += int(file.read().split()[0])
        return nanoseconds / 1e9
    except OSError:
        return cpu_seconds(pid)


def rss_kib(pid):
    """Resident memory of @pid and its descendants, each counted whole."""
    total = 0
    for member in tree(pid):
        try:
            with open(f"/proc/{member}/statm", encoding="ascii") as file:
                total += int(file.read().split()[1]) * PAGE_KIB
        except OSError:
            pass
    return total


def open_files(pid):
    """Descriptors that @pid itself has open."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0


class Process:
    """One program that runs until it is stopped; what it prints goes to a file."""

    def __init__(self, argv, log, user=None, env=None):
        """Starts @argv, as the unprivileged @user when that is given (which only root may)."""
        self.log = log
        guard = []
        if shutil.which("setpriv"):
            # A benchmark that is killed must not leave a server behind.
            guard = ["setpriv", "--pdeathsig", "TERM"]
            if user:
                guard += [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        with open(log, "ab") as output:
            self.popen = subprocess.Popen(
                guard + argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env,
                start_new_session=True)

    @property
    def pid(self):
        return self.popen.pid

    def alive(self):
        return self.popen.poll() is None

    def last_words(self):
        """The last line that the program printed."""
        with open(self.log, encoding="utf-8", errors="replace") as file:
            lines = [line.strip() for line in file if line.strip()]
        return lines[-1] if lines else "it printed nothing"

    def stop(self):
        """Ends the program, then whatever it had started and did not take with it."""
        rest = [(pid, _born(pid)) for pid in tree(self.pid)[1:]]
        if self.alive():
            self.popen.terminate()
            try:
                self.popen.wait(END_PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
        for pid, born in rest:
            _end_orphan(pid, born)


def _born(pid):
    """When @pid started, which with the id names a process for good; None when it is gone."""
    stat = _stat(pid)
    return stat[19] if stat and stat[0] != "Z" else None


def _end_orphan(pid, born):
    """Ends @pid unless it ends by itself, or its id has passed to another process."""
    start = time.monotonic()
    number = signal.SIGTERM
    while born is not None and _born(pid) == born:
        waited = time.monotonic() - start
        if waited > ORPHAN_GRACE_S:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                return
            number = signal.SIGTERM if waited < END_PATIENCE_S else signal.SIGKILL
        time.sleep(0.02)
