"""Two pages in headless Chromium meet in a room of ours."""
import http.server
import json
import queue
import threading
import unittest

from . import browser
from .lab import binaries
from .test_docs import DOCS, fenced
from .traffic import DEADLINE

ROOMS, PAGES = 8089, 8090
MIB = 8

PAGE = """<!doctype html><meta charset=utf-8><script>
const at = '10.78.0.1', [room, me, how] = location.hash.slice(1).split('/');
const report = what => fetch('/report', {method: 'POST', body: JSON.stringify({me, ...what})});
const hash = async bytes => [...new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))]
  .map(b => b.toString(16).padStart(2, '0')).join('');
const finish = async (data, bytes) => report({bytes, hash: await hash(data)});
const pc = new RTCPeerConnection(), size = MIB << 20;
let ws, early = [];
const say = m => {
  const msg = JSON.stringify(m);
  if (ws.readyState === 1) ws.send(JSON.stringify({cmd: 'send', msg}));
  else fetch(`http://${at}:ROOMS/${room}/${me}`, {method: 'POST', body: msg});
};
const hear = async e => {
  const m = JSON.parse(JSON.parse(e.data).msg);
  if (m.type === 'candidate') {
    const c = {sdpMLineIndex: m.label, sdpMid: m.id, candidate: m.candidate};
    return pc.remoteDescription ? pc.addIceCandidate(c) : early.push(c);
  }
  await pc.setRemoteDescription(m);
  for (const c of early.splice(0)) await pc.addIceCandidate(c);
  if (m.type === 'offer') { await pc.setLocalDescription(); say(pc.localDescription); }
};
const open = () => new Promise(done => {
  ws = new WebSocket(`ws://${at}:ROOMS/ws`);
  ws.onmessage = hear;
  ws.onopen = () => {
    ws.send(JSON.stringify({cmd: 'register', roomid: room, clientid: me}));
    done();
  };
});
const closed = () => new Promise(done => { ws.onclose = done; ws.close(); });
pc.onicecandidate = e => e.candidate && say({type: 'candidate', label: e.candidate.sdpMLineIndex,
  id: e.candidate.sdpMid, candidate: e.candidate.candidate});
const send = dc => {
  const data = new Uint8Array(size);
  for (let i = 0, x = 1; i < size; i++) {
    x = (Math.imul(x, 1103515245) + 12345) & 0x7fffffff;
    data[i] = x >> 16;
  }
  let sent = 0;
  const more = () => {
    while (sent < size && dc.bufferedAmount < 1 << 20)
      dc.send(data.subarray(sent, sent += 16384));
    if (sent >= size) finish(data, sent);
  };
  dc.bufferedAmountLowThreshold = 1 << 18;
  dc.onbufferedamountlow = () => sent < size && more();
  more();
};
pc.ondatachannel = ({channel}) => {
  const data = new Uint8Array(size);
  let got = 0;
  channel.binaryType = 'arraybuffer';
  channel.onmessage = e => {
    data.set(new Uint8Array(e.data), got);
    got += e.data.byteLength;
    if (got === size) finish(data, got);
  };
};
(async () => {
  await open();
  if (how === 'answer') return;
  if (how === 'post') await closed();                  // what is said now goes by POST
  const dc = pc.createDataChannel('file');
  dc.onopen = () => send(dc);
  await pc.setLocalDescription();
  say(pc.localDescription);
  if (how === 'post') await open();                    // and back within 10 s, for the answer
})().catch(e => report({error: String(e)}));
</script>""".replace("ROOMS", str(ROOMS)).replace("MIB", str(MIB))

# The page of docs/ROOMS.md as it stands there, in a page that hands on what it logs.
EXAMPLE = """<!doctype html><meta charset=utf-8><script>
console.log = text => fetch('/report', {method: 'POST', body: JSON.stringify({
  me: location.hash.split('/')[1], text})});
</script><script>
EXAMPLE</script>"""


class Pages(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.server.page.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()
        self.server.reports.put(json.loads(body))

    def log_message(self, *_):
        pass


@unittest.skipIf(browser.why_not(), browser.why_not())
class Browsers(browser.BrowserCase):
    def setUp(self):
        super().setUp()
        with self.ns.entered():
            self.pages = http.server.ThreadingHTTPServer(("127.0.0.1", PAGES), Pages)
        self.pages.reports, self.pages.page = queue.Queue(), PAGE
        threading.Thread(target=self.pages.serve_forever, daemon=True).start()
        self.addCleanup(self.pages.server_close)
        self.addCleanup(self.pages.shutdown)
        server = binaries() / "culvert-server"
        flags = ("--listen", "127.0.0.1:0", "--insecure-no-auth", "--rooms", f"0.0.0.0:{ROOMS}")
        self.culvert = self.start("server", [*self.ns.prefix, server, *flags])

    def page(self, room, me, how):
        # loopback: SHA-256 is for pages of a safe origin
        url = f"http://127.0.0.1:{PAGES}/#{room}/{me}/{how}"
        self.browse(me, url)

    def reports(self):
        """What the two say."""
        reports = [self.pages.reports.get(timeout=DEADLINE) for _ in range(2)]
        self.assertEqual({report["me"] for report in reports}, {"alice", "bob"}, reports)
        return reports

    def meet(self, how):
        self.page("room", "bob", "answer")
        self.page("room", "alice", how)
        reports = self.reports()
        self.assertEqual([report.get("bytes") for report in reports], [MIB << 20] * 2, reports)
        self.assertRegex(reports[0]["hash"], "^[0-9a-f]{64}$")
        self.assertEqual(reports[0]["hash"], reports[1]["hash"])

    def test_a_data_channel_moves_8_mib(self):
        self.meet("offer")

    def test_a_page_whose_websocket_is_closed_posts_and_comes_back(self):
        self.meet("post")

    def test_the_example_of_the_documentation_works(self):
        (script,) = fenced(DOCS / "ROOMS.md", "js")
        self.pages.page = EXAMPLE.replace("EXAMPLE", script)
        self.page("room", "bob", "")
        self.page("room", "alice", "1")
        heard = {report["me"]: report["text"] for report in self.reports()}
        self.assertEqual(heard, {"alice": "hello from bob", "bob": "hello from alice"})
