"""The agent's way out through proxies of Debian: tinyproxy, microsocks and dante, with and without
passwords, from flags and from the environment."""
import os
import unittest

from . import traffic
from .certs import Certificates
from .lab import wait_until
from .proxies import Proxies

USER, PASSWORD = "walter", "s3cret-canary"
AUTH = f"{USER}:{PASSWORD}"
PLAIN = {name: None for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy")}


class Ways(Certificates, Proxies):
    def setUp(self):
        super().setUp()
        self.aim = self.target()

    def door(self, tls=True):
        pair = ("--tls-cert", self.cert, "--tls-key", self.key) if tls else ()
        server = self.server(*pair, forwards={"main": f"foo/{self.aim.address}"})
        if tls:
            server.url = server.url.replace("ws://", "wss://")
        return server

    def goes(self, server, *flags, env=None):
        """An agent, with no more of the environment's proxies than @env says."""
        return self.agent(server.url, "--ca", self.ca, *flags, env={**PLAIN, **(env or {})})

    def assert_through(self, server, proxy, seen, *flags, env=None):
        """A session stands, both ways carry, and the proxy's log shows that it went through."""
        agent = self.goes(server, *flags, env=env)
        self.wait_echo(server.forwards["main"])
        self.assertTrue(traffic.upload(server.forwards["main"], 4 << 20))
        self.assertTrue(traffic.download(server.forwards["main"], 4 << 20))
        wait_until(lambda: seen in proxy.log(), lambda: f"{seen!r} in {proxy.log()[-500:]}")
        for process in (agent, server):
            self.assertNotIn(PASSWORD, process.log())
        agent.stop()

    def assert_kept_out(self, server, said, *flags, env=None):
        agent = self.goes(server, *flags, env=env)
        wait_until(lambda: said in agent.log(), lambda: f"{said!r} in {agent.log()}")
        self.assertFalse(traffic.echoes(server.forwards["main"]))
        self.assertTrue(agent.alive())
        self.assertNotIn(PASSWORD, agent.log())
        agent.stop()

    def secret(self, text=AUTH):
        return self.file("proxy.auth", text + "\n")


class Http(Ways):
    def test_connect(self):
        proxy, port = self.tinyproxy()
        for tls in (True, False):
            server = self.door(tls)
            seen = f"CONNECT 127.0.0.1:{server.port} "
            self.assert_through(server, proxy, seen, "--proxy", f"http://127.0.0.1:{port}")

    def test_connect_with_a_password_from_a_file(self):
        proxy, port = self.tinyproxy(f"BasicAuth {USER} {PASSWORD}")
        server = self.door()
        seen = f"CONNECT 127.0.0.1:{server.port} "
        flags = ("--proxy", f"http://127.0.0.1:{port}", "--proxy-auth-file")
        self.assert_through(server, proxy, seen, *flags, self.secret())
        self.assert_kept_out(server, "407", *flags[:2])
        self.assert_kept_out(server, "40", *flags, self.secret(f"{USER}:wrong"))

    def test_the_environment(self):
        proxy, port = self.tinyproxy(f"BasicAuth {USER} {PASSWORD}")
        url = f"http://{AUTH}@127.0.0.1:{port}"
        for tls, name in ((True, "https_proxy"), (False, "http_proxy"), (True, "all_proxy")):
            server = self.door(tls)
            seen = f"CONNECT 127.0.0.1:{server.port} "
            self.assert_through(server, proxy, seen, env={name: url})

    def test_no_proxy(self):
        """Where the environment excepts the server nothing goes through the proxy."""
        nobody = f"http://127.0.0.1:{traffic.free_port()}"
        for excepted in ("127.0.0.1", "example.org,127.0.0.0/8", "*"):
            server = self.door()
            self.goes(server, env={"https_proxy": nobody, "no_proxy": excepted})
            self.wait_echo(server.forwards["main"])
        server = self.door()
        env = {"https_proxy": nobody, "no_proxy": "127.0.0.2,localhost"}
        self.assert_kept_out(server, "cannot connect", env=env)

    def test_the_flag_wins_over_the_environment(self):
        proxy, port = self.tinyproxy()
        server = self.door()
        env = {"https_proxy": f"http://127.0.0.1:{traffic.free_port()}", "no_proxy": "*"}
        seen = f"CONNECT 127.0.0.1:{server.port} "
        self.assert_through(server, proxy, seen, "--proxy", f"http://127.0.0.1:{port}", env=env)

    def test_the_server_is_verified_beyond_the_proxy(self):
        _, port = self.tinyproxy()
        server = self.door()
        other, _ = self.authority("other")
        flags = ("--proxy", f"http://127.0.0.1:{port}", "--ca", other)
        self.assert_kept_out(server, "certificate", *flags)

    def test_a_proxy_that_goes_is_come_back_to(self):
        proxy, port = self.tinyproxy()
        server = self.door()
        self.goes(server, "--proxy", f"http://127.0.0.1:{port}")
        self.wait_echo(server.forwards["main"])
        proxy.kill()
        self.assertFalse(traffic.echoes(server.forwards["main"]))
        self.start("tinyproxy", proxy.argv)
        self.wait_echo(server.forwards["main"], "an echo through the proxy that came back")


class Socks(Ways):
    def test_microsocks(self):
        proxy, port = self.microsocks()
        for scheme in ("socks5", "socks5h"):
            server = self.door()
            seen = f"connected to 127.0.0.1:{server.port}"
            self.assert_through(server, proxy, seen, "--proxy", f"{scheme}://127.0.0.1:{port}")

    def test_microsocks_with_a_password(self):
        proxy, port = self.microsocks("-u", USER, "-P", PASSWORD)
        server = self.door()
        seen = f"connected to 127.0.0.1:{server.port}"
        flags = ("--proxy", f"socks5h://127.0.0.1:{port}", "--proxy-auth-file")
        self.assert_through(server, proxy, seen, *flags, self.secret())
        self.assert_through(
            server, proxy, seen, env={"all_proxy": f"socks5h://{AUTH}@127.0.0.1:{port}"}
        )
        self.assert_kept_out(server, "cannot connect", *flags, self.secret(f"{USER}:wrong"))
        self.assert_kept_out(server, "cannot connect", *flags[:2])

    @unittest.skipUnless(os.geteuid() == 0, "dante changes its user: needs root")
    def test_dante(self):
        proxy, port = self.dante()
        server = self.door()
        seen = f".{server.port}"
        self.assert_through(server, proxy, seen, "--proxy", f"socks5h://127.0.0.1:{port}")
        self.assert_through(server, proxy, seen, "--proxy", f"socks4://127.0.0.1:{port}")


class Files(Ways):
    def test_a_file_that_is_no_good_is_named(self):
        base = ("--connect", "ws://127.0.0.1:1/connect", "--proxy-auth-file")
        for text, mode, said in (
            ("no colon", 0o600, "its first line is not USER:PASSWORD"),
            (":x", 0o600, "its first line is not USER:PASSWORD"),
            ("", 0o600, "its first line is not USER:PASSWORD"),
            (AUTH, 0o644, "others may read it"),
        ):
            done = self.run_to_end("culvert-agent", *base, self.file("auth", text, mode))
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn(said, done.stderr)
            self.assertIn("auth", done.stderr)
            self.assertNotIn("no colon", done.stderr)


if __name__ == "__main__":
    unittest.main()
