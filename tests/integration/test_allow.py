"""What an agent dials: every way to write an address that it must not, with the real agent, in a
network where each of them would answer if it were dialled."""
import contextlib
import unittest

from . import traffic
from .lab import LabCase, binaries, wait_until
from .netns import Namespace, why_not

PORT = 80
KEEPER = "127.7.7.7"  # what every agent may dial, on a port of its own
CLOUD = ("169.254.169.254", "fd00:ec2::254", "100.100.100.200")
HOSTS = """
127.0.0.1 localhost
::1 localhost
127.0.0.1 loop.test
10.9.9.9 ten.test other.test both.test
169.254.169.254 meta.test both.test
fd00:ec2::254 meta6.test
100.100.100.200 ali.test
"""

LOOPBACK = (
    *("127.0.0.1", "127.9.9.9", "[::1]", "0.0.0.0", "[::]", "[::ffff:127.0.0.1]"),
    *("[::ffff:0.0.0.0]", "[::ffff:7f00:1]", "localhost", "LocalHost", "loop.test"),
    *("127.1", "0177.0.0.1", "0x7f.0.0.1", "0x7f000001", "2130706433", "017700000001", "0"),
)
TEN = (
    *("10.9.9.9", "[::ffff:10.9.9.9]", "[::ffff:a09:909]", "10.592137", "012.011.011.011"),
    *("0x0a.9.9.9", "168364297", "ten.test"),
)
METADATA = (
    *("169.254.169.254", "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]", "169.254.43518"),
    *("0251.0376.0251.0376", "0xa9.0xfe.0xa9.0xfe", "0xa9fea9fe", "2852039166", "meta.test"),
    *("[fd00:ec2::254]", "[fd00:0ec2:0:0:0:0:0:254]", "meta6.test"),
    *("100.100.100.200", "[::ffff:100.100.100.200]", "0144.0144.0144.0310", "1684301000"),
    "ali.test",
)
OFF_LINK = ("[64:ff9b::a9fe:a9fe]", "[fe80::a9fe:a9fe]", "169.254.1.1", "[fd20:ce::254]")

# the key of an agent: its patterns, what is dialled, what is refused
AGENTS = {
    "plain": ((), LOOPBACK, (*TEN, *METADATA, *OFF_LINK, "both.test")),
    "any": (("*:80",), (*LOOPBACK, *TEN, "both.test"), (*METADATA, *OFF_LINK)),
    "all-nets": (
        ("0.0.0.0/0:*", "[::/0]:*"),
        (*LOOPBACK, *TEN),
        (*METADATA, *OFF_LINK),
    ),
    "link-net": (("169.254.0.0/16:80", "[fd00::/8]:80"), (), (*METADATA, *TEN, *LOOPBACK)),
    "ten": (("10.0.0.0/8:80",), (*TEN, "both.test"), (*LOOPBACK, *METADATA)),
    "name": (
        ("ten.test:80", "meta.test:80", "both.test:81"),
        ("ten.test", "TEN.Test"),
        ("other.test", "both.test", "meta.test", "10.9.9.9", *LOOPBACK),
    ),
    "exact": (
        tuple(f"[{a}]:80" if ":" in a else f"{a}:80" for a in CLOUD),
        METADATA,
        (*LOOPBACK, *TEN, *OFF_LINK),
    ),
    "port": (("10.9.9.9:81", "127.0.0.1:8000-8100"), (), ("10.9.9.9", "127.0.0.1")),
}


class Allow(LabCase):
    """Server, agents and targets in one network namespace, whose loopback holds the addresses of
    clouds; the agents read a list of hosts of their own."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if why := why_not():
            raise unittest.SkipTest(f"no network namespace: {why}")

    def setUp(self):
        self.ns = Namespace("w")
        self.addCleanup(self.ns.delete)
        for address in (*CLOUD, "10.9.9.9"):
            self.ns.ip("addr", "add", address, "dev", "lo")
        super().setUp()
        with self.ns.entered():
            self.aim = self.target(host="::", port=PORT)  # of both families, at every address
            self.keeper = self.target(host=KEEPER)
        hosts = self.file("hosts", HOSTS)
        script = 'mount --bind "$0" /etc/hosts && exec "$@"'
        self.inside = (*self.ns.prefix, "unshare", "-m", "sh", "-c", script, hosts)

    def start_all(self):
        """One server with a forward for each question: {(key, host): port}, {key: port}."""
        ports, keepers, argv, port = {}, {}, [], 20000
        for key, (_, good, bad) in AGENTS.items():
            for host in ("", *good, *bad):
                port += 1
                target = f"{host}:{PORT}" if host else self.keeper.address
                argv += ["--forward", f"127.0.0.1:{port}={key}/{target}"]
                if host:
                    ports[key, host] = port
                else:
                    keepers[key] = port
        listen = ("--listen", "127.0.0.1:19999", "--insecure-no-auth")
        program = binaries() / "culvert-server"
        server = self.start("server", [*self.ns.prefix, program, *listen, *argv])
        wait_until(lambda: traffic.sockets(port, traffic.LISTEN, server.pid), "the last listener")
        for key, (patterns, _, _) in AGENTS.items():
            flags = [word for pattern in patterns for word in ("--allow", pattern)]
            if patterns:
                flags += ["--allow", self.keeper.address]
            self.agent("ws://127.0.0.1:19999/connect", *flags, key=key, prefix=self.inside)
        for keeper in keepers.values():
            self.wait_echo(keeper)
        return ports, keepers

    def test_every_way_to_write_an_address(self):
        with self.ns.entered(), contextlib.ExitStack() as stack:
            ports, keepers = self.start_all()
            held = {k: stack.enter_context(traffic.visit(p, "ECHO")) for k, p in keepers.items()}
            for key, (_, good, bad) in AGENTS.items():
                self.assertTrue(traffic.ping(held[key]))
                for host in good:
                    with self.subTest(agent=key, dialled=host):
                        self.assertTrue(traffic.echoes(ports[key, host]))
                for host in bad:
                    with self.subTest(agent=key, refused=host):
                        before = self.aim.accepted
                        self.assertFalse(traffic.echoes(ports[key, host]))
                        self.assertEqual(self.aim.accepted, before, "it was dialled")
                self.assertTrue(traffic.ping(held[key]), f"{key}: an open connection suffered")
        logs = "".join(process.log() for process in self.processes)
        self.assertGreaterEqual(logs.count("not allowed by the agent"), 100)


if __name__ == "__main__":
    unittest.main()
