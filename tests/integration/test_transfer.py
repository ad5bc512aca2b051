"""Bytes through a server and an agent arrive whole: alone, side by side, both ways at once, over
each kind of address."""
import threading
import unittest

from . import traffic
from .lab import LabCase, scaled, wait_until

MIB = traffic.MIB


class Transfer(LabCase):
    def setUp(self):
        super().setUp()
        self.size = scaled("CULVERT_TRANSFER_MIB", 64, 16) * MIB

    def test_up_and_down(self):
        _, _, port = self.tunnel()
        self.assertTrue(traffic.upload(port, self.size), "up")
        self.assertTrue(traffic.download(port, self.size), "down")

    def test_eight_at_once(self):
        _, _, port = self.tunnel()
        failures = []

        def one(seed):
            work = traffic.upload if seed % 2 else traffic.download
            try:
                if not work(port, self.size, seed):
                    failures.append(f"{seed}: content differs")
            except OSError as error:
                failures.append(f"{seed}: {error}")

        threads = [threading.Thread(target=one, args=(seed,)) for seed in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])

    def test_echo_both_ways_at_once(self):
        """The transfer at which one pause flag for two directions stands still."""
        _, _, port = self.tunnel(target=self.target(buffer=65536))
        size = scaled("CULVERT_ECHO_MIB", 1024, 128) * MIB
        same, got = traffic.full_duplex(port, size)
        self.assertTrue(same, f"stands still or differs after {got / MIB:.1f} MiB")

    def test_many_short_connections(self):
        _, _, port = self.tunnel()
        for n in range(300):
            with traffic.visit(port, f"GET {n} {n}") as visitor:
                got, _ = traffic.read_end(visitor)
                self.assertEqual(got, b"".join(traffic.content(n, n)))


class Addresses(LabCase):
    def test_a_unix_target(self):
        path = self.dir / "target.sock"
        target = self.target(path=path)
        server = self.server(forwards={"main": f"foo/unix/{path}"})
        self.agent(server.url, "--allow", f"unix/{path}")
        self.wait_echo(server.forwards["main"])
        self.assertTrue(traffic.upload(server.forwards["main"], MIB))
        self.assertGreater(target.accepted, 0)

    def test_a_unix_front_door_and_forward(self):
        """The front door listens on a socket file beside its port; a forward, too."""
        door, forward, target = self.dir / "door.sock", self.dir / "forward.sock", self.target()
        server = self.server(
            "--listen", f"unix:{door}", "--forward", f"unix:{forward}=foo/{target.address}"
        )
        self.agent(server.url)
        wait_until(lambda: traffic.echoes(None, path=forward), "an echo through a socket file")
        self.assertTrue(door.is_socket())
        self.assertEqual(server.stop(), 0)
        self.assertFalse(door.exists() or forward.exists(), "a socket file is left behind")

    def test_ipv6_all_the_way(self):
        target = self.target(host="::1")
        port, local = traffic.free_port("::1"), traffic.free_port("::1")
        server = self.server(
            "--listen", f"[::1]:{port}", "--forward", f"[::1]:{local}=foo/{target.address}"
        )
        self.agent(f"ws://[::1]:{port}/connect")
        wait_until(lambda: traffic.echoes(local, host="::1"), "an echo over IPv6")
        self.assertTrue(server.alive())

    def test_a_name_in_place_of_an_address(self):
        target = self.target()
        server = self.server(forwards={"main": f"foo/localhost:{target.port}"})
        self.agent(server.url.replace("127.0.0.1", "localhost"))
        self.wait_echo(server.forwards["main"])

    def test_two_keys_do_not_mix(self):
        first, second = self.target(), self.target()
        server = self.server(
            forwards={"one": f"one/{first.address}", "two": f"two/{second.address}"}
        )
        self.agent(server.url, key="one")
        self.wait_echo(server.forwards["one"])
        self.assertFalse(
            traffic.echoes(server.forwards["two"]), "a visitor of a key without an agent"
        )
        self.agent(server.url, key="two")
        self.wait_echo(server.forwards["two"])
        before = first.accepted
        self.assertTrue(traffic.echoes(server.forwards["two"]))
        self.assertEqual(first.accepted, before)

    def test_one_agent_with_two_servers(self):
        target = self.target()
        servers = [self.server(forwards={"main": f"foo/{target.address}"}) for _ in range(2)]
        self.agent(servers[0].url, "--connect", servers[1].url)
        for server in servers:
            self.wait_echo(server.forwards["main"])


class HalfClose(LabCase):
    def test_crosses_the_tunnel_between_culvert_ends(self):
        """PUT ends the visitor's writing side; the answer still comes, and then the end."""
        _, _, port = self.tunnel()
        with traffic.visit(port, f"PUT {MIB}") as visitor:
            visitor.sendall(b"".join(traffic.content(1000)))
            visitor.shutdown(traffic.socket.SHUT_WR)
            answer, orderly = traffic.read_end(visitor)
            self.assertEqual(answer.decode(), traffic.digest_of(1000))
            self.assertTrue(orderly)


if __name__ == "__main__":
    unittest.main()
