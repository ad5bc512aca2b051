"""systemd's journal as far as a daemon sees one: a socket, in a mount namespace of its own."""
import socket
import threading

from .lab import wait_until

# What comes on standard error is the journal's, as systemd would say.
_ENTER = """
set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/journal
mount --bind "$1" /run/systemd/journal
shift
JOURNAL_STREAM=${SAID:-$(stat -L -c %d:%i /proc/self/fd/2)}
export JOURNAL_STREAM
exec "$@"
"""


def parse(data):
    """An entry of the native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL) as [(name, value)]."""
    fields = []
    while data:
        line, _, data = data.partition(b"\n")
        name, sign, value = line.partition(b"=")
        if not sign:
            size = int.from_bytes(data[:8], "little")
            value, end, data = data[8 : 8 + size], data[8 + size : 9 + size], data[9 + size :]
            assert len(value) == size and end == b"\n", (line, size, value)
        fields.append((name.decode(), value.decode()))
    return fields


class Journal:
    """Collects entries at the socket in @folder, which is made. Without @listens nobody does."""

    def __init__(self, folder, listens=True):
        folder.mkdir()
        self.folder, self.raw = folder, []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        if listens:
            self.socket.bind(str(folder / "socket"))
            threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        while data := self.socket.recv(65536):
            self.raw.append(data)

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()

    def prefix(self):
        """Before a command, which then has this journal."""
        return ["unshare", "-m", "sh", "-c", _ENTER, "sh", str(self.folder)]

    def entries(self):
        return [dict(parse(data)) for data in list(self.raw)]

    def wait(self, text):
        """The first entry whose message has @text in it."""

        def found():
            return next((e for e in self.entries() if text in e["MESSAGE"]), None)

        return wait_until(found, lambda: f"{text} in {self.entries()[-20:]}")
