"""wss: an own authority, a wrong one, names, and --insecure, which says so."""
import unittest

from . import traffic
from .certs import Certificates
from .lab import wait_until


class Tls(Certificates):
    def setUp(self):
        super().setUp()
        self.aim = self.target()

    def tls_server(self):
        server = self.server(
            "--tls-cert",
            self.cert,
            "--tls-key",
            self.key,
            forwards={"main": f"foo/{self.aim.address}"},
        )
        server.url = server.url.replace("ws://", "wss://")
        return server

    def assert_refused(self, server, agent, *words):
        """The agent says that it does not trust the server, and no session comes of it."""
        wait_until(
            lambda: any(word in agent.log().lower() for word in words),
            lambda: f"{words} in {agent.log()}",
        )
        self.assertFalse(traffic.echoes(server.forwards["main"]))
        self.assertTrue(agent.alive(), "an agent goes on trying")

    def test_its_own_authority(self):
        server = self.tls_server()
        self.agent(server.url, "--ca", self.ca)
        self.wait_echo(server.forwards["main"])
        self.assertTrue(traffic.upload(server.forwards["main"], 16 << 20))
        self.assertTrue(traffic.download(server.forwards["main"], 16 << 20))

    def test_echo_both_ways_at_once(self):
        server = self.tls_server()
        self.agent(server.url, "--ca", self.ca)
        self.wait_echo(server.forwards["main"])
        same, got = traffic.full_duplex(server.forwards["main"], 64 << 20)
        self.assertTrue(same, f"stands still or differs after {got} bytes")

    def test_another_authority_is_refused(self):
        server = self.tls_server()
        other, _ = self.authority("other")
        self.assert_refused(server, self.agent(server.url, "--ca", other), "certificate", "issuer")

    def test_without_a_ca_the_systems_are_asked(self):
        server = self.tls_server()
        self.assert_refused(server, self.agent(server.url), "certificate", "issuer")

    def test_a_wrong_name_is_refused_and_the_right_one_can_be_given(self):
        server = self.tls_server()
        elsewhere = self.agent(server.url, "--ca", self.ca, "--tls-server-name", "elsewhere.test")
        self.assert_refused(server, elsewhere, "name", "match", "elsewhere.test")
        self.agent(server.url, "--ca", self.ca, "--tls-server-name", "tunnel.test")
        self.wait_echo(server.forwards["main"])

    def test_insecure_connects_and_says_so(self):
        server = self.tls_server()
        agent = self.agent(server.url, "--insecure")
        self.wait_echo(server.forwards["main"])
        self.assertIn("insecure", agent.log().lower())

    def test_a_plain_agent_at_a_tls_door_gets_nowhere(self):
        server = self.tls_server()
        self.agent(server.url.replace("wss://", "ws://"))
        self.agent(server.url, "--ca", self.ca)
        self.wait_echo(server.forwards["main"], "the right agent beside the wrong one")

    def test_a_bad_key_or_certificate_is_a_bad_file(self):
        port = traffic.free_port()
        base = ["--listen", f"127.0.0.1:{port}", "--insecure-no-auth"]
        _, other = self.authority("other")
        for cert, key, named in (
            (self.cert, self.dir / "absent.key", "absent.key"),
            (self.cert, other, "other.key"),
            (self.file("junk.pem", "junk\n"), self.key, "junk.pem"),
        ):
            with self.subTest(named):
                done = self.run_to_end(
                    "culvert-server", *base, "--tls-cert", cert, "--tls-key", key
                )
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(named, done.stderr)
        done = self.run_to_end("culvert-server", *base, "--tls-cert", self.cert)
        self.assertEqual(done.returncode, 2, "a certificate without a key")


if __name__ == "__main__":
    unittest.main()
