"""The tunnels that are compared: one class each, all with the same few methods.

A tool listens on `port` and carries what arrives there to the target's port. `processes` names its
parts: "server" is the one that visitors connect to, "agent" the one that dials the target.
"""

import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import time

from procs import Process, free_port

READY_PATIENCE_S = 10.0
REQUEST = b"GET /kept HTTP/1.1\r\nHost: bench\r\n\r\n"


class ToolError(Exception):
    """A tool did not start, or does not carry bytes."""


def which_sbin(program):
    """Where @program is; daemons lie in folders that are not on everyone's PATH."""
    return shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def unprivileged():
    """The user that a daemon runs as when root runs the benchmark; None for no change."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


class Tool:
    """The way of all tools: check `missing`, `start`, measure at `port`, `stop`."""

    name = ""
    binaries = ()
    takes_agents = False  # whether `front_port` takes agents of our protocol
    join_flags = ()       # what the load generator needs to join there

    def __init__(self):
        self.port = 0
        self.processes = {}

    def missing(self):
        """Why this tool cannot run here, or None."""
        for binary in self.binaries:
            if not shutil.which(binary):
                return f"{binary} is not on PATH"
        return None

    def start(self, target_port, folder):
        """Runs the tool, its files under @folder, and returns once a request went through it."""
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        try:
            self.launch(target_port, folder)
            self.wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def launch(self, target_port, folder):
        raise NotImplementedError

    def stop(self):
        """Ends all processes, the agent's side first."""
        for process in reversed(list(self.processes.values())):
            process.stop()
        self.processes = {}

    def dead(self):
        """The roles whose process has ended by itself."""
        return [role for role, process in self.processes.items() if not process.alive()]

    def wait_until_ready(self):
        deadline = time.monotonic() + READY_PATIENCE_S
        while not self._answers():
            for role in self.dead():
                raise ToolError(f"{self.name}: {role}: {self.processes[role].last_words()}")
            if time.monotonic() > deadline:
                raise ToolError(f"{self.name}: no answer within {READY_PATIENCE_S:.0f} s")
            time.sleep(0.05)

    def _answers(self):
        """Whether one request to the target is answered."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as visitor:
                visitor.sendall(REQUEST)
                return visitor.recv(12) == b"HTTP/1.1 200"
        except OSError:
            return False


def wait_for_port(tool, role, port):
    """Returns once @tool's process of that role listens on @port."""
    deadline = time.monotonic() + READY_PATIENCE_S
    while time.monotonic() < deadline and not tool.dead():
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise ToolError(f"{tool.name}: {role}: {tool.processes[role].last_words()}")


class Direct(Tool):
    """No tunnel: what the kernel and the load generator can do."""

    name = "direct"

    def launch(self, target_port, folder):
        self.port = target_port


class Ssh(Tool):
    """OpenSSH's remote forward. The private sshd has its own keys and configuration and runs
    without privileges: as the user who runs the benchmark, or as `nobody` when that is root. PAM
    decides on the account, since sshd itself takes one without a password for locked."""

    name = "ssh"
    cipher = "aes128-gcm@openssh.com"
    binaries = ("ssh", "ssh-keygen")

    def missing(self):
        return super().missing() or (None if which_sbin("sshd") else "sshd is not installed")


    def launch(self, target_port, folder):
        nobody = unprivileged()
        user = nobody or pwd.getpwuid(os.geteuid())
        port = free_port()
        self._write_files(folder, port, nobody)
        self.processes["server"] = Process(
            [which_sbin("sshd"), "-D", "-e", "-f", str(folder / "sshd_config")],
            folder / "sshd.log", user=nobody)
        wait_for_port(self, "server", port)
        options = ["IdentitiesOnly=yes", "BatchMode=yes", "StrictHostKeyChecking=yes",
                   f"UserKnownHostsFile={folder}/known_hosts", "ExitOnForwardFailure=yes",
                   f"Ciphers={self.cipher}", "Compression=no"]
        self.processes["agent"] = Process(
            ["ssh", "-F", "none", "-N", "-T", "-p", str(port), "-i", str(folder / "user_key")]
            + [part for option in options for part in ("-o", option)]
            + ["-R", f"127.0.0.1:{self.port}:127.0.0.1:{target_port}", f"{user.pw_name}@127.0.0.1"],
            folder / "ssh.log")

    def _write_files(self, folder, port, nobody):
        for key in ("host_key", "user_key"):
            (folder / key).unlink(missing_ok=True)
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key],
                           check=True)
        host_key = (folder / "host_key.pub").read_text()
        (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {host_key}")
        shutil.copy(folder / "user_key.pub", folder / "authorized_keys")
        (folder / "sshd_config").write_text(
            f"ListenAddress 127.0.0.1:{port}\n"
            f"HostKey {folder}/host_key\n"
            f"AuthorizedKeysFile {folder}/authorized_keys\n"
            "PidFile none\n"
            "UsePAM yes\n"
            "StrictModes no\n"
            "PasswordAuthentication no\n"
            "KbdInteractiveAuthentication no\n"
            "AllowTcpForwarding remote\n"
            "UseDNS no\n"
            f"Ciphers {self.cipher}\n"
            "Compression no\n"
            "LogLevel ERROR\n")
        if nobody:
            folder.chmod(0o755)
            os.chown(folder / "host_key", nobody.pw_uid, nobody.pw_gid)


class Culvert(Tool):
    """Ours, over ws://."""

    name = "culvert"
    scheme = "ws"
    takes_agents = True

    def __init__(self, bin_folder):
        super().__init__()
        self.bin_folder = pathlib.Path(bin_folder)
        self.front_port = 0

    def missing(self):
        for name in ("culvert-server", "culvert-agent"):
            if not os.access(self.bin_folder / name, os.X_OK):
                return f"{self.bin_folder / name} is missing: run `make build` first"
        return None

    def launch(self, target_port, folder):
        self.front_port = free_port()
        target = f"127.0.0.1:{target_port}"
        self.processes["server"] = Process(
            [str(self.bin_folder / "culvert-server"), "--listen", f"127.0.0.1:{self.front_port}",
             "--forward", f"127.0.0.1:{self.port}=bench/{target}", "--insecure-no-auth",
             "--log-level", "warn", *self.server_flags(folder)], folder / "server.log")
        self.processes["agent"] = Process(
            [str(self.bin_folder / "culvert-agent"),
             "--connect", f"{self.scheme}://127.0.0.1:{self.front_port}/connect", "--id", "bench",
             "--allow", target, "--log-level", "warn", *self.agent_flags(folder)],
            folder / "agent.log")

    def server_flags(self, folder):
        return []

    def agent_flags(self, folder):
        return []


class CulvertTls(Culvert):
    """Ours, over wss:// with a certificate of its own (ECDSA P-256)."""

    name = "culvert-wss"
    scheme = "wss"
    join_flags = ("--tls",)
    binaries = ("openssl",)

    def missing(self):
        return Culvert.missing(self) or Tool.missing(self)

    def server_flags(self, folder):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1", "-addext",
             "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key.pem",
             "-out", folder / "cert.pem"], check=True, stderr=subprocess.DEVNULL)
        return ["--tls-cert", str(folder / "cert.pem"), "--tls-key", str(folder / "key.pem")]

    def agent_flags(self, folder):
        return ["--ca", str(folder / "cert.pem")]


class Nginx(Tool):
    """nginx's stream proxy: one hop and no tunnel, the floor."""

    name = "nginx"
    module = pathlib.Path("/usr/lib/nginx/modules/ngx_stream_module.so")

    def missing(self):
        if not which_sbin("nginx"):
            return "nginx is not installed"
        return None if self.module.exists() else "libnginx-mod-stream is not installed"

    def launch(self, target_port, folder):
        nobody = unprivileged()
        if nobody:
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)  # for the file of its process id
        (folder / "nginx.conf").write_text(
            f"load_module {self.module};\n"
            "daemon off;\n"
            "worker_processes auto;\n"
            f"pid {folder}/nginx.pid;\n"
            "error_log stderr warn;\n"
            "events { worker_connections 8192; }\n"
            "stream {\n"
            f"    server {{ listen 127.0.0.1:{self.port} backlog=4096;"
            f" proxy_pass 127.0.0.1:{target_port}; }}\n"
            "}\n")
        self.processes["server"] = Process(
            [which_sbin("nginx"), "-p", str(folder), "-e", "stderr",
             "-c", str(folder / "nginx.conf")], folder / "nginx.log", user=nobody)


class Haproxy(Tool):
    """HAProxy in TCP mode: one hop and no tunnel, the other floor."""

    name = "haproxy"

    def missing(self):
        return None if which_sbin("haproxy") else "haproxy is not installed"

    def launch(self, target_port, folder):
        (folder / "haproxy.cfg").write_text(
            "global\n"
            "    maxconn 6000\n"
            "defaults\n"
            "    mode tcp\n"
            "    timeout connect 5s\n"
            "    timeout client 10m\n"
            "    timeout server 10m\n"
            "listen bench\n"
            f"    bind 127.0.0.1:{self.port} backlog 4096\n"
            f"    server target 127.0.0.1:{target_port}\n")
        self.processes["server"] = Process(
            [which_sbin("haproxy"), "-db", "-f", str(folder / "haproxy.cfg")],
            folder / "haproxy.log", user=unprivileged())


class Frp(Tool):
    """frp with its defaults: visitors share one connection (yamux)."""

    name = "frp"
    binaries = ("frps", "frpc")

    def launch(self, target_port, folder):
        control = free_port()
        (folder / "frps.toml").write_text(
            'bindAddr = "127.0.0.1"\n'
            f"bindPort = {control}\n"
            'proxyBindAddr = "127.0.0.1"\n'
            'log.level = "warn"\n')
        # TLS is frp's default since 0.50; the plain link is the like of ws://.
        (folder / "frpc.toml").write_text(
            'serverAddr = "127.0.0.1"\n'
            f"serverPort = {control}\n"
            "loginFailExit = false\n"
            "transport.tls.enable = false\n"
            'log.level = "warn"\n'
            "[[proxies]]\n"
            'name = "bench"\n'
            'type = "tcp"\n'
            'localIP = "127.0.0.1"\n'
            f"localPort = {target_port}\n"
            f"remotePort = {self.port}\n")
        for role, program in (("server", "frps"), ("agent", "frpc")):
            self.processes[role] = Process(
                [program, "-c", str(folder / f"{program}.toml")], folder / f"{program}.log")


class Chisel(Tool):
    """chisel's reverse forward: ssh over a WebSocket."""

    name = "chisel"
    binaries = ("chisel",)

    def launch(self, target_port, folder):
        control = free_port()
        self.processes["server"] = Process(
            ["chisel", "server", "--host", "127.0.0.1", "--port", str(control), "--reverse"],
            folder / "server.log")
        self.processes["agent"] = Process(
            ["chisel", "client", f"http://127.0.0.1:{control}",
             f"R:127.0.0.1:{self.port}:127.0.0.1:{target_port}"], folder / "client.log")


class Rathole(Tool):
    """rathole: a connection to the agent for every visitor, so no multiplexing."""

    name = "rathole"
    binaries = ("rathole",)

    def launch(self, target_port, folder):
        control = free_port()
        (folder / "server.toml").write_text(
            "[server]\n"
            f'bind_addr = "127.0.0.1:{control}"\n'
            'default_token = "bench"\n'
            "[server.services.bench]\n"
            f'bind_addr = "127.0.0.1:{self.port}"\n')
        (folder / "client.toml").write_text(
            "[client]\n"
            f'remote_addr = "127.0.0.1:{control}"\n'
            'default_token = "bench"\n'
            "[client.services.bench]\n"
            f'local_addr = "127.0.0.1:{target_port}"\n')
        for role, part in (("server", "server"), ("agent", "client")):
            self.processes[role] = Process(
                ["rathole", f"--{part}", str(folder / f"{part}.toml")], folder / f"{part}.log")


class Bore(Tool):
    """bore: a connection to the agent for every visitor, so no multiplexing, and no encryption. The
    server's control port is fixed, 7835."""

    name = "bore"
    binaries = ("bore",)
    control_port = 7835

    def launch(self, target_port, folder):
        self.processes["server"] = Process(
            ["bore", "server", "--bind-addr", "127.0.0.1", "--min-port", str(self.port),
             "--max-port", str(self.port)], folder / "server.log")
        wait_for_port(self, "server", self.control_port)  # bore's client tries once
        self.processes["agent"] = Process(
            ["bore", "local", str(target_port), "--local-host", "127.0.0.1", "--to", "127.0.0.1",
             "--port", str(self.port)], folder / "local.log")


def all_tools(bin_folder):
    """Every tool that the benchmark knows, in the order of the tables."""
    return [Direct(), Ssh(), Culvert(bin_folder), CulvertTls(bin_folder), Nginx(), Haproxy(),
            Frp(), Chisel(), Rathole(), Bore()]
