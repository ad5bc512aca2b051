"""Network namespaces that a test makes, so that nothing of it leaves them; and SSDP's datagrams
inside them, written apart from the code under test."""
import contextlib
import ctypes
import http.server
import itertools
import os
import pathlib
import socket
import struct
import subprocess
import threading
import time

from .lab import LabCase, binaries, wait_until
from .traffic import DEADLINE

_libc = ctypes.CDLL(None, use_errno=True)
_numbers = itertools.count()
CLONE_NEWNET = 0x40000000

PORT = 1900
GROUP4, LINK6, SITE6 = "239.255.255.250", "ff02::c", "ff05::c"
TYPE = "urn:culvert-tunnel:device:TunnelServer:1"


def ip(*argv, check=True):
    return subprocess.run(
        ["ip", *map(str, argv)], check=check, capture_output=True, text=True, timeout=30
    )


def why_not():
    """Why namespaces cannot be made here; None when they can."""
    name = f"cvtest{os.getpid()}"
    try:
        done = ip("netns", "add", name, check=False)
    except FileNotFoundError:
        return "there is no program `ip` (iproute2)"
    if done.returncode:
        return f"ip netns add: {done.stderr.strip()}"
    ip("netns", "del", name)
    return None


class Namespace:
    def __init__(self, letter):
        self.name = f"cv{os.getpid()}{letter}{next(_numbers)}"
        ip("netns", "add", self.name)
        self.prefix = ("ip", "netns", "exec", self.name)
        # no waiting until the kernel has asked the link whether an address is in use
        for which in ("all", "default"):
            self.run("sysctl", "-q", "-w", f"net.ipv6.conf.{which}.accept_dad=0")
        # else, on Linux 6.18: of sockets that share a port, each in a group on an interface of
        # its own, any may be handed what is for one
        self.run("sysctl", "-q", "-w", "net.ipv4.udp_early_demux=0")
        self.ip("link", "set", "lo", "up")

    def ip(self, *argv):
        return ip("-n", self.name, *argv)

    def run(self, *argv, seconds=DEADLINE, check=True):
        return subprocess.run(
            [*self.prefix, *map(str, argv)],
            check=check,
            capture_output=True,
            text=True,
            timeout=seconds,
            stdin=subprocess.DEVNULL,
        )

    @contextlib.contextmanager
    def entered(self):
        """This thread is inside: sockets that it makes belong there for good."""
        with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{self.name}") as there:
            self._set(there)
            try:
                yield
            finally:
                self._set(home)

    @staticmethod
    def _set(where):
        if _libc.setns(where.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")

    def delete(self):
        ip("netns", "del", self.name, check=False)


def link(a, b, name_a, name_b, number):
    """A cable between two namespaces: 10.77.N.1 and .2, fd77:N::1 and ::2."""
    peer = ("type", "veth", "peer", "name", name_b, "netns", b.name)
    ip("link", "add", name_a, "netns", a.name, *peer)
    for ns, name, host in ((a, name_a, 1), (b, name_b, 2)):
        ns.ip("addr", "add", f"10.77.{number}.{host}/24", "dev", name)
        ns.ip("addr", "add", f"fd77:{number}::{host}/64", "dev", name)
        ns.ip("link", "set", name, "up")
    for ns, name in ((a, name_a), (b, name_b)):
        if number == 0:  # for peers that leave the choice to the kernel
            ns.ip("route", "add", "224.0.0.0/4", "dev", name)
    for ns, name in ((a, name_a), (b, name_b)):  # what is sent before is lost
        wait_until(lambda: " UP " in ns.ip("-br", "link", "show", name).stdout, f"{name} up")


class Datagram:
    """One message: its first line, and headers by upper-case name."""

    def __init__(self, data, source):
        lines = data.decode("latin-1").split("\r\n")
        self.data, self.source, self.first = data, source, lines[0]
        pairs = (line.partition(":") for line in lines[1:] if line)
        self.headers = {name.upper(): value.strip() for name, _, value in pairs}
        self.at = time.monotonic()

    def __getitem__(self, name):
        return self.headers.get(name)

    def __repr__(self):
        return f"<{self.first} {self.headers}>"


class Ear:
    """A socket in a namespace; with @group it takes part in SSDP there, at port 1900."""

    def __init__(self, ns, interface, group=None, port=0, source=None):
        family = socket.AF_INET6 if ":" in (group or source or "") else socket.AF_INET
        self.group, self.v6 = group, family == socket.AF_INET6
        with ns.entered():
            self.index = socket.if_nametoindex(interface)
            self.sock = socket.socket(family, socket.SOCK_DGRAM)
        sock, on = self.sock, 1
        if group:
            port = PORT
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, on)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, on)
        # only what comes to groups that it joined itself: IP_MULTICAST_ALL, IPV6_MULTICAST_ALL
        if self.v6:
            sock.setsockopt(socket.IPPROTO_IPV6, 29, 0)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, self.index)
            sock.bind((source or "::", port))
            if group:
                member = socket.inet_pton(family, group) + struct.pack("@I", self.index)
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, member)
        else:
            sock.setsockopt(socket.IPPROTO_IP, 49, 0)
            out = struct.pack("4s4si", b"", b"", self.index)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, out)
            sock.bind((source or "0.0.0.0", port))
            if group:
                member = socket.inet_aton(group) + struct.pack("4si", b"", self.index)
                sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
        self.heard = []

    def say(self, text, to, port=PORT):
        data = text if isinstance(text, bytes) else text.encode("latin-1")
        where = (to, port, 0, self.index) if self.v6 else (to, port)
        self.sock.sendto(data, where)

    def listen(self, seconds):
        """Takes what comes within @seconds; for tests that nothing comes, or that little does."""
        self._until(lambda: False, seconds)
        return self.heard

    def wait(self, wanted, count=1, seconds=DEADLINE):
        """The datagrams for which @wanted holds, once there are @count."""
        found = []
        if not self._until(lambda: len([d for d in self.heard if wanted(d)]) >= count, seconds):
            raise AssertionError(f"not heard: {count} of {wanted}; but {self.heard}")
        found = [d for d in self.heard if wanted(d)]
        return found[0] if count == 1 else found

    def _until(self, done, seconds):
        end = time.monotonic() + seconds
        while not done():
            left = end - time.monotonic()
            if left <= 0:
                return False
            self.sock.settimeout(left)
            try:
                data, source = self.sock.recvfrom(65536)
            except TimeoutError:
                return False
            self.heard.append(Datagram(data, source))
        return True

    def forget(self):
        self.heard = []

    def close(self):
        self.sock.close()


def search(target="ssdp:all", mx=1, host=f"{GROUP4}:{PORT}", man='"ssdp:discover"'):
    lines = ["M-SEARCH * HTTP/1.1", f"HOST: {host}", f"ST: {target}"]
    lines += [f"MAN: {man}"] if man else []
    lines += [f"MX: {mx}"] if mx is not None else []
    return "\r\n".join([*lines, "", ""])


def notify(nts, usn, nt=TYPE, location=None, age=None, **more):
    lines = ["NOTIFY * HTTP/1.1", f"HOST: {GROUP4}:{PORT}", f"NT: {nt}", f"NTS: ssdp:{nts}"]
    lines += [f"USN: {usn}"]
    lines += [f"LOCATION: {location}"] if location else []
    lines += [f"CACHE-CONTROL: max-age={age}"] if age is not None else []
    lines += [f"{name}: {value}" for name, value in more.items()]
    return "\r\n".join([*lines, "", ""])


def is_answer(datagram):
    return datagram.first == "HTTP/1.1 200 OK"


def is_nts(kind):
    return lambda datagram: datagram["NTS"] == f"ssdp:{kind}"


class Site:
    """An HTTP server in a namespace that notes each request; @answer(handler) replies."""

    def __init__(self, ns, host, answer, port=0):
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                site.requests.append((self.path, dict(self.headers)))
                answer(self)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

        self.requests = []
        with ns.entered():
            self.server = Server((host, port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def page(body, status=200, **headers):
    def answer(handler):
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def description(connect):
    return (
        '<?xml version="1.0"?><root xmlns="urn:schemas-upnp-org:device-1-0"><device>'
        f'<culvert:connectURL xmlns:culvert="x">{connect}</culvert:connectURL></device></root>'
    ).encode()


class NetCase(LabCase):
    """Namespaces `a` (the server's side) and `b` (the agent's), with va and vb between them."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if why := why_not():
            import unittest

            print(f"\n*** {cls.__name__}: SKIPPED, no network namespace can be made: {why}")
            raise unittest.SkipTest(f"no network namespace: {why}")

    def setUp(self):
        self.a, self.b = self.namespace("a"), self.namespace("b")
        link(self.a, self.b, "va", "vb", 0)
        super().setUp()  # processes end before their namespaces go

    def namespace(self, letter):
        ns = Namespace(letter)
        self.addCleanup(ns.delete)
        return ns

    def ear(self, ns, interface, group=None, **how):
        ear = Ear(ns, interface, group, **how)
        self.addCleanup(ear.close)
        return ear

    def site(self, ns, host, answer, **how):
        site = Site(ns, host, answer, **how)
        self.addCleanup(site.close)
        return site

    def program(self, ns, name, program, *argv, **how):
        return self.start(name, [*ns.prefix, binaries() / program, *argv], **how)

    def advertiser(self, *flags, ns=None, listen=":8123", interface="va", state="state", auth=None):
        """A server that announces itself, and has said so."""
        server = self.program(
            ns or self.a,
            "server",
            "culvert-server",
            *("--listen", listen, *(auth or ["--insecure-no-auth"])),
            *("--advertise", interface, "--state-dir", self.dir / state, *flags),
        )
        self.wait_log(server, "advertise on")
        return server

    def discoverer(self, *flags, ns=None, key="foo", token=None):
        env = {"CULVERT_TOKEN": token} if token else None
        return self.program(
            ns or self.b,
            f"agent-{key}",
            "culvert-agent",
            *("--discover", "--id", key, "--log-level", "debug", *flags),
            env=env,
        )

    def discover(self, *flags, ns=None):
        """culvertctl discover to its end."""
        return (ns or self.b).run(
            binaries() / "culvertctl", "discover", *map(str, flags), check=False
        )


def state_of(directory: pathlib.Path):
    """(UUID, BOOTID) that a server keeps."""
    uuid, boot = (directory / "ssdp").read_text().split()
    return uuid, int(boot)
