"""docs/openapi.yaml against a server: each call that stands there answers with the shape that it
says, and the server has no call that does not stand there."""
import http.client
import json
import re
import subprocess
import unittest

from . import traffic
from .lab import ROOT, wait_until
from .test_admin import AdminCase
from .test_live import Watch

# of the interpreter of Debian, which has python3-yaml and python3-jsonschema whichever one runs
# the tests: reads [schema, value] pairs, and prints what is wrong
VALIDATE = """
import json, sys, jsonschema
for name, schema, value in json.load(sys.stdin):
    for error in jsonschema.Draft7Validator(schema).iter_errors(value):
        print(name, list(error.absolute_path), error.message)
"""
TO_JSON = "import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.stdin)))"


def debian_python(code, text):
    done = subprocess.run(
        ["/usr/bin/python3", "-W", "ignore", "-c", code],
        input=text, capture_output=True, text=True, check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


SPEC = json.loads(debian_python(TO_JSON, (ROOT / "docs/openapi.yaml").read_text()))


def resolved(part):
    """@part of the document without references, as JSON Schema, where objects have no members but
    those that are named."""
    if isinstance(part, list):
        return [resolved(item) for item in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        target = SPEC
        for name in part["$ref"].removeprefix("#/").split("/"):
            target = target[name]
        return resolved(target)
    done = {key: resolved(value) for key, value in part.items()}
    if done.pop("nullable", False):
        done["type"] = [done["type"], "null"]
    if done.get("type") == "object":
        done.setdefault("additionalProperties", False)
        done.setdefault("required", [])
    return done


class OpenApi(AdminCase):
    def everything(self):
        """A server where each list has something."""
        other = traffic.free_port()
        rooms = traffic.free_port()
        path, (token, _) = self.token_file(
            ("agent", "foo", "publish=http:pub.example", "publish=tcp:*"), ("agent", "bar")
        )
        auth = ("--token-file", path)
        server = self.watched(
            "--peer-id", "a", "--peer-token", "from-a",
            "--peer", f"b:from-b:ws://127.0.0.1:{other}/connect",
            "--rooms", f"127.0.0.1:{rooms}",
            "--route", "a.example/x=foo/127.0.0.1:80", "--route", "tls:t.example=foo/127.0.0.1:443",
            auth=auth,
        )
        self.server(
            "--peer-id", "b", "--peer-token", "from-b", "--peer", f"a:from-a:{server.url}",
            port=other, auth=auth,
        )
        self.agent(
            server.url, "--publish", "http:pub.example=127.0.0.1:80",
            "--publish", f"tcp:{traffic.free_port()}=127.0.0.1:80", token=token,
        )
        self.wait_echo(server.forwards["main"])
        self.wait_quiet()
        visitor = traffic.visit(server.forwards["main"], "ECHO")
        self.addCleanup(visitor.close)
        self.assertTrue(traffic.ping(visitor))
        room = http.client.HTTPConnection("127.0.0.1", rooms, timeout=traffic.DEADLINE)
        self.addCleanup(room.close)
        room.request("POST", "/room/client", body="hello")
        self.assertEqual(room.getresponse().status, 200)
        wait_until(lambda: len(self.listed("peers")) == 2, "the peer both ways")
        wait_until(lambda: len(self.listed("forwards")) == 2, "what is published")
        return server

    def call(self, method, path):
        status, body = self.ask(path, method)
        kind = "application/json" if path.startswith("/api/") else None
        return status, json.loads(body) if kind else body

    def answers(self):
        """[(call, what the document says of the answer, the answer)] of each call that is there,
        those that end something last."""
        ids = {"client": ("foo", "nobody"), "id": (str(self.listed("conns")[0]["id"]), "999999")}
        calls = [
            (method.upper(), path, operation)
            for path, operations in SPEC["paths"].items()
            for method, operation in operations.items()
            if set(operation["responses"]) - {"101"}
        ]
        order = ["GET", "DELETE", "POST"]
        for method, path, operation in sorted(
            calls, key=lambda call: (order.index(call[0]), "{client}" in call[1])
        ):
            name = re.search(r"\{(.*)\}", path)
            for word in ids[name[1]] if name else ("",):
                target = path.replace(f"{{{name[1]}}}", word) if name else path
                status, value = self.call(method, target)
                yield f"{method} {target}", operation["responses"], status, value

    def test_every_call_answers_with_the_shape_that_is_told(self):
        self.everything()
        pairs = []
        for name, responses, status, value in self.answers():
            self.assertIn(str(status), responses, name)
            content = resolved(responses[str(status)]).get("content", {})
            if name.split()[1].startswith("/api/"):
                schema = content["application/json"]["schema"]
                pairs.append((name, schema, value))
                if isinstance(value, list):
                    self.assertTrue(value, f"{name}: an empty list shows nothing")
        self.assertGreater(len(pairs), 10)
        self.assertEqual(debian_python(VALIDATE, json.dumps(pairs)), "")

    def test_watchers_hear_what_is_told(self):
        server = self.everything()
        watch = Watch(self.admin_port)
        self.addCleanup(watch.ws.close)
        documents = []
        while not {"full", "events"} <= set(watch.kinds):
            documents.append(watch.hear())
        self.assertTrue(traffic.echoes(server.forwards["main"]))
        while not documents[-1].get("clients", {}).get("now"):
            documents.append(watch.hear())
        self.assertTrue(watch.conns and watch.peers and watch.clients)
        pairs = []
        for document in documents:
            name = "Events" if document["type"] == "events" else "Snapshot"
            schema = resolved(SPEC["components"]["schemas"][name])
            pairs.append((document["type"], schema, document))
        self.assertEqual(debian_python(VALIDATE, json.dumps(pairs)), "")

    def test_every_call_of_the_server_is_told(self):
        head = (ROOT / "src/http/admin.h").read_text()
        table = re.search(r"#define CV_ADMIN_LISTS\(X\)(.*?)\n\n", head, re.S)[1]
        names = {f"/api/v1/{name}" for name in re.findall(r"X\(\w+, (\w+)\)", table)}
        self.assertGreater(len(names), 6)
        told = {path for path in SPEC["paths"] if "get" in SPEC["paths"][path]}
        self.assertLessEqual(names, told)
        listed = {path for path in told if path.startswith("/api/")} - names
        for path in listed:
            self.assertIn("101", SPEC["paths"][path]["get"]["responses"], path)

    def test_errors_are_objects_with_the_member_error(self):
        self.watched()
        for method, path, status in (
            ("GET", "/api/v1/nothing", 404), ("POST", "/api/v1/status", 405),
            ("DELETE", "/api/v1/conns/x", 404),
        ):
            found, value = self.call(method, path)
            self.assertEqual((found, list(value)), (status, ["error"]))


if __name__ == "__main__":
    unittest.main()
