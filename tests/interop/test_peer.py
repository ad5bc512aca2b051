"""The peer itself, before it is believed: golden frames, transcripts through
its codec, itself against itself."""
import hashlib
import json
import pathlib
import unittest

from tests.integration import traffic
from tests.integration.lab import wait_until

from .peer import wire, ws
from .peer.agent import Agent
from .peer.server import Server
from .peer.session import Connection, Options

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden"
MIB = traffic.MIB


def golden_body(row):
    """The body of an encode row: as hex, or by the rule that stands for a long one."""
    if "body_hex" in row:
        return bytes.fromhex(row["body_hex"])
    if "ids_rule" in row:
        return wire.sync_body(range(2, 10002))
    if "body_rule" in row:
        return bytes(i * 7 + 3 & 0xFF for i in range(row["body_len"]))
    return b""


class Codec(unittest.TestCase):
    def test_encodes_every_golden_frame_byte_for_byte(self):
        for row in json.loads((GOLDEN / "golden.json").read_text())["encode"]:
            with self.subTest(row["name"]):
                body = golden_body(row)
                frame = wire.Frame(
                    row["type"],
                    int(row["conn_id"]),
                    body,
                    int(row["id"]),
                    int(row.get("deadline", 0)),
                )
                encoded = frame.encode()
                self.assertEqual(wire.decode(encoded).body, body)
                if "hex" in row:
                    self.assertEqual(encoded.hex(), row["hex"])
                else:
                    self.assertEqual(hashlib.sha256(encoded).hexdigest(), row["hex_sha256"])

    def test_reads_every_message_of_every_transcript(self):
        messages = 0
        for path in sorted((GOLDEN / "transcripts").glob("*.json")):
            for event in json.loads(path.read_text())["events"]:
                if event["event"] != "message" or "payload_hex" not in event:
                    continue
                messages += 1
                with self.subTest(path.stem, seq=event["seq"]):
                    frame = wire.decode(bytes.fromhex(event["payload_hex"]))
                    self.assertEqual(
                        (frame.name, str(frame.conn)), (event["type_name"], event["conn_id"])
                    )
                    self.assertEqual(frame.encode().hex(), event["payload_hex"])
                    if "body_text" in event:
                        self.assertEqual(frame.text, event["body_text"])
                    if "conn_ids" in event:
                        self.assertEqual(wire.sync_ids(frame.body), event["conn_ids"])
        self.assertGreater(messages, 60)

    def test_refuses_what_is_no_frame(self):
        for text in (
            "",
            "02",
            "0204",
            "020480",
            "02" + "ff" * 10 + "01",
            "ff" * 9 + "020402b0ea01",
            "020402b0",
        ):
            with self.subTest(text), self.assertRaises(wire.WireError):
                wire.decode(bytes.fromhex(text))

    def test_masks_as_rfc_6455_shows(self):
        hello = ws.frame_bytes(ws.TEXT, b"Hello", bytes.fromhex("37fa213d"))
        self.assertEqual(hello.hex(), "818537fa213d7f9f4d5158")
        self.assertEqual(ws.accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")


class Outbox:
    """Stands for a session: keeps the kinds of the frames that a connection sends."""

    def __init__(self):
        self.options, self.kinds = Options(), []

    def send(self, kind, conn=0, body=b""):
        self.kinds.append(kind)
        return True


class OneFlag(unittest.TestCase):
    """If these fail, the peer no longer plays the reference's single flag, and
    tests of ours prove nothing."""

    def paused(self):
        outbox = Outbox()
        connection = Connection(outbox, 2)
        for _ in range(3):
            connection.offer(bytes(MIB))
        self.assertEqual(outbox.kinds, [wire.PAUSE])
        return outbox, connection

    def test_a_full_buffer_of_its_own_blocks_its_own_writes(self):
        _, connection = self.paused()
        self.assertTrue(connection.paused)

    def test_a_resume_of_theirs_forgets_its_own_pause(self):
        outbox, connection = self.paused()
        connection.on_resume()
        while connection.unread:
            connection.read()
        self.assertEqual(
            outbox.kinds, [wire.PAUSE], "the Resume that its peer waits for never comes"
        )

    def test_its_own_resume_forgets_their_pause(self):
        outbox = Outbox()
        connection = Connection(outbox, 2)
        connection.on_pause()
        connection.offer(b"x")
        connection.read()
        self.assertEqual(outbox.kinds, [wire.RESUME], "a Resume that nobody waits for")
        self.assertFalse(connection.paused)


class AgainstItself(unittest.TestCase):
    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.close)
        self.agent = Agent(self.server.port, ping_seconds=0.05)
        self.session = self.server.wait_session()
        self.target = traffic.Target()
        self.addCleanup(self.target.close)
        self.port = self.server.forward("foo", self.target.address)

    def test_carries_a_transfer_each_way(self):
        self.assertTrue(traffic.upload(self.port, 8 * MIB))
        self.assertTrue(traffic.download(self.port, 8 * MIB))

    def test_sends_two_errors_for_a_failed_dial(self):
        nowhere = f"127.0.0.1:{traffic.free_port()}"
        with traffic.visit(self.server.forward("foo", nowhere)) as visitor:
            self.assertEqual(traffic.read_end(visitor)[0], b"")
        wait_until(lambda: self.session.count(wire.ERROR, False) == 2, "two Errors")
        texts = [
            event.text
            for event in self.session.trace
            if event.kind == wire.ERROR and not event.sent
        ]
        self.assertIn("refused", texts[0])
        self.assertEqual(texts[1], "EOF")

    def test_pings_get_empty_pongs(self):
        wait_until(lambda: self.agent.session.pongs >= 3, "pongs")

    def test_a_refused_address_ends_the_session(self):
        picky = Agent(self.server.port, key="picky", allow=lambda proto, address: False)
        session = self.server.wait_session("picky")
        self.server.dial("picky", "tcp", "127.0.0.1:1")
        self.assertTrue(session.over.wait(traffic.DEADLINE))
        self.assertIn("not allowed", picky.session.why)


class Peers(unittest.TestCase):
    def test_routes_through_a_peer_that_announced_the_key(self):
        first, second = Server(), Server(peers={"first": "aaa"})
        self.addCleanup(first.close)
        self.addCleanup(second.close)
        Agent(first.port)
        first.wait_session()
        first.dial_peer("127.0.0.1", second.port, "first", "aaa")
        wait_until(
            lambda: any(s.remote_keys for s in list(second.peer_sessions.values())),
            "an announcement",
        )
        target = traffic.Target()
        self.addCleanup(target.close)
        self.assertTrue(traffic.echoes(second.forward("foo", target.address)))


if __name__ == "__main__":
    unittest.main()
