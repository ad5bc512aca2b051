"""A visitor or a target that does not read holds up nobody else and costs bounded memory."""
import unittest

from . import traffic
from .lab import LabCase, sanitized, wait_until

MIB = traffic.MIB
BUDGET = 64 * MIB  # what one stalled connection may cost in either process


class Flow(LabCase):
    def setUp(self):
        super().setUp()
        self.small = self.target(buffer=65536)
        self.lab_server, self.lab_agent, self.port = self.tunnel(target=self.small)

    def assert_memory(self, before):
        for process, was in before.items():
            self.assertLess(process.rss() - was, (4 if sanitized() else 1) * BUDGET)

    def sizes(self):
        return {process: process.rss() for process in (self.lab_server, self.lab_agent)}

    def test_a_visitor_that_never_reads(self):
        """Others go on beside it, old and new, and the stalled one gets all once it reads."""
        before = self.sizes()
        others = [traffic.visit(self.port, "ECHO") for _ in range(10)]
        with traffic.visit(self.port, f"GET {256 * MIB} 7", receive_buffer=8192) as stalled:
            for round_ in range(20):
                for other in others:
                    self.assertTrue(traffic.ping(other, b"beside" * 1000), f"round {round_}")
                self.assertTrue(traffic.echoes(self.port), "a new visitor")
            self.assertTrue(traffic.download(self.port, 32 * MIB), "a download beside it")
            self.assert_memory(before)
            self.assertTrue(traffic.is_prefix(traffic.read_exactly(stalled, 32 * MIB), 7))
        for other in others:
            self.assertTrue(traffic.ping(other))
            other.close()

    def test_a_target_that_never_reads(self):
        before = self.sizes()
        with traffic.visit(self.port, "HOLD") as stuck:
            stuck.setblocking(False)
            sent, blocks = 0, iter(lambda: bytes(MIB), None)

            def full():
                """Whether the way to the target has filled up: nothing taken
                while an echo went round."""
                nonlocal sent
                before_echo = sent
                try:
                    while sent < 512 * MIB:
                        sent += stuck.send(next(blocks))
                except BlockingIOError:
                    pass
                self.assertTrue(traffic.echoes(self.port), "a visitor beside it")
                return sent == before_echo

            wait_until(full, "back-pressure to the visitor")
            self.assertLess(sent, 128 * MIB)
            self.assertTrue(traffic.upload(self.port, 32 * MIB), "an upload beside it")
            self.assert_memory(before)

    def test_two_hundred_stalled_visitors(self):
        before = self.sizes()
        stalled = [
            traffic.visit(self.port, f"GET {64 * MIB} {n}", receive_buffer=8192) for n in range(200)
        ]
        for _ in range(20):
            self.assertTrue(traffic.echoes(self.port), "a visitor beside 200 stalled ones")
        self.assertTrue(traffic.download(self.port, 16 * MIB), "a download beside 200 stalled ones")
        for process, was in before.items():
            self.assertLess(process.rss() - was, 1024 * MIB)
        for visitor in stalled:
            visitor.close()
        self.wait_echo(self.port)


if __name__ == "__main__":
    unittest.main()
