"""After a protocol error our server closes that socket, says why in the close
code, and nobody else notices."""
import unittest

from tests.integration import traffic
from tests.integration.lab import LabCase

from . import replay
from .peer import wire, ws
from .peer.agent import Agent

CODES = (1002, 1003, 1007, 1008)


def message(payload):
    return lambda w: w.send(ws.BINARY, payload)


def frame(kind, body, conn=0):
    return message(wire.Frame(kind, conn, body, 1).encode())


def raw(opcode, payload, **how):
    return lambda w: w.send_raw(ws.frame_bytes(opcode, payload, b"mask", **how))


ERRORS = {
    "a text message": lambda w: w.send(ws.TEXT, b"hello"),
    "a text message that is no UTF-8": lambda w: w.send(ws.TEXT, b"\xff\xfe"),
    "an empty message": message(b""),
    "a varint of 11 bytes": message(b"\xff" * 11),
    "a varint of 65 bits": message(b"\xff" * 9 + b"\x02\x04\x02\xb0\xea\x01"),
    "a head cut short": message(b"\x02\x04"),
    "Data without a deadline": message(b"\x02\x04\x02"),
    "a sync of 7 bytes": frame(wire.SYNC, b"1234567"),
    "a Connect without /": frame(wire.CONNECT, b"tcp", 5),
    "an announcement without /": frame(wire.ADD_CLIENT, b"foo"),
    "an announcement that is no number": frame(wire.ADD_CLIENT, b"foo/bar"),
    "reserved bits": raw(ws.BINARY, b"x", rsv=4),
    "an unmasked frame": lambda w: w.send_raw(ws.frame_bytes(ws.BINARY, b"\x02\x04\x0c")),
    "a reserved opcode": raw(3, b"x"),
    "a reserved control opcode": raw(11, b"x"),
    "a ping of 126 bytes": raw(ws.PING, b"p" * 126),
    "a ping in fragments": raw(ws.PING, b"p", fin=False),
    "a fragment of nothing": raw(ws.CONTINUATION, b"x"),
    "a close of one byte": raw(ws.CLOSE, b"x"),
}


class ProtocolErrors(LabCase):
    def setUp(self):
        super().setUp()
        target = self.target()
        self.lab_server = self.server(forwards={"live": f"live/{target.address}"})
        self.live = Agent(self.lab_server.port, "live")
        self.addCleanup(self.live.close)
        self.wait_echo(self.lab_server.forwards["live"])
        self.visitor = traffic.visit(self.lab_server.forwards["live"], "ECHO")
        self.addCleanup(self.visitor.close)

    def session(self):
        socket_, _ = ws.dial("127.0.0.1", self.lab_server.port, [("X-Tunnel-ID", "broken")])
        self.addCleanup(socket_.close)
        return replay.Player(socket_, 0)

    def test_each_closes_its_own_socket_with_a_code(self):
        for name, break_it in ERRORS.items():
            with self.subTest(name):
                player = self.session()
                player.settle()
                break_it(player.ws)
                player.expect_end()
                self.assertIn(player.close_code, CODES)
                self.assertTrue(traffic.ping(self.visitor), "a connection of another session")

    def test_a_huge_message_is_refused_before_it_is_buffered(self):
        player = self.session()
        player.settle()
        before = self.lab_server.rss()
        head = ws.frame_bytes(ws.BINARY, b"", b"mask")
        player.ws.send_raw(head[:1] + b"\xff" + (1 << 40).to_bytes(8, "big") + b"mask")
        try:
            for _ in range(256):
                player.ws.send_raw(bytes(1 << 20))
        except OSError:
            pass
        player.expect_end()
        self.assertLess(self.lab_server.rss() - before, 64 << 20)
        self.assertTrue(traffic.ping(self.visitor), "a connection of another session")

    def test_a_flood_of_announcements_takes_no_memory(self):
        """A plain agent's announcements are ignored; a hundred thousand keys
        leave nothing behind."""
        player = self.session()
        player.settle()
        before = self.lab_server.rss()
        for start in range(0, 100_000, 1000):
            out = [
                ws.frame_bytes(
                    ws.BINARY, wire.Frame(wire.ADD_CLIENT, 0, b"%060d/1" % n, 1).encode(), b"mask"
                )
                for n in range(start, start + 1000)
            ]
            player.ws.send_raw(b"".join(out))
        player.settle()
        self.assertLess(self.lab_server.rss() - before, 8 << 20)
        self.assertTrue(traffic.ping(self.visitor), "a connection of another session")

    def test_an_orderly_close_is_answered(self):
        player = self.session()
        player.settle()
        player.ws.send(ws.CLOSE, (1000).to_bytes(2, "big"))
        player.expect_end()
        self.assertEqual(player.close_code, 1000)


if __name__ == "__main__":
    unittest.main()
