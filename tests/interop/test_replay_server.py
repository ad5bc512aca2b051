"""Every transcript against our server: we play the agent's half byte for byte,
and the user of the forward."""
import socket
import threading
import unittest

from tests.integration import traffic
from tests.integration.lab import LabCase

from . import replay
from .peer import wire, ws

TARGET_PORT = 18300  # nothing listens there: the agent's half is played


class ReplayServer(LabCase):
    def setUp(self):
        super().setUp()
        self.lab_server = self.server(forwards={"main": f"foo/127.0.0.1:{TARGET_PORT}"})
        self.user = None
        self.links = {}

    # -- the user's side --

    def open(self):
        self.user = traffic.visit(self.lab_server.forwards["main"])
        self.addCleanup(self.user.close)

    def sends(self, data):
        return lambda: self.user.sendall(data)

    def reads(self, data):
        return lambda: self.assertEqual(traffic.read_exactly(self.user, len(data)), data)

    def closes(self):
        self.user.close()

    def half_closes(self):
        self.user.shutdown(socket.SHUT_WR)

    def sees(self, data):
        """@data, then an end or a reset."""
        return lambda: self.assertEqual(traffic.read_end(self.user)[0], data)

    # -- the agent's side --

    def connect(self, event):
        """The recorded request; the recorded key must get the recorded accept key."""
        port = self.lab_server.port
        lines = [
            f"Host: 127.0.0.1:{port}" if line.startswith("Host:") else line
            for line in event["text"].split("\r\n")
        ]
        sock, reader = ws.connect("127.0.0.1", port)
        sock.sendall("\r\n".join(lines).encode())
        head = ws.read_head(reader)
        self.assertEqual(head.status, 101)
        self.assertNotIn(
            "x-culvert-features", head.fields, "a reference agent is offered extensions"
        )
        player = replay.Player(ws.WebSocket(sock, reader, client=True), TARGET_PORT)
        player.head = head
        player.settle()  # the session stands before the user comes
        self.addCleanup(player.ws.close)
        return player

    def check_response(self, player, event):
        for line in event["text"].split("\r\n")[1:]:
            name, _, value = line.partition(": ")
            if name:
                self.assertEqual(player.head.fields.get(name.lower(), "").lower(), value.lower())

    def play(self, name, user):
        """@user: seq -> what the user does before that event; None -> after all of them."""
        player = None
        for event in replay.load(name):
            for action in user.get(event["seq"], ()):
                action()
            ours = event["dir"] == "server->agent"  # "ours": what Culvert has to do
            if event["event"] == "http_request":
                player = self.connect(event)
            elif event["event"] == "http_response":
                self.check_response(player, event)
            elif event["event"] == "ws_ping":
                pings = len(player.pongs)
                player.ws.send(ws.PING, bytes.fromhex(event["payload_hex"]))
                player.wait(lambda: len(player.pongs) > pings, "a pong")
                self.assertEqual(player.pongs[-1], b"")
            elif event["event"] == "message":
                (player.expect_event if ours else player.send_event)(event)
            elif event["event"] == "tcp_end":
                player.expect_end() if ours else player.ws.close()
        for action in user.get(None, ()):
            action()
        if not player.ended:
            player.expect_quiet()
        return player

    # -- the recordings --

    def test_connect_echo_close(self):
        self.play(
            "connect_echo_close",
            {2: [self.open], 3: [self.sends(b"hello")], 5: [self.reads(b"hello"), self.closes]},
        )

    def test_connect_refused(self):
        self.play("connect_refused", {2: [self.open], None: [self.sees(b"")]})

    def test_unauthorised_address(self):
        """The agent drops the session; its visitor sees an end, and a new session is taken."""
        self.play("unauthorised_address", {2: [self.open], 5: [self.sees(b"")]})

    def test_target_closes_first(self):
        self.play(
            "target_closes_first",
            {2: [self.open], 3: [self.sends(b"hi")], None: [self.sees(b"bye")]},
        )

    def test_user_half_close(self):
        self.play(
            "user_half_close",
            {
                2: [self.open],
                3: [self.sends(b"request")],
                4: [self.half_closes],
                None: [self.sees(b"")],
            },
        )

    def test_agent_killed(self):
        self.play(
            "agent_killed",
            {2: [self.open], 3: [self.sends(b"x")], 5: [self.reads(b"x")], None: [self.sees(b"")]},
        )

    def test_ping_sync_idle(self):
        """As recorded, without the waiting between: a list that names the connection keeps it."""
        self.play(
            "ping_sync_idle",
            {
                2: [self.open],
                3: [self.sends(b"x")],
                5: [self.reads(b"x")],
                30: [self.sends(b"y")],
                32: [self.reads(b"y"), self.closes],
            },
        )

    def test_pause_resume_agent_reader(self):
        """24 MiB up; the agent pauses after the recorded bytes, and resumes
        when the server has settled."""
        events = replay.load("pause_resume_agent_reader")
        runs = [event for event in events if event["event"] == "data_run"]
        messages = [event for event in events if event["event"] == "message"]
        total = sum(run["bytes"] for run in runs)
        player = self.connect(events[0])
        self.open()
        player.expect_event(messages[0])
        sender = threading.Thread(target=self.user_sends, args=(total,), daemon=True)
        sender.start()
        stream = player.streams.setdefault(2, bytearray())
        pause, resume = messages[1:3]
        player.wait(lambda: len(stream) >= runs[0]["bytes"], "Data up to the pause")
        player.send_event(pause)
        player.settle()
        player.send_event(resume)
        player.wait(lambda: len(stream) >= total, "all Data")
        sender.join()
        self.assertTrue(traffic.is_prefix(bytes(stream)) and len(stream) == total)
        stream.clear()
        self.user.close()
        player.expect_event(messages[3])
        player.send_event(messages[4])
        player.expect_quiet()

    def user_sends(self, total):
        for block in traffic.content(total):
            self.user.sendall(block)

    def test_client_initiated_dial(self):
        """Ours dials nothing for an agent: Error on that connection, and the session goes on."""
        events = replay.load("client_initiated_dial")
        player = self.connect(events[0])
        for event in events[2:4]:  # Connect and Data on 1
            player.send_event(event)
        player.settle()
        self.assertTrue(player.next_frame(wire.ERROR, 1).text)
        player.drop_errors(1)  # the Data may come when the refusal is out: it finds no connection
        self.assert_serves(player)

    def test_connid_collision(self):
        """The agent's Connect with the id of an open connection of ours is
        ignored and touches nothing."""
        events = replay.load("connid_collision")
        player = self.connect(events[0])
        self.open()
        player.expect_event(events[2])
        self.user.sendall(b"u1")
        player.expect_event(events[3])
        player.send_event(events[4])
        self.reads(b"u1")()
        player.send_event(events[5])
        self.assertTrue(player.next_frame(wire.ERROR, 1).text)
        player.send_event(events[8])
        player.settle()
        self.assertNotIn(2, player.errors, "an Error on the shared id ends the first connection")
        self.user.sendall(b"u2")
        player.expect_data(2, b"u2")
        self.closes()
        self.assertEqual(player.next_frame(wire.ERROR, 2).text, "EOF")

    def assert_serves(self, player):
        """The session still takes a visitor."""
        self.open()
        conn = player.next_frame(wire.CONNECT, 2).conn
        player.send(wire.DATA, conn, b"alive")
        self.reads(b"alive")()

    def test_every_transcript_is_played(self):
        names = {path.stem for path in replay.TRANSCRIPTS.glob("*.json")}
        played = {name.removeprefix("test_") for name in dir(self)}
        self.assertEqual(names - played, {"peers"}, "peers has a module of its own")


class PlainData(LabCase):
    """What stands in the facts and in no recording."""

    def setUp(self):
        super().setUp()
        self.lab_server = self.server(forwards={"main": "foo/127.0.0.1:18300"})
        socket_, _ = ws.dial("127.0.0.1", self.lab_server.port, [("X-Tunnel-ID", "foo")])
        self.player = replay.Player(socket_, TARGET_PORT)
        self.addCleanup(socket_.close)

    def test_data_for_an_unknown_connection_is_answered_each_time(self):
        for _ in range(2):
            self.player.send(wire.DATA, 77, b"x")
            text = self.player.next_frame(wire.ERROR, 77).text
            self.assertRegex(text, r"^connection not found .*/77$")

    def test_an_error_for_an_unknown_connection_is_ignored(self):
        self.player.send(wire.ERROR, 77, b"EOF")
        self.player.expect_quiet()

    def test_a_type_it_does_not_know_is_skipped(self):
        self.player.send(99, 2, b"whatever")
        self.player.expect_quiet()

    def test_fragments_and_pings_between_them(self):
        """A message in pieces of 4096 with a ping inside arrives whole, and the
        pong has the ping's payload."""
        with traffic.visit(self.lab_server.forwards["main"]) as user:
            conn = self.player.next_frame(wire.CONNECT, 2).conn
            payload = wire.Frame(wire.DATA, conn, bytes(range(256)) * 128).encode()
            pieces = [payload[at : at + 4096] for at in range(0, len(payload), 4096)]
            for n, piece in enumerate(pieces):
                self.player.ws.send_raw(
                    ws.frame_bytes(
                        ws.CONTINUATION if n else ws.BINARY, piece, b"key!", n == len(pieces) - 1
                    )
                )
                self.player.ws.send(ws.PING, b"between %d" % n)
            self.assertEqual(traffic.read_exactly(user, 32768), bytes(range(256)) * 128)
            # RFC 6455 5.5.3: only the latest of several pings must be answered
            sent = [b"between %d" % n for n in range(len(pieces))]
            self.player.wait(lambda: sent[-1] in self.player.pongs, "the last pong")
            self.assertEqual(self.player.pongs, [p for p in sent if p in self.player.pongs])

    def test_announcements_of_a_plain_agent_are_ignored(self):
        self.player.send(wire.ADD_CLIENT, 0, b"bar/5")
        self.player.send(wire.REMOVE_CLIENT, 0, b"bar/5")
        self.player.expect_quiet()


if __name__ == "__main__":
    unittest.main()
