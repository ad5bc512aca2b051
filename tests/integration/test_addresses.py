"""A name with several addresses, some of which lead nowhere: the agent comes by one that does."""
import pathlib
import shutil
import unittest

from . import netns
from .lab import LabCase, binaries, wait_until

NUMBER = 91
GOOD = f"10.77.{NUMBER}.200"  # the resolver puts those first that are nearer to ours, .1
REFUSING = f"fd77:{NUMBER}::2"  # the server's machine, where nobody listens
SILENT4 = [f"10.77.{NUMBER}.{host}" for host in (7, 8, 9)]  # packets for it are dropped
SILENT6 = f"fd77:{NUMBER}::9"


class Addresses(LabCase):
    def setUp(self):
        super().setUp()
        reason = netns.why_not()
        if reason:
            self.skipTest(f"no network namespaces: {reason}")
        self.near, self.far = netns.Namespace("a"), netns.Namespace("b")
        self.addCleanup(self.far.delete)
        self.addCleanup(self.near.delete)
        netns.link(self.near, self.far, "va", "vb", NUMBER)
        self.far.ip("addr", "add", f"{GOOD}/24", "dev", "vb")
        self.names = pathlib.Path("/etc/netns") / self.near.name  # of this namespace alone
        self.names.mkdir(parents=True)
        self.addCleanup(shutil.rmtree, self.names)
        mac = self.far.run("cat", "/sys/class/net/vb/address").stdout.strip()
        for address in (*SILENT4, SILENT6):  # the other end has none of these
            self.near.ip("neigh", "add", address, "lladdr", mac, "dev", "va", "nud", "permanent")
        listen = ("--listen", f"{GOOD}:8123", "--insecure-no-auth")
        self.hub = self.start(
            "server", [*self.far.prefix, binaries() / "culvert-server", *listen]
        )
        wait_until(lambda: "front door at" in self.hub.log(), "the server")

    def assert_joins(self, *addresses):
        (self.names / "hosts").write_text("".join(f"{address} hub\n" for address in addresses))
        before = self.hub.log().count("client foo: session")
        agent = self.agent("ws://hub:8123/connect", prefix=self.near.prefix)
        wait_until(lambda: "session up as foo" in agent.log(), "the session")
        self.wait_log(self.hub, "client foo: session", before + 1)
        self.assertNotIn("cannot connect", agent.log())
        agent.kill()

    def test_the_first_address_does_not_answer(self):
        self.assert_joins(SILENT4[0], GOOD)
        self.assert_joins(*SILENT4, GOOD)

    def test_ipv6_comes_first_and_does_not_work(self):
        self.assert_joins(SILENT6, GOOD)
        self.assert_joins(REFUSING, GOOD)
        self.assert_joins(REFUSING, SILENT6, *SILENT4, GOOD)


if __name__ == "__main__":
    unittest.main()
