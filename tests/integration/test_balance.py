"""--balance: which of several sessions of a client a visitor is given."""
import collections
import concurrent.futures
import re
import signal
import unittest

from . import traffic
from .lab import LabCase, wait_until

UP = re.compile(r"client foo: session (\d+) up")
GONE = re.compile(r"client foo: session \d+ ended")
FILES = "foo/culvert.files:80"


class Balance(LabCase):
    """Agents of one key, each of which serves a file with its own name."""

    def balanced(self, *flags, **how):
        return self.server(*flags, forwards={"main": FILES}, **how)

    def join(self, server, name):
        folder = self.dir / f"{name}-{len(self.processes)}"
        folder.mkdir()
        (folder / "who").write_text(name)
        before = len(UP.findall(server.log()))
        agent = self.agent(server.url, "--serve", folder)
        self.addCleanup(agent.signal, signal.SIGCONT)
        wait_until(lambda: len(UP.findall(server.log())) > before, f"the session of {name}")
        return agent

    def leave(self, server, *agents):
        before = len(GONE.findall(server.log()))
        for agent in agents:
            agent.kill()
        wait_until(lambda: len(GONE.findall(server.log())) == before + len(agents), "their ends")

    def crew(self, server, threads=1, names="abc"):
        """An agent a name, on all loops of the server: sessions' numbers are dealt in turn."""
        while True:
            before = len(UP.findall(server.log()))
            agents = {name: self.join(server, name) for name in names}
            sessions = UP.findall(server.log())[before:]
            if len({int(number) % threads for number in sessions}) == threads:
                return agents
            self.leave(server, *agents.values())

    def hold(self, server):
        """A connection that stays: (who has it, the socket)."""
        sock = traffic.visit(server.forwards["main"])
        self.addCleanup(sock.close)
        sock.sendall(b"GET /who HTTP/1.1\r\nHost: x\r\n\r\n")
        got = b""
        while b"\r\n\r\n" not in got or got.endswith(b"\r\n\r\n"):
            more = sock.recv(4096)
            self.assertTrue(more, got)
            got += more
        return got[-1:].decode(), sock

    def end(self, server, *socks):
        """Closes them, and waits for the server's line about each."""
        before = server.log().count(" to the visitor,")
        for sock in socks:
            sock.close()
        wait_until(
            lambda: server.log().count(" to the visitor,") == before + len(socks), "their ends"
        )

    def who(self, server):
        name, sock = self.hold(server)
        sock.close()
        return name

    def count(self, server, visits):
        with concurrent.futures.ThreadPoolExecutor(5) as pool:
            return collections.Counter(pool.map(lambda _: self.who(server), range(visits)))

    def shared(self, server, names="abc", rounds=5):
        """Whether each of @names gets as many visitors as each other one."""
        return self.count(server, rounds * len(names)) == dict.fromkeys(names, rounds)

    def await_shares(self, server, names="abc"):
        """An older session is asked for a sign of life when another one joins; then all serve."""
        wait_until(lambda: self.shared(server, names, 4), f"shares of {names}")
        self.assertTrue(self.shared(server, names, 10))

    def await_level(self, server, names="abc"):
        """The same, where the least busy one serves: connections that stay are at all."""

        def level():
            held = [self.hold(server) for _ in names]
            self.end(server, *(sock for _, sock in held))
            return {name for name, _ in held} == set(names)

        wait_until(level, f"connections at {names}")


class Policies(Balance):
    def servers(self, *flags):
        for threads in (1, 2):
            yield threads, self.balanced("--threads", threads, *flags)

    def test_the_newest(self):
        for threads, server in self.servers():
            agents = self.crew(server, threads)
            self.assertEqual(self.count(server, 6), {"c": 6})
            self.leave(server, agents["c"])
            self.assertEqual(self.count(server, 6), {"b": 6})

    def test_in_turn_each_gets_its_share(self):
        for threads, server in self.servers("--balance", "round-robin"):
            self.crew(server, threads)
            self.await_shares(server)

    def test_the_least_busy(self):
        for threads, server in self.servers("--balance", "least-conns"):
            self.crew(server, threads)
            self.await_level(server)
            held = collections.defaultdict(list)
            for _ in range(12):
                name, sock = self.hold(server)
                held[name].append(sock)
            self.assertEqual({name: len(held[name]) for name in held}, dict.fromkeys("abc", 4))
            self.end(server, *held["b"])
            self.assertEqual([self.hold(server)[0] for _ in range(4)], ["b"] * 4)
            self.assertEqual({self.hold(server)[0] for _ in range(3)}, set("abc"))

    def test_many_at_once_spread_over_the_least_busy(self):
        for threads, server in self.servers("--balance", "least-conns"):
            self.crew(server, threads)
            self.await_level(server)
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                held = list(pool.map(lambda _: self.hold(server), range(48)))
            counted = collections.Counter(name for name, _ in held)
            self.assertLessEqual(max(counted.values()) - min(counted.values()), 2, counted)

    def test_a_client_has_its_own_policy(self):
        server = self.balanced("--balance", "round-robin", "--balance", "f*=newest")
        self.crew(server)
        self.assertEqual(self.count(server, 6), {"c": 6})


class Failures(Balance):
    def test_who_is_frozen_is_left_out_and_the_others_share(self):
        for policy in ("newest", "round-robin", "least-conns"):
            for threads in (1, 2):
                with self.subTest(policy=policy, threads=threads):
                    server = self.balanced("--balance", policy, "--threads", threads)
                    agents = self.crew(server, threads)
                    if policy == "round-robin":
                        self.await_shares(server)
                    agents["c"].signal(signal.SIGSTOP)
                    served = self.count(server, 10)
                    self.assertEqual(served["a"] + served["b"], 10)
                    if policy == "round-robin":
                        self.await_shares(server, "ab")

    def test_who_dies_is_left_out_at_once(self):
        for threads in (1, 2):
            with self.subTest(threads=threads):
                server = self.balanced("--balance", "round-robin", "--threads", threads)
                agents = self.crew(server, threads)
                self.await_shares(server)
                self.leave(server, agents["b"])
                self.assertTrue(self.shared(server, "ac"))


class Peers(Balance):
    def mesh(self, names, flags=()):
        """The first one is a peer of each other one."""
        ports = {name: traffic.free_port() for name in names}
        hub, servers = names[0], {}
        for name in names:
            own = ["--peer-id", name, "--peer-token", f"from-{name}"]
            for other in names[1:] if name == hub else hub:
                url = f"ws://127.0.0.1:{ports[other]}/connect"
                own += ["--peer", f"{other}:from-{other}:{url}"]
            extra = flags if name == hub else ()
            servers[name] = self.balanced(*own, *extra, port=ports[name])
        for name in names[1:]:
            for a, b in ((hub, name), (name, hub)):
                wait_until(
                    lambda a=a, b=b: f"peer {b}: session" in servers[a].log(), f"{b} at {a}"
                )
        return servers

    def test_peers_share_what_no_session_is_here_for(self):
        for threads in (1, 2):
            with self.subTest(threads=threads):
                servers = self.mesh("hbc", ("--balance", "round-robin", "--threads", threads))
                self.join(servers["b"], "b")
                self.join(servers["c"], "c")
                self.await_shares(servers["h"], "bc")
                self.join(servers["h"], "h")
                self.assertEqual(self.count(servers["h"], 6), {"h": 6})

    def test_the_peer_with_the_fewest_connections(self):
        for threads in (1, 2):
            with self.subTest(threads=threads):
                servers = self.mesh("hbc", ("--balance", "least-conns", "--threads", threads))
                self.join(servers["b"], "b")
                self.join(servers["c"], "c")
                self.await_level(servers["h"], "bc")
                held = [self.hold(servers["h"]) for _ in range(8)]
                self.assertEqual(collections.Counter(n for n, _ in held), {"b": 4, "c": 4})
                self.end(servers["h"], *(sock for name, sock in held if name == "b"))
                self.assertEqual([self.hold(servers["h"])[0] for _ in range(4)], ["b"] * 4)

    def test_visitors_of_a_peer_go_by_the_policy_of_who_has_the_sessions(self):
        servers = self.mesh("hb", ("--balance", "round-robin", "--threads", 2))
        self.crew(servers["h"], 2)
        self.await_shares(servers["b"])

    def test_what_a_lost_peer_had_is_not_asked_for(self):
        servers = self.mesh("hbc", ("--balance", "round-robin", "--threads", 2))
        self.join(servers["b"], "b")
        self.join(servers["c"], "c")
        self.await_shares(servers["h"], "bc")
        servers["c"].kill()
        wait_until(
            lambda: re.search(r"peer c: session \d+ ended", servers["h"].log()), "its session's end"
        )
        self.assertEqual(self.count(servers["h"], 6), {"b": 6})


class Configured(Balance):
    def test_sighup_takes_another_policy(self):
        for threads in (1, 2):
            with self.subTest(threads=threads):
                config = self.file("server.yaml", "balance:\n  - foo=newest\n")
                server = self.balanced("--config", config, "--threads", threads)
                self.crew(server, threads)
                self.assertEqual(self.count(server, 6), {"c": 6})
                config.write_text("balance:\n  - foo=round-robin\n")
                server.signal(signal.SIGHUP)
                wait_until(lambda: "reloaded: configuration" in server.log(), "the reload")
                self.await_shares(server)

    def test_check_shows_it_and_names_what_is_wrong(self):
        flags = ("--listen", "127.0.0.1:1", "--insecure-no-auth", "--check")
        good = self.run_to_end("culvert-server", *flags, "--balance", "web-*=least-conns")
        self.assertEqual(good.returncode, 0, good.stderr)
        self.assertIn("balance:\n  - \"web-*=least-conns\"  # flag", good.stdout)
        bad = self.run_to_end("culvert-server", *flags, "--balance", "foo=fastest")
        self.assertEqual(bad.returncode, 2)
        self.assertIn("not newest, round-robin or least-conns: 'foo=fastest'", bad.stderr)


if __name__ == "__main__":
    unittest.main()
