"""The reference's single pause flag: its echoes and slow readers must get
through with either end ours."""
import threading
import unittest

from tests.integration import traffic
from tests.integration.lab import LabCase, sanitized, scaled, wait_until

from .peer import wire
from .peer.agent import Agent, Flooder
from .peer.server import Server

MIB = traffic.MIB
SIZE = 24 * MIB
FLOOD = 512 * MIB


def rounds():
    return scaled("CULVERT_PAUSE_ROUNDS", 4, 2)


class PauseCase(LabCase):
    def assert_resumes_are_tied(self, session):
        """@session is the reference's end. Each Resume of ours answers a Pause of ours or a
        Resume of theirs, or is a probe; a probe needs a Pause of theirs, and goes on when none
        comes back.
        """
        trace = list(session.trace)
        for conn in {event.conn for event in trace}:
            mine = [event for event in trace if event.conn == conn]
            ours = sum(e.kind == wire.RESUME and not e.sent for e in mine)
            pauses = sum(e.kind == wire.PAUSE and not e.sent for e in mine)
            their_resumes = sum(e.kind == wire.RESUME and e.sent for e in mine)
            their_pauses = sum(e.kind == wire.PAUSE and e.sent for e in mine)
            self.assertLessEqual(
                ours,
                pauses + their_resumes + their_pauses,
                f"conn {conn}: Resumes of ours that nothing asked for",
            )

    def assert_echo(self, port, seed=0):
        same, got = traffic.full_duplex(port, SIZE, seed)
        self.assertTrue(same, f"an echo of 24 MiB stands still or differs after {got} bytes")

    def assert_slow_reader(self, port, paused):
        """A visitor that begins to read only when @paused() holds gets all of it."""
        with traffic.visit(port, f"GET {SIZE} 3", receive_buffer=8192) as visitor:
            wait_until(paused, "a Pause while the visitor does not read")
            got = traffic.read_exactly(visitor, SIZE)
        self.assertEqual(len(got), SIZE)
        self.assertTrue(traffic.is_prefix(got, 3), "content differs")

    def at_once(self, work, count):
        """@work(n) on @count threads; all their failures."""
        failures = []

        def one(n):
            try:
                work(n)
            except Exception as error:
                failures.append(f"{n}: {error}")

        threads = [threading.Thread(target=one, args=(n,), daemon=True) for n in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])


class OurServer(PauseCase):
    """Our server, and an agent like the reference's."""

    def setUp(self):
        super().setUp()
        target = self.target(buffer=65536)
        self.lab_server = self.server(forwards={"main": f"foo/{target.address}"})
        self.port = self.lab_server.forwards["main"]
        self.peer = Agent(self.lab_server.port)
        self.addCleanup(self.peer.close)
        self.wait_echo(self.port)

    def test_echo_of_24_mib(self):
        for round_ in range(rounds()):
            self.assert_echo(self.port, round_)
        self.assert_resumes_are_tied(self.peer.session)
        self.assertFalse(self.peer.session.over.is_set(), "the session was lost on the way")

    def test_four_echoes_at_once(self):
        self.at_once(lambda n: self.assert_echo(self.port, n), 4)
        self.assert_resumes_are_tied(self.peer.session)

    def test_a_slow_reader_gets_all(self):
        for _ in range(rounds()):
            seen = self.peer.session.count(wire.PAUSE, sent=False)
            self.assert_slow_reader(
                self.port, lambda: self.peer.session.count(wire.PAUSE, sent=False) > seen
            )
        self.assert_resumes_are_tied(self.peer.session)

    def test_a_slow_target_gets_all(self):
        for seed in range(rounds()):
            self.assertTrue(traffic.upload(self.port, SIZE, seed))
        self.assert_resumes_are_tied(self.peer.session)


class OurAgent(PauseCase):
    """Our agent, and a server like the reference's."""

    def setUp(self):
        super().setUp()
        target = self.target(buffer=65536)
        self.peer = Server(chunk=256 << 10)
        self.addCleanup(self.peer.close)
        self.agent(self.peer.url)
        self.session = self.peer.wait_session()
        self.port = self.peer.forward("foo", target.address)
        self.wait_echo(self.port)

    def test_echo_of_24_mib(self):
        for round_ in range(rounds()):
            self.assert_echo(self.port, round_)
        self.assert_resumes_are_tied(self.session)
        self.assertFalse(self.session.over.is_set(), "the session was lost on the way")

    def test_four_echoes_at_once(self):
        self.at_once(lambda n: self.assert_echo(self.port, n), 4)
        self.assert_resumes_are_tied(self.session)

    def test_a_slow_reader_gets_all(self):
        for _ in range(rounds()):
            seen = self.session.count(wire.PAUSE, sent=True)
            self.assert_slow_reader(
                self.port, lambda: self.session.count(wire.PAUSE, sent=True) > seen
            )
        self.assert_resumes_are_tied(self.session)

    def test_uploads(self):
        for seed in range(rounds()):
            self.assertTrue(traffic.upload(self.port, SIZE, seed))
        self.assert_resumes_are_tied(self.session)


class Flood(LabCase):
    """An agent that ignores Pause and sends 512 MiB to a visitor that does not read."""

    def setUp(self):
        super().setUp()
        target = self.target()
        self.lab_server = self.server(
            forwards={
                "flood": "foo/127.0.0.1:9",
                "live": f"foo/{target.address}",
                "other": f"bar/{target.address}",
            }
        )
        self.flooder = Flooder(self.lab_server.port, FLOOD, [target.address])
        self.addCleanup(self.flooder.close)
        bystander = Agent(self.lab_server.port, "bar")
        self.addCleanup(bystander.close)
        self.visitors = []
        for name in ("live", "other"):
            self.wait_echo(self.lab_server.forwards[name])
            self.visitors.append(traffic.visit(self.lab_server.forwards[name], "ECHO"))
            self.addCleanup(self.visitors[-1].close)

    def test_costs_that_connection_and_less_than_64_mib(self):
        session = self.flooder.session
        before = self.lab_server.rss()
        deaf = traffic.visit(self.lab_server.forwards["flood"])
        self.addCleanup(deaf.close)
        peak = 0

        def told(kind):
            return [
                e
                for e in list(session.trace)
                if e.kind == kind and not e.sent and e.conn == self.flooder.flooding
            ]

        def ended():
            nonlocal peak
            peak = max(peak, self.lab_server.rss() - before)
            return told(wire.ERROR) or session.over.is_set()

        wait_until(ended, "an Error on the flooded connection")
        self.assertFalse(session.over.is_set(), "the whole session was ended")
        self.assertTrue(told(wire.PAUSE), "no Pause before the Error")
        text = told(wire.ERROR)[0].text
        self.assertNotIn(text, ("", "EOF"), "an error, not an orderly end")
        for visitor in self.visitors:
            self.assertTrue(traffic.ping(visitor), "another connection")
        self.assertTrue(
            traffic.echoes(self.lab_server.forwards["live"]), "a new connection of that session"
        )
        # a sanitizer's quarantine and shadow count as resident, too
        self.assertLess(peak, (256 if sanitized() else 64) * MIB)
        rest, orderly = traffic.read_end(deaf)
        self.assertLess(len(rest), FLOOD)
        self.assertFalse(orderly, "a cut download looks like an orderly end")


if __name__ == "__main__":
    unittest.main()
