"""An agent like the reference's: it dials out, and then dials targets for the server."""
import socket

from . import wire, ws
from .session import DIAL_SECONDS, EOF, Options, Session

FRAGMENT = 4096


class Agent:
    """One session of @key with the server at @host:@port. @options as in session.Options."""

    def __init__(self, port, key="foo", host="127.0.0.1", path="/connect", **options):
        self.options = Options(**{"fragment": FRAGMENT, **options})
        fields = [("X-Tunnel-ID", key), *self.options.fields]
        socket_, self.head = ws.dial(host, port, fields, path)
        self.session = Session(socket_, True, self.options)
        self.session.on_connect = self.serve_connection
        self.session.start()

    def serve_connection(self, connection, proto, address):
        """Dials the target and copies. A dial that fails sends its text and
        then, from the close, EOF."""
        try:
            target = dial_target(proto, address)
        except OSError as error:
            # off the table before the first Error can be echoed, as in the recordings
            with self.session.lock:
                self.session.connections.pop(connection.conn, None)
            connection.tunnel_close(f"dial {proto} {address}: {error.strerror or error}")
            connection.tunnel_close(EOF)
            return
        text = connection.pipe(target)
        self.session.send(wire.ERROR, connection.conn, text.encode())
        connection.close()

    def close(self):
        self.session.close()


class Flooder(Agent):
    """Dials no target: sends @size bytes on each connection at once, and never looks at a Pause.

    @echo: the addresses (host:port) that are served in order all the same."""

    def __init__(self, port, size, echo=(), **options):
        self.flood, self.echo, self.flooded = size, tuple(echo), 0
        self.flooding = None  # the id of the connection that is flooded
        super().__init__(port, **options)

    def serve_connection(self, connection, proto, address):
        if address in self.echo:
            super().serve_connection(connection, proto, address)
            return
        self.flooding = connection.conn
        # one frame built once: what is measured is the other end
        frame = wire.Frame(wire.DATA, connection.conn, b"f" * (32 << 10))
        message = ws.frame_bytes(ws.BINARY, frame.encode(), b"mask")
        batch = message * 16
        try:
            while self.flooded < self.flood and connection.error is None:
                self.session.ws.send_raw(batch)
                self.flooded += 16 * len(frame.body)
        except OSError:
            pass
        connection.wait_end()


def dial_target(proto, address):
    """A socket to `tcp` or `udp` host:port, or to `unix` path."""
    if proto == "unix":
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(address)
        return sock
    if proto == "udp":
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        host, _, port = address.rpartition(":")
        sock.connect((host, int(port)))
        return sock
    if proto != "tcp":
        raise OSError(f"unknown network {proto}")
    host, _, port = address.rpartition(":")
    sock = socket.create_connection((host.strip("[]"), int(port)), DIAL_SECONDS)
    sock.settimeout(None)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock
