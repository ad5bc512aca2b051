"""Bulk from visitors to targets, which goes by pipes past the programs' memory: it arrives whole,
whoever stops, resets or dies in the middle of it, and no pipe stays behind."""
import hashlib
import os
import socket
import struct
import threading
import unittest

from . import traffic
from .lab import LabCase, scaled, wait_until

MIB = traffic.MIB
STREAMS = 8


def pipes(process):
    """How many ends of pipes it has."""
    count = 0
    for fd in os.listdir(f"/proc/{process.pid}/fd"):
        try:
            count += os.readlink(f"/proc/{process.pid}/fd/{fd}").startswith("pipe:")
        except FileNotFoundError:
            pass
    return count


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


class Sink:
    """A target of one visitor that reads when it is told to."""

    def __init__(self, listener):
        self.sock, _ = listener.accept()
        self.sock.settimeout(traffic.DEADLINE)
        self.digest, self.got = hashlib.sha256(), 0

    def read(self, size):
        """@size bytes more, or fewer where they end first."""
        while size and (data := self.sock.recv(min(size, traffic.CHUNK))):
            self.digest.update(data)
            self.got += len(data)
            size -= len(data)


class Sender:
    """A visitor that sends content(@size, @seed) in a thread, and the end."""

    def __init__(self, port, size, seed=0):
        self.sock, self.ended = traffic.visit(port), None
        self.thread = threading.Thread(target=self._run, args=(size, seed), daemon=True)
        self.thread.start()

    def _run(self, size, seed):
        try:
            for block in traffic.content(size, seed):
                self.sock.sendall(block)
            self.sock.shutdown(socket.SHUT_WR)
            self.ended = "in order"
        except OSError as error:
            self.ended = str(error)

    def reset(self):
        """In the middle: what the kernel holds goes with it."""
        self.sock.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        reset(self.sock)


class Bulk(LabCase):
    def setUp(self):
        super().setUp()
        self.size = scaled("CULVERT_TRANSFER_MIB", 64, 16) * MIB
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.listener.settimeout(traffic.DEADLINE)
        self.addCleanup(self.listener.close)
        self.port_of_sinks = None

    def both(self, *flags):
        """(server, agent): forwards `main` to a target that serves, `sinks` to the listener."""
        target = self.target()
        sinks = f"127.0.0.1:{self.listener.getsockname()[1]}"
        server = self.server(
            *flags, forwards={"main": f"foo/{target.address}", "sinks": f"foo/{sinks}"}
        )
        agent = self.agent(server.url)
        self.wait_echo(server.forwards["main"])
        self.port_of_sinks = server.forwards["sinks"]
        self.at_rest = {process: pipes(process) for process in (server, agent)}
        return server, agent

    def begin(self, seed=0, size=None):
        """(visitor, target) of a transfer."""
        sender = Sender(self.port_of_sinks, size or self.size, seed)
        self.addCleanup(sender.sock.close)
        sink = Sink(self.listener)
        self.addCleanup(sink.sock.close)
        return sender, sink

    def assert_whole(self, sink, seed=0):
        sink.read(self.size + 1 - sink.got)
        self.assertEqual(sink.got, self.size)
        self.assertEqual(sink.digest.hexdigest(), traffic.digest_of(self.size, seed))

    def assert_no_pipe_is_left(self):
        for process, count in self.at_rest.items():
            if process.alive():
                wait_until(lambda: pipes(process) == count, f"{count} ends of pipes at rest")

    def test_it_goes_by_pipes_of_which_none_is_left(self):
        both = self.both()
        _, sink = self.begin(size=1024 * MIB)

        def in_use():
            sink.read(MIB)
            return all(pipes(process) > self.at_rest[process] for process in both)

        wait_until(in_use, "a pipe in use in both")
        self.assertLess(sink.got, 1024 * MIB)
        reset(sink.sock)
        self.assert_no_pipe_is_left()

    def test_targets_that_stop_and_go_on(self):
        self.both()
        pairs = [self.begin(seed) for seed in range(STREAMS)]
        threads = []
        for turn in range(3):  # each stands still while others are read
            for seed, (_, sink) in enumerate(pairs):
                if seed % 3 == turn:
                    sink.read(self.size // 2)
        for seed, (_, sink) in enumerate(pairs):
            threads.append(threading.Thread(target=sink.read, args=(self.size,)))
            threads[-1].start()
        for thread in threads:
            thread.join()
        for seed, (sender, sink) in enumerate(pairs):
            with self.subTest(seed):
                self.assert_whole(sink, seed)
                sender.thread.join()
                self.assertEqual(sender.ended, "in order")
        self.assert_no_pipe_is_left()

    def test_ends_in_the_middle_concern_nobody_else(self):
        """A target resets, a visitor resets, a visitor ends; the next ones share their link."""
        server, _ = self.both()
        pairs = [self.begin(seed) for seed in range(STREAMS)]
        for seed, (sender, sink) in enumerate(pairs):
            sink.read(3 * MIB + seed * 10007)
            if seed % 4 == 1:
                reset(sink.sock)
            elif seed % 4 == 2:
                sender.reset()
            self.assertTrue(traffic.echoes(server.forwards["main"]), "a small one beside")
        for seed in range(0, STREAMS, 4):
            self.assert_whole(pairs[seed][1], seed)
            self.assert_whole(pairs[seed + 3][1], seed + 3)
        self.assertTrue(traffic.upload(server.forwards["main"], self.size, 99))
        self.assert_no_pipe_is_left()

    def test_small_ones_beside_it(self):
        server, _ = self.both()
        pairs = [self.begin(seed) for seed in range(STREAMS)]
        readers = [threading.Thread(target=sink.read, args=(self.size,)) for _, sink in pairs]
        with traffic.visit(server.forwards["main"], "ECHO") as small:
            for reader in readers:
                reader.start()
            for turn in range(200):
                self.assertTrue(traffic.ping(small, b"%d " % turn * 100))
        for reader in readers:
            reader.join()
        for seed, (_, sink) in enumerate(pairs):
            self.assert_whole(sink, seed)

    def test_a_link_that_dies_in_the_middle(self):
        server, agent = self.both()
        for dies in (1, 2):
            pairs = [self.begin(seed) for seed in range(STREAMS)]
            for _, sink in pairs:
                sink.read(2 * MIB)
            agent.kill()
            for sender, _ in pairs:
                sender.thread.join()
                self.assertNotEqual(sender.ended, None)
            agent = self.agent(server.url)
            self.wait_echo(server.forwards["main"], f"agent {dies + 1}")
            self.assertTrue(traffic.upload(server.forwards["main"], self.size, dies))
        self.assert_no_pipe_is_left()

    def test_a_server_that_ends_in_the_middle(self):
        """In order: what is under way when the signal comes is still delivered, up to its limit."""
        server, _ = self.both("--drain-timeout", "60")
        sender, sink = self.begin()
        sink.read(MIB)
        server.signal(15)
        self.assert_whole(sink)
        sender.thread.join()
        sender.sock.close()
        sink.sock.close()
        self.assertEqual(server.wait(), 0)

    def test_unix_sockets(self):
        path, target = self.dir / "forward.sock", self.target(path=self.dir / "target.sock")
        server = self.server("--forward", f"unix:{path}=foo/{target.address}")
        self.agent(server.url, "--allow", target.address)
        wait_until(lambda: traffic.echoes(None, path=path), "an echo")
        with traffic.visit(None, f"PUT {self.size}", path=path) as visitor:
            for block in traffic.content(self.size):
                visitor.sendall(block)
            self.assertEqual(
                traffic.read_exactly(visitor, 64).decode(), traffic.digest_of(self.size)
            )


if __name__ == "__main__":
    unittest.main()
