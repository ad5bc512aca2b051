"""A service manager as far as a daemon sees one (sd_notify(3)), and threads that stand still."""
import ctypes
import os
import pathlib
import socket
import sys
import threading

from .lab import wait_until

PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207
WALL = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


class Manager:
    """Collects what daemons tell it. @where: a path, or `@name` for an abstract socket."""

    def __init__(self, where):
        self.where = str(where)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        address = self.where
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.messages = []  # each a list of its lines
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        while data := self.socket.recv(65536):
            self.messages.append(data.decode().split("\n"))

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def env(self, **more):
        return {"NOTIFY_SOCKET": self.where, **more}

    def lines(self, since=0):
        return [line for message in self.messages[since:] for line in message]

    def wait(self, line, since=0):
        """Until @line was told; how many messages there are then."""
        wait_until(
            lambda: line in self.lines(since), lambda: f"{line} in {self.messages[since:][-20:]}"
        )
        return len(self.messages)


_PASS = """
import fcntl, os, sys
names, fds = sys.argv[1], [int(fd) for fd in sys.argv[2].split(",")]
given, fds = fds, [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 100) for fd in fds]
for fd in given:
    os.close(fd)
for number, fd in enumerate(fds, 3):
    os.dup2(fd, number)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)), LISTEN_FDNAMES=names)
os.execv(sys.argv[3], sys.argv[3:])
"""


def passing(sockets):
    """Before a command, whose process is then started as sd_listen_fds(3) says, with @sockets:
    (name, socket) each. They must be inherited: see Process."""
    names = ":".join(name for name, _ in sockets)
    fds = ",".join(str(sock.fileno()) for _, sock in sockets)
    return [sys.executable, "-c", _PASS, names, fds]


def threads_but_main(process):
    tasks = pathlib.Path(f"/proc/{process.pid}/task").iterdir()
    return sorted({int(task.name) for task in tasks} - {process.pid})


class Standstill:
    """Threads of a process that do not run while this is entered; the others do."""

    def __init__(self, tids):
        self.tids = tids

    def _ptrace(self, request, tid):
        if _libc.ptrace(request, tid, None, None) < 0:
            raise OSError(ctypes.get_errno(), f"ptrace {request:#x} of {tid}")

    def __enter__(self):
        for tid in self.tids:
            self._ptrace(PTRACE_SEIZE, tid)
            self._ptrace(PTRACE_INTERRUPT, tid)
            os.waitpid(tid, WALL)
        return self

    def __exit__(self, *_):
        for tid in self.tids:
            self._ptrace(PTRACE_DETACH, tid)
