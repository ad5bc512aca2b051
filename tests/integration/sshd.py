"""A private OpenSSH server for the user who runs the tests, with keys and a file of its own."""
import os
import pathlib
import pwd
import shutil
import subprocess

from . import traffic
from .lab import wait_until

SSHD = shutil.which("sshd") or "/usr/sbin/sshd"


class Sshd:
    """Listens at 127.0.0.1:@port; ends with @case."""

    def __init__(self, case):
        self.folder = case.dir
        self.port = traffic.free_port()
        self.user = pwd.getpwuid(os.geteuid()).pw_name
        for key in ("host_key", "user_key"):
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.folder / key], check=True
            )
        shutil.copy(self.folder / "user_key.pub", self.folder / "authorized_keys")
        host_key = (self.folder / "host_key.pub").read_text()
        (self.folder / "known_hosts").write_text(f"culvert-test {host_key}")
        config = case.file(
            "sshd_config",
            f"ListenAddress 127.0.0.1:{self.port}\n"
            f"HostKey {self.folder}/host_key\n"
            f"AuthorizedKeysFile {self.folder}/authorized_keys\n"
            "PidFile none\nUsePAM yes\nStrictModes no\nPermitRootLogin yes\nUseDNS no\n"
            "PasswordAuthentication no\nKbdInteractiveAuthentication no\nLogLevel ERROR\n",
        )
        self.client_config = case.file(
            "ssh_config",
            "IdentitiesOnly yes\nBatchMode yes\nStrictHostKeyChecking yes\nRequestTTY no\n"
            f"UserKnownHostsFile {self.folder}/known_hosts\nHostKeyAlias culvert-test\n"
            f"IdentityFile {self.folder}/user_key\n",
        )
        if os.geteuid() == 0:
            pathlib.Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        case.start("sshd", [SSHD, "-D", "-e", "-f", config])
        wait_until(lambda: traffic.listening(self.port), "sshd")

    def command(self, proxy):
        """An ssh command line up to the host, which @proxy leads to."""
        return ["ssh", "-F", self.client_config, "-o", f"ProxyCommand={proxy}"]

    def run(self, proxy, *words):
        """Runs @words over there: the completed process."""
        return subprocess.run(
            [*self.command(proxy), "-p", str(self.port), f"{self.user}@127.0.0.1", *words],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=traffic.DEADLINE,
        )
