"""The dashboard in a real browser, driven by Playwright and judged by axe-core."""
import contextlib
import gzip
import http.client
import json
import signal
import subprocess
import unittest

from . import browser, traffic
from .lab import ROOT, binaries, wait_until
from .test_admin import AdminCase

NODE = ROOT / "tests" / "integration" / "node"
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
ROWS = 5000

# What a server says, for a page that is not to have one.
STUB = """
const client = (n) => ({client: `agent-${n}`, session: n, address: `10.0.0.${n}:4000`,
  version: '0.1.0', culvert: true, seconds: 5, rtt_ms: 1.5, conns: 1, bytes_in: 0, bytes_out: 0});
const conn = (id) => ({id, client: `agent-${id % 7}`, door: '127.0.0.1:2222',
  visitor: `10.1.0.1:${id}`, target: 'tcp/127.0.0.1:22', seconds: 5});
const status = {name: 'culvert-server', version: '0.1.0', commit: '', uptime_seconds: 5, threads: 1,
  listen: ['127.0.0.1:8123'], tls: false, peer_id: 'a', sessions: 1, conns: 1, bytes_in: 0,
  bytes_out: 0, queue_bytes: 0, draining: false};
const peers = [
  {peer: 'b', direction: 'in', address: '10.0.0.9:1', state: 'up', clients: 3, seconds: 1},
  {peer: 'b', direction: 'out', address: 'ws://b/connect', state: 'up'},
  {peer: 'c', direction: 'out', address: 'ws://c/connect', state: 'down'},
  {peer: '(Redis)', direction: 'directory', address: 'redis://r', state: 'up', clients: 1},
  {peer: 'a', direction: 'directory', address: 'ws://a', state: 'this server', clients: 1},
  {peer: 'd', direction: 'directory', address: 'ws://d', state: 'listed', clients: 2}];
const events = [
  {number: 1, time: 1, kind: 'joined', client: 'a', text: '1'},
  {number: 2, time: 2, kind: 'left', client: 'a', text: 'closed'},
  {number: 3, time: 3, kind: 'drain', client: '', text: 'no more'}];
const said = (type, at, clients, conns) =>
  ({type, at_ms: at, status, peers, clients, conns});
const range = (n) => Array.from({length: n}, (_, i) => i + 1);
"""

# What stands in the place near the end of the list, on the screen.
AT_THE_END = """(() => {
  const box = document.getElementById('conns-grid').getBoundingClientRect();
  return document.elementFromPoint(box.x + 200, box.bottom - 20)?.closest('.tbody .tr');
})()"""

# Whether anything is drawn in the upper half of the first sparkline.
INK = """(() => {
  const canvas = document.querySelector('#agents-grid .spark canvas');
  const upper = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height / 2);
  return upper.data.some((value) => value > 0);
})()"""


def built():
    """Whether the server has the dashboard in it."""
    return b"dashboard was not built in" not in (binaries() / "culvert-server").read_bytes()


def program():
    """Chromium itself, see browser.py; None: there is none."""
    assert not browser.CHROMIUM or (NODE / "node_modules/playwright-core").is_dir(), (
        "no playwright-core: tools/install-deps test"
    )
    return browser.CHROMIUM


class Browser:
    """One Chromium, for all tests of a class."""

    def __init__(self):
        self.node = subprocess.Popen(
            ["node", NODE / "pages.mjs", program(), str(traffic.DEADLINE * 1000)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )

    def ask(self, **request):
        self.node.stdin.write(json.dumps(request) + "\n")
        self.node.stdin.flush()
        answer = json.loads(self.node.stdout.readline() or '{"error": "the browser is gone"}')
        assert "error" not in answer, answer["error"]
        return answer.get("value")

    def close(self):
        self.node.stdin.close()
        self.node.wait(traffic.DEADLINE)
        self.node.stdout.close()


class Page:
    """A page with settings and storage of its own."""

    def __init__(self, chromium, **options):
        self.chromium, self.closed = chromium, False
        self.number = chromium.ask(open=options)

    def run(self, code):
        """The value that @code, the body of an async function, returns."""
        return self.chromium.ask(page=self.number, code=code)

    def look(self, script):
        """The value of an expression in the page."""
        return self.run(f"return page.evaluate(() => {script})")

    def wait(self, script):
        """Until an expression in the page is true."""
        self.run(f"await page.waitForFunction(() => {script})")

    def wait_text(self, selector, words):
        where = f"page.locator({json.dumps(selector)}).filter({{hasText: {json.dumps(words)}}})"
        self.run(f"await {where}.first().waitFor()")

    def text(self, selector):
        return self.run(f"return page.locator({json.dumps(selector)}).first().innerText()")

    def click(self, role, name):
        """As a person would: what is covered or not to be seen cannot be clicked."""
        by = f"page.getByRole({json.dumps(role)}, {{name: {json.dumps(name)}, exact: true}})"
        self.run(f"await {by}.click()")

    def press(self, *keys):
        for key in keys:
            self.run(f"await page.keyboard.press({json.dumps(key)})")

    def count(self, selector):
        return self.run(f"return page.locator({json.dumps(selector)}).count()")

    def close(self):
        self.closed = True
        self.chromium.ask(close=self.number)


@unittest.skipUnless(program(), "there is no chromium")
@unittest.skipUnless(built(), "the dashboard was not built in")
class DashboardCase(AdminCase):
    @classmethod
    def setUpClass(cls):
        cls.chromium = Browser()
        cls.addClassCleanup(cls.chromium.close)

    def setUp(self):
        super().setUp()
        self.complaints = ()  # of the browser that are to be expected

    def page(self, **options):
        """A page that the server's dashboard will be opened in."""
        options = {"viewport": {"width": 1280, "height": 900}, **options}
        page = Page(self.chromium, **options)
        self.addCleanup(self.finish, page)
        return page

    def finish(self, page):
        """Whatever happened, it asked nobody else, and nothing went wrong in it."""
        if page.closed:
            return
        try:
            state = page.run("return state")
        finally:
            page.close()
        own = (f"http://127.0.0.1:{self.admin_port}/", f"ws://127.0.0.1:{self.admin_port}/")
        self.assertEqual([url for url in state["requests"] if not url.startswith(own)], [])
        wrong = [
            line for line in state["console"] if not any(word in line for word in self.complaints)
        ]
        self.assertEqual(wrong, [])

    def open(self, page, state="Live"):
        page.run(f"await page.goto('http://127.0.0.1:{self.admin_port}/')")
        page.wait_text("#state", state)
        return page

    def busy(self, *flags):
        """(server, page) with the agent foo."""
        server = self.watched(*flags)
        self.agent(server.url)
        self.wait_echo(server.forwards["main"])
        self.wait_quiet()
        page = self.open(self.page())
        page.wait_text("#agents-grid [role=row]", "foo")
        return server, page

    def session(self):
        return [client["session"] for client in self.listed("clients")]


class Shown(DashboardCase):
    def test_agents_connections_and_events_appear_and_go(self):
        server, page = self.busy()
        version = self.listed("status")["version"]
        self.assertIn(version, page.text("#agents-grid .tbody .version"))
        self.assertRegex(page.text("#agents-grid .tbody .address"), r"127\.0\.0\.1:\d+")
        self.assertRegex(page.text("#agents-grid .tbody .rtt"), r"^[\d.]+ ms$")
        self.assertRegex(page.text("#agents-grid .tbody .up"), r"^(\d+m )?\d+s$")
        page.wait_text("#conns", "No visitor is being served.")
        with traffic.visit(server.forwards["main"], "ECHO") as visitor:
            self.assertTrue(traffic.ping(visitor))
            name = "127.0.0.1:%d" % visitor.getsockname()[1]
            page.wait_text("#conns-grid .visitor", name)
            page.wait_text("#conns-grid .target", f"tcp/{self.aim.address}")
            page.wait_text("#figure-conns", "1")
        page.wait_text("#conns", "No visitor is being served.")
        self.agent(server.url, key="second")
        page.wait_text("#events li", "second")
        page.wait_text("#events li .kind", "joined")
        page.wait_text("#figure-agents", "2")
        self.assertEqual(page.look("document.title.split(',')[0]"), "2 agents")

    def test_the_sparkline_moves_when_traffic_flows(self):
        server, page = self.busy()
        draw = "document.querySelector('#agents-grid .spark canvas').toDataURL()"
        page.wait(f"(window.before = {draw}) && document.querySelector('#agents-grid .in')")
        self.assertFalse(page.look(INK), "a line in the upper half without traffic")
        self.assertTrue(traffic.download(server.forwards["main"], 4 << 20))
        page.wait(INK)
        page.wait(f"{draw} !== window.before")
        page.wait("document.querySelector('.figures .in dd').textContent === '0 B/s'")
        self.assertTrue(page.look(INK), "and it stays as long as that minute lasts")

    def test_servers_and_peers_are_a_map(self):
        other = traffic.free_port()
        self.watched(
            *("--peer-id", "a", "--peer-token", "from-a"),
            *("--peer", f"b:from-b:ws://127.0.0.1:{other}/connect"),
        )
        page = self.open(self.page())
        page.wait_text("#map .box.self", "a")
        page.wait_text("#map .box.down", "b")
        page.wait_text("#map li.down", "not connected")
        up = self.server(
            *("--peer-id", "b", "--peer-token", "from-b"),
            *("--peer", f"a:from-a:ws://127.0.0.1:{traffic.free_port()}/connect"), port=other,
        )
        page.wait_text("#map .box.up", "b")
        self.assertEqual(page.count("#map .line.up"), 1)
        up.stop()
        page.wait_text("#map li.down", "not connected")

    def test_nobody_there_is_said_with_the_command_that_changes_it(self):
        server = self.watched()
        page = self.open(self.page())
        page.wait_text("#agents", "No agent is connected yet.")
        command = page.text("#agents code")
        self.assertEqual(command, f"culvert-agent --connect {server.url} --id laptop")
        self.start("agent", [binaries() / "culvert-agent", *command.split()[1:]])
        page.wait_text("#agents-grid [role=row]", "laptop")


class Ordered(DashboardCase):
    def test_a_kick_is_asked_about_first(self):
        _, page = self.busy()
        before = self.session()
        page.click("button", "Kick foo")
        page.wait_text("dialog", "Kick foo?")
        page.click("button", "Cancel")
        page.wait("!document.querySelector('dialog')")
        page.click("button", "Kick foo")
        page.press("Escape")
        page.wait("!document.querySelector('dialog')")
        self.assertEqual(self.session(), before)
        page.click("button", "Kick foo")
        page.click("button", "Kick")
        page.wait_text("#said", "Ended the session of foo.")
        page.wait_text("#events li", "left")
        wait_until(lambda: self.session() not in ([], before), "its return")
        page.wait_text("#agents-grid [role=row]", "foo")

    def test_one_connection_is_ended(self):
        server, page = self.busy()
        port = server.forwards["main"]
        with traffic.visit(port, "ECHO") as kept, traffic.visit(port, "ECHO") as ended:
            self.assertTrue(traffic.ping(kept) and traffic.ping(ended))
            name = "127.0.0.1:%d" % ended.getsockname()[1]
            page.wait_text("#conns-grid .visitor", name)
            (number,) = [c["id"] for c in self.listed("conns") if c["visitor"] == name]
            page.click("button", f"End connection {number}")
            page.click("button", "Cancel")
            self.assertTrue(traffic.ping(ended))
            page.click("button", f"End connection {number}")
            page.click("button", "End it")
            self.assertEqual(traffic.read_end(ended)[0], b"")
            self.assertTrue(traffic.ping(kept))

    def test_what_is_gone_already_is_said(self):
        self.complaints = ("404",)
        server, page = self.busy()
        agent = self.processes[1]
        page.click("button", "Kick foo")
        agent.stop()
        wait_until(lambda: self.listed("clients") == [], "its end")
        page.click("button", "Kick")
        page.wait_text("dialog .problem", "there is none")
        page.click("button", "Cancel")
        self.assertTrue(server.alive())

    def test_a_drain_is_asked_about_first(self):
        self.complaints = ("ERR_CONNECTION_REFUSED",)
        server, page = self.busy()
        with traffic.visit(server.forwards["main"], "ECHO") as visitor:
            self.assertTrue(traffic.ping(visitor))
            page.wait_text("#figure-conns", "1")
            page.click("button", "Drain…")
            page.wait_text("dialog", "1 open connection")
            page.click("button", "Cancel")
            self.assertEqual(self.ask("/readyz")[0], 200)
            page.click("button", "Drain…")
            page.click("button", "Drain")
            page.wait_text("#state", "Draining")
            self.assertTrue(traffic.ping(visitor))
        self.assertEqual(server.wait(), 0)
        page.wait_text("#notice", "The connection to the server is lost.")

    def test_everything_by_keyboard(self):
        server = self.watched()
        for key in ("bravo", "alpha", "charlie"):
            self.agent(server.url, key=key)
        page = self.open(self.page())
        page.wait_text("#figure-agents", "3")

        def names():
            return page.look(
                "[...document.querySelectorAll('#agents-grid .tbody .tr')].sort((a, b) =>"
                " a.ariaRowIndex - b.ariaRowIndex).map(row => row.firstChild.textContent)"
            )

        self.assertEqual(names(), ["alpha", "bravo", "charlie"])
        page.press("Tab")
        self.assertEqual(page.look("document.activeElement.className"), "skip")
        for _ in range(20):
            if page.look("document.activeElement.id") == "agents-filter":
                break
            page.press("Tab")
        page.run("await page.keyboard.type('HA')")
        self.assertEqual(names(), ["alpha", "charlie"])
        self.assertIn("2 of 3 agents", page.text("#said"))
        page.press("Tab")  # the table itself
        self.assertEqual(page.look("document.activeElement.id"), "agents-grid")
        page.press("ArrowDown", "ArrowDown")
        page.wait(
            "document.getElementById(document.activeElement.getAttribute('aria-activedescendant'))"
            ".textContent.startsWith('charlie')"
        )
        page.press("Tab", "Enter")  # the first column's title
        self.assertEqual(names(), ["charlie", "alpha"])
        sorted_by = "document.activeElement.closest('[role=columnheader]').ariaSort"
        self.assertEqual(page.look(sorted_by), "descending")
        page.press("Shift+Tab", "Home", "Enter")
        page.wait_text("dialog", "Kick charlie?")
        self.assertEqual(page.look("document.activeElement.textContent"), "Cancel")
        page.press("Tab", "Enter")
        page.wait_text("#said", "Ended the session of charlie.")
        self.assertEqual(page.look("document.activeElement.id"), "agents-grid", "focus comes back")

    def test_a_theme_can_be_chosen(self):
        self.watched()
        page = self.open(self.page(colorScheme="light"))
        background = "getComputedStyle(document.body).backgroundColor"
        light = page.look(background)
        page.click("button", "Theme: system")
        page.click("button", "Theme: light")
        self.assertNotEqual(page.look(background), light)
        page.run("await page.reload()")
        page.wait_text("#theme", "Theme: dark")
        self.assertNotEqual(page.look(background), light)


class Long(DashboardCase):
    def setUp(self):
        super().setUp()
        self.watched()

    def stubbed(self, clients, conns, **options):
        """A page whose WebSocket says that there are so many, and what changed when told so."""
        page = self.page(**options)
        page.run(STUB + f"""
            await page.routeWebSocket('**/api/v1/live', (socket) => {{
              let at = 1000;
              const say = (document) => socket.send(JSON.stringify(document));
              state.next = (change) => say(said('delta', at += 1000,
                {{new: [], now: [], gone: []}}, {{new: [], gone: [], ...change(conn)}}));
              socket.onMessage(() => say(said('full', at,
                {{new: range({clients}).map(client), now: [], gone: []}},
                {{new: range({conns}).map(conn), gone: []}})) || say({{type: 'events', events}}));
            }});""")
        return self.open(page)

    def test_a_table_of_5000_rows_keeps_few_in_the_document(self):
        page = self.stubbed(ROWS, ROWS)
        for table, first in (("conns", f"{ROWS}"), ("agents", "agent-1")):
            page.wait_text(f"#{table} .count", f"{ROWS:,}")
            self.assertEqual(
                page.look(f"document.getElementById('{table}-grid').ariaRowCount"), str(ROWS + 1)
            )
            page.wait_text(f"#{table}-grid .tbody .td", first)
            self.assertLess(page.count(f"#{table}-grid .tbody .tr"), 40)
        grid = "document.getElementById('conns-grid')"
        page.look(f"{grid}.scrollIntoView({{block: 'center'}})")
        for part in (0.25, 0.5, 0.75, 1):
            page.look(f"{grid}.scrollTop = {grid}.scrollHeight * {part}")
            page.run("state.next((conn) => ({new: [conn(9001)], gone: [9001]}))")
            page.wait(AT_THE_END)
            self.assertLess(page.count("#conns-grid .tbody .tr"), 40)
        page.wait_text("#conns-grid .number", "1")
        page.run("await page.getByLabel('Filter connections').fill('10.1.0.1:4321')")
        page.wait_text("#conns .count", f"1 of {ROWS:,} connections")
        self.assertEqual(page.count("#conns-grid .tbody .tr"), 1)
        page.run("state.next(() => ({gone: [4321]}))")
        page.wait_text("#conns", "Nothing matches the filter.")

    def test_what_is_pointed_at_does_not_become_another_row(self):
        page = self.stubbed(1, 20)
        page.wait_text("#conns .count", "20")
        where = "page.getByRole('button', {name: 'End connection 15', exact: true})"
        page.run(f"await {where}.hover()")
        before = page.run(f"return {where}.boundingBox()")
        page.run("state.next((conn) => ({new: [conn(21), conn(22)]}))")
        page.wait_text("#conns .count", "22")
        self.assertEqual(page.run(f"return {where}.boundingBox()"), before)
        page.run("await page.mouse.move(5, 5); state.next((conn) => ({new: [conn(23)]}))")
        page.wait("document.querySelector('#conns-grid .tbody [aria-rowindex=\"2\"] .number')"
                  ".textContent === '23'")

    def test_no_width_scrolls_sideways(self):
        for width in (390, 320, 768, 901, 1260):
            page = self.stubbed(30, 30, viewport={"width": width, "height": 844})
            page.wait_text("#conns .count", "30")
            self.assertLessEqual(page.look("document.documentElement.scrollWidth"), width)
            for table in ("agents", "conns"):
                grid = f"document.getElementById('{table}-grid')"
                excess = page.look(f"{grid}.scrollWidth - {grid}.clientWidth")
                self.assertLessEqual(excess, 0, f"{table} at {width}")
            page.click("button", "End connection 30")
            page.click("button", "Cancel")
            self.finish(page)

    def test_axe_finds_nothing_in_either_theme(self):
        for scheme in ("light", "dark"):
            for width in (1280, 390):
                page = self.stubbed(
                    30, 30, viewport={"width": width, "height": 900}, colorScheme=scheme
                )
                page.wait_text("#conns .count", "30")
                asked = f"matchMedia('(prefers-color-scheme: {scheme})').matches"
                self.assertTrue(page.look(asked))
                self.assertEqual(page.run("return axe()"), [], (scheme, width))
                page.click("button", "Kick agent-1")
                page.wait_text("dialog", "Kick agent-1?")
                self.assertEqual(page.run("return axe()"), [], (scheme, width, "dialog"))
                page.click("button", "Cancel")
                page.run("await page.getByLabel('Filter agents').fill('none such')")
                page.wait_text("#agents", "Nothing matches")
                self.assertEqual(page.run("return axe()"), [], (scheme, width, "no match"))
                self.finish(page)

    def test_servers_of_the_directory_are_in_the_map(self):
        page = self.stubbed(1, 1)
        page.wait_text("#map-count", "3 peers")
        boxes = page.look("[...document.querySelectorAll('#map .box')].map(b => b.classList[1])")
        self.assertEqual(boxes, ["self", "up", "down", "listed"])
        self.assertEqual(page.text("#map li.listed"), "d listed, 2 agents")

    def test_dark_and_light_follow_the_system(self):
        page = self.stubbed(1, 1, colorScheme="light")
        background = "getComputedStyle(document.body).backgroundColor"
        ink = "document.querySelector('#agents-grid .spark canvas').toDataURL()"
        page.wait_text("#conns .count", "1")
        for _ in range(2):
            page.run("state.next(() => ({}))")
        light = page.look(background)
        drawn = page.look(ink)
        page.run("await page.emulateMedia({colorScheme: 'dark'})")
        self.assertNotEqual(page.look(background), light)
        page.wait(f"{ink} !== {json.dumps(drawn)}")


class Lost(DashboardCase):
    def setUp(self):
        super().setUp()
        self.complaints = ("ERR_CONNECTION_REFUSED", "WebSocket")

    def test_a_restart_is_seen_and_said(self):
        server, page = self.busy()
        server.kill()
        page.wait_text("#notice", "The connection to the server is lost. Everything below is as of")
        page.wait_text("#state", "Disconnected")
        self.assertTrue(page.look("document.body.classList.contains('old')"))
        self.assertTrue(page.look("document.getElementById('drain').disabled"))
        self.assertEqual(page.count("#agents-grid .tbody .tr"), 1, "what was there is still there")
        self.assertEqual(page.run("return axe()"), [])
        server = self.restart(server)
        page.wait_text("#state", "Live")
        self.assertFalse(page.look("document.body.classList.contains('old')"))
        self.assertFalse(page.run("return page.locator('#notice').isVisible()"))
        wait_until(lambda: self.listed("clients"), "the agent's return")
        page.wait("document.querySelectorAll('#agents-grid .tbody .tr').length === 1")
        page.wait(
            "[...document.querySelectorAll('#events li')]"
            ".map(li => li.dataset.number).join() === '1'"
        )

    def test_a_server_that_says_nothing_is_not_believed(self):
        server, page = self.busy()
        server.signal(signal.SIGSTOP)
        page.wait_text("#state", "Stale")
        page.wait_text("#notice", "The server has gone quiet. Everything below is as of")
        server.signal(signal.SIGCONT)
        page.wait_text("#state", "Live")

    def test_one_can_try_at_once(self):
        server, page = self.busy()
        page.look("window.setTimeout = () => 0")  # it does not try by itself
        server.kill()
        page.wait_text("#state", "Disconnected")
        self.restart(server)
        page.run("await page.getByRole('button', {name: /^Try now/}).click()")
        page.wait_text("#state", "Live")


class Locked(DashboardCase):
    def locked(self):
        self.rows, (self.token, self.other) = self.token_file(
            ("admin", "ops"), ("visitor", "v", "dial=*/*:*")
        )
        return self.watched("--admin-token-file", self.rows)

    def sign_in(self, page, token):
        page.run(f"await page.getByLabel('Admin token').fill({json.dumps(token)})")
        page.press("Enter")

    def test_a_token_is_asked_for_and_judged(self):
        server = self.locked()
        self.agent(server.url)
        page = self.open(self.page(), "Signed out")
        page.wait_text("dialog", "This server lets in who has an admin token.")
        self.assertEqual(page.look("document.activeElement.id"), "token")
        self.assertEqual(page.run("return axe()"), [])
        self.sign_in(page, self.other)
        page.wait_text("dialog", "The server does not take that token.")
        self.sign_in(page, self.token)
        page.wait_text("#state", "Live")
        page.wait_text("#agents-grid [role=row]", "foo")
        page.click("button", "Kick foo")
        page.click("button", "Kick")
        page.wait_text("#said", "Ended the session of foo.")
        page.run("await page.reload()")
        page.wait_text("#state", "Live")
        kept = page.look("JSON.stringify([{...localStorage}, document.cookie, location.href])")
        self.assertNotIn(self.token, kept)
        requests = page.run("return state.requests")
        self.assertFalse([url for url in requests if self.token in url])
        self.rows.write_text("\n".join(self.rows.read_text().splitlines()[1:]) + "\n")
        server.signal(signal.SIGHUP)
        page.wait_text("#state", "Signed out")
        page.wait_text("dialog", "The server does not take that token.")


class Served(DashboardCase):
    def fetch(self, path, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=20)
        with contextlib.closing(connection):
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    def test_each_file_with_a_strict_policy_and_packed_where_that_is_taken(self):
        self.watched()
        for path, kind in (("/", "text/html"), ("/index.html", "text/html"),
                           ("/dashboard.js", "text/javascript"), ("/dashboard.css", "text/css"),
                           ("/icon.svg", "image/svg+xml")):
            status, headers, plain = self.fetch(path)
            self.assertEqual((status, headers["Content-Encoding"]), (200, None), path)
            self.assertTrue(headers["Content-Type"].startswith(kind), path)
            self.assertTrue(headers["Content-Security-Policy"].startswith(POLICY), path)
            self.assertEqual(headers["X-Content-Type-Options"], "nosniff")
            self.assertIsNone(headers["Access-Control-Allow-Origin"])
            _, headers, packed = self.fetch(path, **{"Accept-Encoding": "br, gzip"})
            self.assertEqual((headers["Content-Encoding"], headers["Vary"]),
                             ("gzip", "accept-encoding"))
            self.assertEqual(gzip.decompress(packed), plain)
            _, headers, none = self.fetch(path, **{"Accept-Encoding": "gzip;q=0"})
            self.assertEqual((headers["Content-Encoding"], none), (None, plain))
            if path == "/":
                self.assertNotRegex(
                    plain.decode(),
                    r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon\w+=|javascript:|https?://",
                )
        for path in ("/nothing", "/dashboard", "/../etc/passwd", "/assets/"):
            self.assertEqual(self.fetch(path)[0], 404, path)
        self.assertEqual(self.fetch("/", Host="evil.example")[0], 403)

    def test_all_of_it_is_small(self):
        self.watched()
        files = ("/", "/dashboard.js", "/dashboard.css", "/icon.svg")
        for limit, headers in ((200_000, {}), (60_000, {"Accept-Encoding": "gzip"})):
            self.assertLess(sum(len(self.fetch(path, **headers)[2]) for path in files), limit)


if __name__ == "__main__":
    unittest.main()
