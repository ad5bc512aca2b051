"""Every transcript against our agent: we play the server's half, over real targets."""
import base64
import hashlib
import signal
import socket
import threading
import unittest

from tests.integration import traffic
from tests.integration.lab import LabCase

from . import replay
from .peer import wire, ws


class Stage:
    """A listener that takes agents and gives each WebSocket to a Player."""

    def __init__(self, port=0, fields=()):
        self.listener = socket.create_server(("127.0.0.1", port))
        self.listener.settimeout(traffic.DEADLINE)
        self.url = f"ws://127.0.0.1:{self.listener.getsockname()[1]}/connect"
        self.fields = fields

    def next_agent(self, target_port=0):
        sock, _ = self.listener.accept()
        sock.settimeout(None)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        reader = sock.makefile("rb", ws.READ_BUFFER)
        request = ws.read_head(reader)
        player = replay.Player(ws.accept(sock, reader, request, self.fields), target_port)
        player.request = request
        return player

    def close(self):
        self.listener.close()


class RawTarget:
    """A target that takes one connection after another to @serve(socket)."""

    def __init__(self, serve):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]

        def run():
            while True:
                try:
                    sock, _ = self.listener.accept()
                except OSError:
                    return
                threading.Thread(target=one, args=(sock,), daemon=True).start()

        def one(sock):
            try:
                serve(sock)
            except OSError:
                pass
            sock.close()

        threading.Thread(target=run, daemon=True).start()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def echo(sock):
    while data := sock.recv(traffic.CHUNK):
        sock.sendall(data)


def bye(sock):
    sock.recv(2)
    sock.sendall(b"bye")


def answer_after_end(sock):
    while sock.recv(traffic.CHUNK):
        pass
    sock.sendall(b"answer")


class AgentCase(LabCase):
    def setUp(self):
        super().setUp()
        self.stage = Stage()
        self.addCleanup(self.stage.close)

    def begin(self, serve=None, flags=()):
        """(process of our agent, its Player); its target is @serve, or a port
        where nobody listens."""
        port = traffic.free_port()
        if serve:
            target = RawTarget(serve)
            self.addCleanup(target.close)
            port = target.port
        process = self.agent(self.stage.url, *flags)
        player = self.stage.next_agent(port)
        self.addCleanup(player.ws.close)
        return process, player


class ReplayAgent(AgentCase):
    def check_request(self, player, event):
        """The recorded request's fields, each with a value of its own where that is random."""
        fields = player.request.fields
        self.assertEqual(player.request.line, event["text"].split("\r\n")[0])
        self.assertEqual(fields["upgrade"].lower(), "websocket")
        self.assertIn("upgrade", fields["connection"].lower())
        self.assertEqual(fields["sec-websocket-version"], "13")
        self.assertEqual(fields["x-tunnel-id"], "foo")
        self.assertEqual(len(base64.b64decode(fields["sec-websocket-key"])), 16)
        self.assertNotIn("sec-websocket-extensions", fields)
        self.assertNotIn("sec-websocket-protocol", fields)

    def play(self, name, serve=None, before=None, flags=()):
        """@before: seq -> what happens before that event is played."""
        process, player = self.begin(serve, flags)
        for event in replay.load(name):
            for action in (before or {}).get(event["seq"], ()):
                action(process)
            ours = event["dir"] == "agent->server"  # "ours": what Culvert has to do
            if event["event"] == "http_request":
                self.check_request(player, event)
            elif event["event"] == "message":
                (player.expect_event if ours else player.send_event)(event)
            elif event["event"] == "tcp_end":
                player.expect_end() if ours else player.ws.close()
        if not player.ended:
            player.expect_quiet()
        return player

    def test_connect_echo_close(self):
        self.play("connect_echo_close", echo)

    def test_connect_refused(self):
        self.play("connect_refused")

    def test_target_closes_first(self):
        self.play("target_closes_first", bye)

    def test_user_half_close(self):
        self.play("user_half_close", answer_after_end)

    def test_agent_killed(self):
        self.play("agent_killed", echo, {5: [lambda process: process.signal(signal.SIGKILL)]})

    def test_unauthorised_address(self):
        """Ours answers Error on that connection alone, and the session goes on."""
        events = replay.load("unauthorised_address")
        target = RawTarget(echo)
        self.addCleanup(target.close)
        process, player = self.begin(flags=["--allow", f"127.0.0.1:{target.port}"])
        player.send_event(events[2])
        self.assertNotIn(player.next_frame(wire.ERROR, 2).text, ("", "EOF"))
        player.send(wire.CONNECT, 4, f"tcp/127.0.0.1:{target.port}".encode())
        player.send(wire.DATA, 4, b"alive")
        player.expect_data(4, b"alive")
        player.expect_quiet()

    def test_ping_sync_idle(self):
        """In real time: a ping with an empty payload all along, and after a
        minute the list of connections."""
        player = self.play("ping_sync_idle", echo)
        self.assertGreaterEqual(len(player.pings), 8)
        self.assertEqual(set(player.pings), {b""})

    def test_pause_resume_agent_reader(self):
        """24 MiB to a target that reads only after the Pause; what follows the
        Pause is taken, too."""
        events = replay.load("pause_resume_agent_reader")
        messages = [event for event in events if event["event"] == "message"]
        after_pause, rest = [event for event in events if event["event"] == "data_run"][1:]
        total = 24 << 20
        reads, seen, done = threading.Event(), hashlib.sha256(), threading.Event()

        def slow(sock):
            reads.wait()
            left = total
            while left and (data := sock.recv(traffic.CHUNK)):
                seen.update(data)
                left -= len(data)
            done.set()
            sock.recv(1)

        _, player = self.begin(slow)
        self.addCleanup(reads.set)
        player.send_event(messages[0])
        sent = 0
        pieces = (
            block[at : at + 32768]
            for block in traffic.content(total)
            for at in range(0, len(block), 32768)
        )
        for piece in pieces:  # up to the Pause, and as much beyond it as the reference sent
            player.send(wire.DATA, 2, piece)
            sent += len(piece)
            if sent % (1 << 20) == 0:
                player.settle()  # lets a Pause come in
            if (wire.PAUSE, 2) in player.flow:
                break
        self.assertLess(sent, total, "no Pause although nothing was read")
        goal = min(sent + after_pause["bytes"], total)
        for piece in pieces:
            player.send(wire.DATA, 2, piece)
            sent += len(piece)
            if sent >= goal:
                break
        reads.set()
        player.expect_event(messages[2])
        for piece in pieces:
            player.send(wire.DATA, 2, piece)
        self.assertTrue(done.wait(traffic.DEADLINE), "the target never saw all of it")
        self.assertEqual(seen.hexdigest(), traffic.digest_of(total))
        player.send(wire.ERROR, 2, b"EOF")
        self.assertEqual(player.next_frame(wire.ERROR, 2).text, "EOF")
        player.expect_quiet()

    def test_client_initiated_dial(self):
        """Our agent dials nothing of its own: of the recording only the handshake is left."""
        _, player = self.begin(echo)
        self.check_request(player, replay.load("client_initiated_dial")[0])
        player.expect_quiet()

    def test_connid_collision(self):
        """A second Connect with an id in use is ignored: no dial, no Error, and
        the first goes on."""
        events = replay.load("connid_collision")
        dialled = []

        def counted(sock):
            dialled.append(sock)
            echo(sock)

        _, player = self.begin(counted)
        player.send_event(events[2])
        player.send_event(events[3])
        player.expect_data(2, b"u1")
        player.send_event(events[2])
        player.send_event(events[3])
        player.expect_data(2, b"u1")
        player.expect_quiet()
        self.assertEqual(len(dialled), 1)

    def test_every_transcript_is_played(self):
        names = {path.stem for path in replay.TRANSCRIPTS.glob("*.json")}
        played = {name.removeprefix("test_") for name in dir(self)}
        self.assertEqual(names - played, {"peers"}, "peers has a module of its own")


class Facts(AgentCase):
    """What stands in the facts and in no recording."""

    def test_answers_every_ping_with_its_payload(self):
        _, player = self.begin()
        for payload in (b"", b"x", b"y" * 125):
            player.ws.send(ws.PING, payload)
            player.wait(lambda: payload in player.pongs, f"a pong of {len(payload)} bytes")

    def test_takes_data_before_the_dial_is_through(self):
        """Connect and a Data frame of 1 MiB in one write, unsplit, as the
        reference's server may send it."""
        _, player = self.begin(echo)
        body = b"".join(traffic.content(1 << 20))
        connect = wire.Frame(wire.CONNECT, 2, f"tcp/127.0.0.1:{player.port}".encode()).encode()
        data = wire.Frame(wire.DATA, 2, body).encode()
        player.ws.send_raw(ws.frame_bytes(ws.BINARY, connect) + ws.frame_bytes(ws.BINARY, data))
        player.expect_data(2, body)

    def test_takes_empty_data(self):
        _, player = self.begin(echo)
        player.send(wire.CONNECT, 2, f"tcp/127.0.0.1:{player.port}".encode())
        for body in (b"", b"a", b"", b"b"):
            player.send(wire.DATA, 2, body)
        player.expect_data(2, b"ab")

    def test_data_for_an_unknown_connection_is_answered_each_time(self):
        _, player = self.begin()
        for _ in range(2):
            player.send(wire.DATA, 78, b"x")
            self.assertRegex(
                player.next_frame(wire.ERROR, 78).text, r"^connection not found .*/78$"
            )

    def test_a_redirect_or_a_wrong_accept_key_is_no_upgrade(self):
        """The agent tries again, and takes the first right answer."""
        self.agent(self.stage.url)
        answers = [
            "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
        ]
        for answer in answers:
            sock, _ = self.stage.listener.accept()
            request = ws.read_head(sock.makefile("rb"))
            self.assertEqual(request.path, "/connect")
            sock.sendall(answer.encode())
            self.addCleanup(sock.close)
        player = self.stage.next_agent()
        player.settle()

    def test_an_extension_in_the_answer_is_refused(self):
        self.stage.fields = [("Sec-WebSocket-Extensions", "permessage-deflate")]
        self.agent(self.stage.url)
        first = self.stage.next_agent()
        first.expect_end()
        self.stage.fields = ()
        self.stage.next_agent().settle()

    def test_protocol_errors_end_the_session_and_a_new_one_follows(self):
        errors = {
            "a text message": lambda w: w.send(ws.TEXT, b"hello"),
            "an overlong varint": lambda w: w.send(ws.BINARY, b"\xff" * 11),
            "an empty message": lambda w: w.send(ws.BINARY, b""),
            "reserved bits": lambda w: w.send_raw(ws.frame_bytes(ws.BINARY, b"x", rsv=4)),
            "a masked frame": lambda w: w.send_raw(ws.frame_bytes(ws.BINARY, b"x", b"mask")),
            "a sync of 7 bytes": lambda w: w.send(
                ws.BINARY, wire.Frame(wire.SYNC, 0, b"1234567").encode()
            ),
            "a Connect without /": lambda w: w.send(
                ws.BINARY, wire.Frame(wire.CONNECT, 2, b"x").encode()
            ),
        }
        self.agent(self.stage.url)
        for name, break_it in errors.items():
            with self.subTest(name):
                player = self.stage.next_agent()
                player.settle()
                break_it(player.ws)
                player.expect_end()
                self.assertIn(player.close_code, (1002, 1003, 1007, 1008))


class Features(AgentCase):
    def test_offers_its_extensions_and_works_without(self):
        _, player = self.begin(echo)
        offered = {word.strip() for word in player.request.fields["x-culvert-features"].split(",")}
        self.assertLessEqual({"ack", "halfclose", "credit"}, offered)
        player.send(wire.CONNECT, 2, f"tcp/127.0.0.1:{player.port}".encode())
        player.send(wire.DATA, 2, b"x")
        player.expect_data(2, b"x")
        player.expect_quiet()  # no Connected, no Window: the answer shared nothing


if __name__ == "__main__":
    unittest.main()
