"""Heads of the PROXY protocol (HAProxy's proxy-protocol.txt), written and read without ours."""
import socket
import struct

from . import traffic

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def line(source, to):
    """Version 1; @source and @to are (host, port)."""
    family = "TCP6" if ":" in source[0] else "TCP4"
    return f"PROXY {family} {source[0]} {to[0]} {source[1]} {to[1]}\r\n".encode()


def block(source, to, extras=b"", first=0x21):
    """Version 2."""
    family, kind = (socket.AF_INET6, 0x21) if ":" in source[0] else (socket.AF_INET, 0x11)
    body = b"".join(socket.inet_pton(family, host) for host, _ in (source, to))
    body += struct.pack("!HH", source[1], to[1]) + extras
    return SIGNATURE + struct.pack("!BBH", first, kind, len(body)) + body


LOCAL = SIGNATURE + b"\x20\0\0\0"


def read_head(sock):
    """(source, to) from the head that @sock begins with; None and None of one that does not say."""
    start = traffic.read_exactly(sock, 6)
    if start == b"PROXY ":
        text = b""
        while not text.endswith(b"\r\n"):
            text += traffic.read_exactly(sock, 1)
        kind, *words = text.decode().split()
        if kind == "UNKNOWN":
            return None, None
        source, to, source_port, to_port = words
        return (source, int(source_port)), (to, int(to_port))
    start += traffic.read_exactly(sock, 10)
    signature, first, kind, size = struct.unpack("!12sBBH", start)
    if signature != SIGNATURE or first != 0x21:
        raise ValueError(start)
    body = traffic.read_exactly(sock, size)
    if kind == 0:
        return None, None
    family, length = {0x11: (socket.AF_INET, 4), 0x21: (socket.AF_INET6, 16)}[kind]
    hosts = [socket.inet_ntop(family, body[at : at + length]) for at in (0, length)]
    ports = struct.unpack("!HH", body[2 * length :])
    return (hosts[0], ports[0]), (hosts[1], ports[1])


class HeadedTarget(traffic.Target):
    """A target that wants a head first, and keeps what each said in @told."""

    def __init__(self, **where):
        self.told = []
        super().__init__(**where)

    def _serve(self, sock):
        told = read_head(sock)
        with self.lock:
            self.told.append(told)
        super()._serve(sock)
