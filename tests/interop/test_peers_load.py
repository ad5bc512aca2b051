"""One of two peers ends, in order or not, and comes back, while visitors come to the other: agents
that hold sessions with both lose none of them."""
import itertools
import signal
import threading
import unittest

from tests.integration import traffic
from tests.integration.lab import wait_until

from .test_peers import PeerCase

KEYS = ("foo", "bar", "baz")
ROUNDS = 2
SOME = 60  # requests


class Load:
    """A visitor after the other at each of @ports, each with a request of its own, until stop()."""

    def __init__(self, ports):
        self.changed = threading.Condition()
        self.going, self.done, self.failed = True, [0] * len(ports), []
        self.threads = [
            threading.Thread(target=self._run, args=(n, port), daemon=True)
            for n, port in enumerate(ports)
        ]
        for thread in self.threads:
            thread.start()

    def _run(self, n, port):
        for number in itertools.count():
            try:
                with traffic.visit(port, "ECHO") as visitor:
                    served = traffic.ping(visitor, b"request %d of %d" % (number, n))
            except OSError:
                served = False
            with self.changed:
                self.done[n] += 1
                if not served:
                    self.failed.append((n, number))
                self.changed.notify_all()
                if not self.going:
                    return

    def more(self, count):
        """Waits until @count more have begun and ended at each of the ports."""
        with self.changed:
            goal = [done + count + 1 for done in self.done]

            def reached():
                return all(done >= end for done, end in zip(self.done, goal))

            if not self.changed.wait_for(reached, traffic.DEADLINE):
                raise AssertionError(f"requests stand still: {self.done}")

    def stop(self):
        """How many there were, and which failed."""
        self.going = False
        for thread in self.threads:
            thread.join()
        return sum(self.done), self.failed


class Ends(PeerCase):
    def loaded(self, *flags):
        """(a, b): two peers with three agents that hold sessions with both."""
        target = self.target()
        ports = traffic.free_port(), traffic.free_port()
        urls = [f"ws://127.0.0.1:{port}/connect" for port in ports]
        forwards = {key: f"{key}/{target.address}" for key in KEYS}
        a = self.peered("a", ("b", urls[1]), port=ports[0], forwards=forwards, flags=flags)
        b = self.peered("b", ("a", urls[0]), port=ports[1], forwards=forwards, flags=flags)
        for key in KEYS:
            self.agent(a.url, "--connect", b.url, key=key)
        self.wait_whole(a)
        self.wait_whole(b)
        return a, b

    def wait_whole(self, server):
        """Until all agents and the peer are here, in both directions."""
        words = [f"client {key}: session" for key in KEYS] + ["session up as", "info peer "]
        wait_until(
            lambda: all(word in server.log() for word in words),
            lambda: f"{words} in {server.log()}",
        )

    def assert_no_visitor_lost(self, number, *flags):
        a, b = self.loaded(*flags)
        with traffic.visit(b.forwards["foo"], "ECHO") as stayed:
            self.assertTrue(traffic.ping(stayed))
            load = Load(b.forwards.values())
            for _ in range(ROUNDS):
                load.more(SOME)
                a.signal(number)
                load.more(SOME)  # while it ends
                a.wait()
                load.more(SOME)  # while it is away
                a = self.restart(a)
                self.wait_whole(a)
                load.more(SOME)
            count, failed = load.stop()
            self.assertEqual(failed, [], f"of {count}")
            self.assertTrue(traffic.ping(stayed, b"all the time"))
        for key in KEYS:
            self.wait_echo(a.forwards[key], "an echo at the one that came back")

    def test_a_restart_costs_no_visitor_of_the_other(self):
        self.assert_no_visitor_lost(signal.SIGTERM)

    def test_a_killed_one_costs_no_visitor_of_the_other(self):
        self.assert_no_visitor_lost(signal.SIGKILL)

    def test_nor_with_threads(self):
        for number in (signal.SIGTERM, signal.SIGKILL):
            with self.subTest(number):
                self.assert_no_visitor_lost(number, "--threads", "3")


if __name__ == "__main__":
    unittest.main()
