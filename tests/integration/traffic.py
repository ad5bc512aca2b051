"""Targets that a tunnel dials, visitors that come through it, content checked by SHA-256."""
import errno
import fcntl
import hashlib
import os
import pathlib
import random
import socket
import struct
import sys
import tempfile
import threading

MIB = 1 << 20
CHUNK = 256 << 10
DEADLINE = 90  # seconds: generous, a bound on a hang and never on speed

ESTABLISHED, LISTEN = "01", "0A"  # states in /proc/net/tcp

_BLOCK = random.Random("culvert").randbytes(MIB)


class Ports:
    """Ports that the kernel gives nobody who asks for any (ip_local_port_range begins at 32768): of
    a block that no other process of tests has, each once, until all have had their turn."""

    FIRST, BLOCK, BLOCKS = 16384, 256, 64

    def __init__(self):
        self.lock, self.first, self.left = None, 0, []

    def _take_block(self):
        while True:
            block = random.SystemRandom().randrange(self.BLOCKS)
            path = pathlib.Path(tempfile.gettempdir(), f"culvert-test-ports-{block}")
            self.lock = open(path, "w", encoding="ascii")
            try:
                fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self.lock.close()
                continue
            return self.FIRST + block * self.BLOCK

    def next(self):
        if not self.lock:
            self.first = self._take_block()
        if not self.left:
            self.left = list(range(self.first, self.first + self.BLOCK))
            random.SystemRandom().shuffle(self.left)
        return self.left.pop()

    def take(self, ports):
        """Whether those were all there, and are given to nobody else."""
        if not set(ports) <= set(self.left):
            return False
        self.left = [port for port in self.left if port not in ports]
        return True


_PORTS = Ports()


def free_port(host="127.0.0.1"):
    """One that nobody has, nor is going to have."""
    while True:
        with socket.socket(_family(host)) as sock:
            try:
                sock.bind((host, port := _PORTS.next()))
                return port
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise


def free_run(count):
    """The first of so many in a row."""
    while True:
        first = free_port()
        if _PORTS.take(range(first + 1, first + count)):
            return first


def sockets(port, state, pid="self"):
    """How many TCP sockets have local @port and @state where @pid lives. Connects to nothing."""
    count = 0
    for table in ("tcp", "tcp6"):
        for row in pathlib.Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = row.split()
            count += fields[1].endswith(f":{port:04X}") and fields[3] == state
    return count


def connections(port, peer, pid="self"):
    """The rows of established TCP sockets with local @port (None: any) and the @peer's port, where
    @pid lives, as fields."""
    rows = pathlib.Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
    return [
        fields
        for fields in map(str.split, rows)
        if fields[1].endswith(f":{port:04X}" if port else "")
        and fields[2].endswith(f":{peer:04X}")
        and fields[3] == ESTABLISHED
    ]


def listening(port):
    """Whether there is a listener at @port. Reads no more than the listeners, which the kernel
    lists first: after a test with many visitors thousands wait in TIME_WAIT behind them."""
    for table in ("tcp", "tcp6"):
        with open(f"/proc/net/{table}", encoding="ascii") as rows:
            next(rows)
            for _, local, _, state, *_ in map(str.split, rows):
                if state != LISTEN:
                    break
                if local.endswith(f":{port:04X}"):
                    return True
    return False


def _family(host):
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def content(size, seed=0):
    """@size bytes in blocks of 1 MiB, each different from the others and from
    those of another @seed."""
    for at in range(0, size, MIB):
        head = b"%d:%d;" % (seed, at)
        yield (head + _BLOCK[len(head) :])[: size - at]


def digest_of(size, seed=0):
    digest = hashlib.sha256()
    for block in content(size, seed):
        digest.update(block)
    return digest.hexdigest()


def is_prefix(data, seed=0):
    """Whether @data is how content(.., @seed) begins."""
    at = 0
    for block in content(len(data), seed):
        if data[at : at + len(block)] != block:
            return False
        at += len(block)
    return True


class Target:
    """A TCP (or, with @path, Unix) service. A visitor says in one line what it wants:

    ECHO         every byte back
    PUT n        n bytes are read, their SHA-256 comes back in hex, then the end
    GET n seed   content(n, seed), then the end
    ASK          reads a line, answers `bye` and ends
    HOLD         nothing is read or sent
    """

    def __init__(self, host="127.0.0.1", port=0, path=None, buffer=None):
        if path:
            self.listener = socket.socket(socket.AF_UNIX)
            address = str(path)
        else:
            self.listener = socket.socket(_family(host))
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            address = (host, port)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF) if buffer else ():
            self.listener.setsockopt(socket.SOL_SOCKET, option, buffer)
        self.listener.bind(address)
        self.listener.listen(1024)
        self.port = None if path else self.listener.getsockname()[1]
        self.address = (
            f"unix/{path}" if path else f"{f'[{host}]' if ':' in host else host}:{self.port}"
        )
        self.lock, self.open, self.accepted = threading.Lock(), set(), 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.accepted += 1
                self.open.add(sock)
            threading.Thread(target=self._run, args=(sock,), daemon=True).start()

    def _run(self, sock):
        try:
            self._serve(sock)
        except (OSError, ValueError, IndexError):
            pass
        finally:
            with self.lock:
                self.open.discard(sock)
            sock.close()

    def _serve(self, sock):
        verb, *numbers = _read_line(sock).split()
        numbers = [int(number) for number in numbers]
        if verb == "ECHO":
            while data := sock.recv(CHUNK):
                sock.sendall(data)
        elif verb == "PUT":
            digest, left = hashlib.sha256(), numbers[0]
            while left and (data := sock.recv(min(left, CHUNK))):
                digest.update(data)
                left -= len(data)
            sock.sendall(digest.hexdigest().encode())
        elif verb == "GET":
            for block in content(*numbers):
                sock.sendall(block)
        elif verb == "ASK":
            _read_line(sock)
            sock.sendall(b"bye")
        elif verb == "HOLD":
            threading.Event().wait()

    def close(self):
        with self.lock:
            left = [self.listener, *self.open]
        for sock in left:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.listener.close()


def _read_line(sock):
    line = b""
    while not line.endswith(b"\n") and (byte := sock.recv(1)):
        line += byte
    return line.decode("latin1")


def visit(port, request=None, host="127.0.0.1", path=None, receive_buffer=None):
    """A visitor's socket, its @request (a line) sent."""
    sock = socket.socket(socket.AF_UNIX if path else _family(host))
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.settimeout(DEADLINE)
    try:
        sock.connect(str(path) if path else (host, port))
        if request is not None:
            sock.sendall(request.encode() + b"\n")
    except OSError:
        sock.close()
        raise
    return sock


def read_exactly(sock, size):
    """The next @size bytes; fewer when the other end ends first."""
    parts = []
    while size and (part := sock.recv(min(size, CHUNK))):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def read_end(sock):
    """(what still came, whether the end was in order rather than a reset)."""
    parts = []
    try:
        while part := sock.recv(CHUNK):
            parts.append(part)
        return b"".join(parts), True
    except ConnectionError:
        return b"".join(parts), False


def ping(sock, payload=b"are you there"):
    """Whether an ECHO connection gives @payload back."""
    try:
        sock.sendall(payload)
        return read_exactly(sock, len(payload)) == payload
    except OSError:
        return False


def echoes(port, **where):
    """Whether a new visitor gets an echo."""
    try:
        with visit(port, "ECHO", **where) as sock:
            return ping(sock)
    except OSError:
        return False


def upload(port, size, seed=0):
    """Whether the target of @port saw exactly content(@size, @seed)."""
    with visit(port, f"PUT {size}") as sock:
        for block in content(size, seed):
            sock.sendall(block)
        return read_exactly(sock, 64).decode() == digest_of(size, seed)


def download(port, size, seed=0):
    """Whether content(@size, @seed) came from the target of @port, and then an end."""
    with visit(port, f"GET {size} {seed}") as sock:
        digest, got = hashlib.sha256(), 0
        while data := sock.recv(CHUNK):
            digest.update(data)
            got += len(data)
        return got == size and digest.hexdigest() == digest_of(size, seed)


def full_duplex(port, size, seed=0):
    """Sends content(@size) into an ECHO while reading it back: (whether it is equal, bytes back).

    Ends early only when nothing at all came for DEADLINE seconds."""
    sock = visit(port, "ECHO")
    sock.settimeout(None)  # a timeout of the socket would hold for the sender, too
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", DEADLINE, 0))
    sent, back, got = hashlib.sha256(), hashlib.sha256(), 0

    def send():
        try:
            for block in content(size, seed):
                sent.update(block)
                sock.sendall(block)
        except OSError:
            pass

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    try:
        while got < size and (data := sock.recv(MIB)):
            back.update(data)
            got += len(data)
    except OSError:
        return False, got
    sender.join()
    sock.close()
    return got == size and sent.digest() == back.digest(), got


class Relay:
    """A TCP relay to @port that can go dumb: frozen, it keeps both connections
    open and carries nothing."""

    def __init__(self, port):
        self.target = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.flowing = threading.Event()
        self.flowing.set()
        self.sockets = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                near.close()
                continue
            self.sockets += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._copy, args=(source, sink), daemon=True).start()

    def _copy(self, source, sink):
        try:
            while data := source.recv(CHUNK):
                self.flowing.wait()
                sink.sendall(data)
        except OSError:
            pass
        self.flowing.wait()
        for sock in (source, sink):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def freeze(self):
        self.flowing.clear()

    def thaw(self):
        self.flowing.set()

    def close(self):
        self.thaw()
        for sock in [self.listener, *self.sockets]:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()


if __name__ == "__main__":  # a target of its own process, to be killed
    Target(port=int(sys.argv[1]))
    print("ready", os.getpid(), flush=True)
    threading.Event().wait()
