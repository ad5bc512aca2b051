"""Certificates for tests with TLS, made by openssl."""
import subprocess

from .lab import LabCase


def openssl(*argv):
    subprocess.run(["openssl", *map(str, argv)], check=True, capture_output=True)


class Certificates(LabCase):
    """With an authority of its own, and a certificate for the server."""

    def setUp(self):
        super().setUp()
        self.ca, self.ca_key = self.authority("ca")
        self.cert, self.key = self.certificate(
            "server", "subjectAltName=DNS:tunnel.test,IP:127.0.0.1"
        )

    def authority(self, name):
        cert, key = self.dir / f"{name}.pem", self.dir / f"{name}.key"
        openssl(
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            2,
            "-subj",
            f"/CN={name}",
            "-keyout",
            key,
            "-out",
            cert,
        )
        return cert, key

    def certificate(self, name, extension):
        """Signed by self.ca: (certificate, key)."""
        cert, key, request = (self.dir / f"{name}.{end}" for end in ("pem", "key", "csr"))
        openssl(
            "req",
            "-new",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-subj",
            f"/CN={name}",
            "-keyout",
            key,
            "-out",
            request,
        )
        openssl(
            "x509",
            "-req",
            "-in",
            request,
            "-CA",
            self.ca,
            "-CAkey",
            self.ca_key,
            "-CAcreateserial",
            "-days",
            2,
            "-out",
            cert,
            "-extfile",
            self.file(f"{name}.ext", extension + "\n"),
        )
        return cert, key

    def named(self, name, *parts, authority=None):
        """A client's certificate with the subject @parts (openssl's own order), signed by
        @authority or self.ca: (certificate, key)."""
        ca, ca_key = authority or (self.ca, self.ca_key)
        cert, key, request = (self.dir / f"{name}.{end}" for end in ("pem", "key", "csr"))
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        subject = "".join("/" + part for part in parts)
        openssl("req", "-new", *curve, "-subj", subject, "-keyout", key, "-out", request)
        sign = ("-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", 2)
        openssl("x509", "-req", "-in", request, *sign, "-out", cert)
        return cert, key
