"""Peers at wss://: verified by the authority and the name, and --peer-insecure, which says so."""
import unittest

from tests.integration import traffic
from tests.integration.certs import Certificates
from tests.integration.lab import wait_until

from .test_peers import PeerCase

INSECURE = "--peer-insecure: the certificates of peers are not verified"


class Wss(PeerCase, Certificates):
    def setUp(self):
        super().setUp()
        self.tls = ("--tls-cert", self.cert, "--tls-key", self.key)

    def wss_pair(self, *flags, host="127.0.0.1", env=None):
        """Two Culverts that dial each other at @host by wss, a and b, an agent foo at a."""
        target = self.target()
        ports = traffic.free_port(), traffic.free_port()
        a, b = (
            self.peered(
                name,
                (other, f"wss://{host}:{theirs}/connect"),
                port=ours,
                forwards={"main": f"foo/{target.address}"},
                flags=(*self.tls, *flags),
                env=env,
            )
            for name, other, ours, theirs in (("a", "b", *ports), ("b", "a", *reversed(ports)))
        )
        self.agent(f"wss://127.0.0.1:{a.port}/connect", "--ca", self.ca)
        self.wait_echo(a.forwards["main"], "an echo at the agent's own server")
        return a, b

    def assert_peers(self, b):
        self.wait_echo(b.forwards["main"], "an echo through the peer")
        self.assertEqual(traffic.full_duplex(b.forwards["main"], 4 << 20), (True, 4 << 20))

    def assert_no_peers(self, a, b, why):
        """Both say why, of both tries that are waited for, and no session comes of them."""
        for dialler, other in ((a, b), (b, a)):
            line = f":{other.port}: the server's certificate is refused: {why}"
            wait_until(lambda: dialler.log().count(line) > 1, lambda: f"{line} in {dialler.log()}")
        for server in (a, b):
            self.assertNotRegex(server.log(), "peer [ab]: session|session up as")
        self.assertFalse(traffic.echoes(b.forwards["main"]))
        self.assertTrue(traffic.echoes(a.forwards["main"]), "the agent is served all the same")

    def test_an_authority_of_ones_own(self):
        _, b = self.wss_pair("--peer-ca", self.ca)
        self.assert_peers(b)

    def test_without_a_ca_the_systems_are_asked(self):
        _, b = self.wss_pair(env={"SSL_CERT_FILE": str(self.ca)})
        self.assert_peers(b)

    def test_a_ca_that_the_system_does_not_know_is_refused(self):
        self.assert_no_peers(*self.wss_pair(), "unable to get local issuer certificate")

    def test_another_authority_is_refused(self):
        other, _ = self.authority("other")
        flags = ("--peer-ca", other)
        self.assert_no_peers(*self.wss_pair(*flags), "unable to get local issuer certificate")

    def test_a_wrong_name_is_refused(self):
        flags = ("--peer-ca", self.ca)
        self.assert_no_peers(*self.wss_pair(*flags, host="localhost"), "hostname mismatch")

    def test_insecure_peers_with_anybody_and_says_so_at_the_start(self):
        a, b = self.wss_pair("--peer-insecure", host="localhost")
        self.assert_peers(b)
        for server in (a, b):
            self.assertEqual(server.log().count(INSECURE), 1)


if __name__ == "__main__":
    unittest.main()
