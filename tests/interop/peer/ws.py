"""WebSocket, both roles: the handshake's text, frames with real masking, fragments."""
import base64
import hashlib
import os
import socket
import struct
import threading
from dataclasses import dataclass, field

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
READ_BUFFER = 256 * 1024
MAX_HEAD_LINES = 100


class WsError(Exception):
    """The other end broke RFC 6455, or the link ended in the middle of a frame."""


def accept_key(key):
    return base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()


def new_key():
    return base64.b64encode(os.urandom(16)).decode()


def mask(data, key):
    """@data xor the repeated @key; one big number is two orders faster than a loop over bytes."""
    size = len(data)
    pattern = (key * (size // 4 + 1))[:size]
    mixed = int.from_bytes(data, "little") ^ int.from_bytes(pattern, "little")
    return mixed.to_bytes(size, "little")


def frame_bytes(opcode, payload, key=None, fin=True, rsv=0):
    """One frame on the wire; masked when there is a @key."""
    head = bytearray([(0x80 if fin else 0) | rsv << 4 | opcode])
    bit, size = (0x80 if key is not None else 0), len(payload)
    if size < 126:
        head.append(bit | size)
    elif size < 1 << 16:
        head += struct.pack(">BH", bit | 126, size)
    else:
        head += struct.pack(">BQ", bit | 127, size)
    if key is None:
        return bytes(head) + payload
    return bytes(head) + key + mask(payload, key)


@dataclass
class Head:
    """The head of an HTTP message: its first line, its fields by lower-case name."""

    line: str
    fields: dict = field(default_factory=dict)

    @property
    def status(self):
        return int(self.line.split()[1])

    @property
    def path(self):
        return self.line.split()[1]


def read_head(reader):
    """The next HTTP head; None at an end before the first byte."""
    lines = []
    while len(lines) < MAX_HEAD_LINES:
        line = reader.readline(65536)
        if not line and not lines:
            return None
        if not line.endswith(b"\n"):
            raise WsError("the link ended inside an HTTP head")
        line = line.rstrip(b"\r\n").decode("latin1")
        if not line:
            break
        lines.append(line)
    head = Head(lines[0])
    for line in lines[1:]:
        name, _, value = line.partition(":")
        head.fields[name.strip().lower()] = value.strip()
    return head


def request_text(path, host, fields=(), key=None):
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key or new_key()}",
        "Sec-WebSocket-Version: 13",
        *(f"{name}: {value}" for name, value in fields),
    ]
    return "\r\n".join(lines) + "\r\n\r\n"


@dataclass
class Message:
    """A whole data message, or one control frame; @layout has the payload size
    of each frame of it."""

    opcode: int
    payload: bytes
    layout: list


class WebSocket:
    """One WebSocket over @sock, whose handshake is done; @reader is its buffered input."""

    def __init__(self, sock, reader, client):
        self.sock, self.reader, self.client = sock, reader, client
        self.send_lock = threading.Lock()
        self._parts, self._first = [], None

    def key(self):
        return os.urandom(4) if self.client else None

    def send(self, opcode, payload=b"", fragment=None):
        """One message, in frames of @fragment bytes when that is given."""
        size = fragment or max(len(payload), 1)
        pieces = [payload[at : at + size] for at in range(0, len(payload), size)] or [b""]
        out = []
        for n, piece in enumerate(pieces):
            last = n == len(pieces) - 1
            out.append(frame_bytes(opcode if n == 0 else CONTINUATION, piece, self.key(), last))
        self.send_raw(b"".join(out))

    def send_raw(self, data):
        with self.send_lock:
            self.sock.sendall(data)

    def _read(self, size):
        data = self.reader.read(size)
        if data is None or len(data) < size:
            raise WsError("the link ended inside a frame")
        return data

    def _read_frame(self):
        """(fin, opcode, payload), or None at an end between two frames."""
        first = self.reader.read(1)
        if not first:
            return None
        second = self._read(1)[0]
        if first[0] & 0x70:
            raise WsError("reserved bits are set")
        if bool(second & 0x80) == self.client:
            raise WsError("a server masks, or a client does not")
        size = second & 0x7F
        if size > 125 and first[0] & 0x08:
            raise WsError("a control frame of more than 125 bytes")
        if size == 126:
            (size,) = struct.unpack(">H", self._read(2))
        elif size == 127:
            (size,) = struct.unpack(">Q", self._read(8))
        key = None if self.client else self._read(4)
        payload = self._read(size) if size else b""
        return bool(first[0] & 0x80), first[0] & 0x0F, mask(payload, key) if key else payload

    def receive(self):
        """The next Message; None when the link ended."""
        while frame := self._read_frame():
            fin, opcode, payload = frame
            if opcode & 0x08:
                return Message(opcode, payload, [len(payload)])
            if (opcode == CONTINUATION) != bool(self._parts):
                raise WsError("a fragment out of place")
            self._first = self._first if self._parts else opcode
            self._parts.append(payload)
            if fin:
                parts, self._parts = self._parts, []
                return Message(self._first, b"".join(parts), [len(part) for part in parts])
        return None

    def close(self, code=None):
        """A close frame when @code is given, then the end of the socket."""
        try:
            if code:
                self.send(CLOSE, struct.pack(">H", code))
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()


def connect(host, port, timeout=None):
    """(socket, buffered reader) to @host:@port."""
    sock = socket.create_connection((host, port), timeout)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock, sock.makefile("rb", READ_BUFFER)


def dial(host, port, fields=(), path="/connect", timeout=None):
    """(WebSocket, response head) of a client; WsError when the server does not upgrade rightly."""
    sock, reader = connect(host, port, timeout)
    key = new_key()
    sock.sendall(request_text(path, f"{host}:{port}", fields, key).encode())
    head = read_head(reader)
    if head is None or head.status != 101:
        sock.close()
        raise WsError(f"no upgrade: {head.line if head else 'end'}")
    if head.fields.get("sec-websocket-accept") != accept_key(key):
        sock.close()
        raise WsError("a wrong accept key")
    if (
        head.fields.get("upgrade", "").lower() != "websocket"
        or "upgrade" not in head.fields.get("connection", "").lower()
    ):
        sock.close()
        raise WsError("Upgrade or Connection lacks its token")
    return WebSocket(sock, reader, client=True), head


def accept(sock, reader, request, fields=()):
    """The server's answer to a good @request; the WebSocket."""
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accept_key(request.fields['sec-websocket-key'])}",
        *(f"{name}: {value}" for name, value in fields),
    ]
    sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
    return WebSocket(sock, reader, client=False)
