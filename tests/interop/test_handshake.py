"""What our server answers at its front door."""
import base64
import os
import unittest

from tests.integration.lab import LabCase

from .peer import ws
from .peer.agent import Agent

UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "X-Tunnel-ID": "foo",
}


class Handshake(LabCase):
    def setUp(self):
        super().setUp()
        self.lab_server = self.server()

    def ask(self, method="GET", path="/connect", drop=(), **fields):
        """The response head to an upgrade request with @fields (underscores for
        dashes) changed or dropped."""
        sock, reader = ws.connect("127.0.0.1", self.lab_server.port)
        self.addCleanup(sock.close)
        self.addCleanup(reader.close)
        key = base64.b64encode(os.urandom(16)).decode()
        all_fields = {
            **UPGRADE,
            "Host": "x",
            "Sec-WebSocket-Key": key,
            **{name.replace("_", "-"): value for name, value in fields.items()},
        }
        lines = [
            f"{method} {path} HTTP/1.1",
            *(f"{n}: {v}" for n, v in all_fields.items() if n not in drop),
        ]
        sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        head = ws.read_head(reader)
        self.assertIsNotNone(head, "an end without an answer")
        if head.status == 101:
            self.assertEqual(
                head.fields["sec-websocket-accept"], ws.accept_key(all_fields["Sec-WebSocket-Key"])
            )
        return head

    def assert_alive(self):
        agent = Agent(self.lab_server.port, "alive", ping_seconds=0.05)
        self.addCleanup(agent.close)
        self.assertTrue(agent.session.life.wait(60))

    def test_a_good_request_is_upgraded(self):
        head = self.ask()
        self.assertEqual(head.status, 101)
        self.assertEqual(head.fields["upgrade"].lower(), "websocket")
        self.assertEqual(head.fields["connection"].lower(), "upgrade")

    def test_a_missing_upgrade_header_is_426(self):
        self.assertEqual(self.ask(drop=["Upgrade"]).status, 426)

    def test_no_upgrade_token_in_connection_is_400(self):
        self.assertEqual(self.ask(Connection="keep-alive").status, 400)
        self.assertEqual(self.ask(drop=["Connection"]).status, 400)

    def test_a_wrong_version_or_key_is_400(self):
        self.assertEqual(self.ask(Sec_WebSocket_Version="12").status, 400)
        self.assertEqual(self.ask(drop=["Sec-WebSocket-Version"]).status, 400)
        self.assertEqual(self.ask(drop=["Sec-WebSocket-Key"]).status, 400)
        self.assertEqual(self.ask(Sec_WebSocket_Key="short").status, 400)

    def test_post_is_405_and_another_path_404(self):
        self.assertEqual(self.ask("POST").status, 405)
        self.assertEqual(self.ask(path="/elsewhere").status, 404)

    def test_without_a_client_key_it_is_401(self):
        self.assertEqual(self.ask(drop=["X-Tunnel-ID"]).status, 401)
        self.assertEqual(self.ask(X_Tunnel_ID="").status, 401)

    def test_odd_keys_are_400_and_harm_nobody(self):
        for key in ("evil/x", "a::b", "k" * 80, "k" * 120, "white space", "umlaut-\xe4", "{}"):
            with self.subTest(key):
                self.assertEqual(self.ask(X_Tunnel_ID=key).status, 400)
        self.assertEqual(self.ask(X_Tunnel_ID="k" * 79).status, 101)
        self.assertEqual(self.ask(X_Tunnel_ID="A-Za-z0-9._@=+-").status, 101)
        self.assert_alive()

    def test_offers_are_not_taken_up(self):
        head = self.ask(
            Sec_WebSocket_Protocol="chat", Sec_WebSocket_Extensions="permessage-deflate"
        )
        self.assertEqual(head.status, 101)
        self.assertNotIn("sec-websocket-protocol", head.fields)
        self.assertNotIn("sec-websocket-extensions", head.fields)

    def test_a_foreign_origin_is_accepted_with_a_token_alone(self):
        """The reference takes any; a page cannot send a token, and is no agent."""
        origin = "https://elsewhere.example"
        self.assertEqual(self.ask(Origin=origin, Authorization="Bearer any").status, 101)
        self.assertEqual(self.ask(Origin=origin).status, 403)
        self.assertEqual(self.ask(Origin="http://x").status, 101)

    def test_field_names_and_tokens_in_any_case(self):
        self.assertEqual(
            self.ask(
                drop=["Connection", "Upgrade"],
                CONNECTION="keep-alive, UPGRADE",
                UPGRADE="WebSocket",
            ).status,
            101,
        )

    def test_features_are_echoed_as_far_as_shared(self):
        head = self.ask(X_Culvert_Features="ack, halfclose, credit, teleport")
        echoed = {word.strip() for word in head.fields["x-culvert-features"].split(",")}
        self.assertLessEqual({"ack", "halfclose", "credit"}, echoed)
        self.assertNotIn("teleport", echoed)
        self.assertEqual(
            {
                word.strip()
                for word in self.ask(X_Culvert_Features="ack")
                .fields["x-culvert-features"]
                .split(",")
            },
            {"ack"},
        )

    def test_a_reference_agent_sees_no_features(self):
        self.assertNotIn("x-culvert-features", self.ask().fields)

    def test_what_is_no_http_is_refused_and_harms_nobody(self):
        for junk in (
            b"\x16\x03\x01\x02\x00\x01\x00",
            b"GET /connect\r\n\r\n",
            b"\r\n" * 4 + b"nonsense\r\n\r\n",
            b"GET /connect HTTP/1.1\r\n" + b"X: " + b"y" * 200_000 + b"\r\n\r\n",
        ):
            with self.subTest(junk[:20]):
                sock, reader = ws.connect("127.0.0.1", self.lab_server.port, 60)
                self.addCleanup(reader.close)
                with sock:
                    try:
                        sock.sendall(junk)
                        head = reader.readline()
                        self.assertRegex(head, rb"^(HTTP/1\.1 (400|431|505) .*\r\n)?$")
                    except ConnectionError:
                        pass
        self.assert_alive()


if __name__ == "__main__":
    unittest.main()
