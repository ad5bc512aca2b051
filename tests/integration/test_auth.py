"""Tokens: who may take which key, what is refused, and that no token shows anywhere."""
import pathlib
import unittest

from . import traffic
from .lab import LabCase, wait_until

REFUSED = ("401", "403", "authentic", "not allowed", "denied")


class Auth(LabCase):
    def setUp(self):
        super().setUp()
        self.aim = self.target()

    def guarded(self, *rows, mode=0o600):
        """(server, tokens) with a forward for each of the keys foo, bar and edge-7."""
        path, tokens = self.token_file(*rows, mode=mode)
        forwards = {key: f"{key}/{self.aim.address}" for key in ("foo", "bar", "edge-7")}
        return self.server(forwards=forwards, auth=("--token-file", path)), tokens

    def assert_refused(self, server, agent, key):
        wait_until(
            lambda: any(word in agent.log().lower() for word in REFUSED),
            lambda: f"a refusal: {agent.log()}",
        )
        self.assertFalse(traffic.echoes(server.forwards[key]))
        self.assertTrue(agent.alive(), "an agent that was refused goes on trying, slowly")

    def test_the_right_token_is_let_in(self):
        server, (token,) = self.guarded(("agent", "foo"))
        self.agent(server.url, token=token)
        self.wait_echo(server.forwards["foo"])

    def test_a_token_file_does_as_well_as_the_environment(self):
        server, (token,) = self.guarded(("agent", "foo"))
        self.agent(server.url, "--token-file", self.file("token", token + "\n"))
        self.wait_echo(server.forwards["foo"])

    def test_a_wrong_token_is_refused(self):
        server, (token,) = self.guarded(("agent", "foo"))
        wrong, _ = self.new_token()
        self.assertNotEqual(token, wrong)
        self.assert_refused(server, self.agent(server.url, token=wrong), "foo")

    def test_no_token_is_refused(self):
        server, _ = self.guarded(("agent", "foo"))
        self.assert_refused(server, self.agent(server.url), "foo")

    def test_a_key_of_another_credential_is_refused(self):
        server, (foo, bar) = self.guarded(("agent", "foo"), ("agent", "bar"))
        self.assert_refused(server, self.agent(server.url, key="bar", token=foo), "bar")
        self.agent(server.url, key="bar", token=bar)
        self.wait_echo(server.forwards["bar"])

    def test_a_star_at_the_end_of_a_name_stands_for_any_rest(self):
        server, (token,) = self.guarded(("agent", "edge-*"))
        self.agent(server.url, key="edge-7", token=token)
        self.wait_echo(server.forwards["edge-7"])
        self.assert_refused(server, self.agent(server.url, key="foo", token=token), "foo")

    def test_an_expired_credential_is_refused(self):
        server, (old, new) = self.guarded(
            ("agent", "foo", "expires=2020-01-01"), ("agent", "bar", "expires=2199-01-01")
        )
        self.assert_refused(server, self.agent(server.url, token=old), "foo")
        self.agent(server.url, key="bar", token=new)
        self.wait_echo(server.forwards["bar"])

    def test_a_visitors_token_is_no_agents(self):
        server, (token,) = self.guarded(("visitor", "foo", "dial=foo/*:*"))
        self.assert_refused(server, self.agent(server.url, token=token), "foo")

    def test_a_credential_may_bound_what_is_dialled(self):
        """dial= of the credential holds besides what the agent allows."""
        path, (token,) = self.token_file(("agent", "foo", f"dial={self.aim.address}"))
        elsewhere = self.target()
        server = self.server(
            forwards={"good": f"foo/{self.aim.address}", "bad": f"foo/{elsewhere.address}"},
            auth=("--token-file", path),
        )
        self.agent(server.url, token=token)
        self.wait_echo(server.forwards["good"])
        self.assertFalse(traffic.echoes(server.forwards["bad"]))
        self.assertEqual(elsewhere.accepted, 0)
        self.assertTrue(traffic.echoes(server.forwards["good"]), "the session did not live on")

    def test_no_token_in_a_log_or_a_command_line(self):
        server, (token,) = self.guarded(("agent", "foo"))
        wrong, _ = self.new_token()
        agents = [self.agent(server.url, "--log-level", "debug", token=t) for t in (token, wrong)]
        self.wait_echo(server.forwards["foo"])
        self.assert_refused_somewhere(agents)
        for process in self.processes:
            line = pathlib.Path(f"/proc/{process.pid}/cmdline").read_text()
            for secret in (token, wrong):
                self.assertNotIn(secret, process.log())
                self.assertNotIn(secret, line)

    def assert_refused_somewhere(self, agents):
        wait_until(
            lambda: any(word in agent.log().lower() for agent in agents for word in REFUSED),
            "a refusal",
        )

    def test_a_file_that_others_can_read_is_refused(self):
        path, _ = self.token_file(("agent", "foo"))
        for mode in (0o644, 0o604):
            with self.subTest(oct(mode)):
                path.chmod(mode)
                done = self.run_to_end(
                    "culvert-server",
                    "--listen",
                    f"127.0.0.1:{traffic.free_port()}",
                    "--token-file",
                    path,
                )
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(path.name, done.stderr)

    def test_a_server_without_any_credentials_does_not_start(self):
        done = self.run_to_end("culvert-server", "--listen", f"127.0.0.1:{traffic.free_port()}")
        self.assertEqual(done.returncode, 2)
        self.assertIn("insecure-no-auth", done.stderr)

    def test_tokens_are_random_and_long(self):
        made = [self.new_token() for _ in range(3)]
        self.assertEqual(len({token for token, _ in made} | {digest for _, digest in made}), 6)
        for token, _ in made:
            self.assertGreaterEqual(len(token), 43, "256 bits need 43 characters of base64")
        plain = self.run_to_end("culvertctl", "token", "new").stdout.splitlines()
        self.assertEqual([line.split(":")[0] for line in plain], ["token", "hash"])


if __name__ == "__main__":
    unittest.main()
