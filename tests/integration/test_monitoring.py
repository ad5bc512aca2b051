"""Metrics, their page, and what Prometheus and Grafana make of them, against a real server."""
import json
import re
import shutil
import socket
import subprocess
import unittest
import urllib.parse
import urllib.request

from . import traffic
from .directory import TOKEN, Redis
from .lab import ROOT, wait_until
from .test_admin import AdminCase

PACKAGING = ROOT / "packaging"
RULES = PACKAGING / "prometheus/culvert.rules.yaml"
DASHBOARD = PACKAGING / "grafana/culvert.json"
PAGE = ROOT / "docs/MONITORING.md"
NAME = re.compile(r"\b(?:culvert|session_server|process)_[a-z0-9_]+")
# of the interpreter of Debian, which has python3-yaml whichever one runs the tests
TO_JSON = "import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.stdin)))"


def load_yaml(path):
    done = subprocess.run(
        ["/usr/bin/python3", "-c", TO_JSON],
        input=path.read_text(), capture_output=True, text=True, check=True,
    )
    return json.loads(done.stdout)


def panels():
    """The panels of the dashboard that ask for something."""
    dashboard = json.loads(DASHBOARD.read_text())
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def asked(interval="5m"):
    """What the dashboard asks, with values for Grafana's variables."""
    for panel in panels():
        for target in panel["targets"]:
            text = target["expr"].replace("$instance", ".*")
            yield panel["title"], re.sub(r"\$__(rate_interval|range)", interval, text)


def rules():
    return [rule for group in load_yaml(RULES)["groups"] for rule in group["rules"]]


def promtool(*words):
    program = shutil.which("promtool")
    assert program, "no promtool: tools/install-deps test"
    return subprocess.run([program, *map(str, words)], capture_output=True, text=True, check=False)


class MonitoringCase(AdminCase):
    def with_peer(self):
        """A server whose metrics are all there: several loops, a directory, and a peer `b` both
        ways."""
        other, own = traffic.free_port(), traffic.free_port()
        server = self.watched(
            "--threads", "2", "--peer-id", "a", "--peer-token", "from-a",
            "--peer", f"b:from-b:ws://127.0.0.1:{other}/connect",
            "--directory", f"unix:{Redis(self).start().path}",
            "--directory-url", f"ws://127.0.0.1:{own}/connect",
            "--directory-peer-token-file", self.file("directory.token", TOKEN), port=own,
        )
        self.peer_flags = (
            "--peer-id", "b", "--peer-token", "from-b", "--peer", f"a:from-a:{server.url}"
        )
        self.peer = self.server(*self.peer_flags, port=other)
        wait_until(lambda: self.ups() == (1, 1), self.ups)
        return server

    def values(self):
        """{name with its labels: value} of /metrics."""
        status, text = self.ask("/metrics")
        self.assertEqual(status, 200)
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}

    def families(self):
        """{name: (type, labels besides le)} of /metrics."""
        found = {}
        for line in self.ask("/metrics")[1].splitlines():
            if match := re.match(r"# TYPE (\S+) (\S+)", line):
                name = match[1]
                found[name] = (match[2], set())
            elif match := re.match(r"[a-z0-9_]+\{(.*?)\} ", line):
                found[name][1].update(set(re.findall(r"(\w+)=", match[1])) - {"le"})
        return found

    def ups(self):
        values = self.values()
        return tuple(
            values.get(f'culvert_peer_up{{peer="b",direction="{way}"}}') for way in ("out", "in")
        )


CLOSED = 'the other end closed it: "this end stops"'


class Counted(MonitoringCase):
    def test_a_client_that_comes_back_is_a_reconnect(self):
        server = self.watched()
        agents = [self.agent(server.url, key=key) for key in ("foo", "bar")]
        wait_until(lambda: self.values()["culvert_agents"] == 2, "both")
        self.assertEqual(self.values()["culvert_reconnects_total"], 0)
        agents[0].stop()
        self.agent(server.url, key="foo")
        wait_until(lambda: self.values()["culvert_reconnects_total"] == 1, "its return")
        self.assertEqual(self.values()["session_server_total_add_websocket_session"], 3)

    def test_a_peer_goes_and_comes(self):
        self.with_peer()
        self.agent(self.peer.url, key="there")
        clients = 'culvert_peer_clients{peer="b"}'
        wait_until(lambda: self.values()[clients] == 1, "what it announces")
        before = self.values()
        self.assertEqual(before['culvert_peer_reconnects_total{peer="b"}'], 0)
        self.peer.stop()
        wait_until(lambda: self.ups() == (0, 0), self.ups)
        wait_until(lambda: self.values()[clients] == 0, "nothing announced")
        self.peer = self.restart(self.peer)
        wait_until(lambda: self.ups() == (1, 1), self.ups)
        after = self.values()
        self.assertEqual(after['culvert_peer_reconnects_total{peer="b"}'], 1)
        for name, grown in (("connected", 1), ("disconnected", 1)):
            name = f'session_server_total_peer_ws_{name}{{peer="b"}}'
            self.assertEqual(after[name] - before[name], grown, name)
        attempts = 'session_server_total_peer_ws_attempt{peer="b"}'
        self.assertGreater(after[attempts], before[attempts])

    def test_ends_of_sessions_are_counted_by_the_reason_that_is_logged(self):
        tokens, secrets = self.token_file(("agent", "foo"), ("agent", "bar"))
        server = self.watched("--log-format", "json", auth=("--token-file", tokens))
        rows = tokens.read_text().splitlines()
        agents = {
            key: self.agent(server.url, key=key, token=token)
            for key, token in zip(("foo", "bar"), secrets)
        }
        wait_until(lambda: self.values()["culvert_agents"] == 2, "both")
        self.assertEqual(self.ask("/api/v1/clients/foo", "DELETE")[0], 200)
        self.expect_end(server, agents, "foo", "killed", "ended by an operator")
        wait_until(lambda: self.values()["culvert_agents"] == 2, "its return")
        tokens.write_text(rows[0] + "\n")
        self.expect_end(server, agents, "bar", "credential", "the credential is gone")
        agents["foo"].stop()
        self.expect_end(server, agents, "foo", "closed", CLOSED)

    def expect_end(self, server, agents, key, reason, text):
        ended = 'culvert_sessions_ended_total{reason="%s"}'
        wait_until(lambda: self.values()[ended % reason] == 1, self.values)

        def found():
            rows = [json.loads(line) for line in server.log().splitlines()]
            return [row for row in rows if row.get("reason") == reason and row["client"] == key]

        (row,) = wait_until(found, server.log)
        self.assertRegex(row["msg"], rf"session {row['session']} ended: {text}$")
        if reason != "closed":
            said = f'session lost: the other end closed it: "{text}"'
            wait_until(lambda: said in agents[key].log(), agents[key].log)

    def test_refusals_are_counted_by_reason(self):
        path, (token,) = self.token_file(("agent", "foo"))
        server = self.watched(auth=("--token-file", path))
        port = server.forwards["main"]
        self.assertFalse(traffic.echoes(port))
        failed = 'culvert_visits_failed_total{reason="%s"}'
        wait_until(lambda: self.values()[failed % "no_client"] == 1, self.values)
        self.agent(server.url, token="0" * 64)
        refused = 'culvert_front_door_refusals_total{status="401"}'
        wait_until(lambda: self.values()[refused] >= 1, self.values)
        self.agent(server.url, token=token)
        self.wait_echo(port)
        self.aim.close()
        self.assertFalse(traffic.echoes(port))
        wait_until(lambda: self.values()[failed % "refused"] == 1, self.values)

    def test_visitors_without_a_token_that_does_are_counted(self):
        path, _ = self.token_file(("agent", "foo"))
        socks = traffic.free_port()
        server = self.watched("--socks", f"127.0.0.1:{socks}", auth=("--token-file", path))
        for argv in (
            ("-x", f"socks5h://foo:wrong@127.0.0.1:{socks}", "http://127.0.0.1:1/"),
            ("-H", "X-Culvert-Token: wrong", f"http://127.0.0.1:{server.port}/client/foo/http/x/"),
        ):
            subprocess.run(["curl", "-s", *argv], capture_output=True, check=False)
        wait_until(lambda: self.values()["culvert_door_refusals_total"] == 2, self.values)

    def wait_count(self, name, count):
        wait_until(lambda: self.values()[name] >= count, lambda: f"{name}: {self.values()[name]}")
        self.assertEqual(self.values()[name], count, name)

    def test_what_the_http_door_answers_by_itself_is_counted(self):
        path, (agent, token) = self.token_file(
            ("agent", "foo"), ("visitor", "v", "dial=*/*:*", "max-conns=1")
        )
        server = self.watched("--max-body", "1", auth=("--token-file", path))
        self.agent(server.url, token=agent)
        self.wait_echo(server.forwards["main"])

        def ask(address, body=b"", client="foo"):
            sock = traffic.visit(server.port)
            self.addCleanup(sock.close)
            head = f"POST /client/{client}/http/{address}/ HTTP/1.1\r\nHost: x\r\n"
            head += f"X-Culvert-Token: {token}\r\nContent-Length: {len(body)}\r\n\r\n"
            sock.sendall(head.encode() + body)
            return sock

        door = 'culvert_http_door_errors_total{status="%d"}'
        failed = 'culvert_visits_failed_total{reason="%s"}'
        before = self.values()[failed % "no_client"]
        with socket.create_server(("127.0.0.1", 0)) as listener:
            held = ask(f"127.0.0.1:{listener.getsockname()[1]}")
            target, _ = listener.accept()
        for number in (1, 2):
            self.assertTrue(ask("127.0.0.1:1").recv(100).startswith(b"HTTP/1.1 429 "))
            self.wait_count(door % 429, number)
            self.wait_count(failed % "quota", number)
        target.close()
        self.assertTrue(held.recv(100).startswith(b"HTTP/1.1 502 "))
        self.wait_count(door % 502, 1)
        for status, how in (
            (404, {"client": "nobody"}), (413, {"body": b"xx"}), (502, {"address": "127.0.0.1:1"}),
        ):
            answer = ask(**{"address": self.aim.address, **how}).recv(100)
            self.assertTrue(answer.startswith(b"HTTP/1.1 %d " % status), answer)
        self.wait_count(door % 404, 1)
        self.wait_count(door % 413, 1)
        self.wait_count(door % 502, 2)
        self.wait_count(failed % "no_client", before + 1)
        self.wait_count(failed % "refused", 1)

    def test_who_is_turned_away_without_a_word_is_counted(self):
        socks, behind = traffic.free_port(), traffic.free_port()
        server = self.watched(
            "--socks", f"127.0.0.1:{socks}=foo", "--listen", f"127.0.0.1:{behind},proxy-protocol"
        )
        wait_until(lambda: traffic.listening(socks) and traffic.listening(behind), "listeners")
        gone = 'culvert_turned_away_total{reason="%s"}'

        def come(port, words=b""):
            sock = traffic.visit(port)
            self.addCleanup(sock.close)
            sock.sendall(words)
            return sock

        silent = come(socks)
        for number, (port, words) in enumerate(((socks, b"\4\1"), (behind, b"GET / HTTP"))):
            self.assertEqual(traffic.read_end(come(port, words))[0], b"")
            self.wait_count(gone % "protocol", number + 1)
        # who waits for longest makes room, and is the first whose time is up
        waiting = [come(socks) for _ in range(1024)]
        self.assertEqual(traffic.read_end(silent)[0], b"")
        self.wait_count(gone % "full", 1)
        for sock in waiting[1:]:
            sock.close()
        self.assertEqual(traffic.read_end(waiting[0])[0], b"")
        self.wait_count(gone % "silent", 1)

    def test_who_is_not_let_in_at_the_admin_api_is_counted(self):
        self.watched()
        for number in (1, 2):
            self.assertEqual(self.ask("/api/v1/status", Host="evil.test")[0], 403)
            self.wait_count("culvert_admin_refusals_total", number)

    def test_loops_are_looked_at_again_and_again(self):
        self.watched("--threads", "2")
        counts = [f'culvert_loop_lag_seconds_count{{worker="{n}"}}' for n in (0, 1)]
        wait_until(lambda: all(self.values()[name] >= 2 for name in counts), self.values)
        values = self.values()
        for name in counts:
            self.assertEqual(values[name], values[name.replace("count", "bucket").replace(
                "}", ',le="+Inf"}')])

    def test_labels_do_not_grow_with_users(self):
        self.with_peer()
        bounded = {"direction", "reason", "status", "worker", "peer", "version", "commit"}
        for name, (_, labels) in self.families().items():
            self.assertLessEqual(labels, bounded, name)


class Page(MonitoringCase):
    def test_every_metric_is_explained_and_no_other(self):
        self.with_peer()
        shown = {name: kind for name, (kind, _) in self.families().items()}
        told = {}
        for line in PAGE.read_text().splitlines():
            if match := re.match(r"\| (`.*?`) \| (\w+) \|", line):
                told.update({name: match[2] for name in re.findall(r"`([a-z0-9_]+)", match[1])})
        self.assertEqual(told, shown)

    def test_every_alert_is_in_the_page_and_leads_to_a_symptom(self):
        text = PAGE.read_text()
        headings = {
            re.sub(r"[^a-z0-9 -]", "", line.strip("# \n").lower()).replace(" ", "-")
            for line in (ROOT / "docs/TROUBLESHOOTING.md").read_text().splitlines()
            if line.startswith("#")
        }
        for rule in rules():
            if "alert" in rule:
                self.assertIn(f"`{rule['alert']}`", text)
                page, _, anchor = rule["annotations"]["runbook"].partition("#")
                self.assertEqual(page, "docs/TROUBLESHOOTING.md")
                self.assertIn(anchor, headings)


class Tools(MonitoringCase):
    def test_each_alert_fires_and_does_not(self):
        done = promtool("check", "rules", RULES)
        self.assertEqual(done.returncode, 0, done.stderr)
        tests = ROOT / "tests/packaging/rules.yaml"
        done = promtool("test", "rules", tests)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        cases = [case for test in load_yaml(tests)["tests"] for case in test["alert_rule_test"]]
        for fires in (True, False):
            self.assertEqual(
                {case["alertname"] for case in cases if bool(case["exp_alerts"]) == fires},
                {rule["alert"] for rule in rules() if "alert" in rule},
            )

    def test_what_rules_and_dashboard_name_is_there(self):
        self.with_peer()
        names = set()
        for name, (kind, _) in self.families().items():
            names.add(name)
            if kind == "histogram":
                names.update(f"{name}_{part}" for part in ("bucket", "sum", "count"))
        texts = [rule["expr"] for rule in rules()] + [text for _, text in asked()]
        texts += [
            entry["query"]["query"]
            for entry in json.loads(DASHBOARD.read_text())["templating"]["list"]
            if entry["type"] == "query"
        ]
        for text in texts:
            for found in re.findall(r"[a-z0-9_:]+:[a-z0-9_:]+", text):
                self.assertIn(found, [rule.get("record") for rule in rules()])
            text = re.sub(r"[a-z0-9_]+:[a-z0-9_:]+", "", text)
            self.assertLessEqual(set(NAME.findall(text)), names, text)

    def test_each_expression_of_the_dashboard_is_promql(self):
        made = [
            {"record": f"panel{n}", "expr": expr, "labels": {"panel": title}}
            for n, (title, expr) in enumerate(asked())
        ]
        self.assertGreater(len(made), 50)
        path = self.file("panels.json", json.dumps({"groups": [{"name": "x", "rules": made}]}))
        done = promtool("check", "rules", path)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_the_dashboard_is_one(self):
        dashboard = json.loads(DASHBOARD.read_text())
        self.assertGreaterEqual(dashboard["schemaVersion"], 39)
        kinds = {entry["name"]: entry["type"] for entry in dashboard["templating"]["list"]}
        self.assertEqual(kinds, {"datasource": "datasource", "instance": "query"})
        ids = [panel["id"] for panel in dashboard["panels"]]
        self.assertEqual(len(ids), len(set(ids)))
        for panel in panels():
            self.assertEqual(panel["datasource"]["uid"], "${datasource}")
            place = panel["gridPos"]
            self.assertLessEqual(place["x"] + place["w"], 24)

    def prometheus(self):
        """A Prometheus that asks the server each second, with the rules; its URL."""
        program = shutil.which("prometheus")
        self.assertTrue(program, "no prometheus: tools/install-deps test")
        port = traffic.free_port()
        config = self.file("prometheus.yml", json.dumps({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(RULES)],
            "scrape_configs": [{
                "job_name": "culvert",
                "static_configs": [{"targets": [f"127.0.0.1:{self.admin_port}"]}],
            }],
        }))
        self.start("prometheus", [
            program, f"--config.file={config}", f"--storage.tsdb.path={self.dir / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ])
        return f"http://127.0.0.1:{port}"

    def test_every_panel_shows_something(self):
        server = self.with_peer()
        self.agent(server.url)
        self.wait_echo(server.forwards["main"])
        url = self.prometheus()

        def ask(text):
            query = urllib.parse.urlencode({"query": text})
            with urllib.request.urlopen(f"{url}/api/v1/query?{query}", timeout=20) as answer:
                return json.load(answer)["data"]["result"]

        def answers(text):
            try:
                return ask(text)
            except OSError:
                return []

        for title, text in asked("20s"):
            wait_until(lambda text=text: answers(text), f"{title}: {text}")


if __name__ == "__main__":
    unittest.main()
