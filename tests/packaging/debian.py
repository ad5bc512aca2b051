"""A Debian of its own for a test: a tar of a minimal one, made once a checkout, and roots unpacked
from it, in namespaces of this process where the system permits them."""
import ctypes
import errno
import fcntl
import functools
import os
import pathlib
import shutil
import subprocess
import unittest
import urllib.request

from tests.integration.lab import ROOT, LabCase

OUT = ROOT / "build/debian"
RELEASE = "bookworm"
CLONE_NEWNS, CLONE_NEWNET = 0x20000, 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def run(*argv, **how):
    """A command that must succeed; its standard output."""
    how = {"capture_output": True, "text": True, **how}
    done = subprocess.run([str(word) for word in argv], **how)
    if done.returncode:
        said = f"{done.stdout}\n{done.stderr}"[-4000:]
        raise AssertionError(f"{argv}: exit {done.returncode}\n{said}")
    return done.stdout


def leave(kind):
    """Puts this process, and those that it starts, into a namespace of their own; whether that is
    permitted, which in containers it is not."""
    if _libc.unshare(kind) == 0:
        return True
    if ctypes.get_errno() != errno.EPERM:
        raise OSError(ctypes.get_errno(), "unshare")
    return False


@functools.cache
def mirror():
    """Where this machine has its Debian from."""
    argv = (
        "apt-get", "indextargets", "--format", "$(REPO_URI)",
        f"Codename: {RELEASE}", "Component: main",
    )  # fmt: skip
    found = run(*argv).split()
    if not found:
        run("apt-get", "update", "-q")
        found = run(*argv).split()
    return found[0]


def why_not():
    """Why there can be no Debian here; None when there can."""
    if os.geteuid():
        return "needs root, for a Debian of its own"
    if f"VERSION_CODENAME={RELEASE}\n" not in pathlib.Path("/etc/os-release").read_text():
        return "this machine is no Debian 12"
    for program in ("mmdebstrap", "dpkg-buildpackage", "lintian"):
        if not shutil.which(program):
            return f"there is no {program}: tools/install-deps test"
    try:
        with urllib.request.urlopen(f"{mirror()}dists/{RELEASE}/Release", timeout=20):
            return None
    except OSError as error:
        return f"Debian's mirror does not answer: {error}"


def base():
    """The tar, made by whoever comes first."""
    OUT.mkdir(parents=True, exist_ok=True)
    tar, made = OUT / "base.tar", OUT / "new.tar"
    with (OUT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not tar.exists():
            options = [] if mounts() else ["--skip=chroot/mount"]
            options += ["--variant=minbase", "--dpkgopt=force-unsafe-io"]
            options += ['--aptopt=Acquire::Retries "3"']
            run("mmdebstrap", *options, RELEASE, made, mirror())
            made.rename(tar)
    return tar


@functools.cache
def mounts():
    """Whether this process may mount, which it does in a namespace of its own."""
    if leave(CLONE_NEWNS):
        run("mount", "--make-rprivate", "/")
        return True
    return False


class DebianCase(LabCase):
    """A test in a root of Debian, which is there for the whole class: @root."""

    @classmethod
    def setUpClass(cls):
        if reason := why_not():
            if os.environ.get("CI"):
                raise AssertionError(f"CI skips nothing of this: {reason}")
            raise unittest.SkipTest(reason)
        cls.root = OUT / cls.__name__.lower()
        shutil.rmtree(cls.root, ignore_errors=True)
        cls.root.mkdir(parents=True)
        cls.addClassCleanup(shutil.rmtree, cls.root, ignore_errors=True)
        mounts()
        run("tar", "-C", cls.root, "-xf", base())
        if mounts():
            run("mount", "-t", "proc", "proc", cls.root / "proc")
            cls.addClassCleanup(run, "umount", cls.root / "proc")
        shutil.copy("/etc/resolv.conf", cls.root / "etc")

    @classmethod
    def inside(cls, *argv, **how):
        env = {name: os.environ[name] for name in os.environ if name.lower().endswith("_proxy")}
        env |= {"PATH": os.defpath + ":/usr/sbin:/sbin", "DEBIAN_FRONTEND": "noninteractive"}
        return run("chroot", cls.root, *argv, env=env, **how)

    def alone(self):
        """No other network than a loopback interface of our own, if that is permitted."""
        if leave(CLONE_NEWNET):
            run("ip", "link", "set", "lo", "up")
