"""A server like the reference's: accepts agents by X-Tunnel-ID and dials through them; as a peer
if told so."""
import random
import socket
import threading

from . import wire, ws
from .session import Options, Session

ANNOUNCED = "X-API-Tunnel-ID"


class Server:
    """Listens at once on a free port of loopback.

    @fields: further fields of the 101, such as the X-Culvert-Features of another Culvert.
    @peers: id -> token of servers that may come in as peers."""

    def __init__(self, path="/connect", port=0, fields=(), peers=None, **options):
        self.path, self.fields, self.peers = path, fields, peers or {}
        self.options = Options(**options)
        self.listener = socket.create_server(("127.0.0.1", port))
        self.port = self.listener.getsockname()[1]
        self.url = f"ws://127.0.0.1:{self.port}{path}"
        self.changed = threading.Condition()
        self.sessions = {}  # key -> sessions, the oldest first
        self.peer_sessions = {}  # peer id -> session
        self.requests = []  # heads of all requests
        self.listeners = [self.listener]
        self._accept_on(self.listener, self._answer)

    # -- agents --

    def _accept_on(self, listener, handle):
        def run():
            while True:
                try:
                    sock, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=handle, args=(sock,), daemon=True).start()

        threading.Thread(target=run, daemon=True).start()

    def _answer(self, sock):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        reader = sock.makefile("rb", ws.READ_BUFFER)
        request = ws.read_head(reader)
        if request is None:
            return
        self.requests.append(request)
        status, key, is_peer = self._authorize(request)
        if status:
            sock.sendall(f"HTTP/1.1 {status} no\r\nContent-Length: 0\r\n\r\n".encode())
            return
        session = Session(
            ws.accept(sock, reader, request, self.fields),
            False,
            self.options,
            f"{key}/{random.getrandbits(62)}",
        )
        with self.changed:
            if is_peer:
                self.peer_sessions[key] = session
            else:
                self.sessions.setdefault(key, []).append(session)
            self.changed.notify_all()
        session.start()
        session.over.wait()
        with self.changed:
            if is_peer:
                self.peer_sessions.pop(key, None)
            else:
                self.sessions[key].remove(session)
            self.changed.notify_all()

    def _authorize(self, request):
        """(status of a refusal or None, key, whether it is a peer)."""
        fields = request.fields
        if request.path.partition("?")[0] != self.path:
            return 404, None, False
        if fields.get("upgrade", "").lower() != "websocket":
            return 426, None, False
        peer, token = fields.get(ANNOUNCED.lower()), fields.get("x-api-tunnel-token")
        if peer and self.peers.get(peer) == token:
            return None, peer, True
        key = fields.get("x-tunnel-id")
        return (None, key, False) if key else (401, None, False)

    def wait_session(self, key="foo", seconds=60, past=()):
        """A live session of @key that is none of @past."""

        def found():
            return next((s for s in self.sessions.get(key, []) if s not in past), None)

        with self.changed:
            if not self.changed.wait_for(found, seconds):
                raise TimeoutError(f"no agent {key} came")
            return found()

    # -- dials --

    def dial(self, key, proto, address):
        """A connection through the oldest session of @key, else a peer that announced it."""
        with self.changed:
            local = self.sessions.get(key)
            if local:
                return local[0].dial(proto, address)
            routes = [
                s for s in self.peer_sessions.values() if key in {k for k, _ in s.remote_keys}
            ]
        if not routes:
            raise OSError(f"failed to find Session for client {key}")
        return random.choice(routes).dial(f"{key}::{proto}", address)

    def forward(self, key, address, proto="tcp"):
        """A local port whose visitors reach @address through @key."""
        listener = socket.create_server(("127.0.0.1", 0))
        self.listeners.append(listener)

        def visitor(sock):
            try:
                connection = self.dial(key, proto, address)
            except OSError:
                sock.close()
                return
            connection.pipe(sock)
            connection.close()

        self._accept_on(listener, visitor)
        return listener.getsockname()[1]

    def dial_peer(self, host, port, peer_id, token):
        """A session with another server as its peer: announces our sessions
        there and serves its dials."""
        fields = [(ANNOUNCED, peer_id), ("X-API-Tunnel-Token", token)]
        socket_, _ = ws.dial(host, port, fields, self.path)
        session = Session(socket_, True, self.options)

        def routed(connection, proto, address):
            key, _, inner = proto.partition("::")
            try:
                onward = self.dial(key, inner, address)
            except OSError as error:
                connection.tunnel_close(str(error))
                connection.close()
                return
            here, there = socket.socketpair()
            threading.Thread(target=onward.pipe, args=(there,), daemon=True).start()
            text = connection.pipe(here)
            session.send(wire.ERROR, connection.conn, text.encode())
            connection.close()
            onward.close()

        session.on_connect = routed
        session.start()
        with self.changed:
            for sessions in self.sessions.values():
                for known in sessions:
                    session.send(wire.ADD_CLIENT, 0, known.name.encode())
        return session

    def close(self):
        for listener in self.listeners:
            listener.shutdown(socket.SHUT_RDWR)  # wakes the thread in accept()
            listener.close()
        for session in [s for many in list(self.sessions.values()) for s in many] + list(
            self.peer_sessions.values()
        ):
            session.close()
