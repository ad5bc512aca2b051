"""A room server is told of each client that is gone, and nobody waits for it."""
import http.server
import queue
import signal
import socket
import ssl
import threading

from . import traffic
from .certs import Certificates
from .lab import wait_until
from .test_rooms import RoomsCase
from .traffic import DEADLINE

UNDER_WAY = 64  # CV_BYE_MAX


class Hook:
    """A room server: notes each request, answers @status."""

    def __init__(self, status=200, tls=None):
        heard = self.heard = queue.Queue()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                heard.put((self.path, self.headers["Host"], self.headers["Content-Length"]))
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class ByeCase(RoomsCase):
    def open(self, url, *flags, **how):
        self.port = traffic.free_port()
        rooms = ("--rooms", f"127.0.0.1:{self.port}", "--rooms-bye-url", url)
        self.culvert = self.server(*rooms, *flags, **how)
        self.wait_listening(self.culvert, self.port)

    def setUp(self):
        super(RoomsCase, self).setUp()

    def hook(self, *args, **how):
        hook = Hook(*args, **how)
        self.addCleanup(hook.close)
        return hook

    def delete(self, room, client="a"):
        """The client of that name comes and goes."""
        self.assertEqual(self.ask("POST", f"/{room}/{client}", b"m")[0], 200)
        self.assertEqual(self.ask("DELETE", f"/{room}/{client}")[0], 200)

    def meet(self, room):
        """Two ends talk: rooms work."""
        a, b = self.end(room, "a"), self.end(room, "b")
        a.send("hi")
        self.assertEqual(b.hear(), ("hi", ""))

    def listener(self):
        """A room server that nobody serves: what connects waits."""
        sock = socket.create_server(("127.0.0.1", 0), backlog=128)
        sock.settimeout(DEADLINE)
        self.addCleanup(sock.close)
        return sock, f"http://127.0.0.1:{sock.getsockname()[1]}"

    def wait_words(self, *words):
        wait_until(lambda: all(word in self.culvert.log() for word in words), self.culvert.log)


class Told(ByeCase):
    def test_of_a_client_that_is_deleted(self):
        hook = self.hook()
        self.open(f"http://127.0.0.1:{hook.port}")
        self.delete("r", "a")
        told = hook.heard.get(timeout=DEADLINE)
        self.assertEqual(told, ("/bye/r/a", f"127.0.0.1:{hook.port}", "0"))

    def test_of_a_client_that_stays_away_whatever_its_name(self):
        hook = self.hook(204)
        self.open(f"http://localhost:{hook.port}/base/")
        self.end("a/b c", "\u00e9?#%-._~").close()
        path = hook.heard.get(timeout=DEADLINE)[0]
        self.assertEqual(path, "/base/bye/a%2Fb%20c/%C3%A9%3F%23%25-._~")
        self.delete("after")  # when it is told of this one, 204 was no complaint
        self.assertEqual(hook.heard.get(timeout=DEADLINE)[0], "/base/bye/after/a")
        self.assertNotIn("was not told", self.culvert.log())

    def test_of_the_longest_names(self):
        hook = self.hook()
        self.open(f"http://127.0.0.1:{hook.port}/{'p' * 990}")
        self.end(256 * "\x01", 128 * "\u00e9").close()
        path = hook.heard.get(timeout=DEADLINE)[0]
        self.assertEqual(path, f"/{'p' * 990}/bye/{256 * '%01'}/{128 * '%C3%A9'}")


class ByTls(Certificates, ByeCase):
    def test_a_server_of_https_is_told_when_its_certificate_is_good(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key)
        hook = self.hook(tls=context)
        url = f"https://127.0.0.1:{hook.port}"
        self.open(url, env={"SSL_CERT_FILE": str(self.ca)})
        self.delete("good")
        self.assertEqual(hook.heard.get(timeout=DEADLINE)[0], "/bye/good/a")
        self.open(url)
        self.delete("stranger")
        self.wait_words(f"rooms: {url} was not told that a client is gone: ", "certificate")
        self.assertTrue(hook.heard.empty())


class Unwell(ByeCase):
    def test_one_that_hangs_delays_nothing(self):
        hook, url = self.listener()
        self.open(url)
        held = []

        def several_at_once():
            """None of these is answered; those that were given up are not counted."""
            self.delete(f"r{len(held)}")
            held.append(hook.accept()[0])
            return sum(is_open(sock) for sock in held) >= 3

        def is_open(sock):
            sock.setblocking(False)
            try:
                while sock.recv(4096):
                    pass
                return False
            except BlockingIOError:
                return True

        wait_until(several_at_once, "requests side by side")
        self.meet("room")
        self.assertEqual(self.ask("GET", "/status")[0], 200)
        self.wait_words("was not told that a client is gone: ", "timed out")
        for sock in held:
            sock.close()

    def test_no_more_than_64_are_under_way_and_the_rest_is_counted(self):
        hook, url = self.listener()
        self.open(url, "--rooms-max", "100000")
        rounds = iter(range(100))

        def overflows():
            turn = next(rounds)
            for n in range(UNDER_WAY + 1):
                self.delete(f"r{turn}-{n}")
            return "as many requests under way as may be (" in self.culvert.log()

        wait_until(overflows, self.culvert.log)
        self.assertRegex(self.culvert.log(), r"may be \(\d+ times so far\)")
        self.meet("room")

    def test_one_that_refuses_or_says_nonsense_is_a_line_of_the_log(self):
        self.open(f"http://127.0.0.1:{traffic.free_port()}")
        self.delete("r")
        self.wait_words("was not told that a client is gone: connection refused (1 times so far)")
        self.meet("room")
        self.open(f"http://127.0.0.1:{self.hook(500).port}")
        self.delete("r")
        self.wait_words("no answer of HTTP that says 2xx")
        hook, url = self.listener()
        self.open(url)
        for answer in (b"", b"HTTP/1.1 2000 OK\r\n\r\n", b"\0" * 200000):
            with self.subTest(answer[:20]):
                before = self.culvert.log().count("was not told")
                self.delete("r")
                sock = hook.accept()[0]
                with sock:
                    sock.recv(4096)
                    try:
                        sock.sendall(answer)
                    except OSError:
                        pass  # it has seen enough
                wait_until(
                    lambda: self.culvert.log().count("was not told") > before, self.culvert.log
                )
        self.meet("room")

    def test_a_server_that_stops_does_not_wait_for_it(self):
        hook, url = self.listener()

        def stops_first():
            """Before the request is given up, which takes 3 s."""
            self.open(url)
            self.delete("r")
            with hook.accept()[0]:
                self.culvert.signal(signal.SIGTERM)
                self.assertEqual(self.culvert.wait(), 0)
            return "timed out" not in self.culvert.log()

        wait_until(stops_first, "a server that stops while a request is under way")


class Refused(ByeCase):
    def test_bad_urls_are_named_by_check(self):
        flags = ("--check", "--listen", "127.0.0.1:0", "--insecure-no-auth")
        for url, words in [
            ("ws://h", "not a URL such as http://HOST:PORT"),
            ("http://h?q", "no query"),
            ("http://u:p@h", "no user or password"),
            (f"http://h/{'x' * 1024}", "longer than 1024 bytes"),
        ]:
            with self.subTest(url[:20]):
                done = self.run_to_end(
                    *("culvert-server", *flags, "--rooms", "127.0.0.1:0", "--rooms-bye-url", url)
                )
                self.assertEqual(done.returncode, 2)
                self.assertIn(words, done.stderr)
        done = self.run_to_end("culvert-server", *flags, "--rooms-bye-url", "http://h")
        self.assertIn("--rooms-bye-url: needs --rooms besides", done.stderr)
