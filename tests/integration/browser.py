"""Headless Chromium inside a network namespace with an address that is not loopback: elsewhere it
gathers no candidates for WebRTC. A page is driven by the DevTools protocol."""
import http.client
import itertools
import json
import shutil

from tests.interop.peer import ws

from . import netns
from .lab import LabCase, wait_until
from .traffic import DEADLINE

# The program itself: Debian's script of that name does not pass on a signal that ends it.
FOLDER = "/usr/lib/chromium"
CHROMIUM = shutil.which("chromium-headless-shell", path=FOLDER) or shutil.which(
    "chromium", path=FOLDER
)
ADDRESS = "10.78.0.1"


def why_not():
    """Why there can be no browser here; None when there can."""
    return netns.why_not() if CHROMIUM else "there is no chromium"


class Page:
    """A browser of its own that shows one page."""

    def __init__(self, ns, profile):
        self.ns, self.numbers = ns, itertools.count(1)
        port_file = profile / "DevToolsActivePort"
        wait_until(lambda: port_file.exists() and port_file.read_text().count("\n"), "DevTools")
        self.port = int(port_file.read_text().splitlines()[0])
        path = wait_until(self._find, "the page")
        with ns.entered():
            self.ws, _ = ws.dial("127.0.0.1", self.port, (), path, DEADLINE)

    def _find(self):
        with self.ns.entered():
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
            connection.request("GET", "/json/list")
        pages = json.loads(connection.getresponse().read())
        connection.close()
        urls = [page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page"]
        return urls and "/" + urls[0].split("/", 3)[3]

    def cast(self, method, **params):
        """Asks, and does not wait for an answer: the number of the request."""
        number = next(self.numbers)
        self.ws.send(1, json.dumps({"id": number, "method": method, "params": params}).encode())
        return number

    def call(self, method, **params):
        number = self.cast(method, **params)
        while True:
            answer = json.loads(self.ws.receive().payload)
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]

    def run(self, script):
        """The value of @script."""
        done = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def text(self, element):
        """What is seen of the element with that id."""
        return self.run(f"document.getElementById('{element}')?.innerText ?? ''")

    def wait_text(self, element, words):
        wait_until(lambda: words in self.text(element), lambda: f"{words}: {self.text(element)}")

    def choose(self, element, path):
        """Chooses a file."""
        found = self.call("Runtime.evaluate", expression=f"document.getElementById('{element}')")
        self.call("DOM.setFileInputFiles", files=[str(path)], objectId=found["result"]["objectId"])

    def close(self):
        self.ws.close()


class BrowserCase(LabCase):
    def setUp(self):
        super().setUp()
        self.ns = netns.Namespace("r")
        self.addCleanup(self.ns.delete)
        self.ns.ip("link", "add", "eth0", "type", "veth", "peer", "name", "eth1")
        self.ns.ip("link", "set", "eth1", "up")
        self.ns.ip("addr", "add", f"{ADDRESS}/24", "dev", "eth0")
        self.ns.ip("link", "set", "eth0", "up")
        self.ns.ip("route", "add", "default", "via", "10.78.0.2")

    def browse(self, name, url):
        """A browser that shows @url: (process, folder of its profile)."""
        profile = self.dir / f"profile-{name}"
        flags = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
        argv = [*self.ns.prefix, CHROMIUM, *flags, f"--user-data-dir={profile}"]
        argv += ["--disable-features=WebRtcHideLocalIpsWithMdns"]
        return self.start(f"page-{name}", [*argv, "--remote-debugging-port=0", url]), profile

    def drive(self, name, url):
        """(process, Page) of a browser that shows @url."""
        process, profile = self.browse(name, url)
        page = Page(self.ns, profile)
        self.addCleanup(page.close)
        return process, page
