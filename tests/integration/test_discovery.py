"""The advertiser, and the table of devices, in network namespaces of the test's own."""
import json
import signal
import unittest

from .lab import binaries, wait_until
from .netns import (
    GROUP4,
    LINK6,
    SITE6,
    TYPE,
    NetCase,
    is_answer,
    is_nts,
    link,
    notify,
    search,
    state_of,
)

UUID = "0d0d0d0d-0000-4000-8000-000000000001"


class Advertiser(NetCase):
    def test_announces_itself_and_says_goodbye(self):
        ear = self.ear(self.b, "vb", GROUP4)
        server = self.advertiser("--advertise-uuid", UUID)
        alive = ear.wait(is_nts("alive"), count=12)
        targets = ["upnp:rootdevice", f"uuid:{UUID}", TYPE, "urn:culvert-tunnel:service:Tunnel:1"]
        self.assertEqual([d["NT"] for d in alive[:4]], targets)
        for datagram in alive:
            nt = datagram["NT"]
            self.assertEqual(
                datagram["USN"], f"uuid:{UUID}" if nt[:5] == "uuid:" else f"uuid:{UUID}::{nt}"
            )
            self.assertEqual(datagram["HOST"], "239.255.255.250:1900")
            self.assertEqual(datagram["LOCATION"], "http://10.77.0.1:8123/ssdp/description.xml")
            self.assertEqual(datagram["CACHE-CONTROL"], "max-age=1800")
            self.assertRegex(datagram["SERVER"], r"^Linux/\d+\.\d+ UPnP/1\.1 Culvert/\d")
            self.assertRegex(datagram["BOOTID.UPNP.ORG"], r"^\d+$")
            self.assertRegex(datagram["CONFIGID.UPNP.ORG"], r"^\d+$")
            self.assertLessEqual(len(datagram.data), 512)
            self.assertTrue(datagram.data.endswith(b"\r\n\r\n"))
            self.assertEqual(datagram.source[1], 1900)
        server.signal(signal.SIGTERM)
        bye = ear.wait(is_nts("byebye"), count=4)
        self.assertEqual([d["NT"] for d in bye[:4]], targets)
        self.assertIsNone(bye[0]["LOCATION"])
        self.assertEqual(server.wait(), 0)

    def test_serves_the_description_at_its_location(self):
        ear = self.ear(self.b, "vb", GROUP4)
        self.advertiser("--advertise-uuid", UUID)
        location = ear.wait(is_nts("alive"))["LOCATION"]
        text = self.b.run("curl", "-sf", location).stdout
        self.assertIn(f"<UDN>uuid:{UUID}</UDN>", text)
        self.assertIn(f"<deviceType>{TYPE}</deviceType>", text)
        self.assertIn(">ws://10.77.0.1:8123/connect</culvert:connectURL>", text)
        other = self.b.run(
            "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", location + "x", check=False
        )
        self.assertEqual(other.stdout, "404")

    def test_serves_no_description_without_being_told_to_advertise(self):
        server = self.program(
            self.a, "server", "culvert-server", "--listen", ":8123", "--insecure-no-auth"
        )
        self.wait_log(server, "front door at")
        ear = self.ear(self.b, "vb")
        ear.say(search(), GROUP4)
        url = "http://10.77.0.1:8123/ssdp/description.xml"
        done = self.b.run("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", url)
        self.assertEqual(done.stdout, "404")
        self.assertEqual(ear.listen(1.2), [], "off by default")

    def test_answers_each_kind_of_search_over_each_group(self):
        self.advertiser("--advertise-uuid", UUID)
        targets = ["upnp:rootdevice", f"uuid:{UUID}", TYPE]
        for group in (GROUP4, LINK6, SITE6):
            ear = self.ear(self.b, "vb", source="::" if ":" in group else None)
            for target in targets:
                with self.subTest(group, target=target):
                    ear.forget()
                    ear.say(search(target), group)
                    answer = ear.wait(is_answer)
                    self.assertEqual(answer["ST"], target)
                    self.assertEqual(answer["EXT"], "")
                    self.assertRegex(answer["DATE"], r" GMT$")
                    self.assertRegex(answer["LOCATION"], self.place(group))
            ear.forget()
            ear.say(search("ssdp:all"), group)
            answers = ear.wait(is_answer, count=4)
            self.assertLess(set(targets), {d["ST"] for d in answers})

    @staticmethod
    def place(group):
        hosts = {GROUP4: r"10\.77\.0\.1", SITE6: r"\[fd77::1\]", LINK6: r"\[fe80:[0-9a-f:]+\]"}
        return rf"^http://{hosts[group]}:8123/ssdp/description\.xml$"

    def test_answers_a_lower_version_and_is_silent_to_a_higher_one(self):
        self.advertiser("--advertise-type", "urn:x:device:Thing:3")
        ear = self.ear(self.b, "vb")
        ear.say(search("urn:x:device:Thing:4"), GROUP4)
        ear.say(search("urn:x:device:Thing:2"), GROUP4)
        self.assertEqual(ear.wait(is_answer)["ST"], "urn:x:device:Thing:2")
        self.assertEqual(len(ear.listen(1)), 1)

    def test_needs_mx_of_a_multicast_search_but_not_of_one_to_itself(self):
        self.advertiser()
        ear = self.ear(self.b, "vb")
        for bad in (None, "0", "-1", "x"):
            ear.say(search(mx=bad), GROUP4)
        ear.say(search(man=None), GROUP4)
        ear.say(b"\x00\xff" * 700, GROUP4)
        ear.say(search().encode() + b"X: " + b"y" * 3000, GROUP4)
        self.assertEqual(ear.listen(1.5), [])
        ear.say(search("upnp:rootdevice", mx=None), "10.77.0.1")
        self.assertEqual(ear.wait(is_answer)["ST"], "upnp:rootdevice")

    def test_answers_nobody_outside_of_the_interfaces_network(self):
        self.b.ip("addr", "add", "192.0.2.9/32", "dev", "vb")
        self.a.ip("route", "add", "192.0.2.9/32", "dev", "va")
        self.advertiser()
        spoofed = self.ear(self.b, "vb", source="192.0.2.9")
        honest = self.ear(self.b, "vb", source="10.77.0.2")
        spoofed.say(search("upnp:rootdevice"), GROUP4)
        spoofed.say(search("upnp:rootdevice", mx=None), "10.77.0.1")
        honest.say(search("upnp:rootdevice"), GROUP4)
        honest.wait(is_answer)
        self.assertEqual(spoofed.listen(1), [])

    def test_answers_a_flood_within_its_limits(self):
        self.advertiser()
        same = self.ear(self.b, "vb")
        for _ in range(300):
            same.say(search(), GROUP4)
        same.wait(is_answer, count=4)
        # it is one, or one more for each second that the flood took
        self.assertLess(len(same.listen(1)), 20, "fewer than are let through at once")
        others = [self.ear(self.b, "vb") for _ in range(60)]
        for other in others:
            other.say(search(), GROUP4)
        total = sum(len(other.listen(1.2 if n == 0 else 0.01)) for n, other in enumerate(others))
        self.assertLessEqual(total, 40, "20 at once and a few a second, of 240")

    def test_says_update_and_a_greater_bootid_when_its_address_changes(self):
        ear = self.ear(self.b, "vb", GROUP4)
        server = self.advertiser()
        first = ear.wait(is_nts("alive"), count=12)[0]
        ear.forget()
        self.a.ip("addr", "del", "10.77.0.1/24", "dev", "va")
        self.wait_log(server, "advertise on va: http://[fd77", count=2)  # it has seen that
        self.a.ip("addr", "add", "10.77.0.7/24", "dev", "va")
        update = ear.wait(is_nts("update"))
        self.assertEqual(update["BOOTID.UPNP.ORG"], first["BOOTID.UPNP.ORG"])
        alive = ear.wait(
            lambda d: d["NTS"] == "ssdp:alive" and d["LOCATION"].startswith("http://10.77.0.7:")
        )
        self.assertGreater(int(alive["BOOTID.UPNP.ORG"]), int(first["BOOTID.UPNP.ORG"]))
        self.assertGreaterEqual(
            int(alive["BOOTID.UPNP.ORG"]), int(update["NEXTBOOTID.UPNP.ORG"])
        )
        self.assertTrue(server.alive())

    def test_keeps_its_uuid_and_raises_bootid_from_run_to_run(self):
        known = []
        for _ in range(3):
            server = self.advertiser()
            known.append(state_of(self.dir / "state"))
            self.assertEqual(server.stop(), 0)
        self.assertEqual(len({uuid for uuid, _ in known}), 1)
        boots = [boot for _, boot in known]
        self.assertEqual(boots, sorted(set(boots)))

    def test_speaks_on_the_named_interface_alone_with_the_address_there(self):
        link(self.a, self.b, "va1", "vb1", 1)
        link(self.a, self.b, "va2", "vb2", 2)
        named, other, quiet = (self.ear(self.b, v, GROUP4) for v in ("vb", "vb1", "vb2"))
        self.advertiser("--advertise", "va1")
        self.assertEqual(named.wait(is_nts("alive"))["LOCATION"].split("/")[2], "10.77.0.1:8123")
        self.assertEqual(other.wait(is_nts("alive"))["LOCATION"].split("/")[2], "10.77.1.1:8123")
        quiet.say(search(), GROUP4)
        self.assertEqual([d for d in quiet.listen(1.2) if d.first[0] != "M"], [])

    def test_stands_beside_another_on_one_host(self):
        self.advertiser()
        self.advertiser(listen=":8124", state="other")
        found = json.loads(self.discover("--json").stdout)
        self.assertEqual(len({item["usn"] for item in found}), 2)
        ports = {item["location"].split("/")[2].rsplit(":", 1)[1] for item in found}
        self.assertEqual(ports, {"8123", "8124"})

    def test_refuses_to_share_the_state_of_another_or_an_interface_that_is_not_there(self):
        self.advertiser()
        for flags, word in (
            (("--advertise", "va", "--state-dir", self.dir / "state"), "in use by another"),
            (("--advertise", "nosuch0", "--state-dir", self.dir / "new"), "nosuch0"),
        ):
            done = self.a.run(
                binaries() / "culvert-server",
                *("--listen", ":8125", "--insecure-no-auth", *flags),
                check=False,
            )
            self.assertEqual(done.returncode, 3, done.stderr)
            self.assertIn(word, done.stderr.splitlines()[-1])


class Table(NetCase):
    """culvertctl discover --listen."""

    def test_prints_devices_as_they_come_and_go(self):
        words = ("discover", "--listen", "--type", "MediaRenderer", "--json")
        listener = self.program(self.b, "table", "culvertctl", *words)
        ear = self.ear(self.a, "va", GROUP4)
        nt, place = "urn:schemas-upnp-org:device:MediaRenderer:1", "http://10.77.0.1/d.xml"

        def say(nts, uuid, type_=nt, age=60):
            ear.say(notify(nts, f"uuid:{uuid}::{type_}", type_, place, age), GROUP4)

        def events():
            return [json.loads(line) for line in listener.log().splitlines()]

        def added():
            say("alive", "stays")
            return events()

        wait_until(added, "the first device")
        say("alive", "other", "urn:schemas-upnp-org:device:Printer:1")
        say("alive", "leaves")
        say("alive", "leaves")
        say("byebye", "leaves")
        say("alive", "dies", age=1)
        wait_until(lambda: "expired" in listener.log(), "an expiry")
        told = [(e["event"], e["usn"].split(":")[1]) for e in events()]
        self.assertEqual(told[0], ("added", "stays"))
        self.assertEqual(
            [event for event in told if event[1] != "stays"],
            [
                ("added", "leaves"),
                ("refreshed", "leaves"),
                ("removed", "leaves"),
                ("added", "dies"),
                ("expired", "dies"),
            ],
        )
        self.assertEqual(events()[0]["location"], place)

    def test_a_search_that_finds_nothing_ends_in_time_and_says_so(self):
        done = self.discover("--timeout", "1s", "--json")
        self.assertEqual((done.returncode, json.loads(done.stdout)), (1, []))

    def test_bad_words_are_refused(self):
        for words in (
            ("--nonsense",),
            ("--type",),
            ("--type", ""),
            ("--timeout", "0"),
            ("--timeout", "soon"),
            ("--interface", "nosuch0"),
        ):
            done = self.discover(*words)
            self.assertEqual(done.returncode, 2, words)
            self.assertEqual(len(done.stderr.splitlines()), 1)


if __name__ == "__main__":
    unittest.main()
