"""Many connections over one WebSocket, kept as the reference keeps them.

What is odd here is odd on purpose: one pause flag for both directions, a buffer without a
bound, two Errors for a failed dial, an echo of each Error. Each stands in the protocol facts and
is what Culvert must live with.
"""
import random
import socket
import threading
from collections import deque
from dataclasses import dataclass, field

from . import wire, ws

PAUSE_MARK = 2 << 20
RESUME_MARK = 256 << 10
COPY_SIZE = 32 << 10
DIAL_SECONDS = 60
HAND_OVER_SECONDS = 1  # only a bound: the writer needs microseconds
EOF = "EOF"
CLOSED_NETWORK = "read tcp: use of closed network connection"


@dataclass
class Event:
    """One frame as it passed: who sent it, what it was, and for Data only how long."""

    sent: bool
    kind: int
    conn: int
    text: str
    size: int


@dataclass
class Options:
    """How this end behaves; the defaults are the reference's."""

    ping_seconds: float = 5.0  # the dialling end's keep-alive
    sync_seconds: float = 60.0  # the dialling end's list of connections
    dead_seconds: float = 60.0  # without a ping (server) or a pong (dialler)
    fragment: int | None = None  # bytes a WebSocket frame of one message; None sends it in one
    chunk: int = COPY_SIZE  # bytes a Data frame at most
    hand_over: bool = (
        True  # a Resume wakes a writer before the next message; False is the worst case
    )
    obey_pause: bool = True  # False floods
    drain: bool = True  # False never reads what came for its connections
    echo_payload: bool = False  # a pong gives the ping's payload back: RFC 6455, not the reference
    allow: object = None  # f(proto, address) -> bool; a refusal ends the session
    fields: list = field(default_factory=list)  # further header fields of the handshake


class Connection:
    """One virtual connection: read() and write() block, as in the reference."""

    def __init__(self, session, conn):
        self.session, self.conn = session, conn
        self.wake = threading.Condition()
        self.writers = 0  # asleep in write()
        self.parts, self.unread = deque(), 0
        self.paused = False  # the one flag: "they paused us" and "we paused them" are the same bit
        self.closed = False  # close() was called: a blocked writer goes on
        self.error = None

    def offer(self, body):
        """Data came in."""
        with self.wake:
            if self.error is not None or not body:  # the reference may send empty Data
                return
            self.parts.append(body)
            self.unread += len(body)
            pause = self.unread > PAUSE_MARK and not self.paused
            if pause:
                self.session.send(wire.PAUSE, self.conn)
                self.paused = True
            self.wake.notify_all()

    def read(self):
        """The next bytes; b"" once ended and drained."""
        with self.wake:
            while not self.parts and self.error is None:
                self.wake.wait()
            if not self.parts:
                return b""
            part = self.parts.popleft()
            self.unread -= len(part)
            if self.unread < RESUME_MARK and self.paused:
                self.session.send(wire.RESUME, self.conn)
                self.paused = False  # nobody is woken: a writer of ours sleeps on
            return part

    def write(self, data):
        """One Data frame, once the flag is down; False when the connection is over."""
        with self.wake:
            while (
                self.paused
                and self.session.options.obey_pause
                and self.error is None
                and not self.closed
            ):
                self.writers += 1
                self.wake.wait()
                self.writers -= 1
                self.wake.notify_all()
            if self.error is not None:
                return False
        return self.session.send(wire.DATA, self.conn, data)

    def on_pause(self):
        with self.wake:
            self.paused = True
            self.wake.notify_all()

    def on_resume(self):
        """Lets a writer asleep go on before the next message is served.

        In the reference the woken goroutine runs beside the reader; here the interpreter's lock
        would let the reader win every time: its next Pause would always precede the write."""
        with self.wake:
            self.paused = False
            self.wake.notify_all()
            if self.session.options.hand_over:
                self.wake.wait_for(lambda: not self.writers or self.paused, HAND_OVER_SECONDS)

    def end(self, text):
        """No more comes in or goes out; what is buffered stays readable."""
        with self.wake:
            if self.error is None:
                self.error = text
            self.wake.notify_all()

    def tunnel_close(self, text):
        """Tells the other end, then ends."""
        self.session.send(wire.ERROR, self.conn, text.encode()[: wire.MAX_ERROR_TEXT])
        self.end(text)

    def close(self):
        """The user's close: Error EOF, unless the connection is gone already."""
        self.session.close_connection(self.conn, EOF)
        with self.wake:
            self.closed = True
            self.wake.notify_all()

    def pipe(self, sock):
        """Copies both ways until either ends. Returns the text of the end that was met by the
        copy from @sock."""

        def outwards():
            try:
                while self.session.options.drain and (data := self.read()):
                    sock.sendall(data)
                if not self.session.options.drain:
                    self.wait_end()
            except OSError:
                pass
            self.end(EOF)
            _shut(sock)

        copier = threading.Thread(target=outwards, daemon=True)
        copier.start()
        text = EOF
        try:
            while data := sock.recv(self.session.options.chunk):
                if not self.write(data):
                    break
            if self.error is not None:
                text = CLOSED_NETWORK
        except OSError:
            text = CLOSED_NETWORK
        self.end(EOF)
        _shut(sock)
        copier.join()
        sock.close()
        return text

    def wait_end(self):
        with self.wake:
            while self.error is None:
                self.wake.wait()


class Session:
    """One WebSocket and its table of connections. @dialled: this end opened the
    WebSocket (an agent)."""

    def __init__(self, socket_, dialled, options=None, name="client/0"):
        self.ws, self.dialled, self.name = socket_, dialled, name
        self.options = options or Options()
        self.lock = threading.Lock()
        self.connections = {}
        self.last_conn = 0 if dialled else 1
        self.frame_id = random.getrandbits(62)
        self.trace, self.pings, self.pongs = [], 0, 0
        self.life = threading.Event()  # a ping (server) or a pong (dialler) came in
        self.over = threading.Event()
        self.why = None  # why it ended
        self.close_code = None  # of the close frame that came in
        self.remote_keys = set()  # (key, session) that a peer announced
        self.on_connect = None  # f(connection, proto, address), on a thread of its own

    # -- out --

    def send(self, kind, conn=0, body=b""):
        """One frame; False when the link is gone."""
        with self.lock:
            self.frame_id += 1
            frame = wire.Frame(kind, conn, body, self.frame_id)
        return self.send_message(frame.encode(), frame)

    def send_message(self, payload, frame=None):
        """@payload as one binary message, whatever it is."""
        if frame:
            self._note(True, frame)
        try:
            self.ws.send(ws.BINARY, payload, self.options.fragment)
            return True
        except OSError:
            return False

    def dial(self, proto, address):
        """A new connection; Connect is not acknowledged, so it can be used at once."""
        with self.lock:
            self.last_conn += 1
            connection = Connection(self, self.last_conn)
            self.connections[connection.conn] = connection
        self.send(wire.CONNECT, connection.conn, f"{proto}/{address}".encode())
        return connection

    def close_connection(self, conn, text):
        with self.lock:
            connection = self.connections.pop(conn, None)
        if connection:
            connection.tunnel_close(text)

    # -- in --

    def start(self):
        threading.Thread(target=self.serve, daemon=True).start()
        threading.Thread(target=self._watch, daemon=True).start()
        if self.dialled:
            threading.Thread(target=self._ping, daemon=True).start()
            threading.Thread(target=self._sync, daemon=True).start()
        return self

    def serve(self):
        """Reads messages until the link ends or a protocol error."""
        try:
            while message := self.ws.receive():
                if message.opcode == ws.CLOSE:
                    self.close_code = int.from_bytes(message.payload[:2], "big") or None
                    break
                self._message(message)
            self._finish("closed")
        except (ws.WsError, wire.WireError, OSError, ValueError) as error:
            self._finish(f"{type(error).__name__}: {error}")
        self.ws.reader.close()

    def _message(self, message):
        if message.opcode == ws.PING:
            self.pings += 1
            self.life.set()
            self.ws.send(ws.PONG, message.payload if self.options.echo_payload else b"")
        elif message.opcode == ws.PONG:
            self.pongs += 1
            self.life.set()
        elif message.opcode == ws.TEXT:
            raise wire.WireError("a text message")
        else:
            self._frame(wire.decode(message.payload))

    def _frame(self, frame):
        self._note(False, frame)
        if frame.kind == wire.CONNECT:
            self._connect(frame)
        elif frame.kind == wire.SYNC:
            live = set(wire.sync_ids(frame.body))
            with self.lock:
                lost = [self.connections.pop(c) for c in list(self.connections) if c not in live]
            for connection in lost:
                connection.end("sync")
        elif frame.kind in (wire.ADD_CLIENT, wire.REMOVE_CLIENT):
            key, slash, number = frame.text.partition("/")
            if not slash:
                raise wire.WireError("an announcement without /")
            known = (
                self.remote_keys.add if frame.kind == wire.ADD_CLIENT else self.remote_keys.discard
            )
            known((key, int(number)))
        elif frame.kind in (wire.DATA, wire.ERROR, wire.PAUSE, wire.RESUME):
            self._for_connection(frame)

    def _for_connection(self, frame):
        with self.lock:
            connection = self.connections.get(frame.conn)
        if frame.kind == wire.ERROR:
            self.close_connection(frame.conn, frame.text)
        elif connection is None:
            if frame.kind == wire.DATA:
                text = f"connection not found {self.name}/{frame.conn}"
                self.send(wire.ERROR, frame.conn, text.encode())
        elif frame.kind == wire.DATA:
            connection.offer(frame.body)
        elif frame.kind == wire.PAUSE:
            connection.on_pause()
        else:
            connection.on_resume()

    def _connect(self, frame):
        proto, slash, address = frame.body[: wire.MAX_CONNECT_TEXT].decode().partition("/")
        if not slash:
            raise wire.WireError("a Connect without /")
        if self.on_connect is None or self.options.allow and not self.options.allow(proto, address):
            raise wire.WireError("connect not allowed")
        connection = Connection(self, frame.conn)
        with self.lock:
            self.connections[frame.conn] = connection
        threading.Thread(
            target=self.on_connect, args=(connection, proto, address), daemon=True
        ).start()

    # -- the clock --

    def _ping(self):
        while not self.over.wait(self.options.ping_seconds):
            try:
                self.ws.send(ws.PING)
            except OSError:
                return

    def _sync(self):
        while not self.over.wait(self.options.sync_seconds):
            with self.lock:
                body = wire.sync_body(self.connections)
            self.send(wire.SYNC, 0, body)

    def _watch(self):
        """Only a ping or a pong counts as life; Data does not."""
        while self.life.wait(self.options.dead_seconds):
            self.life.clear()
            if self.over.is_set():
                return
        self._finish("nothing heard")

    # -- the end --

    def close(self, code=None):
        self.ws.close(code)
        self._finish("closed here")

    def _finish(self, why):
        with self.lock:
            if self.over.is_set():
                return
            self.why = why
            self.over.set()
            left, self.connections = list(self.connections.values()), {}
        self.life.set()
        for connection in left:
            connection.end("tunnel disconnect")
        self.ws.close()

    # -- what was seen --

    def _note(self, sent, frame):
        text = "" if frame.kind in (wire.DATA, wire.SYNC) else frame.text
        self.trace.append(Event(sent, frame.kind, frame.conn, text, len(frame.body)))

    def count(self, kind, sent, conn=None):
        return sum(
            e.kind == kind and e.sent == sent and conn in (None, e.conn) for e in list(self.trace)
        )

    def size(self, kind, sent, conn=None):
        return sum(
            e.size
            for e in list(self.trace)
            if e.kind == kind and e.sent == sent and conn in (None, e.conn)
        )


def _shut(sock):
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
