"""A visitor or a target that does not read holds up nobody else and costs bounded memory."""
import unittest

from . import traffic
from .lab import LabCase, sanitized, wait_until
from .test_monitoring import MonitoringCase

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


class Budget(MonitoringCase):
    """A --buffer-budget that stalled visitors fill."""

    SIZE, STALLED = 4 * MIB, 24

    def test_those_who_hoard_pay_and_nobody_else(self):
        small, far = self.target(buffer=65536), traffic.free_port()
        server = self.watched(
            "--buffer-budget", "4M",
            "--forward", f"127.0.0.1:{far}=bar/{small.address}",
        )
        for key in ("foo", "bar"):
            self.agent(server.url, key=key)
        near = server.forwards["main"]
        self.wait_echo(near)
        self.wait_echo(far)
        before = server.rss()
        others = [traffic.visit(port, "ECHO") for port in (near, far)]
        for other in others:
            self.addCleanup(other.close)
        cut = 'culvert_connections_ended_total{reason="budget"}'
        stalled = []

        def look():
            """The budget holds, and who runs is not disturbed."""
            now = self.values()
            self.assertLessEqual(now["culvert_queue_bytes"], now["culvert_queue_bytes_limit"])
            for other in others:
                self.assertTrue(traffic.ping(other, b"beside" * 1000))
            return now[cut]

        self.assertEqual(self.values()["culvert_queue_bytes_limit"], 4 * MIB)
        for number in range(self.STALLED):
            stalled.append(traffic.visit(near, f"GET {self.SIZE} {number}", receive_buffer=8192))
            self.addCleanup(stalled[-1].close)
            look()
        wait_until(look, "one who hoards")
        self.assertGreater(self.values()["culvert_queue_bytes"], MIB)
        self.assertTrue(traffic.echoes(near), "a new visitor")
        self.assertTrue(traffic.download(far, 8 * MIB), "a download through another session")
        if not sanitized():
            self.assertLess(server.rss() - before, 8 * MIB)
        resets = 0
        for number, visitor in enumerate(stalled):
            got, orderly = traffic.read_end(visitor)
            look()
            self.assertEqual(len(got) == self.SIZE, orderly)
            self.assertTrue(traffic.is_prefix(got, number))
            resets += not orderly
        self.assertLess(0, resets)
        self.assertLess(resets, self.STALLED, "not one was waited for")
        wait_until(lambda: self.values()["culvert_queue_bytes"] == 0, "nothing held")
        self.assertEqual(look(), resets)
        said = ": the buffer budget is used up, after"
        wait_until(lambda: server.log().count(said) == resets, lambda: f"{resets} lines")
        self.assertTrue(traffic.download(near, 8 * MIB), "all flows again")


if __name__ == "__main__":
    unittest.main()
