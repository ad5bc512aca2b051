"""Sockets that systemd has bound: a listener of the configuration takes the one that it means."""
import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import unittest

from . import traffic
from .lab import LabCase, Server, binaries, wait_until
from .manager import passing


class Activated(LabCase):
    def listen(self, host="127.0.0.1", **how):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.create_server((host, 0), family=family, **how)
        self.addCleanup(sock.close)
        return sock, sock.getsockname()[1]

    def listen_file(self, name):
        sock = socket.socket(socket.AF_UNIX)
        self.addCleanup(sock.close)
        sock.bind(str(self.dir / name))
        sock.listen()
        return sock, self.dir / name

    def activated(self, sockets, *flags, **how):
        fds = [sock.fileno() for _, sock in sockets]
        argv = [*passing(sockets), str(binaries() / "culvert-server"), "--insecure-no-auth", *flags]
        return self.start("server", argv, Server, fds=fds, **how)

    def has(self, process, sock):
        """Whether @process has @sock among its descriptors."""
        wanted = f"socket:[{os.fstat(sock.fileno()).st_ino}]"
        folder = pathlib.Path(f"/proc/{process.pid}/fd")
        for fd in folder.iterdir():
            with contextlib.suppress(FileNotFoundError):  # another one, closed meanwhile
                if os.readlink(fd) == wanted:
                    return True
        return False

    def assert_tunnels(self, port, door):
        self.agent(f"ws://127.0.0.1:{port}/connect")
        self.wait_echo(door)

    def test_what_is_bound_at_the_address_of_a_listener_serves_it(self):
        target = self.target()
        for threads in ("1", "3"):
            with self.subTest(threads=threads):
                (front, port), (door, forward) = self.listen(), self.listen()
                server = self.activated(
                    [("x.socket", front), ("x.socket", door)],
                    *("--threads", threads, "--listen", f"127.0.0.1:{port}"),
                    *("--forward", f"127.0.0.1:{forward}=foo/{target.address}"),
                )
                self.assert_tunnels(port, forward)
                self.assertTrue(self.has(server, front) and self.has(server, door))
                self.assertEqual(traffic.sockets(port, traffic.LISTEN), 1, "no other beside it")
                self.assertEqual(server.stop(), 0)

    def test_a_listener_may_name_it(self):
        target = self.target()
        (front, port), (door, forward), (socks, _) = self.listen(), self.listen(), self.listen()
        admin, path = self.listen_file("admin.sock")
        sockets = [("front", front), ("ssh", door), ("socks", socks), ("admin", admin)]
        server = self.activated(
            sockets,
            *("--listen", "systemd:front", "--forward", f"systemd:ssh=foo/{target.address}"),
            *("--socks", "systemd:socks=foo", "--admin", f"unix:{path}"),
        )
        self.assert_tunnels(port, forward)
        for name, sock in sockets:
            self.assertTrue(self.has(server, sock), name)
        done = self.run_to_end("culvertctl", "--admin", f"unix:{path}", "status")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(server.stop(), 0)
        self.assertTrue(path.exists(), "it is systemd's")

    def test_datagrams_too(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door, socket.socket(
            socket.AF_INET, socket.SOCK_DGRAM
        ) as target, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as visitor:
            door.bind(("127.0.0.1", 0))
            target.bind(("127.0.0.1", 0))
            visitor.connect(door.getsockname())
            target.settimeout(0.2)
            front, port = self.listen()
            self.activated(
                [("dns", door), ("front", front)],
                *("--listen", "systemd:front", "--threads", "2"),
                *("--forward", f"systemd:dns=foo/udp/127.0.0.1:{target.getsockname()[1]}"),
            )
            self.agent(f"ws://127.0.0.1:{port}/connect", "--allow", "udp/*:*")

            def arrives():
                visitor.send(b"question")
                try:
                    return target.recv(100) == b"question"
                except TimeoutError:
                    return False

            wait_until(arrives, "a datagram")

    def test_every_address_and_names_are_found(self):
        (every, port), (local, door) = self.listen("::", dualstack_ipv6=True), self.listen()
        server = self.activated(
            [("x", every), ("x", local)],
            *("--listen", f":{port}", "--listen", f"localhost:{door}"),
        )
        self.wait_log(server, f"front door at 127.0.0.1:{door}")
        self.assertTrue(self.has(server, every) and self.has(server, local))

    def test_two_of_one_name_are_taken_in_turn(self):
        (one, port), (two, other) = self.listen(), self.listen()
        server = self.activated(
            [("front", one), ("front", two)], *("--listen", "systemd:front") * 2
        )
        self.wait_log(server, f"front door at 127.0.0.1:{other}")
        self.assertIn(f"front door at 127.0.0.1:{port}", server.log())

    def test_what_nobody_wants_is_named_and_closed(self):
        (front, port), (other, unused) = self.listen(), self.listen()
        server = self.activated(
            [("front", front), ("stray", other)], "--listen", f"127.0.0.1:{port}"
        )
        self.wait_log(server, f"systemd passed stray at 127.0.0.1:{unused}")
        self.assertFalse(self.has(server, other))
        self.assertNotIn("passed front", server.log())

    def test_a_name_that_was_not_passed_is_an_error(self):
        front, _ = self.listen()
        server = self.activated([("front", front)], "--listen", "systemd:frnt")
        self.assertEqual(server.wait(), 3, server.log())
        self.assertIn("systemd:frnt: systemd passed no such socket", server.log())

    def test_what_was_passed_to_another_process_is_not_ours(self):
        port = traffic.free_port()
        env = {"LISTEN_PID": "1", "LISTEN_FDS": "1"}
        server = self.server(port=port, env=env)
        self.assertNotIn("systemd", server.log())

    def test_a_name_has_its_form(self):
        for value in ("systemd:", "systemd:a/b", "systemd:" + "x" * 256):
            done = self.run_to_end(
                "culvert-server", "--check", "--insecure-no-auth", "--listen", value
            )
            self.assertEqual(done.returncode, 2, value)
            self.assertIn("name of a passed socket", done.stderr)

    @unittest.skipUnless(shutil.which("systemd-socket-activate"), "needs systemd")
    def test_systemd_itself_can_start_it(self):
        """It execs the server at the first connection, which is served."""
        port, tool = traffic.free_port(), shutil.which("systemd-socket-activate")
        argv = [tool, "-l", f"127.0.0.1:{port}", "--fdname=front", binaries() / "culvert-server"]
        server = self.start("server", [*argv, "--insecure-no-auth", "--listen", "systemd:front"])
        self.wait_listening(server, port)
        self.assertTrue(self.knock(port))
        self.wait_log(server, "front door at")

    @staticmethod
    def knock(port, sock=None):
        """Whether a request at the front door is answered."""
        with sock or socket.create_connection(("127.0.0.1", port)) as client:
            client.settimeout(traffic.DEADLINE)
            client.sendall(b"GET / HTTP/1.1\r\nHost: nobody\r\nConnection: close\r\n\r\n")
            return re.match(rb"HTTP/1\.1 \d", client.recv(4096))

    def test_who_knocks_while_it_restarts_is_served_by_the_next(self):
        front, port = self.listen(backlog=128)
        flags = ("--listen", "systemd:front", "--threads", "2")
        server = self.activated([("front", front)], *flags)
        self.assertTrue(self.knock(port))
        server.signal(signal.SIGTERM)
        self.assertEqual(server.wait(), 0)
        waiting = [socket.create_connection(("127.0.0.1", port)) for _ in range(100)]
        self.activated([("front", front)], *flags)
        for sock in waiting:
            self.assertTrue(self.knock(port, sock))


if __name__ == "__main__":
    unittest.main()
