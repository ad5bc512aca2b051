"""Certificates in place of tokens, what TLS is spoken, and files that change while the server
runs."""
import os
import signal
import subprocess
import unittest

from . import traffic
from .certs import Certificates
from .lab import wait_until


class Door(Certificates):
    """A TLS door with a token file, which @rows make, and --tls-client-ca."""

    def setUp(self):
        super().setUp()
        self.aim = self.target()

    def door(self, text, keys=("foo",), **how):
        self.tokens = self.file("tokens", text)
        server = self.server(
            *("--tls-cert", self.cert, "--tls-key", self.key, "--tls-client-ca", self.ca),
            forwards={key: f"{key}/{self.aim.address}" for key in keys},
            auth=("--token-file", self.tokens),
            **how,
        )
        server.url = server.url.replace("ws://", "wss://")
        return server

    def shows(self, server, pair, *flags, key="foo", **how):
        """An agent that shows the certificate of @pair."""
        cert, file = pair
        return self.agent(
            server.url, "--ca", self.ca, "--cert", cert, "--key", file, *flags, key=key, **how
        )


class Subjects(Door):
    def assert_refused(self, server, agent, why, key="foo"):
        wait_until(lambda: why in server.log(), lambda: f"{why!r} in {server.log()}")
        self.assertFalse(traffic.echoes(server.forwards[key]))
        self.assertTrue(agent.alive())

    def test_a_subject_lets_its_key_in_without_a_token(self):
        server = self.door("agent foo subject:CN=laptop,O=Example\\20Ltd\n")
        self.shows(server, self.named("laptop", "O=Example Ltd", "CN=laptop"))
        self.wait_echo(server.forwards["foo"])

    def test_another_subject_is_refused_and_the_log_says_what_to_write(self):
        server = self.door("agent foo subject:CN=laptop\n")
        agent = self.shows(server, self.named("other", "O=a, b", "CN=other "))
        self.assert_refused(server, agent, "it showed subject:CN=other\\20,O=a\\,\\20b")

    def test_another_key_is_refused(self):
        server = self.door("agent foo subject:CN=laptop\n", keys=("foo", "bar"))
        agent = self.shows(server, self.named("laptop", "CN=laptop"), key="bar")
        self.assert_refused(server, agent, "client bar refused", key="bar")

    def test_a_certificate_of_another_authority_does_not_get_to_say_anything(self):
        server = self.door("agent foo subject:CN=laptop\n")
        forged = self.named("forged", "CN=laptop", authority=self.authority("evil"))
        agent = self.shows(server, forged)
        wait_until(lambda: "no answer to the handshake" in agent.log(), agent.log)
        self.assertNotIn("client foo", server.log())
        self.assertFalse(traffic.echoes(server.forwards["foo"]))

    def test_a_token_decides_where_there_is_one(self):
        token, digest = self.new_token()
        wrong, _ = self.new_token()
        server = self.door(f"agent foo subject:CN=laptop\nagent bar {digest}\n", ("foo", "bar"))
        pair = self.named("laptop", "CN=laptop")
        agent = self.shows(server, pair, token=wrong)
        self.assert_refused(server, agent, "client foo refused: no such token")
        self.shows(server, pair, key="bar", token=token)
        self.wait_echo(server.forwards["bar"])

    def test_a_subject_in_place_of_a_token_is_no_token(self):
        server = self.door("agent foo subject:CN=laptop\n")
        line = "X-Tunnel-ID: foo\r\nAuthorization: Bearer subject:CN=laptop\r\n"
        request = f"GET /connect HTTP/1.1\r\nHost: x\r\n{line}\r\n"
        done = subprocess.run(
            ["openssl", "s_client", "-quiet", "-connect", f"127.0.0.1:{server.port}"],
            input=request.encode(),
            capture_output=True,
            timeout=traffic.DEADLINE,
        )
        self.assertIn(b"HTTP/1.1 401 ", done.stdout)

    def test_without_a_certificate_tokens_are_asked_for(self):
        token, digest = self.new_token()
        server = self.door(f"agent foo {digest}\n")
        self.agent(server.url, "--ca", self.ca, token=token)
        self.wait_echo(server.forwards["foo"])

    def test_a_reload_without_the_line_ends_the_session_and_no_other(self):
        server = self.door(
            "agent foo subject:CN=laptop\nagent bar subject:CN=other\n", ("foo", "bar")
        )
        self.shows(server, self.named("laptop", "CN=laptop"))
        self.shows(server, self.named("other", "CN=other"), key="bar")
        self.wait_echo(server.forwards["foo"])
        self.wait_echo(server.forwards["bar"])
        with traffic.visit(server.forwards["bar"], "ECHO") as visitor:
            self.assertTrue(traffic.ping(visitor))
            self.tokens.write_text("agent bar subject:CN=other\n")
            server.signal(signal.SIGHUP)
            wait_until(lambda: "client foo: its credential is gone" in server.log(), server.log)
            self.assertTrue(traffic.ping(visitor))
        self.assertFalse(traffic.echoes(server.forwards["foo"]))

    def test_the_flag_needs_a_certificate_and_a_good_file(self):
        base = ["--listen", "127.0.0.1:0", "--insecure-no-auth"]
        pair = ["--tls-cert", self.cert, "--tls-key", self.key]
        for flags, said in (
            (["--tls-client-ca", self.ca], "--tls-client-ca: needs --tls-cert"),
            ([*pair, "--tls-client-ca", self.dir / "absent.pem"], "absent.pem: no such file"),
            ([*pair, "--tls-client-ca", self.key], "server.key: no usable certificate"),
        ):
            done = self.run_to_end("culvert-server", *base, *flags)
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(said, done.stderr)


class Spoken(Door):
    """What openssl's own client can agree on with the door."""

    def client(self, server, *flags):
        done = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", *flags],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=traffic.DEADLINE,
        )
        return done.stdout + done.stderr

    def test_versions_suites_and_protocol(self):
        server = self.door("agent foo subject:CN=laptop\n")
        weak = ("-cipher", "ALL:@SECLEVEL=0")
        for flags, want in (
            (["-tls1_3"], "TLSv1.3, Cipher is TLS_AES_128_GCM_SHA256"),
            (["-tls1_2"], "TLSv1.2, Cipher is ECDHE-ECDSA-AES128-GCM-SHA256"),
            (["-tls1_1", *weak], "Cipher is (NONE)"),
            (["-tls1", *weak], "Cipher is (NONE)"),
            (["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256"], "Cipher is (NONE)"),
            (["-tls1_2", "-cipher", "AES128-GCM-SHA256"], "Cipher is (NONE)"),
            (["-alpn", "h2,http/1.1"], "ALPN protocol: http/1.1"),
            (["-alpn", "h2"], "No ALPN negotiated"),
        ):
            with self.subTest(flags):
                self.assertIn(want, self.client(server, *flags))


class Changed(Door):
    """Files that change are read anew, without a signal, and nobody's connection is cut."""

    def shown(self, server):
        """The certificate that the door shows now."""
        done = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=traffic.DEADLINE,
        )
        return done.stdout.partition("-----BEGIN CERTIFICATE-----")[2].partition("-----END")[0]

    def test_a_certificate_that_is_replaced_is_shown_and_no_session_is_cut(self):
        token, digest = self.new_token()
        server = self.door(f"agent foo {digest}\n")
        agent = self.agent(server.url, "--ca", self.ca, token=token)
        self.wait_echo(server.forwards["foo"])
        with traffic.visit(server.forwards["foo"], "ECHO") as visitor:
            self.assertTrue(traffic.ping(visitor))
            before = self.shown(server)
            self.assertTrue(before)
            fresh = self.certificate("fresh", "subjectAltName=DNS:tunnel.test,IP:127.0.0.1")
            for new, old in zip(fresh, (self.cert, self.key)):
                os.replace(new, old)
            wait_until(lambda: self.shown(server) not in ("", before), "the new certificate")
            self.assertTrue(traffic.ping(visitor), "a session was cut")
        self.assertEqual(agent.log().count("session up"), 1)
        agent.kill()
        self.agent(server.url, "--ca", self.ca, token=token)
        self.wait_echo(server.forwards["foo"], "an agent at the new certificate")

    def test_what_cannot_be_used_leaves_the_old_in_force(self):
        server = self.door("agent foo subject:CN=laptop\n")
        before = self.shown(server)
        self.cert.write_text("junk\n")
        wait_until(lambda: "reload: " in server.log(), "a complaint")
        self.assertIn("server.pem: no usable certificate", server.log())
        self.assertEqual(self.shown(server), before)

    def test_credentials_that_change_count_at_once(self):
        token, digest = self.new_token()
        server = self.door(f"agent foo {digest}\n", ("foo", "bar"))
        self.agent(server.url, "--ca", self.ca, token=token)
        self.wait_echo(server.forwards["foo"])
        late, late_digest = self.new_token()
        fresh = self.file("tokens.new", f"agent foo {digest}\nagent bar {late_digest}\n")
        os.replace(fresh, self.tokens)
        self.agent(server.url, "--ca", self.ca, key="bar", token=late)
        wait_until(lambda: "reloaded" in server.log(), "the reload")
        with traffic.visit(server.forwards["foo"], "ECHO") as visitor:
            self.assertTrue(traffic.ping(visitor))
            self.file("tokens", f"agent foo {digest}\n")
            wait_until(lambda: server.log().count("reloaded") == 2, "the second reload")
            self.assertTrue(traffic.ping(visitor))
        self.assertFalse(traffic.echoes(server.forwards["bar"]))


if __name__ == "__main__":
    unittest.main()
