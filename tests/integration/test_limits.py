"""The server's limits: what is over them is turned away, and nothing that is open suffers."""
import signal
import unittest

from . import traffic
from .lab import LabCase, wait_until


class Limits(LabCase):
    def open(self, port, count):
        """Up to @count ECHO visitors; those that answer."""
        live = []
        for _ in range(count):
            try:
                visitor = traffic.visit(port, "ECHO")
            except ConnectionError:
                continue  # turned away so quickly that connect() saw it
            self.addCleanup(visitor.close)
            if traffic.ping(visitor):
                live.append(visitor)
        return live

    def assert_limit(self, port, limit):
        wait_until(lambda: traffic.echoes(port), "a way in")
        live = []

        def all_of_them():
            # the visitor that proved the way in may hold its place for a moment yet
            live.extend(self.open(port, limit - len(live)))
            return len(live) == limit

        wait_until(all_of_them, lambda: f"{limit} connections, only {len(live)}")
        self.assertEqual(self.open(port, 5), [], "more than the limit")
        self.assertTrue(
            all(traffic.ping(visitor) for visitor in live), "an open connection suffered"
        )
        live.pop().close()
        wait_until(lambda: traffic.echoes(port), "the freed place")

    def test_connections_in_all(self):
        _, _, port = self.tunnel("--max-conns", "10")
        self.assert_limit(port, 10)

    def test_connections_of_a_session(self):
        target = self.target()
        server = self.server(
            "--max-conns-per-session",
            "5",
            forwards={"foo": f"foo/{target.address}", "bar": f"bar/{target.address}"},
        )
        for key in ("foo", "bar"):
            self.agent(server.url, key=key)
            self.wait_echo(server.forwards[key])
        self.assert_limit(server.forwards["foo"], 5)
        self.assertTrue(traffic.echoes(server.forwards["bar"]), "another session")

    def test_sessions(self):
        target = self.target()
        server = self.server(
            "--max-sessions",
            "2",
            forwards={key: f"{key}/{target.address}" for key in ("a", "b", "c")},
        )
        first = self.agent(server.url, key="a")
        self.wait_echo(server.forwards["a"])
        self.agent(server.url, key="b")
        self.wait_echo(server.forwards["b"])
        third = self.agent(server.url, key="c")
        wait_until(lambda: "503" in third.log(), "the third agent's complaint")
        self.assertFalse(traffic.echoes(server.forwards["c"]))
        self.assertTrue(
            traffic.echoes(server.forwards["a"]) and traffic.echoes(server.forwards["b"])
        )
        first.stop()
        self.wait_echo(server.forwards["c"], "the third agent, once there is room")

    def connect_to(self, port, address):
        """A CONNECT through the HTTP proxy door, with its answer still to come."""
        sock = traffic.visit(port)
        self.addCleanup(sock.close)
        sock.sendall(f"CONNECT {address} HTTP/1.1\r\nHost: {address}\r\n\r\n".encode())
        return sock

    def test_visitors_who_wait_for_their_target(self):
        """While an agent does not answer: one more than the limit is told 503 at once."""
        for threads in ("1", "2"):
            with self.subTest(threads=threads):
                door = traffic.free_port()
                flags = ("--http-proxy", f"127.0.0.1:{door}=foo", "--threads", threads)
                server, agent, port = self.tunnel(*flags, "--max-pending-dials", "2")
                address = self.target().address
                with traffic.visit(port, "ECHO") as held:
                    self.assertTrue(traffic.ping(held))
                    agent.signal(signal.SIGSTOP)
                    waiting = [self.connect_to(door, address)]

                    def full():
                        # a place is taken when the dial has begun, which nobody is told
                        sock = self.connect_to(door, address)
                        sock.settimeout(0.2)
                        try:
                            return sock.recv(100)
                        except TimeoutError:
                            waiting.append(sock)
                            return b""

                    answer = wait_until(full, "a refusal")
                    self.assertRegex(answer, b"^HTTP/1[.]1 503 ")
                    self.assertIn(len(waiting), (2, 3))
                    agent.signal(signal.SIGCONT)
                    for sock in waiting:
                        sock.settimeout(traffic.DEADLINE)
                        self.assertRegex(sock.recv(100), b"^HTTP/1[.]1 200 ")
                    self.assertTrue(traffic.ping(held), "an open connection suffered")

    def test_connections_in_all_at_a_door_that_answers(self):
        door = traffic.free_port()
        _, _, port = self.tunnel("--http-proxy", f"127.0.0.1:{door}=foo", "--max-conns", "3")
        live = []
        wait_until(lambda: len(live.extend(self.open(port, 3 - len(live))) or live) == 3, "three")
        answer = self.connect_to(door, "127.0.0.1:1").recv(100)
        self.assertRegex(answer, b"^HTTP/1[.]1 503 ")
        self.assertTrue(all(traffic.ping(visitor) for visitor in live))

    def test_a_target_name_over_266_bytes_is_refused_not_cut(self):
        """Cut at 266 bytes it would name another port."""
        name = "x" * 250 + ".invalid"
        done = self.run_to_end(
            "culvert-server",
            "--listen",
            f"127.0.0.1:{traffic.free_port()}",
            "--insecure-no-auth",
            "--check",
            "--forward",
            f"127.0.0.1:{traffic.free_port()}=foo/{name}:12345",
        )
        self.assertEqual(done.returncode, 2, done.stdout + done.stderr)

    def test_a_thousand_visitors(self):
        _, _, port = self.tunnel()
        live = self.open(port, 1000)
        self.assertEqual(len(live), 1000)
        self.assertTrue(all(traffic.ping(visitor) for visitor in live))


if __name__ == "__main__":
    unittest.main()
