"""Rooms as WebSocket and HTTP clients see them, on real sockets."""
import contextlib
import http.client
import json
import signal
import socket
import ssl
import struct

from tests.interop.peer import ws

from . import traffic
from .certs import Certificates
from .lab import LabCase, wait_until
from .traffic import DEADLINE

TEXT, BINARY, PING, PONG, CLOSE = 1, 2, 9, 10, 8
SECRET = "correct horse battery staple"


class End:
    """A client's WebSocket."""

    def __init__(self, port, fields=(), sock=None):
        if sock:
            sock.sendall(ws.request_text("/ws", "rooms", fields, ws.new_key()).encode())
            reader = sock.makefile("rb")
            head = ws.read_head(reader)
            if head is None or head.status != 101:
                raise ws.WsError("no upgrade")
            self.ws = ws.WebSocket(sock, reader, client=True)
        else:
            self.ws, _ = ws.dial("127.0.0.1", port, fields, "/ws", DEADLINE)

    def say(self, opcode=TEXT, fragment=None, **message):
        self.ws.send(opcode, json.dumps(message).encode(), fragment)

    def register(self, room, client):
        self.say(cmd="register", roomid=room, clientid=client)

    def send(self, msg):
        self.say(cmd="send", msg=msg)

    def hear(self):
        """The next (msg, error)."""
        message = self.ws.receive()
        assert message and message.opcode == TEXT, message
        assert message.payload.endswith(b"}\n"), message.payload
        answer = json.loads(message.payload)
        assert list(answer) == ["msg", "error"], answer
        return answer["msg"], answer["error"]

    def hear_close(self):
        """The code of the server's close."""
        message = self.ws.receive()
        assert message and message.opcode == CLOSE, message
        return struct.unpack(">H", message.payload[:2])[0]

    def barrier(self):
        """Returns when the server has read all that was said before."""
        self.ws.send(PING, b"here?")
        message = self.ws.receive()
        assert message.opcode == PONG and message.payload == b"here?", message

    def close(self):
        self.ws.close(1000)


class RoomsCase(LabCase):
    rooms_flags = ()

    def setUp(self):
        super().setUp()
        self.port = traffic.free_port()
        self.culvert = self.server("--rooms", f"127.0.0.1:{self.port}", *self.rooms_flags)
        self.wait_listening(self.culvert, self.port)

    def end(self, room=None, client=None, fields=()):
        end = End(self.port, fields)
        self.addCleanup(end.ws.close)
        if room:
            end.register(room, client)
            end.barrier()
        return end

    def ask(self, method, path, body=None, headers=None):
        """(status, headers, body)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    def status(self):
        return json.loads(self.ask("GET", "/status")[2])


class Conformance(RoomsCase):
    def test_a_message_reaches_the_other_end(self):
        a, b = self.end("r", "a"), self.end("r", "b")
        a.send("offer")
        self.assertEqual(b.hear(), ("offer", ""))
        b.send("answer \u00e9 \U0001f600 <>&")
        self.assertEqual(a.hear(), ("answer \u00e9 \U0001f600 <>&", ""))

    def test_what_is_said_alone_waits_for_the_other_in_order(self):
        a = self.end("r", "a")
        for n in range(20):
            a.send(str(n))
        b = self.end()
        b.register("r", "b")
        self.assertEqual([b.hear()[0] for _ in range(20)], [str(n) for n in range(20)])

    def test_keys_have_any_case_and_other_members_are_ignored(self):
        a, b = self.end(), self.end("r", "b")
        a.say(CMD="register", RoomID="r", clientID="a", more=[1], other=None)
        a.say(opcode=BINARY, Cmd="send", MSG="hi")
        self.assertEqual(b.hear(), ("hi", ""))

    def test_a_fragmented_message_is_one(self):
        a, b = self.end("r", "a"), self.end("r", "b")
        a.say(fragment=7, cmd="send", msg="x" * 5000)
        self.assertEqual(b.hear(), ("x" * 5000, ""))

    def test_no_member_leaks_into_the_next_message(self):
        a, b = self.end("r", "a"), self.end("r", "b")
        a.send("once")
        a.say()
        self.assertEqual(a.hear(), ("", "Invalid message: unexpected 'cmd'"))
        a.say(cmd="send")
        self.assertEqual(a.hear(), ("", "Invalid send request: missing 'msg'"))
        self.assertEqual(a.hear_close(), 1000)
        self.assertEqual(b.hear(), ("once", ""))
        b.barrier()

    def test_each_error_has_its_text_and_its_close(self):
        self.end("r", "taken"), self.end("r", "other")
        cases = [
            ("Client not registered", [{"cmd": "send", "msg": "m"}]),
            (
                "Invalid register request: missing 'clientid' or 'roomid'",
                [{"cmd": "register", "roomid": "x"}],
            ),
            (
                "Duplicated register request",
                [{"cmd": "register", "roomid": "y", "clientid": "y"}] * 2,
            ),
            ("Duplicated registration", [{"cmd": "register", "roomid": "r", "clientid": "taken"}]),
            ("Max room capacity reached", [{"cmd": "register", "roomid": "r", "clientid": "3"}]),
        ]
        for text, messages in cases:
            with self.subTest(text):
                end = self.end()
                for message in messages:
                    end.say(**message)
                self.assertEqual(end.hear(), ("", text))
                self.assertEqual(end.hear_close(), 1000)

    def test_what_is_no_json_is_an_error_and_the_end(self):
        for payload in (b"", b"{", b"[]", b'{"cmd":5}', b"\xff\xfe", b'{"cmd":"send"} x'):
            with self.subTest(payload):
                end = self.end()
                end.ws.send(BINARY, payload)
                self.assertTrue(end.hear()[1].startswith("websocket.JSON.Receive error: "))
                self.assertEqual(end.hear_close(), 1000)
        end = self.end()
        end.ws.send(TEXT, b'{"cmd":"send","msg":"' + b"x" * 200000 + b'"}', 10000)
        self.assertIn("too long", end.hear()[1])

    def test_a_post_waits_and_reaches_the_websocket(self):
        self.assertEqual(self.ask("POST", "/r/a", b"early")[::2], (200, b"OK\n"))
        b = self.end()
        b.register("r", "b")
        self.assertEqual(b.hear(), ("early", ""))
        self.assertEqual(self.ask("POST", "/r/a", b"late \xc3\xa9")[0], 200)
        self.assertEqual(b.hear(), ("late \u00e9", ""))

    def test_a_delete_closes_the_websocket_and_frees_the_place(self):
        a, _ = self.end("r", "a"), self.end("r", "b")
        self.assertEqual(self.ask("DELETE", "/r/a")[::2], (200, b"OK\n"))
        self.assertEqual(a.hear_close(), 1000)
        self.end("r", "c")
        self.assertEqual(self.ask("DELETE", "/no/body")[::2], (200, b"OK\n"))

    def test_an_id_that_is_taken_and_one_that_registers_twice(self):
        a, second, b = self.end("r", "a"), self.end(), self.end("r", "b")
        second.register("r", "a")
        self.assertEqual(second.hear(), ("", "Duplicated registration"))
        self.assertEqual(second.hear_close(), 1000)
        b.send("still there?")
        self.assertEqual(a.hear(), ("still there?", ""))
        a.register("r", "a")
        self.assertEqual(a.hear(), ("", "Duplicated register request"))
        self.assertEqual(a.hear_close(), 1000)
        b.barrier()  # and nobody told it

    def test_leaving_and_coming_back_resumes(self):
        a, b = self.end("r", "a"), self.end("r", "b")
        a.close()
        wait_until(lambda: self.status()["openws"] == 1, "the end of a's socket")
        b.send("are you there?")
        b.barrier()
        a = self.end()
        a.register("r", "a")
        self.assertEqual(a.hear(), ("are you there?", ""))

    def test_refusals_of_http(self):
        self.end("r", "a"), self.end("r", "b")
        prefix = b"Failed to send the message: "
        for method, path, body, expected in [
            ("POST", "/r/a", b"", (500, b"Empty request body\n")),
            ("POST", "/r", b"x", (500, b"Invalid path: /r\n")),
            ("GET", "/r/a/b", None, (500, b"Invalid path: /r/a/b\n")),
            ("POST", "/r/c", b"x", (500, prefix + b"Max room capacity reached\n")),
            ("POST", "/r/a", b"\xff", (400, prefix + b"it is not UTF-8\n")),
            ("POST", "/%ff/a", b"x", (400, b"Invalid path: it is not UTF-8\n")),
            ("DELETE", "/r/%c3%28", None, (400, b"Invalid path: it is not UTF-8\n")),
            ("GET", "/r/a", None, (200, b"")),
            ("OPTIONS", "/r/a", None, (200, b"")),
            ("PUT", "/r/a", b"x", (200, b"")),
        ]:
            with self.subTest(f"{method} {path}"):
                self.assertEqual(self.ask(method, path, body)[::2], expected)
        self.end("full", "a")  # else it is forgotten after 10 s
        for _ in range(1024):
            status = self.ask("POST", "/full/a", b"m")[0]
        self.assertEqual(status, 200)
        refused = prefix + b"Too many messages queued for the client\n"
        self.assertEqual(self.ask("POST", "/full/a", b"m")[::2], (500, refused))

    def test_a_body_has_64_kib_at_most(self):
        b = self.end("r", "b")
        self.assertEqual(self.ask("POST", "/r/a", b"x" * 65536)[0], 200)
        self.assertEqual(b.hear(), ("x" * 65536, ""))
        self.assertEqual(self.ask("POST", "/r/a", b"x" * 65537)[0], 413)
        with socket.create_connection(("127.0.0.1", self.port), DEADLINE) as sock:
            sock.sendall(b"POST /r/a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
            self.assertTrue(sock.recv(4096).startswith(b"HTTP/1.1 411 "))

    def test_status_counts_and_lets_pages_in(self):
        self.end("r", "a").say(cmd="nonsense")
        self.ask("POST", "/r/a", b"")
        _, headers, body = self.ask("GET", "/status")
        status = json.loads(body)
        self.assertEqual(list(status), ["upsec", "openws", "totalws", "wserrors", "httperrors"])
        wait_until(lambda: self.status()["wserrors"] == 1, "one error")
        self.assertEqual((status["openws"], status["totalws"], status["httperrors"]), (1, 1, 1))
        self.assertEqual(headers["Access-Control-Allow-Origin"], "*")
        self.assertEqual(headers["Access-Control-Allow-Methods"], "GET")
        for method, body in ("POST", b"m"), ("POST", b""), ("OPTIONS", None), ("DELETE", None):
            headers = self.ask(method, "/r/a", body)[1]
            self.assertEqual(headers["Access-Control-Allow-Origin"], "*")
            self.assertEqual(headers["Access-Control-Allow-Methods"], "POST, DELETE")

    def test_an_upgrade_elsewhere_is_refused(self):
        with self.assertRaises(ws.WsError):
            ws.dial("127.0.0.1", self.port, (), "/elsewhere", DEADLINE)
        self.assertEqual(self.ask("GET", "/ws")[0], 400)

    def test_an_end_that_does_not_read_is_dropped_alone(self):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(DEADLINE)
        sock.connect(("127.0.0.1", self.port))
        deaf = End(self.port, sock=sock)
        self.addCleanup(deaf.ws.close)
        deaf.register("r", "deaf")
        deaf.barrier()
        a, c, d = self.end("r", "a"), self.end("s", "c"), self.end("s", "d")

        def flood():
            for _ in range(400):  # 24 MiB: more than all socket buffers hold
                a.send("x" * 60000)
                if self.status()["openws"] < 4:
                    return True
            return False

        self.assertTrue(flood(), "the deaf end is still there")
        c.send("not disturbed")
        self.assertEqual(d.hear(), ("not disturbed", ""))
        a.barrier()

    def test_a_drain_closes_each_websocket_with_a_code(self):
        ends = [self.end("r", "a"), self.end("r", "b"), self.end()]
        self.culvert.signal(signal.SIGTERM)
        for end in ends:
            self.assertEqual(end.hear_close(), 1012)
            end.ws.close(1012)
        self.assertEqual(self.culvert.wait(), 0)
        self.assertNotIn("at the end:", self.culvert.log())

    def test_who_does_not_answer_does_not_hold_up_a_drain(self):
        end = self.end("r", "a")
        self.culvert.signal(signal.SIGTERM)
        self.assertEqual(self.culvert.wait(), 0)
        self.assertNotIn("at the end:", self.culvert.log())
        self.assertEqual(end.hear_close(), 1012)


class Listed(RoomsCase):
    def setUp(self):
        admin = traffic.free_port()
        self.rooms_flags = ("--admin", f"127.0.0.1:{admin}")
        self.admin = f"http://127.0.0.1:{admin}"
        super().setUp()

    def test_an_operator_sees_the_rooms(self):
        self.end("full", "a"), self.end("full", "b"), self.end("lone", "a").send("12345")
        wait_until(
            lambda: self.rooms() == [
                {"room": "full", "clients": 2, "queued": 0},
                {"room": "lone", "clients": 1, "queued": 5},
            ],
            self.rooms,
        )

    def test_after_both_are_deleted_no_room_is_left(self):
        a, b = self.end("r", "a"), self.end("r", "b")
        a.send("heard")
        self.assertEqual(b.hear(), ("heard", ""))
        for client, end in ("a", a), ("b", b):
            self.assertEqual(self.ask("DELETE", f"/r/{client}")[::2], (200, b"OK\n"))
            self.assertEqual(end.hear_close(), 1000)
        self.assertEqual(self.rooms(), [])
        wait_until(lambda: self.status()["openws"] == 0, "the end of both")

    def test_no_name_of_a_room_drives_the_terminal_or_hides_the_others(self):
        names = ["red \x1b[31m", "two\nlines", "a NUL\0", "csi \x9b2J"]
        for name in names:
            self.end(name, "a")
        wait_until(lambda: [room["room"] for room in self.rooms()] == names, self.rooms)
        table = self.run_to_end("culvertctl", "--admin", self.admin, "rooms").stdout
        self.assertTrue(set(table) <= {*map(chr, range(0x20, 0x7f)), "\n"}, repr(table))
        for shown in r"red \x1b[31m ", r"two\x0alines ", r"a NUL\x00 ", r"csi \xc2\x9b2J ":
            self.assertIn(shown, table)

    def rooms(self):
        done = self.run_to_end("culvertctl", "--admin", self.admin, "rooms", "--json")
        self.assertTrue(done.stdout.isascii(), done.stdout)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)


class Limits(RoomsCase):
    rooms_flags = ("--rooms-max", 3, "--rooms-max-per-source", 2)

    def test_rooms_of_one_address_are_counted(self):
        self.end("1", "a"), self.end("2", "a")
        third = self.end()
        third.register("3", "a")
        self.assertEqual(third.hear(), ("", "Too many rooms from this address"))
        status, _, body = self.ask("POST", "/3/a", b"m")
        self.assertEqual(status, 503)
        self.assertIn(b"Too many rooms from this address", body)
        self.ask("DELETE", "/1/a")
        self.end("3", "a")


class Budget(RoomsCase):
    rooms_flags = ("--rooms-budget", "1M")

    def test_who_hoards_most_makes_room_and_the_log_says_so(self):
        words = ["x" * 60000, "y" * 60000]
        hoarder = self.end("0", "a")
        for _ in range(4):
            hoarder.send(words[0])
        hoarder.barrier()
        for room in "123":
            for _ in range(4):
                self.assertEqual(self.ask("POST", f"/{room}/a", words[0])[0], 200)
        self.assertEqual(self.ask("POST", "/good/a", words[0])[0], 200)
        self.assertEqual(self.status()["openws"], 1)
        self.assertNotIn("hoards", self.culvert.log())
        self.assertEqual(self.ask("POST", "/good/a", words[1])[0], 200)
        self.wait_log(self.culvert, "rooms: --rooms-budget is full: who hoards most has lost")
        self.assertEqual(self.status()["openws"], 0)
        good = self.end()
        good.register("good", "b")
        self.assertEqual([good.hear() for _ in words], [(word, "") for word in words])
        self.end("0", "b")  # to whom nothing is said


class Origins(RoomsCase):
    rooms_flags = ("--rooms-origin", "https://good.example")

    def test_only_pages_of_that_origin_come_in(self):
        self.end("r", "a", [("Origin", "https://good.example")])
        self.end("r", "b")  # no page at all
        with self.assertRaises(ws.WsError):
            self.end(fields=[("Origin", "https://evil.example")])
        evil = {"Origin": "https://evil.example"}
        status, headers, _ = self.ask("POST", "/r/a", b"m", evil)
        self.assertEqual(status, 403)
        self.assertIsNone(headers["Access-Control-Allow-Origin"])
        good = {"Origin": "https://good.example"}
        status, headers, _ = self.ask("POST", "/r/a", b"m", good)
        self.assertEqual(status, 200)
        self.assertEqual(headers["Access-Control-Allow-Origin"], "https://good.example")


class Secured(RoomsCase):
    def setUp(self):
        LabCase.setUp(self)
        self.secret = self.file("secret", SECRET + "\n")
        self.port = traffic.free_port()
        self.culvert = self.server(
            "--rooms", f"127.0.0.1:{self.port}", "--rooms-secret", self.secret
        )
        self.wait_listening(self.culvert, self.port)

    def room(self, *flags, secret=None):
        done = self.run_to_end(
            "culvertctl", "room", "new", "--secret", secret or self.secret, "--json", *flags
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)["room"]

    def refused(self, room, client):
        end = self.end()
        end.register(room, client)
        self.assertEqual(end.hear(), ("", "Room id not signed for this client, or expired"))
        self.assertEqual(end.hear_close(), 1000)
        self.assertEqual(self.ask("POST", f"/{room}/{client}", b"m")[0], 403)
        self.assertEqual(self.ask("DELETE", f"/{room}/{client}")[0], 403)

    def test_two_named_clients_meet_and_nobody_else_comes_in(self):
        room = self.room("--ids", "alice,bob", "--ttl", "10m")
        alice, bob = self.end(room, "alice"), self.end(room, "bob")
        alice.send("hi")
        self.assertEqual(bob.hear(), ("hi", ""))
        self.assertEqual(self.ask("POST", f"/{room}/bob", b"by POST")[0], 200)
        self.assertEqual(alice.hear(), ("by POST", ""))
        self.refused(room, "mallory")
        self.refused("plain", "alice")
        self.refused(room[:-1] + ("0" if room[-1] != "0" else "1"), "alice")
        self.assertEqual(self.ask("DELETE", f"/{room}/bob")[0], 200)
        self.assertEqual(bob.hear_close(), 1000)

    def test_a_room_of_another_secret_or_past_its_time_is_refused(self):
        other = self.file("other", "another secret of some length")
        self.refused(self.room("--ids", "a,b", secret=other), "a")
        room = self.room("--ids", "a,b", "--ttl", "1s")

        def late():
            end = self.end()
            end.register(room, "a")
            end.ws.send(PING, b"")
            return end.ws.receive().opcode == TEXT  # an error, where a pong comes when it is let in

        wait_until(late, "the room expires")

    def test_bad_words_are_named(self):
        for flags, words in [
            (["--ids", "a"], "--ids"),
            (["--ids", "a,a"], "--ids"),
            (["--ids", "a,b", "--ttl", "soon"], "--ttl"),
            ([], "--ids"),
        ]:
            done = self.run_to_end("culvertctl", "room", "new", "--secret", self.secret, *flags)
            self.assertEqual(done.returncode, 2)
            self.assertIn(words, done.stderr)
        self.secret.chmod(0o644)
        done = self.run_to_end("culvertctl", "room", "new", "--secret", self.secret, "--ids", "a,b")
        self.assertEqual(done.returncode, 2)
        self.assertIn("chmod 600", done.stderr)


class Tls(Certificates):
    def test_rooms_by_tls(self):
        port = traffic.free_port()
        culvert = self.server(
            *("--rooms", f"127.0.0.1:{port}"),
            *("--rooms-tls-cert", self.cert, "--rooms-tls-key", self.key),
        )
        self.wait_listening(culvert, port)
        context = ssl.create_default_context(cafile=str(self.ca))

        def end(client):
            raw = socket.create_connection(("127.0.0.1", port), DEADLINE)
            made = End(port, sock=context.wrap_socket(raw, server_hostname="tunnel.test"))
            made.register("r", client)
            made.barrier()
            return made

        a, b = end("a"), end("b")
        for _ in range(20):
            a.send("x" * 60000)
            self.assertEqual(b.hear(), ("x" * 60000, ""))
        connection = http.client.HTTPSConnection("127.0.0.1", port, context=context)
        connection.request("POST", "/r/a", b"m")
        self.assertEqual(connection.getresponse().read(), b"OK\n")
        self.assertEqual(b.hear(), ("m", ""))
        connection.close()
        culvert.signal(signal.SIGTERM)
        for each in a, b:
            self.assertEqual(each.hear_close(), 1012)
            each.ws.close(1012)
        self.assertEqual(culvert.wait(), 0)
