"""The frames of the tunnel: id, connID, type, [deadline], body, each number a signed varint."""
import struct
from dataclasses import dataclass

DATA, CONNECT, ERROR, ADD_CLIENT, REMOVE_CLIENT, PAUSE, RESUME, SYNC = range(1, 9)
NAMES = {
    DATA: "Data",
    CONNECT: "Connect",
    ERROR: "Error",
    ADD_CLIENT: "AddClient",
    REMOVE_CLIENT: "RemoveClient",
    PAUSE: "Pause",
    RESUME: "Resume",
    SYNC: "SyncConnections",
}
WITH_DEADLINE = (DATA, CONNECT)
LEGACY_DEADLINE = 15000

MAX_VARINT_BYTES = 10
MAX_CONNECT_TEXT = 266
MAX_ERROR_TEXT = 100


class WireError(Exception):
    """Bytes that are no frame: the session ends."""


def put_varint(value):
    """@value in zigzag, then seven bits a byte, the low ones first."""
    rest = (value << 1 ^ value >> 63) & (1 << 64) - 1
    out = bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


def get_varint(data, at):
    """(the number at @at, the place behind it)."""
    raw = 0
    for n in range(MAX_VARINT_BYTES):
        if at + n >= len(data):
            raise WireError("cut short")
        byte = data[at + n]
        raw |= (byte & 0x7F) << 7 * n
        if byte < 0x80:
            if raw >> 64:
                break
            return (raw >> 1) ^ -(raw & 1), at + n + 1
    raise WireError("a varint of more than 64 bits")


@dataclass
class Frame:
    kind: int
    conn: int = 0
    body: bytes = b""
    id: int = 0
    deadline: int = LEGACY_DEADLINE

    def encode(self):
        head = put_varint(self.id) + put_varint(self.conn) + put_varint(self.kind)
        if self.kind in WITH_DEADLINE:
            head += put_varint(self.deadline)
        return head + self.body

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    @property
    def name(self):
        return NAMES.get(self.kind, f"type {self.kind}")


def decode(data):
    """The frame that one message holds."""
    frame_id, at = get_varint(data, 0)
    conn, at = get_varint(data, at)
    kind, at = get_varint(data, at)
    deadline = LEGACY_DEADLINE
    if kind in WITH_DEADLINE:
        deadline, at = get_varint(data, at)
    return Frame(kind, conn, bytes(data[at:]), frame_id, deadline)


def sync_body(conns):
    return b"".join(struct.pack("<q", conn) for conn in sorted(conns))


def sync_ids(body):
    if len(body) % 8:
        raise WireError("a list of connections whose length is no multiple of 8")
    return [conn for conn, in struct.iter_unpack("<q", body)]
