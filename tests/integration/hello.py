"""ClientHellos: a real one, and ones that are built by hand; and a target that echoes bytes."""
import contextlib
import socket
import ssl
import struct
import threading

GREASE = 0x3A3A  # RFC 8701


def real(name):
    """What OpenSSL says first to a server of @name."""
    out = ssl.MemoryBIO()
    context = ssl.create_default_context()
    tls = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=name)
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        return out.read()
    raise AssertionError("a handshake without a server")


def extension(number, body):
    return struct.pack(">HH", number, len(body)) + body


def server_name(name):
    entry = struct.pack(">BH", 0, len(name)) + name.encode()
    return extension(0, struct.pack(">H", len(entry)) + entry)


def message(*extensions):
    """A handshake message with these extensions, GREASE among the suites."""
    body = struct.pack(">H", 0x0303) + bytes(range(32)) + b"\0"
    body += struct.pack(">HHH", 4, GREASE, 0x1301) + b"\1\0"
    tail = b"".join(extensions)
    body += struct.pack(">H", len(tail)) + tail
    return b"\1" + struct.pack(">I", len(body))[1:] + body


def records(data, size=16384):
    """@data in records of @size bytes."""
    pieces = (data[at : at + size] for at in range(0, len(data), size))
    return b"".join(b"\x16\3\1" + struct.pack(">H", len(piece)) + piece for piece in pieces)


class Echo:
    """Says back what it hears, and then that it is over."""

    def __init__(self, inside=None):
        """@inside: a network namespace."""
        with inside.entered() if inside else contextlib.nullcontext():
            self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = self.listener.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self.accepted = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self._run, args=(sock,), daemon=True).start()

    def _run(self, sock):
        with sock:
            try:
                while piece := sock.recv(65536):
                    sock.sendall(piece)
            except OSError:
                pass

    def close(self):
        self.listener.close()
