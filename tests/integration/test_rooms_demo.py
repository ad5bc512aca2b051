"""The demonstration page of rooms: as HTTP clients see it, and two browsers that use it."""
import hashlib
import json
import random
import unittest

from . import browser
from .lab import ROOT, binaries, wait_until
from .test_rooms import SECRET, RoomsCase

ROOMS = 8089
NAMES = ("index.html", "style.css", "demo.js", "link.js", "transfer.js", "sha256.js")
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "


class Served(RoomsCase):
    rooms_flags = ("--rooms-demo",)
    source = ROOT / "web" / "demo"

    def test_each_file_with_a_strict_policy(self):
        for name in NAMES:
            with self.subTest(name):
                path = "/demo" if name == "index.html" else f"/demo/{name}"
                status, headers, body = self.ask("GET", path)
                self.assertEqual(status, 200)
                self.assertEqual(body, (self.source / name).read_bytes())
                self.assertTrue(headers["Content-Security-Policy"].startswith(POLICY))
                self.assertEqual(headers["X-Content-Type-Options"], "nosniff")
                kind = name.rpartition(".")[2].replace("js", "javascript")
                self.assertEqual(headers["Content-Type"], f"text/{kind}; charset=utf-8")
                self.assertIsNone(headers["Access-Control-Allow-Origin"])
                status, headers, nothing = self.ask("HEAD", path)
                self.assertEqual((status, nothing), (200, b""))
                self.assertEqual(int(headers["Content-Length"]), len(body))

    def test_there_is_no_script_or_style_in_the_page(self):
        page = (self.source / "index.html").read_text()
        self.assertNotRegex(page, r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon\w+=|javascript:")

    def test_a_room_of_that_name_is_one_as_any(self):
        self.assertEqual(self.ask("GET", "/demo/nothing")[::2], (200, b""))
        self.assertEqual(self.ask("POST", "/demo/demo.js", b"m")[::2], (200, b"OK\n"))
        self.assertEqual(self.ask("DELETE", "/demo/demo.js")[::2], (200, b"OK\n"))
        self.assertEqual(self.ask("POST", "/demo", b"m")[0], 500)


class Off(RoomsCase):
    def test_it_is_not_there_unless_asked_for(self):
        self.assertEqual(self.ask("GET", "/demo")[::2], (500, b"Invalid path: /demo\n"))
        self.assertEqual(self.ask("GET", "/demo/demo.js")[::2], (200, b""))


@unittest.skipIf(browser.why_not(), browser.why_not())
class Demo(browser.BrowserCase):
    def serve(self, *flags):
        rooms = ("--rooms", f"{browser.ADDRESS}:{ROOMS}", "--rooms-demo")
        argv = ("--listen", "127.0.0.1:0", "--insecure-no-auth", *rooms, *flags)
        self.culvert = self.start("server", [*self.ns.prefix, binaries() / "culvert-server", *argv])
        wait_until(lambda: "rooms: their page is at /demo" in self.culvert.log(), self.culvert.log)

    def demo(self, name, room=""):
        fragment = f"#{room}" if room else ""
        return self.drive(name, f"http://{browser.ADDRESS}:{ROOMS}/demo{fragment}")[1]

    def meet(self, room="room"):
        alice = self.demo("alice", room)
        alice.wait_text("state", "Waiting for the other browser.")
        bob = self.demo("bob", room)
        for page in (alice, bob):
            page.wait_text("state", "Connected, browser to browser.")
        return alice, bob

    def say(self, page, text):
        page.run(f"document.getElementById('text').value = {json.dumps(text)};")
        page.run("document.getElementById('say').requestSubmit()")

    def click(self, page, element):
        page.run(f"document.getElementById('{element}').click()")

    def move(self, sender, receiver, data):
        """Sends a file; what both show of it agrees with its SHA-256."""
        path = self.dir / "file \u00e9 <b>.bin"
        path.write_bytes(data)
        sender.choose("file", path)
        receiver.wait_text("files", "Received whole: the SHA-256 is the sender\u2019s.")
        sender.wait_text("files", "Sent: the other browser has it, with the same SHA-256.")
        for page in (sender, receiver):
            page.wait_text("files", hashlib.sha256(data).hexdigest())
            page.wait_text("files", path.name)

    def test_chat_and_files_and_who_leaves(self):
        self.serve()
        alice, bob = self.meet()
        self.say(alice, "hello <i>bob</i> \u00e9\U0001f600")
        bob.wait_text("log", "hello <i>bob</i> \u00e9\U0001f600")
        self.say(bob, "hello alice")
        alice.wait_text("log", "hello alice")
        data = random.Random(1).randbytes((5 << 20) + 12345)
        self.move(alice, bob, data)
        self.move(bob, alice, b"")
        for page in (alice, bob):  # what was received can be saved
            self.assertEqual(page.run("document.querySelectorAll('#files a[download]').length"), 1)
        self.click(alice, "leave")
        alice.wait_text("state", "You left the room.")
        bob.wait_text("state", "left. Waiting for one to come.")
        self.assertTrue(bob.run("document.getElementById('text').disabled"))
        alice.run("document.getElementById('join').requestSubmit()")
        for page in (alice, bob):
            page.wait_text("state", "Connected, browser to browser.")
        self.say(alice, "here again")
        bob.wait_text("log", "here again")

    def test_a_page_that_crashes_is_missed(self):
        self.serve()
        alice, bob = self.meet()
        alice.cast("Page.crash")
        bob.wait_text("state", "Waiting for one to come.")
        self.assertEqual(bob.run("document.getElementById('state').dataset.kind"), "left")

    def test_a_third_one_is_told_that_the_room_is_full(self):
        self.serve()
        alice, _ = self.meet()
        third = self.demo("third", "room")
        third.wait_text("state", "Two others are in this room already.")
        self.assertEqual(third.run("document.getElementById('state').dataset.kind"), "failed")
        self.say(alice, "undisturbed")

    def test_signed_rooms_alone_with_a_secret(self):
        secret = self.file("secret", SECRET + "\n")
        self.serve("--rooms-secret", secret)
        argv = ("room", "new", "--secret", secret, "--ids", "a,b", "--json")
        done = self.run_to_end("culvertctl", *argv)
        room = json.loads(done.stdout)["room"]
        alice, bob = self.meet(room)
        self.say(bob, "signed")
        alice.wait_text("log", "signed")
        self.demo("third", room).wait_text("state", "Both places of this room are taken.")
        stranger = self.demo("stranger")
        stranger.wait_text("state", "Not in a room.")
        stranger.run(f"document.getElementById('room').value = '{room[:-1]}'")
        stranger.run("document.getElementById('join').requestSubmit()")
        stranger.wait_text("state", "The server lets in only who has a room id that it signed")
