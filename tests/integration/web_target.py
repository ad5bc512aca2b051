"""An HTTP target whose answers show what reached it."""
import hashlib
import http.server
import json
import socket
import threading

BLOCK = bytes(range(256)) * 256


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def body(self):
        """The request's body, piece by piece."""
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            while size := int(self.rfile.readline().split(b";")[0], 16):
                while size:
                    piece = self.rfile.read(min(size, 65536))
                    size -= len(piece)
                    yield piece
                self.rfile.readline()
            self.rfile.readline()
            return
        left = int(self.headers.get("Content-Length", 0))
        while left:
            piece = self.rfile.read(min(left, 65536))
            if not piece:
                raise ConnectionError("the body is cut")
            left -= len(piece)
            yield piece

    def reply(self, body, status=200, **headers):
        self.send_response(status, "Fine")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def show(self):
        """What came, as JSON."""
        digest, size = hashlib.sha256(), 0
        for piece in self.body():
            digest.update(piece)
            size += len(piece)
        self.reply(
            json.dumps(
                {
                    "method": self.command,
                    "path": self.path,
                    "headers": [[k.lower(), v] for k, v in self.headers.items()],
                    "size": size,
                    "sha256": digest.hexdigest(),
                    "conns": self.server.conns,
                }
            ).encode()
        )

    def big(self, how, size):
        """@size bytes, by `length`, `chunked`, or until `close`; `cut` says twice as many."""
        self.send_response(200)
        if how in ("length", "cut"):
            self.send_header("Content-Length", str(size * (2 if how == "cut" else 1)))
        if how in ("chunked", "cutchunk"):
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while size:
            piece = BLOCK[: min(size, len(BLOCK))]
            size -= len(piece)
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if "chunk" in how else piece)
        if how == "chunked":
            self.wfile.write(b"0\r\n\r\n")
        self.close_connection = how not in ("length", "chunked")

    def websocket(self):
        """Switches, says hello, and echoes bytes until the other end has no more."""
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.end_headers()
        self.wfile.write(b"hello")
        while piece := self.connection.recv(65536):
            self.wfile.write(piece)
        self.close_connection = True

    def answer(self):
        self.server.requests.append(f"{self.command} {self.path}")
        path = self.path.split("?")[0]
        if path.startswith("/big/"):
            _, _, how, size = path.split("/")
            self.big(how, int(size))
        elif path.startswith("/interim/"):
            self.wfile.write(b"HTTP/1.1 103 Early Hints\r\n\r\n" * int(path.split("/")[2]))
            self.show()
        elif path == "/ws":
            self.websocket()
        elif path == "/silent":
            self.server.released.wait(60)
            self.close_connection = True
        elif path == "/garbage":
            self.wfile.write(b"no HTTP at all\r\n\r\n")
            self.close_connection = True
        elif path == "/hangup":
            self.close_connection = True
        else:
            self.show()

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = answer


class WebTarget(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, tls=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.conns, self.requests, self.released = 0, [], threading.Event()
        self.tls = tls
        self.address = f"127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def get_request(self):
        sock, peer = super().get_request()
        self.conns += 1
        if self.tls:
            sock = self.tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        return sock, peer

    def handle_error(self, request, client_address):
        pass  # visitors that go, and TLS that is refused, are what tests are about

    def close(self):
        self.released.set()
        self.shutdown()
        self.server_close()


def exchange(port, data, shut=False):
    """Everything that is answered to @data until the other end closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as sock:
        sock.sendall(data)
        if shut:
            sock.shutdown(socket.SHUT_WR)
        out = b""
        while piece := sock.recv(65536):
            out += piece
        return out
