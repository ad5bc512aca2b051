"""Servers that find each other's clients in a real Redis."""
import concurrent.futures
import pathlib
import re
import signal
import time
import unittest

from . import traffic
from .certs import Certificates
from .directory import TOKEN, DirectoryCase
from .lab import ROOT, wait_until

HERD = 20


class Finding(DirectoryCase):
    def test_a_visitor_of_one_server_reaches_the_agent_of_another(self):
        redis = self.redis()
        for threads in ("1", "2"):
            with self.subTest(threads=threads):
                a, b = (self.member(n + threads, redis, "--threads", threads) for n in "ab")
                agent = self.agent(a.url)
                self.wait_claims(redis, "foo", a.name)
                self.assertEqual(self.links(b), 0)
                self.wait_echo(b.forwards["main"])
                self.assertEqual((self.links(a), self.links(b)), (0, 1))
                self.assertTrue(traffic.download(b.forwards["main"], 3 * traffic.MIB, 5))
                agent.stop()
                self.wait_claims(redis, "foo")
                a.stop()
                wait_until(
                    lambda b=b: redis("SMEMBERS", "culvert:{servers}") == [b.name], "a's goodbye"
                )
                b.stop()

    def test_a_link_closes_when_nothing_uses_it_and_opens_when_something_does(self):
        redis = self.redis()
        a, b = self.member("a", redis), self.member("b", redis, "--directory-link-idle", "1")
        self.agent(a.url)
        self.wait_claims(redis, "foo", "a")
        with traffic.visit(b.forwards["main"], "ECHO") as visitor:
            self.assertTrue(traffic.ping(visitor))
            wait_until(lambda: self.listed(b, "a") == "up", "the link")
        wait_until(lambda: self.listed(b, "a") == "listed", "the end of the idle link")
        self.wait_echo(b.forwards["main"])

    def test_a_change_reaches_the_caches_of_others(self):
        redis = self.redis()
        a, b, c = (self.member(name, redis) for name in "abc")
        agent = self.agent(a.url)
        self.wait_claims(redis, "foo", "a")
        self.wait_echo(c.forwards["main"])
        agent.stop()
        self.agent(b.url)
        self.wait_claims(redis, "foo", "b")
        wait_until(lambda: self.info(c)["changes"] >= 2, "the changes")
        self.assertTrue(traffic.echoes(c.forwards["main"]))
        self.assertEqual(self.info(c)["failed"], 0)

    def test_all_servers_with_a_session_of_a_key_are_listed_and_one_is_left_when_one_dies(self):
        redis = self.redis()
        a, b, c = (self.member(name, redis) for name in "abc")
        self.agent(a.url)
        self.wait_claims(redis, "foo", "a")
        self.agent(b.url)
        self.wait_claims(redis, "foo", "a", "b")
        self.wait_echo(c.forwards["main"])
        self.assertEqual(self.listed(c, "b"), "up")  # the newest
        b.kill()
        self.assertTrue(traffic.echoes(c.forwards["main"]))
        self.assertEqual(redis.claims("foo"), ["a", "b"])  # the dead one's is a lease's to end
        self.assertEqual(self.info(c)["failed"], 1)

    def test_a_frozen_server_is_passed_over(self):
        redis = self.redis()
        a, b, c = (self.member(name, redis) for name in "abc")
        self.agent(a.url)
        self.wait_claims(redis, "foo", "a")
        self.agent(b.url)
        self.wait_claims(redis, "foo", "a", "b")
        self.wait_echo(c.forwards["main"])
        b.signal(signal.SIGSTOP)
        self.addCleanup(b.signal, signal.SIGCONT)
        self.assertTrue(traffic.echoes(c.forwards["main"]))
        self.assertEqual(self.listed(c, "a"), "up")

    def test_a_frozen_agent_leaves_visitors_to_its_twin_at_another_server(self):
        redis = self.redis()
        for threads in ("1", "2"):
            with self.subTest(threads=threads):
                a, b = (self.member(n + threads, redis, "--threads", threads) for n in "ab")
                frozen = self.agent(a.url)
                self.wait_claims(redis, "foo", a.name)
                twin = self.agent(b.url)
                self.wait_claims(redis, "foo", a.name, b.name)
                self.wait_echo(a.forwards["main"])
                frozen.signal(signal.SIGSTOP)
                self.addCleanup(frozen.signal, signal.SIGCONT)
                self.assertTrue(traffic.echoes(a.forwards["main"]))
                self.wait_log(a, re.compile("session [0-9]+ is silent: another one is tried"))
                self.assertNotRegex(a.log(), "session [0-9]+ ended")
                frozen.signal(signal.SIGCONT)
                for process in (frozen, twin, a, b):
                    process.stop()

    def test_static_peers_go_on_beside_the_directory(self):
        redis = self.redis()
        ports = {name: traffic.free_port() for name in "ab"}
        a = self.member("a", redis, "--peer-token", "ta",
                        "--peer", f"b:tb:ws://127.0.0.1:{ports['b']}/connect", port=ports["a"])
        b = self.server("--peer-id", "b", "--peer-token", "tb",
                        "--peer", f"a:ta:ws://127.0.0.1:{ports['a']}/connect", port=ports["b"],
                        forwards={"main": f"foo/{self.aim.address}"})
        c = self.member("c", redis)
        self.agent(a.url)
        for server in (b, c):
            self.wait_echo(server.forwards["main"])
        self.agent(b.url, key="bar")
        far = self.member("d", redis, forwards={"main": f"bar/{self.aim.address}"})
        wait_until(lambda: "client bar" in b.log(), "bar")
        self.assertFalse(traffic.echoes(far.forwards["main"]))  # b is none of the directory's

    def test_who_has_not_the_token_is_no_server_of_the_directory(self):
        redis = self.redis()
        a = self.member("a", redis)
        self.token = self.file("other.token", TOKEN + "x")
        b = self.member("b", redis)
        self.agent(a.url)
        self.wait_claims(redis, "foo", "a")
        start = time.monotonic()
        for _ in range(60):
            self.assertFalse(traffic.echoes(b.forwards["main"]))
        refused = re.search(
            r'culvert_front_door_refusals_total\{status="401"\} (\d+)', self.get(a, "/metrics")[1]
        )
        # once a second, not for each
        self.assertIn(int(refused[1]), range(1, 2 + int(time.monotonic() - start)))
        self.wait_log(a, "b is no peer")
        self.assertNotIn(TOKEN, a.log() + b.log())

    def test_a_herd_is_one_lookup(self):
        redis = self.redis()
        a, b = self.member("a", redis), self.member("b", redis)
        self.agent(a.url)
        self.wait_claims(redis, "foo", "a")
        self.wait_up(b)
        redis.process.signal(signal.SIGSTOP)
        with concurrent.futures.ThreadPoolExecutor(HERD) as pool:
            jobs = [pool.submit(traffic.echoes, b.forwards["main"]) for _ in range(HERD)]
            wait_until(lambda: self.info(b)["waiting"] == HERD, "the herd")
            redis.process.signal(signal.SIGCONT)
            self.assertTrue(all(job.result() for job in jobs))
        info = self.info(b)
        self.assertEqual(info["coalesced"], HERD - 1)
        self.assertLessEqual(info["lookups"], 2)  # one may have been lost with the connection

    def test_a_goodbye_leaves_the_record_of_a_server_that_came_back(self):
        redis = self.redis()
        a = self.member("a", redis)
        wait_until(lambda: redis("GET", "culvert:{servers}:a"), "a's record")
        redis("SET", "culvert:{servers}:a", "1 ws://127.0.0.1:1/connect 1.0 0")
        a.stop()
        self.assertTrue(redis("GET", "culvert:{servers}:a").startswith("1 "))
        self.assertEqual(redis("SMEMBERS", "culvert:{servers}"), ["a"])

    def test_a_drain_takes_clients_back_before_they_go(self):
        redis = self.redis()
        a, b = self.member("a", redis), self.member("b", redis)
        self.agent(a.url)
        self.wait_echo(b.forwards["main"])
        with traffic.visit(b.forwards["main"], "ECHO") as visitor:
            self.assertTrue(traffic.ping(visitor))
            a.signal(signal.SIGTERM)
            self.wait_claims(redis, "foo")
            self.assertTrue(traffic.ping(visitor))
        self.assertEqual(a.wait(), 0)


class Faults(DirectoryCase):
    """What runs goes on, what is cached serves, what is new waits and says so."""

    def lab(self, redis, where=None):
        """Servers a and b, agents foo and bar of a; b has the route to foo in its cache."""
        both = {"main": f"foo/{self.aim.address}", "new": f"bar/{self.aim.address}"}
        a = self.member("a", redis, forwards=both)
        b = self.member("b", where or redis, forwards=both)
        for key in ("foo", "bar"):
            self.agent(a.url, key=key)
            self.wait_claims(redis, key, "a")
        self.wait_echo(b.forwards["main"])
        return a, b

    def assert_holds_while_away(self, b, back):
        """@back ends what keeps Redis away."""
        with traffic.visit(b.forwards["main"], "ECHO") as running:
            self.assertTrue(traffic.ping(running))
            self.wait_down(b)
            self.assertTrue(traffic.ping(running))
            self.assertTrue(traffic.echoes(b.forwards["main"]))  # cached
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                new = pool.submit(traffic.echoes, b.forwards["new"])
                wait_until(lambda: self.info(b)["waiting"] == 1, "the dial that waits")
                said = "ok, but the directory is down: new routes wait\n"
                self.assertEqual(self.get(b, "/readyz"), (200, said))
                self.assertIn("\nculvert_directory_up 0\n", self.get(b, "/metrics")[1])
                self.wait_log(b, "down: cached routes serve, new ones wait")
                back()
                self.assertTrue(new.result())
            self.assertTrue(traffic.ping(running))
        self.wait_up(b)

    def assert_whole(self, redis, *servers):
        """The truth is there again, from live sessions."""
        for key in ("foo", "bar"):
            self.wait_claims(redis, key, "a")
        wait_until(
            lambda: sorted(redis("SMEMBERS", "culvert:{servers}")) == ["a", "b"], "the servers"
        )
        for server in servers:
            wait_until(lambda server=server: self.info(server)["unpublished"] == 0, "all claims")

    def test_redis_stops_and_starts(self):
        redis = self.redis()
        a, b = self.lab(redis)
        redis.process.stop()
        self.assert_holds_while_away(b, redis.start)
        self.assert_whole(redis, a, b)

    def test_redis_is_killed_and_its_data_gone(self):
        redis = self.redis()
        a, b = self.lab(redis)
        redis.process.kill()
        pathlib.Path(redis.path).unlink()
        self.assert_holds_while_away(b, redis.start)
        self.assert_whole(redis, a, b)

    def test_redis_loses_everything_and_says_nothing(self):
        redis = self.redis()
        a, b = self.lab(redis)
        redis("FLUSHALL")
        self.assert_whole(redis, a, b)
        self.assertGreaterEqual(self.info(a)["lost"], 1)
        self.assertTrue(traffic.echoes(b.forwards["new"]))

    def test_redis_is_frozen(self):
        redis = self.redis()
        a, b = self.lab(redis)
        redis.process.signal(signal.SIGSTOP)
        self.assert_holds_while_away(b, lambda: redis.process.signal(signal.SIGCONT))
        self.wait_log(b, "it does not answer")
        self.assert_whole(redis, a, b)

    def test_redis_has_no_memory(self):
        redis = self.redis()
        a, b = self.lab(redis)
        redis("CONFIG", "SET", "maxmemory", "1")
        agent = self.agent(a.url, key="late")
        wait_until(lambda: self.info(a)["unpublished"] == 1, "the claim that is refused")
        wait_until(lambda: "Redis refuses what it is asked: OOM" in a.log(), "the line")
        self.assertIn("OOM", self.info(a)["why"])
        self.assertTrue(traffic.echoes(b.forwards["main"]))
        self.assertTrue(traffic.echoes(b.forwards["new"]))  # what can be read is read
        redis("CONFIG", "SET", "maxmemory", "0")
        self.wait_claims(redis, "late", "a")
        wait_until(lambda: "Redis takes everything again" in a.log(), "the line")
        self.assert_whole(redis, a, b)
        self.assertTrue(agent.alive())

    def test_the_password_is_wrong(self):
        redis = self.redis("--requirepass", "right")
        credentials = self.file("credentials", "default:wrong\n")
        a = self.member("a", redis, "--directory-credentials-file", credentials)
        wait_until(lambda: "WRONGPASS" in a.log(), "the reason")
        self.assertEqual(self.get(a, "/readyz"), (503, "the directory was not reached yet\n"))
        self.assertEqual(a.log().count("WRONGPASS"), 1)
        self.assertEqual(
            redis.say(("AUTH", "right"), ("CONFIG", "SET", "requirepass", "wrong")), ["OK", "OK"]
        )
        self.wait_up(a)
        self.assertEqual(self.get(a, "/readyz"), (200, "ok\n"))

    def test_one_server_is_cut_off_from_redis(self):
        port = traffic.free_port()
        redis = self.redis("--port", str(port))
        relay = traffic.Relay(port)
        self.addCleanup(relay.close)
        a, b = self.lab(redis, where=f"redis://127.0.0.1:{relay.port}")
        relay.freeze()
        self.wait_down(b)
        self.assertTrue(self.info(a)["up"])
        self.assert_holds_while_away(b, relay.thaw)
        self.assert_whole(redis, a, b)

    def test_connections_to_redis_are_cut_again_and_again(self):
        redis = self.redis()
        a, b = self.lab(redis)
        for _ in range(5):
            ups = [server.log().count(": up\n") for server in (a, b)]
            redis("CLIENT", "KILL", "SKIPME", "yes", "TYPE", "normal")
            redis("CLIENT", "KILL", "TYPE", "pubsub")
            for server, count in zip((a, b), ups):
                wait_until(lambda: server.log().count(": up\n") > count, "the next connection")
            self.assertTrue(traffic.echoes(b.forwards["main"]))
        self.assert_whole(redis, a, b)

    def test_a_route_that_went_stale_unheard_costs_one_retry(self):
        redis = self.redis()
        a, b = self.lab(redis)
        c = self.member("c", redis)
        self.wait_up(c)
        redis.process.signal(signal.SIGSTOP)
        self.wait_down(a, b, c)
        old = next(p for p in self.processes if "agent-foo" in p.log_path.name)
        old.stop()
        self.agent(c.url)
        wait_until(lambda: "client foo: session" in c.log(), "foo at c")
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            job = pool.submit(traffic.echoes, b.forwards["main"])
            wait_until(lambda: self.info(b)["waiting"] == 1, "the retry")
            redis.process.signal(signal.SIGCONT)
            self.assertTrue(job.result())
        self.assertEqual(self.info(b)["failed"], 1)
        self.wait_claims(redis, "foo", "c")

    def test_nobody_waits_for_ever(self):
        redis = self.redis()
        _, b = self.lab(redis)
        redis.process.signal(signal.SIGSTOP)
        self.wait_down(b)
        self.assertFalse(traffic.echoes(b.forwards["new"]))
        self.wait_log(b, "turned away: the directory does not answer")


class Access(Certificates, DirectoryCase):
    def test_the_rules_of_the_manual_are_all_that_a_server_needs(self):
        text = (ROOT / "docs/PEERING.md").read_text()
        (rule,) = re.findall(r"^(user culvert .*)$", text, re.M)
        acl = self.file("users.acl", f"user default off\n{rule.replace('SECRET', 'secret')}\n")
        redis = self.redis(acl=acl)
        redis.login = ("AUTH", "culvert", "secret")
        credentials = self.file("credentials", "culvert:secret\n")
        flags = ("--directory-credentials-file", credentials)
        a, b = self.member("a", redis, *flags), self.member("b", redis, *flags)
        agent = self.agent(a.url)
        self.wait_claims(redis, "foo", "a")
        self.wait_echo(b.forwards["main"])
        agent.stop()
        self.wait_claims(redis, "foo")
        a.stop()
        wait_until(lambda: redis("SMEMBERS", "culvert:{servers}") == ["b"], "a's goodbye")
        self.assertEqual(self.info(b)["refused"], 0)
        for words in (("FLUSHALL",), ("KEYS", "*"), ("CONFIG", "GET", "*"), ("GET", "other")):
            self.assertIn("NOPERM", redis(*words))

    def test_redis_behind_tls(self):
        port = traffic.free_port()
        redis = self.redis("--tls-port", str(port), "--tls-cert-file", self.cert,
                           "--tls-key-file", self.key, "--tls-ca-cert-file", self.ca,
                           "--tls-auth-clients", "no")
        good = ("--directory-ca", self.ca)
        a, b = (self.member(n, f"rediss://127.0.0.1:{port}/2", *good) for n in "ab")
        self.agent(a.url)
        self.wait_echo(b.forwards["main"])
        self.assertEqual(redis("DBSIZE"), 0)  # it is database 2
        c = self.member("c", f"rediss://127.0.0.1:{port}")
        wait_until(lambda: "directory rediss" in c.log(), "the refusal")
        self.assertFalse(self.info(c)["up"])

    def test_credentials_that_others_may_read_are_refused(self):
        path = self.file("credentials", "culvert:secret\n", mode=0o644)
        done = self.run_to_end(
            "culvert-server", "--listen", "127.0.0.1:0", "--insecure-no-auth", "--peer-id", "a",
            "--directory", "redis://127.0.0.1", "--directory-url", "ws://a/connect",
            "--directory-peer-token-file", self.token, "--directory-credentials-file", path,
        )
        self.assertEqual(done.returncode, 2)
        self.assertIn("others may read it", done.stderr)


if __name__ == "__main__":
    unittest.main()
