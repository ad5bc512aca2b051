"""Discovery with programs that others wrote, in network namespaces of the test's own."""
import json
import shutil
import socket
import unittest

from .lab import ROOT, wait_until
from .netns import GROUP4, TYPE, NetCase, is_nts, page

NODE = ROOT / "tests/integration/node"
SERVICE = "urn:culvert-tunnel:service:Tunnel:1"
FLAMENCO_TYPE = "urn:flamenco:manager:0"
FLAMENCO_UUID = "aa80bc5f-d0af-46b8-8630-23bd7e80ec4d"
PLACE = "http://10.77.0.1:8123/ssdp/description.xml"


class Peers(NetCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for program in ("gssdp-discover", "minissdpd", "nmap", "upnpc", "node"):
            assert shutil.which(program), f"{program} is missing: tools/install-deps test"
        assert (NODE / "node_modules/node-ssdp").is_dir(), "no node-ssdp: tools/install-deps test"

    def node(self, ns, name, source):
        """A program for node in which `ssdp` is node-ssdp."""
        script = self.file(f"{name}.js", f"const ssdp = require('node-ssdp');\n{source}\n")
        env = {"NODE_PATH": str(NODE / "node_modules")}
        return self.start(name, [*ns.prefix, "node", script], env=env)

    def peer(self, ns, name, *argv):
        return self.start(name, [*ns.prefix, *argv])

    # -- clients of ours --

    def test_gssdp_discover_sees_all_four_targets_come_and_go(self):
        argv = ("stdbuf", "-oL", "gssdp-discover", "-i", "vb", "-m", "all")
        peer = self.peer(self.b, "gssdp", *argv)
        server = self.advertiser()
        for target in ("upnp:rootdevice", TYPE, SERVICE):
            self.wait_log(peer, f"::{target}")
        self.wait_log(peer, f"Location: {PLACE}", count=4)
        server.stop()
        self.wait_log(peer, "resource unavailable", count=4)

    def test_gssdp_discover_finds_by_search_what_was_announced_before(self):
        ear = self.ear(self.b, "vb", GROUP4)
        self.advertiser()
        ear.wait(is_nts("alive"), count=12)
        done = self.b.run("gssdp-discover", "-i", "vb", "-n", "3", "-t", TYPE)
        self.assertIn(f"Location: {PLACE}", done.stdout)
        self.assertIn(f"::{TYPE}", done.stdout)
        self.assertNotIn("rootdevice", done.stdout)

    def test_nmap_finds_it_and_reads_its_description(self):
        self.advertiser()
        done = self.b.run("nmap", "-e", "vb", "--script", "broadcast-upnp-info")
        self.assertIn(f"Location: {PLACE}", done.stdout)
        self.assertIn("Name: Culvert on ", done.stdout)
        self.assertRegex(done.stdout, r"Server: Linux/\S+ UPnP/1\.1 Culvert/")

    def test_upnpc_finds_it_and_sees_that_it_is_no_gateway(self):
        self.advertiser()
        done = self.b.run("upnpc", "-m", "vb", "-l", check=False)
        self.assertIn(f"desc: {PLACE}", done.stdout)
        self.assertIn("st: upnp:rootdevice", done.stdout)

    def minissdpd(self, ns, interface):
        path, pid = (self.dir / f"minissdpd-{interface}.{end}" for end in ("sock", "pid"))
        argv = ("minissdpd", "-d", "-i", interface, "-s", path, "-p", pid)
        peer = self.peer(ns, "minissdpd", *argv)
        wait_until(path.exists, "minissdpd's socket")
        return peer, path

    @staticmethod
    def known_to(path):
        """What minissdpd remembers: [(LOCATION, ST, USN)]. Request 3: all."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(path))
            sock.sendall(b"\x03\x00")
            data = sock.recv(65536)
        count, at, found = data[0], 1, []
        for _ in range(count):
            fields = []
            for _ in range(3):
                size = data[at]
                fields.append(data[at + 1 : at + 1 + size].decode())
                at += 1 + size
            found.append(tuple(fields))
        return found

    def test_minissdpd_remembers_it_and_forgets_it_at_byebye(self):
        _, path = self.minissdpd(self.b, "vb")
        server = self.advertiser()
        wait_until(lambda: len(self.known_to(path)) >= 4, lambda: self.known_to(path))
        self.assertLess({TYPE, "upnp:rootdevice"}, {st for _, st, _ in self.known_to(path)})
        self.assertEqual({place for place, _, _ in self.known_to(path)}, {PLACE})
        server.stop()
        wait_until(lambda: not self.known_to(path), "nothing is remembered")

    def test_it_shares_port_1900_with_minissdpd_at_both_ends(self):
        for ns, interface in ((self.a, "va"), (self.b, "vb")):
            self.minissdpd(ns, interface)
        self.advertiser()
        self.wait_log(self.discoverer(), "session up as foo")

    def test_node_ssdp_finds_it_as_a_client(self):
        self.advertiser()
        peer = self.node(
            self.b,
            "node-client",
            "const c = new ssdp.Client({interfaces: ['vb']});\n"
            "c.on('response', (h, s, r) => console.log(s, JSON.stringify([h, r])));\n"
            f"const ask = () => c.search('{TYPE}'); ask(); setInterval(ask, 1000);",
        )
        self.wait_log(peer, "200 [")
        headers, sender = json.loads(peer.log().splitlines()[0].partition(" ")[2])
        self.assertEqual((headers["LOCATION"], headers["ST"]), (PLACE, TYPE))
        self.assertEqual(sender["address"], "10.77.0.1")

    # -- servers for us --

    def node_server(self, location, kind=TYPE):
        return self.node(
            self.a,
            "node-server",
            "const s = new ssdp.Server({interfaces: ['va'], adInterval: 500, ttl: 60,\n"
            f"  udn: 'uuid:f40c2981-7329-40b7-8b04-27f187aecfb5', location: '{location}'}});\n"
            f"s.addUSN('{kind}'); s.start().then(() => console.log('started'));\n"
            # its stop() closes the sockets before byebye has left
            "const leave = () => { s.advertise(false); setTimeout(process.exit, 300, 0); };\n"
            "process.on('SIGTERM', leave);",
        )

    def test_node_ssdp_is_found_as_a_server_and_leads_the_agent_to_us(self):
        server = self.program(
            self.a, "server", "culvert-server", "--listen", ":8123", "--insecure-no-auth"
        )
        self.wait_log(server, "front door at")
        peer = self.node_server("http://10.77.0.1:8123/nothing.xml")
        self.wait_log(peer, "started")
        found = json.loads(self.discover("--json").stdout)
        self.assertEqual(found[0]["location"], "http://10.77.0.1:8123/nothing.xml")
        self.assertIn("node-ssdp", found[0]["server"])
        # it has no description: LOCATION's host and port, and /connect
        self.wait_log(self.discoverer(), "ws://10.77.0.1:8123/connect: session up as foo")

    def test_the_table_follows_node_ssdp(self):
        nt = "urn:schemas-upnp-org:device:MediaRenderer:1"
        table = self.program(
            self.b, "table", "culvertctl", "discover", "--listen", "--type", "MediaRenderer"
        )
        peer = self.node_server("http://10.77.0.1:9/d.xml", nt)
        self.wait_log(table, f"::{nt}", count=2)
        peer.stop()
        self.wait_log(table, "removed")
        changes = [line.split()[0] for line in table.log().splitlines()]
        self.assertEqual(changes[0], "added")
        self.assertEqual(changes[1], "refreshed")

    # -- Flamenco, by its type and UUID --

    def test_a_worker_of_flamenco_finds_its_manager_through_us(self):
        place = "http://10.77.0.1:8080/upnp/description.xml"
        self.advertiser(
            *("--advertise-type", FLAMENCO_TYPE, "--advertise-uuid", FLAMENCO_UUID),
            *("--advertise-location", place),
        )
        done = self.b.run("gssdp-discover", "-i", "vb", "-n", "3", "-t", FLAMENCO_TYPE)
        self.assertIn(f"uuid:{FLAMENCO_UUID}::{FLAMENCO_TYPE}", done.stdout)
        self.assertIn(f"Location: {place}", done.stdout)
        worker = (ROOT / "tests/golden/ssdp/captures/ms-gossdpc-M-SEARCH-1.bin").read_bytes()
        ear = self.ear(self.b, "vb")
        ear.say(worker, GROUP4)
        answer = ear.wait(lambda d: d.first == "HTTP/1.1 200 OK")
        self.assertEqual(answer["ST"], FLAMENCO_TYPE)
        self.assertEqual(answer["USN"], f"uuid:{FLAMENCO_UUID}::{FLAMENCO_TYPE}")
        self.assertEqual(answer["LOCATION"], place)

    def test_our_search_finds_the_managers_of_flamenco(self):
        manager = self.ear(self.a, "va", GROUP4)
        recorded = ROOT / "tests/golden/ssdp/captures/gossdp-HTTP1.1-3.bin"
        self.site(self.a, "10.77.0.1", page(b"<root/>"), port=9000)
        finder = self.program(
            self.b, "finder", "culvertctl", "discover", "--type", FLAMENCO_TYPE, "--json"
        )
        asked = manager.wait(lambda d: d.first[:8] == "M-SEARCH" and d["ST"] == FLAMENCO_TYPE)
        manager.sock.sendto(recorded.read_bytes(), asked.source)
        self.assertEqual(finder.wait(), 0)
        (found,) = json.loads(finder.log())
        self.assertEqual(found["location"], "http://10.77.0.1:9000/d.xml")
        self.assertEqual(found["usn"], f"uuid:{FLAMENCO_UUID}::{FLAMENCO_TYPE}")
        self.assertEqual(found["max_age"], 3600)
        # and its announcement
        table = self.program(
            self.b, "table", "culvertctl", "discover", "--listen", "--type", "flamenco"
        )
        alive = ROOT / "tests/golden/ssdp/captures/gossdp-NOTIFY-1.bin"

        def heard():
            manager.say(alive.read_bytes(), GROUP4)
            return "added" in table.log()

        wait_until(heard, "the manager in the table")


if __name__ == "__main__":
    unittest.main()
