"""The agent that finds its server, and whom it trusts, in network namespaces of the test's own."""
import base64
import hashlib
import subprocess
import threading
import unittest

from . import traffic
from .lab import wait_until
from .netns import GROUP4, TYPE, NetCase, description, notify, page

UP = "session up as foo"


def openssl(*argv):
    subprocess.run(["openssl", *map(str, argv)], check=True, capture_output=True)


class Finds(NetCase):
    def target_in(self, ns):
        with ns.entered():
            return self.target()

    def echoes(self, ns, port):
        """Whether a visitor in @ns gets an echo through the forward there."""
        with ns.entered():
            return traffic.echoes(port)

    def test_a_server_without_any_address_typed(self):
        target = self.target_in(self.b)
        self.advertiser("--forward", f"127.0.0.1:7000=foo/{target.address}")
        self.discoverer()
        wait_until(lambda: self.echoes(self.a, 7000), "an echo through what was found")

    def test_a_server_by_ipv6_alone(self):
        for ns, name, host in ((self.a, "va", 1), (self.b, "vb", 2)):
            ns.ip("addr", "del", f"10.77.0.{host}/24", "dev", name)
        self.advertiser(listen="[::]:8123")
        self.wait_log(self.discoverer(), UP)

    def test_a_server_that_starts_later_and_another_when_it_is_lost(self):
        agent = self.discoverer("--discover-timeout", "1s")
        self.wait_log(agent, "no server was found in 1 s")
        first = self.advertiser()
        self.wait_log(agent, UP)
        first.kill()
        self.wait_log(agent, "searching again", count=2)
        self.advertiser(listen=":8124", state="other")
        self.wait_log(agent, UP, count=2)
        self.assertIn(":8124/connect: " + UP, agent.log())

    def test_the_first_that_takes_it_in_of_several(self):
        tokens, _ = self.token_file(("agent", "somebody"))
        closed = self.advertiser(state="closed", auth=["--token-file", tokens])
        agent = self.discoverer()
        self.wait_log(closed, "refused")
        self.advertiser(listen=":8124", state="open")
        self.wait_log(agent, ":8124/connect: " + UP)
        self.assertEqual(agent.stop(), 0)

    def test_a_server_by_another_type(self):
        self.advertiser("--advertise-type", "urn:x:device:Other:1")
        mine = self.discoverer("--discover-timeout", "1s")
        other = self.discoverer("--discover-type", "urn:x:device:Other:1", key="bar")
        self.wait_log(other, "session up as bar")
        self.wait_log(mine, "no server was found")


class Trusts(NetCase):
    """A stranger in `a` says what he likes; the agent in `b` has a token to lose."""

    token = "cvt_" + "x" * 43

    def setUp(self):
        super().setUp()
        self.stranger = self.ear(self.a, "va", source="10.77.0.1")
        self.said = 0

    def claim(self, *locations):
        """Announces each of @locations as a server of ours."""
        for location in locations:
            self.said += 1
            usn = f"uuid:{self.said}::{TYPE}"
            self.stranger.say(notify("alive", usn, location=location, age=60), GROUP4)

    def agent(self, *flags, token=True):
        agent = self.discoverer(*flags, token=self.token if token else None)
        wait_until(lambda: self._heard(agent), "the agent listens")
        return agent

    def _heard(self, agent):
        """A claim, unless a server was found before: then the agent listens to no other."""
        self.claim(f"http://127.0.0.1:1/{self.said}")
        return "127.0.0.1:1/" in agent.log() or "session up" in agent.log()

    @staticmethod
    def upgrade(handler):
        """Plays the server of a tunnel for as long as it takes to see the token."""
        if handler.path != "/connect":
            page(description(handler.server.connect))(handler)
            return
        key = handler.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        handler.send_response(101)
        handler.send_header("Upgrade", "websocket")
        handler.send_header("Connection", "Upgrade")
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        handler.send_header("Sec-WebSocket-Accept", accept)
        handler.end_headers()
        handler.wfile.flush()

    def site_with(self, connect="ws://10.77.0.1:{port}/connect"):
        site = self.site(self.a, "10.77.0.1", self.upgrade)
        site.server.connect = connect.format(port=site.port)
        return site

    def tokens_at(self, site):
        return [headers.get("Authorization") for _, headers in site.requests]

    def test_nobody_with_its_token_by_ws(self):
        site = self.site_with()
        agent = self.agent()
        self.claim(f"http://10.77.0.1:{site.port}/d.xml")
        self.wait_log(agent, "the token does not leave without TLS")
        self.assertEqual([path for path, _ in site.requests], ["/d.xml"])
        self.assertEqual(self.tokens_at(site), [None])
        self.assertNotIn(self.token, agent.log())

    def test_whoever_answers_when_it_is_told_to(self):
        site = self.site_with()
        agent = self.agent("--discover-insecure")
        self.claim(f"http://10.77.0.1:{site.port}/d.xml")
        wait_until(lambda: f"Bearer {self.token}" in self.tokens_at(site), "the token")
        self.assertNotIn(self.token, agent.log())

    def authority(self, name, *names):
        """A certificate that is its own authority: (certificate, key)."""
        cert, key = self.dir / f"{name}.pem", self.dir / f"{name}.key"
        openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-days", 2, "-subj", f"/CN={name}", "-addext", f"subjectAltName={','.join(names)}"),
            *("-keyout", key, "-out", cert),
        )
        return cert, key

    def tls_server(self, *names):
        cert, key = self.authority("server", *names)
        tokens, (token,) = self.token_file(("agent", "foo"))
        self.token = token
        flags = ("--tls-cert", cert, "--tls-key", key)
        return self.advertiser(*flags, auth=["--token-file", tokens]), cert

    def test_a_certificate_of_the_authority_that_it_was_given(self):
        server, cert = self.tls_server("IP:10.77.0.1", "IP:fd77::1")
        agent = self.agent("--ca", cert, "--discover-interface", "vb")
        self.wait_log(agent, UP)
        self.wait_log(server, "client foo: session")
        self.assertIn("wss://", agent.log())

    def test_a_name_that_it_was_given(self):
        _, cert = self.tls_server("DNS:tunnel.test")
        agent = self.agent("--ca", cert, "--tls-server-name", "tunnel.test")
        self.wait_log(agent, UP)

    def test_no_certificate_of_another_authority_and_none_that_it_does_not_verify(self):
        server, _ = self.tls_server("IP:10.77.0.1")
        other, _ = self.authority("other", "IP:10.77.0.1")
        for flags, why in (
            (("--ca", other), "certificate"),
            ((), "certificate"),
            (("--insecure",), "proves nothing"),
        ):
            agent = self.agent(*flags)
            self.wait_log(agent, why)
        self.assertNotIn("client foo", server.log(), "no token came, nor was one refused")

    def test_no_location_but_one_on_the_link_or_of_the_sender(self):
        local = self.site(self.b, "127.0.0.1", page(description("ws://10.77.0.1:1/connect")))
        self.b.ip("addr", "add", "192.0.2.1/32", "dev", "lo")
        foreign = self.site(self.b, "192.0.2.1", page(b""))
        agent = self.agent("--discover-insecure")
        bad = [
            f"http://127.0.0.1:{local.port}/loop",
            f"http://192.0.2.1:{foreign.port}/far",
            "http://169.254.169.254/meta",
            "http://[::1]:80/loop6",
        ]
        for n, location in enumerate(bad):
            other = self.ear(self.a, "va", source="10.77.0.1") if n else self.stranger
            other.say(notify("alive", f"uuid:bad{n}::{TYPE}", location=location, age=60), GROUP4)
        self.claim("file:///etc/passwd", "http://10.77.0.1/\x1b[31m")
        site = self.site_with(f"ws://127.0.0.1:{local.port}/connect")
        self.a.ip("addr", "add", "10.77.0.9/24", "dev", "va")
        good = self.ear(self.a, "va", source="10.77.0.9")
        place = f"http://10.77.0.1:{site.port}/d.xml"
        good.say(notify("alive", f"uuid:good::{TYPE}", location=place, age=60), GROUP4)
        self.wait_log(agent, f"ws://127.0.0.1:{local.port}/connect: its address is neither")
        self.assertEqual(local.requests + foreign.requests, [])
        self.assertNotIn("passwd", agent.log())
        self.assertNotIn("31m", agent.log())

    def test_no_redirect_no_doctype_and_no_long_document(self):
        away = self.site_with()
        agent = self.agent("--discover-insecure")
        doctype = b'<!DOCTYPE r [<!ENTITY e SYSTEM "file:///etc/passwd">]><r>&e;</r>'
        sites = {
            "cannot be read": page(doctype),
            "longer than the protocol allows": page(b"<r>" + b" " * 70000 + b"</r>"),
        }
        self.a.ip("addr", "add", "10.77.0.8/24", "dev", "va")
        self.stranger = self.ear(self.a, "va", source="10.77.0.8")
        for text, answer in sites.items():
            site = self.site(self.a, "10.77.0.8", answer)
            place = f"http://10.77.0.8:{site.port}/d.xml"
            self.claim(place)
            self.wait_log(agent, f"{place}: {text}")
        hop = page(b"", status=302, Location=f"http://10.77.0.1:{away.port}/d.xml")
        site = self.site(self.a, "10.77.0.8", hop)
        self.claim(f"http://10.77.0.8:{site.port}/d.xml")
        wait_until(lambda: site.requests, "the redirecting site")
        self.wait_log(agent, f"trying ws://10.77.0.8:{site.port}/connect")
        self.assertEqual(away.requests, [])

    def test_no_site_that_keeps_it_waiting(self):
        done = threading.Event()
        self.addCleanup(done.set)
        slow = self.site(self.a, "10.77.0.1", lambda handler: done.wait(traffic.DEADLINE))
        agent = self.agent("--discover-insecure")
        place = f"http://10.77.0.1:{slow.port}/d.xml"
        self.claim(place)
        self.wait_log(agent, f"{place}: connection timed out")

    def test_no_flood_of_claims(self):
        agent = self.agent()
        for _ in range(40):
            self.claim(*(f"http://10.77.0.1:{1024 + n}/flood" for n in range(20)))
        self.a.ip("addr", "add", "10.77.0.9/24", "dev", "va")
        site = self.site_with()
        good = self.ear(self.a, "va", source="10.77.0.9")
        place = f"http://10.77.0.1:{site.port}/d.xml"

        def asked():
            good.say(notify("alive", f"uuid:good::{TYPE}", location=place, age=60), GROUP4)
            return site.requests

        wait_until(asked, "one honest server in a flood")
        self.assertTrue(agent.alive())
        self.assertLess(agent.log().count("found "), 100)

    def test_no_flood_of_lines_by_one_that_comes_and_goes(self):
        site = self.site_with("ws://10.77.0.1:1/connect")
        agent = self.agent(token=False)
        usn = f"uuid:fickle::{TYPE}"
        for _ in range(200):
            asked = len(site.requests)
            place = f"http://10.77.0.1:{site.port}/{asked}"
            self.stranger.say(notify("alive", usn, location=place, age=60), GROUP4)
            wait_until(lambda: len(site.requests) > asked, "a question")  # noqa: B023
            self.stranger.say(notify("byebye", usn), GROUP4)
        for line in "found http://10.77.0.1", "trying ws://", "cannot connect":
            self.assertLess(agent.log().count(line), 150, line)

    def test_no_announcement_that_was_sent_to_it_alone(self):
        site = self.site_with()
        agent = self.agent()
        place = f"http://10.77.0.1:{site.port}/alone"
        text = notify("alive", f"uuid:alone::{TYPE}", location=place, age=60)
        for _ in range(3):
            self.stranger.say(text, "10.77.0.2")
        before = agent.log().count("127.0.0.1:1/")
        self.assertGreater(before, 0)
        second = self.site_with()
        self.claim(f"http://10.77.0.1:{second.port}/d.xml")
        wait_until(lambda: second.requests, "a claim to all")
        self.assertEqual(site.requests, [])


if __name__ == "__main__":
    unittest.main()
