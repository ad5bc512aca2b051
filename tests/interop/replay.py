"""Plays one end of a recorded exchange against a live other end, and compares what that end does.

Where Culvert differs from the reference on purpose, the comparison says so here and nowhere else:
- it sends one Error for a connection (of a failed dial two, the text and EOF) where the reference
  sends two or three: later recorded
  ones are not expected;
- it may cut Data elsewhere than the reference did: Data is compared as a stream;
- the words of an error that it found itself are its own: they must be there, and not say EOF.
"""
import json
import pathlib
import threading
from collections import deque

from tests.integration.traffic import DEADLINE

from .peer import wire, ws

TRANSCRIPTS = pathlib.Path(__file__).resolve().parents[1] / "golden" / "transcripts"
TARGET_PORT = "18300"  # of the target in every recording
FLOW = (wire.PAUSE, wire.RESUME)


def load(name):
    return json.loads((TRANSCRIPTS / f"{name}.json").read_text())["events"]


class Player:
    """One live link: sends as recorded, collects what comes in. Failures are AssertionErrors."""

    def __init__(self, socket_, port):
        self.ws, self.port = socket_, port
        self.wake = threading.Condition()
        self.frames, self.streams = deque(), {}
        self.pings, self.pongs, self.flow = [], [], []
        self.errors = {}  # conn -> texts of the Errors that came in
        self.ended, self.why = False, None
        self.close_code = None
        threading.Thread(target=self._receive, daemon=True).start()

    # -- in --

    def _receive(self):
        try:
            while message := self.ws.receive():
                with self.wake:
                    self._sort(message)
                    self.wake.notify_all()
        except (ws.WsError, wire.WireError, OSError, ValueError) as error:
            self.why = error
        with self.wake:
            self.ended = True
            self.wake.notify_all()
        self.ws.close()
        self.ws.reader.close()

    def _sort(self, message):
        if message.opcode == ws.PING:
            self.pings.append(message.payload)
            self.ws.send(ws.PONG, message.payload)
        elif message.opcode == ws.PONG:
            self.pongs.append(message.payload)
        elif message.opcode == ws.CLOSE:
            self.close_code = int.from_bytes(message.payload[:2], "big")
        else:
            self._sort_frame(wire.decode(message.payload))

    def _sort_frame(self, frame):
        if frame.kind == wire.DATA:
            self.streams.setdefault(frame.conn, bytearray()).extend(frame.body)
        elif frame.kind in FLOW:
            self.flow.append((frame.kind, frame.conn))
        else:
            if frame.kind == wire.ERROR:
                self.errors.setdefault(frame.conn, []).append(frame.text)
            self.frames.append(frame)

    def wait(self, condition, what):
        with self.wake:
            if (
                not self.wake.wait_for(lambda: condition() or self.ended, DEADLINE)
                or not condition()
            ):
                raise AssertionError(
                    f"{what}: {f'the link ended ({self.why})' if self.ended else 'never came'}; "
                    f"waiting frames {[(f.name, f.conn, f.text) for f in self.frames]}"
                )

    def next_frame(self, kind, conn):
        """The next frame that is neither Data nor flow control: it must be @kind on @conn."""
        self.wait(lambda: self.frames, f"{wire.NAMES[kind]} on {conn}")
        frame = self.frames.popleft()
        if (frame.kind, frame.conn) != (kind, conn):
            raise AssertionError(
                f"{frame.name} on {frame.conn} ({frame.text!r}), not {wire.NAMES[kind]} on {conn}"
            )
        return frame

    def drop_errors(self, conn):
        """Forgets the Errors on @conn that are here."""
        while self.frames and (self.frames[0].kind, self.frames[0].conn) == (wire.ERROR, conn):
            self.frames.popleft()

    def expect_data(self, conn, body):
        """The stream of @conn goes on with @body."""
        self.wait(
            lambda: len(self.streams.get(conn, b"")) >= len(body), f"{len(body)} bytes on {conn}"
        )
        with self.wake:
            got = bytes(self.streams[conn][: len(body)])
            del self.streams[conn][: len(body)]
        if got != body:
            raise AssertionError(f"Data on {conn} is {got[:60]!r}, not {body[:60]!r}")

    def expect_end(self):
        with self.wake:
            if not self.wake.wait_for(lambda: self.ended, DEADLINE):
                raise AssertionError("the other end keeps the link open")

    def settle(self):
        """Returns once the other end has answered a ping sent now: what it did about earlier
        frames is on record."""
        mark = b"settle %d" % len(self.pongs)
        self.ws.send(ws.PING, mark)
        self.wait(lambda: mark in self.pongs, "a pong with the ping's payload")

    def expect_quiet(self):
        self.settle()
        left = [(f.name, f.conn, f.text) for f in self.frames]
        if left or any(self.streams.values()):
            raise AssertionError(f"not in the recording: {left} {self.streams}")
        doubled = {
            conn: texts
            for conn, texts in self.errors.items()
            if len(texts) > 1 and not (texts[0].startswith("dial ") and texts[1:] == ["EOF"])
        }
        if doubled:
            raise AssertionError(f"more than one Error for a connection: {doubled}")

    # -- out --

    def send(self, kind, conn=0, body=b""):
        self.ws.send(ws.BINARY, wire.Frame(kind, conn, body, 1).encode())

    def send_event(self, event):
        """The recorded message, byte for byte save the target's port, in the recorded fragments."""
        payload = bytes.fromhex(event["payload_hex"]).replace(
            TARGET_PORT.encode(), str(self.port).encode()
        )
        layout = event["ws_frames"]
        self.ws.send(event["opcode"], payload, layout[0] if len(layout) > 1 else None)

    # -- both --

    def expect_event(self, event):
        """What the other end must do where the recording has @event."""
        kind, conn = event["type"], int(event["conn_id"])
        if kind == wire.DATA:
            self.expect_data(conn, bytes.fromhex(event["body_hex"]))
        elif kind == wire.ERROR:
            self._expect_error(conn, event["body_text"])
        elif kind in FLOW:
            self.wait(lambda: (kind, conn) in self.flow, f"{event['type_name']} on {conn}")
        elif kind == wire.CONNECT:
            text = event["body_text"].replace(TARGET_PORT, str(self.port))
            got = self.next_frame(kind, conn).text
            if got != text:
                raise AssertionError(f"Connect {got!r}, not {text!r}")
        else:
            body = self.next_frame(kind, conn).body
            if kind == wire.SYNC and wire.sync_ids(body) != event["conn_ids"]:
                raise AssertionError(f"sync of {wire.sync_ids(body)}, not of {event['conn_ids']}")

    def _expect_error(self, conn, recorded):
        if self.errors.get(conn) and not any(f.conn == conn for f in self.frames):
            return  # the one Error for this connection was compared already
        text = self.next_frame(wire.ERROR, conn).text
        own_words = recorded.startswith("dial ")
        if own_words and (not text or text == "EOF"):
            raise AssertionError(f"a failed dial is reported as {text!r}")
        if not own_words and text != recorded:
            raise AssertionError(f"Error {text!r} on {conn}, not {recorded!r}")
