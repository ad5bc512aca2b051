"""Debian's proxies, each started for one test on a free port of loopback."""
import shutil

from . import traffic
from .lab import LabCase


class Proxies(LabCase):
    def program(self, name):
        """Where @name is: Debian keeps some of them where only root's shell looks."""
        found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
        if not found:
            self.skipTest(f"{name} is not installed: tools/install-deps test")
        return found

    def tinyproxy(self, *lines):
        """(process, port): an HTTP proxy that lets CONNECT through to every port."""
        port = traffic.free_port()
        config = [f"Port {port}", "Listen 127.0.0.1", "Timeout 600", "LogLevel Connect", *lines]
        file = self.file(f"tinyproxy-{port}.conf", "\n".join(config) + "\n", 0o644)
        proxy = self.start("tinyproxy", [self.program("tinyproxy"), "-d", "-c", file])
        self.wait_listening(proxy, port)
        return proxy, port

    def microsocks(self, *flags):
        """(process, port): a SOCKS5 proxy."""
        port = traffic.free_port()
        argv = [self.program("microsocks"), "-i", "127.0.0.1", "-p", port, *flags]
        proxy = self.start("microsocks", argv)
        self.wait_listening(proxy, port)
        return proxy, port

    def dante(self):
        """(process, port): Debian's SOCKS server, for versions 4 and 5."""
        port = traffic.free_port()
        lines = [
            "logoutput: stderr",
            f"internal: 127.0.0.1 port = {port}",
            "external: 127.0.0.1",
            "clientmethod: none",
            "socksmethod: none",
            "user.privileged: root",
            "user.unprivileged: nobody",
            "client pass { from: 127.0.0.0/8 to: 0.0.0.0/0 }",
            "socks pass { from: 127.0.0.0/8 to: 0.0.0.0/0 log: connect }",
        ]
        file = self.file(f"dante-{port}.conf", "\n".join(lines) + "\n", 0o644)
        pid = self.dir / f"dante-{port}.pid"
        proxy = self.start("dante", [self.program("danted"), "-f", file, "-p", pid])
        self.wait_listening(proxy, port)
        return proxy, port
