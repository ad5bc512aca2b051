"""Heads of requests that two programs in a row could read differently: each is answered with one
refusal and closed, nothing of it goes further, and nobody else notices."""
import unittest

from . import traffic
from .lab import LabCase

H = "Host: front.test\r\n"


def request(*lines, first="POST {door} HTTP/1.1", host=H, end="\r\n"):
    return first + "\r\n" + host + "".join(line + "\r\n" for line in lines) + end


def body(*lines):
    return request(*lines) + "GET {door} HTTP/1.1\r\n" + H + "\r\n"  # what a smuggler would hide


# (what is odd, the request, the status of the answer)
LENGTHS = [
    ("length beside chunked", body("Content-Length: 5", "Transfer-Encoding: chunked"), 400),
    ("chunked beside length", body("Transfer-Encoding: chunked", "Content-Length: 5"), 400),
    ("chunked beside length 0", body("Transfer-Encoding: chunked", "Content-Length: 0"), 400),
    ("two lengths that differ", body("Content-Length: 5", "Content-Length: 6"), 400),
    ("two lengths that agree", body("Content-Length: 5", "Content-Length: 5"), 400),
    ("a list of lengths", body("Content-Length: 5, 5"), 400),
    ("length with plus", body("Content-Length: +5"), 400),
    ("length with minus", body("Content-Length: -5"), 400),
    ("length in hexadecimal", body("Content-Length: 0x5"), 400),
    ("length of two words", body("Content-Length: 5 5"), 400),
    ("length with a fraction", body("Content-Length: 5.0"), 400),
    ("length without a number", body("Content-Length:"), 400),
    ("length in letters", body("Content-Length: five"), 400),
    ("length over 63 bits", body("Content-Length: 9223372036854775808"), 400),
    ("length over 64 bits", body("Content-Length: 18446744073709551621"), 400),
    ("length in quotes", body('Content-Length: "5"'), 400),
    ("a coding before chunked", body("Transfer-Encoding: gzip, chunked"), 400),
    ("a coding behind chunked", body("Transfer-Encoding: chunked, identity"), 400),
    ("chunked twice", body("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), 400),
    ("chunked and another", body("Transfer-Encoding: chunked", "Transfer-Encoding: x"), 400),
    ("identity", body("Transfer-Encoding: identity"), 400),
    ("xchunked", body("Transfer-Encoding: xchunked"), 400),
    ("chunked in quotes", body('Transfer-Encoding: "chunked"'), 400),
    ("chunked with a parameter", body("Transfer-Encoding: chunked;q=1"), 400),
    ("chunked with a comma", body("Transfer-Encoding: chunked,"), 400),
    ("chunked behind a vertical tab", body("Transfer-Encoding: \x0bchunked"), 400),
    ("no coding", body("Transfer-Encoding:"), 400),
    (
        "chunked in HTTP/1.0",
        request("Transfer-Encoding: chunked", first="POST {door} HTTP/1.0"),
        400,
    ),
]

LINES = [
    ("a folded header", request("A: b", " c"), 400),
    ("a header folded by a tab", request("A: b", "\tc"), 400),
    ("the first header folded", request(host=" " + H), 400),
    ("a folded length", request("Content-Length:", " 5"), 400),
    ("LF alone everywhere", request().replace("\r\n", "\n"), 400),
    ("LF alone in a header", request("A: b\nC: d"), 400),
    ("LF alone hides a length", request("A: b\nContent-Length: 5"), 400),
    ("CR alone in a header", request("A: b\rC: d"), 400),
    ("CR alone hides a length", request("A: b\rContent-Length: 5"), 400),
    ("two CR", request("A: b\r"), 400),
    ("the blank line by LF alone", request("A: b", end="\n"), 400),
    ("NUL in a value", request("A: b\0c"), 400),
    ("NUL in a name", request("A\0: b"), 400),
    ("a control byte in a value", request("A: b\x01"), 400),
    ("DEL in a value", request("A: b\x7f"), 400),
    ("a blank before the colon", request("A : b"), 400),
    ("a tab before the colon", request("A\t: b"), 400),
    ("a blank before the length's colon", request("Content-Length : 5"), 400),
    ("a blank before the coding's colon", request("Transfer-Encoding : chunked"), 400),
    ("no name", request(": b"), 400),
    ("no colon", request("nothing"), 400),
    ("brackets in a name", request("A(b): c"), 400),
    ("UTF-8 in a name", request("\u00e4: c"), 400),
    ("an empty line in front", "\r\n" + request(), 400),
    ("TLS at a plain door", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
]

FIRST = [
    ("two blanks before the target", request(first="POST  {door} HTTP/1.1"), 400),
    ("two blanks behind the target", request(first="POST {door}  HTTP/1.1"), 400),
    ("a blank behind the version", request(first="POST {door} HTTP/1.1 "), 505),
    ("a blank in front", request(first=" POST {door} HTTP/1.1"), 400),
    ("a tab behind the method", request(first="POST\t{door} HTTP/1.1"), 400),
    ("a blank in the target", request(first="POST {door}/a b HTTP/1.1"), 400),
    ("no version", request(first="POST {door}"), 505),
    ("a method alone", request(first="POST"), 400),
    ("a method in small letters", request(first="post {door} HTTP/1.1"), 400),
    ("an unknown method", request(first="FOO {door} HTTP/1.1"), 400),
    ("a version in small letters", request(first="POST {door} http/1.1"), 400),
    ("a version without a dot", request(first="POST {door} HTTP/11"), 505),
    ("a cut version", request(first="POST {door} HTTP/1."), 505),
    ("version 1.2", request(first="POST {door} HTTP/1.2"), 505),
    ("version 2.0", request(first="POST {door} HTTP/2.0"), 505),
    ("version 0.9", request(first="POST {door} HTTP/0.9"), 505),
    ("the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    ("another protocol", request(first="POST {door} RTSP/1.0"), 400),
    ("a line over 8 KiB", request(first="POST {door}/" + "a" * 8192 + " HTTP/1.1"), 414),
    ("a header over 8 KiB", request("A: " + "b" * 8192), 431),
    ("65 headers", request(*["A: b"] * 64), 431),
    ("a head over 16 KiB", request(*["A: " + "b" * 4000] * 5), 431),
]

HOSTS = [
    ("no Host", request(host=""), 400),
    ("two that agree", request(host=H + H), 400),
    ("two that differ", request(host=H + "Host: other.test\r\n"), 400),
    ("an empty one", request(host="Host:\r\n"), 400),
    ("with a path", request(host="Host: front.test/x\r\n"), 400),
    ("a list", request(host="Host: front.test, other.test\r\n"), 400),
    ("with a user", request(host="Host: u@front.test\r\n"), 400),
    ("with half a port", request(host="Host: front.test:\r\n"), 400),
    ("with port 65536", request(host="Host: front.test:65536\r\n"), 400),
    ("IPv6 without brackets", request(host="Host: ::1\r\n"), 400),
    ("IPv6 with half a bracket", request(host="Host: [::1\r\n"), 400),
    ("absolute, another host", request(first="GET http://other.test{door} HTTP/1.1"), 400),
    ("absolute, another port", request(first="GET http://front.test:81{door} HTTP/1.1"), 400),
    ("absolute with a user", request(first="GET http://u@front.test{door} HTTP/1.1"), 400),
    ("absolute, another scheme", request(first="GET ftp://front.test{door} HTTP/1.1"), 400),
    ("absolute without a host", request(first="GET http://{door} HTTP/1.1"), 400),
    ("a target without a slash", request(first="GET connect HTTP/1.1"), 400),
    ("a star for GET", request(first="GET * HTTP/1.1"), 400),
    ("a fragment", request(first="GET {door}#x HTTP/1.1"), 400),
    ("bytes over 127", request(first="GET {door}/\u00e4 HTTP/1.1"), 400),
    ("CONNECT to a path", request(first="CONNECT {door} HTTP/1.1"), 400),
    ("CONNECT without a port", request(first="CONNECT front.test HTTP/1.1"), 400),
    ("CONNECT to another", request(first="CONNECT other.test:443 HTTP/1.1"), 400),
    (
        "CONNECT with a body",
        request("Content-Length: 1", first="CONNECT front.test:443 HTTP/1.1"),
        400,
    ),
]

TABLE = [*LENGTHS, *LINES, *FIRST, *HOSTS]


class Heads(LabCase):
    """Against the doors that heads come in by: the tunnel's, and the one to an agent's targets."""

    def ask(self, port, text):
        """All that a request is answered with, up to the end."""
        with traffic.visit(port) as sock:
            sock.sendall(text.encode("utf-8"))
            return traffic.read_end(sock)

    def test_the_table_is_refused_case_by_case(self):
        self.assertGreaterEqual(len(TABLE), 60)
        self.assertEqual(len({text for _, text, _ in TABLE}), len(TABLE), "a case stands twice")
        aim = self.target()
        _, agent, port = self.tunnel(target=aim)
        server = self.processes[0]
        accepted = aim.accepted
        with traffic.visit(port, "ECHO") as visitor:
            self.assertTrue(traffic.ping(visitor))
            for door in ("/connect", f"/client/foo/http/{aim.address}"):
                for name, text, status in TABLE:
                    with self.subTest(name, door=door):
                        answer, _ = self.ask(server.port, text.replace("{door}", door))
                        self.assertRegex(answer, b"^HTTP/1[.]1 %d " % status)
                        self.assertEqual(answer.count(b"HTTP/1.1 "), 1, "more than one answer")
                        self.assertIn(b"Connection: close", answer)
            self.assertTrue(traffic.ping(visitor), "a visitor suffered")
        self.assertEqual(aim.accepted, accepted + 1, "something went on to the target")
        self.assertTrue(server.alive() and agent.alive())

    def test_what_is_right_is_not_refused_for_its_form(self):
        """So that the table does not pass against a door that refuses everything."""
        _, _, port = self.tunnel()
        server = self.processes[0]
        for text in (
            request(first="GET /connect HTTP/1.1"),
            request("A:  b ", "Empty:", first="GET http://front.test/connect HTTP/1.1"),
            request(first="GET /connect HTTP/1.0", host=""),
        ):
            answer, _ = self.ask(server.port, text)
            self.assertRegex(answer, b"^HTTP/1[.]1 (401|426) ")
        self.assertTrue(traffic.echoes(port))


if __name__ == "__main__":
    unittest.main()
