"""What a process at rest takes of memory over plain ws, in the release."""
import platform
import unittest

from .lab import LabCase, sanitized

MB = 1_000_000
# The goal is 5 MB for each (docs/PERFORMANCE.md); these hold what was reached, with a margin.
SERVER_MOST, AGENT_MOST = 4.4 * MB, 3.7 * MB


@unittest.skipIf(sanitized(), "a sanitizer takes more than the program")
@unittest.skipUnless(platform.machine() == "x86_64", "measured with the linker's layout of x86-64")
class AtRest(LabCase):
    def test_a_server_and_an_agent_that_have_served_one_visitor(self):
        for threads in ("1", "2"):
            with self.subTest(threads=threads):
                server, agent, _ = self.tunnel("--threads", threads)
                self.assertLess(server.rss(), SERVER_MOST)
                self.assertLess(agent.rss(), AGENT_MOST)


if __name__ == "__main__":
    unittest.main()
