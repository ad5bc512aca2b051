"""--serve DIR: a read-only file service at culvert.files:80, reached through the tunnel."""
import http.client
import os
import unittest

from . import traffic
from .lab import LabCase, wait_until

SIZE = 3 * traffic.MIB + 17


class Serve(LabCase):
    def setUp(self):
        super().setUp()
        self.root = self.dir / "www"
        (self.root / "sub").mkdir(parents=True)
        self.body = b"".join(traffic.content(SIZE))
        (self.root / "big.bin").write_bytes(self.body)
        (self.root / "sub" / "with space.txt").write_text("inside\n")
        (self.root / "empty").write_bytes(b"")
        (self.dir / "secret").write_text("outside\n")
        os.symlink(self.dir / "secret", self.root / "link")
        server = self.server(forwards={"files": "foo/culvert.files:80"})
        self.agent(server.url, "--serve", self.root)
        self.port = server.forwards["files"]
        wait_until(self.answers, "the file service")

    def answers(self):
        try:
            return self.ask("/empty")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def ask(self, path, method="GET", **fields):
        """(status, fields, body)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=traffic.DEADLINE)
        try:
            connection.request(
                method, path, headers={n.replace("_", "-"): v for n, v in fields.items()}
            )
            response = connection.getresponse()
            return (
                response.status,
                dict((n.lower(), v) for n, v in response.getheaders()),
                response.read(),
            )
        finally:
            connection.close()

    def test_a_file(self):
        status, fields, body = self.ask("/big.bin")
        self.assertEqual((status, int(fields["content-length"])), (200, SIZE))
        self.assertTrue(body == self.body)
        self.assertEqual(self.ask("/sub/with%20space.txt")[2], b"inside\n")
        self.assertEqual(self.ask("/empty")[2], b"")

    def test_head(self):
        status, fields, body = self.ask("/big.bin", "HEAD")
        self.assertEqual((status, int(fields["content-length"]), body), (200, SIZE, b""))

    def test_ranges(self):
        for asked, start, end in (
            ("bytes=0-9", 0, 9),
            ("bytes=100-", 100, SIZE - 1),
            ("bytes=-5", SIZE - 5, SIZE - 1),
            (f"bytes=10-{SIZE * 2}", 10, SIZE - 1),
        ):
            with self.subTest(asked):
                status, fields, body = self.ask("/big.bin", Range=asked)
                self.assertEqual(status, 206)
                self.assertEqual(fields["content-range"], f"bytes {start}-{end}/{SIZE}")
                self.assertTrue(body == self.body[start : end + 1])
        self.assertEqual(self.ask("/big.bin", Range=f"bytes={SIZE}-")[0], 416)

    def test_nothing_outside_is_served(self):
        for path in (
            "/../secret",
            "/%2e%2e/secret",
            "/sub/../../secret",
            "/..%2fsecret",
            "//../secret",
            "/sub/%2e%2e/%2e%2e/secret",
            "/link",
            "/sub/..%00/secret",
            "/..\\secret",
        ):
            with self.subTest(path):
                status, _, body = self.ask(path)
                self.assertIn(status, (400, 403, 404))
                self.assertNotIn(b"outside", body)

    def test_absent_files_and_writing(self):
        self.assertEqual(self.ask("/absent")[0], 404)
        for method in ("PUT", "POST", "DELETE"):
            self.assertIn(self.ask("/empty", method)[0], (405, 501))
        self.assertTrue((self.root / "empty").exists())

    def test_two_requests_on_one_connection(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=traffic.DEADLINE)
        for _ in range(2):
            connection.request("GET", "/sub/with%20space.txt")
            self.assertEqual(connection.getresponse().read(), b"inside\n")
        connection.close()


if __name__ == "__main__":
    unittest.main()
