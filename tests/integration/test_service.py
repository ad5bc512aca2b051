"""What the daemons tell a service manager (sd_notify(3)); the filter of system calls is on."""
import os
import re
import signal
import socket
import time
import unittest

from . import traffic
from .lab import LabCase, Server, binaries, wait_until
from .manager import Manager, Standstill, threads_but_main

ROOT = os.geteuid() == 0


class Told(LabCase):
    def setUp(self):
        super().setUp()
        self.manager = Manager(self.dir / "notify.sock")
        self.addCleanup(self.manager.close)

    def watched(self, *flags, manager=None, forwards=None, **env):
        return self.server(*flags, forwards=forwards, env=(manager or self.manager).env(**env))

    def test_a_server_is_ready_when_its_port_takes_connections(self):
        port = traffic.free_port()
        argv = [binaries() / "culvert-server", "--insecure-no-auth", "--threads", "2"]
        argv += ["--listen", f"127.0.0.1:{port}"]
        self.start("server", argv, Server, env=self.manager.env())
        self.manager.wait("READY=1")
        socket.create_connection(("127.0.0.1", port)).close()
        self.assertIn("STATUS=0 agents, 0 connections", self.manager.lines())

    def test_a_server_that_cannot_listen_is_never_ready(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            argv = ["--insecure-no-auth", "--listen", f"127.0.0.1:{taken.getsockname()[1]}"]
            done = self.run_to_end("culvert-server", *argv, env=self.manager.env())
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertEqual(self.manager.messages, [])

    def test_an_abstract_socket_will_do(self):
        manager = Manager(f"@culvert-test-{os.getpid()}")
        self.addCleanup(manager.close)
        self.watched(manager=manager)
        manager.wait("READY=1")

    @unittest.skipUnless(ROOT, "needs root")
    def test_who_is_root_no_longer_still_tells(self):
        manager = Manager(f"@culvert-test-user-{os.getpid()}")
        self.addCleanup(manager.close)
        server = self.watched("--user", "nobody", manager=manager)
        manager.wait("READY=1")
        server.stop()
        manager.wait("STOPPING=1")

    def test_an_address_that_is_none_is_no_reason_to_stand_still(self):
        server = self.server(env={"NOTIFY_SOCKET": "vsock:2:1"})
        self.wait_log(server, "NOTIFY_SOCKET")

    def test_a_reload_is_announced_and_ends(self):
        server = self.watched()
        since = self.manager.wait("READY=1")
        before = time.monotonic_ns() // 1000
        server.signal(signal.SIGHUP)
        self.manager.wait("READY=1", since)
        first, last = self.manager.messages[since], self.manager.messages[-1]
        self.assertEqual(first[0], "RELOADING=1")
        name, at = first[1].split("=")
        self.assertEqual(name, "MONOTONIC_USEC")
        self.assertTrue(before <= int(at) <= time.monotonic_ns() // 1000)
        self.assertEqual(last[0], "READY=1")
        self.wait_log(server, "reloaded")

    def test_stopping_is_told_with_what_is_left(self):
        target = self.target()
        server = self.watched(
            *("--threads", "2", "--drain-timeout", "600"),
            forwards={"main": f"foo/{target.address}"},
        )
        agent = self.agent(server.url, env=self.manager.env())
        self.wait_echo(server.forwards["main"])
        with traffic.visit(server.forwards["main"], "ECHO") as visitor:
            self.assertTrue(traffic.ping(visitor))
            self.manager.wait("STATUS=1 agent, 1 connection")
            self.manager.wait("STATUS=connected to 1 server, 1 connection")
            since = len(self.manager.messages)
            server.signal(signal.SIGTERM)
            self.manager.wait("STOPPING=1", since)
            self.assertIn("STATUS=draining, 1 connection left", self.manager.lines(since))
            self.assertIn("EXTEND_TIMEOUT_USEC=610000000", self.manager.lines(since))
        self.assertEqual(server.wait(), 0)
        self.manager.wait("STATUS=not connected, trying")
        since = len(self.manager.messages)
        self.assertEqual(agent.stop(), 0)
        self.manager.wait("STOPPING=1", since)

    def test_an_agent_is_ready_without_a_server(self):
        agent = self.agent("ws://127.0.0.1:1/connect", env=self.manager.env())
        self.manager.wait("READY=1")
        self.assertIn("STATUS=not connected, trying", self.manager.lines())
        since = len(self.manager.messages)
        agent.signal(signal.SIGHUP)
        self.manager.wait("READY=1", since)
        self.assertIn("RELOADING=1", self.manager.lines(since))
        self.assertTrue(agent.alive())

    def test_nothing_is_told_where_nobody_asked(self):
        server = self.server()
        self.assertEqual(server.stop(), 0)
        self.assertEqual(self.manager.messages, [])


class Watched(LabCase):
    PERIOD = 0.2  # seconds between two signs of life
    ALLOWED = str(int(2 * PERIOD * 1e6))

    def setUp(self):
        super().setUp()
        self.manager = Manager(self.dir / "notify.sock")
        self.addCleanup(self.manager.close)

    def signs(self):
        return self.manager.lines().count("WATCHDOG=1")

    def wait_signs(self, more=3):
        goal = self.signs() + more
        wait_until(lambda: self.signs() >= goal, "signs of life")

    def test_an_agent_gives_signs_of_life(self):
        env = self.manager.env(WATCHDOG_USEC=self.ALLOWED)
        self.agent("ws://127.0.0.1:1/connect", env=env)
        self.wait_signs()

    def test_the_watchdog_of_another_process_is_not_ours(self):
        env = self.manager.env(WATCHDOG_USEC="2000", WATCHDOG_PID="1")
        server = self.server(env=env)
        server.stop()
        self.assertIn("READY=1", self.manager.lines())
        self.assertEqual(self.signs(), 0)

    @unittest.skipUnless(ROOT, "needs root to hold a thread")
    def test_one_worker_that_is_stuck_ends_the_signs_of_life(self):
        """The main loop goes on and answers, which must not be taken for all of them."""
        port = traffic.free_port()
        flags = ("--threads", "3", "--admin", f"127.0.0.1:{port}")
        server = self.server(*flags, env=self.manager.env(WATCHDOG_USEC=self.ALLOWED))
        self.wait_signs()
        worker = threads_but_main(server)[0]
        with Standstill([worker]):
            before = self.signs()
            end = time.monotonic() + 10 * self.PERIOD
            while time.monotonic() < end:
                self.assertTrue(self.main_answers(port))
            self.assertLessEqual(self.signs() - before, 1, "one was on its way")
        self.wait_signs()
        self.assertEqual(server.stop(), 0)

    @staticmethod
    def main_answers(port):
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return re.match(rb"HTTP/1.1 200", client.recv(4096))

    def test_a_worker_that_has_ended_in_order_is_not_waited_for(self):
        """Signs of life come to the end of a drain, whose last second one worker may not see."""
        target = self.target()
        env = self.manager.env(WATCHDOG_USEC=self.ALLOWED)
        server = self.server("--threads", "3", forwards={"main": f"foo/{target.address}"}, env=env)
        self.agent(server.url)
        self.wait_echo(server.forwards["main"])
        with traffic.visit(server.forwards["main"], "ECHO") as visitor:
            self.assertTrue(traffic.ping(visitor))
            server.signal(signal.SIGTERM)
            self.manager.wait("STOPPING=1")
            self.wait_signs()
        self.assertEqual(server.wait(), 0)


if __name__ == "__main__":
    unittest.main()
