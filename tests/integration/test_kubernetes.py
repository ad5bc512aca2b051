"""The manifests for Kubernetes, as far as that can be judged without a cluster: they have the
fields that its API has, the programs take the configuration in them, what they refer to is there,
and nothing in them is root."""
import json
import subprocess
import unittest

from .lab import ROOT, LabCase

FOLDER = ROOT / "packaging/kubernetes"
# the interpreter of Debian has python3-yaml, whichever one runs the tests
TO_JSON = "import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(sys.stdin))))"


def load(name):
    """{kind: the object of that kind} of one manifest."""
    done = subprocess.run(
        ["/usr/bin/python3", "-c", TO_JSON],
        input=(FOLDER / name).read_text(),
        capture_output=True,
        text=True,
        check=True,
    )
    return {found["kind"]: found for found in json.loads(done.stdout)}


def wrong(text):
    """What Kubernetes would not take of a manifest, in lines."""
    done = subprocess.run(
        ["/usr/bin/python3", ROOT / "tests/integration/kubernetes_schema.py"],
        input=text, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


class Fields(unittest.TestCase):
    def test_kubernetes_has_every_kind_and_field(self):
        for path in FOLDER.glob("*.yaml"):
            self.assertEqual(wrong(path.read_text()), [], path.name)

    def test_mistakes_are_found(self):
        text = (FOLDER / "server.yaml").read_text()
        for right, mistaken, said in (
            ("containerPort: 8123", "containerport: 8123", "containerport: there is no such field"),
            ("containerPort: 8123", 'containerPort: "8123"', "'8123' is no int"),
            ("runAsNonRoot: true", "runAsNonRoot: yes please", "'yes please' is no bool"),
            ("volumes:", "volume:", "spec.volume: there is no such field"),
            ("replicas: 1", "replicas: [1]", "[1] is no int"),
            ("        - name: server\n", "        - title: server\n", "`name`, must not be `None`"),
            ("selector:\n    matchLabels", "chosen:\n    matchLabels", "`selector`, must not be"),
            ("apps/v1", "apps/v2", "Deployment: not in apps/v2"),
            ("kind: Service", "kind: Servant", "Servant: not in v1"),
        ):
            with self.subTest(mistaken):
                self.assertIn(right, text)
                self.assertIn(said, "\n".join(wrong(text.replace(right, mistaken, 1))))


class Manifests(LabCase):
    def setUp(self):
        super().setUp()
        self.manifests = {name: load(f"{name}.yaml") for name in ("server", "agent")}

    def pods(self):
        """Each manifest's objects, and its pod."""
        for objects in self.manifests.values():
            yield objects, objects["Deployment"]["spec"]["template"]["spec"]

    @staticmethod
    def containers(pod):
        return pod.get("initContainers", []) + pod["containers"]

    def test_the_programs_take_the_configuration_and_the_command(self):
        tokens = self.file("tokens", "")
        for name, objects in self.manifests.items():
            (container,) = objects["Deployment"]["spec"]["template"]["spec"]["containers"]
            program, flag, path = container["args"]
            self.assertEqual((program, flag), (f"culvert-{name}", "--config"))
            folder, _, file = path.rpartition("/")
            self.assertIn(folder, [mount["mountPath"] for mount in container["volumeMounts"]])
            text = objects["ConfigMap"]["data"][file].replace("/run/culvert/tokens", str(tokens))
            done = self.run_to_end(program, "--config", self.file(file, text), "--check")
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_nothing_is_root_or_can_write_to_its_root(self):
        for _, pod in self.pods():
            self.assertTrue(pod["securityContext"]["runAsNonRoot"])
            self.assertGreater(pod["securityContext"]["runAsUser"], 0)
            self.assertFalse(pod["automountServiceAccountToken"])
            for container in self.containers(pod):
                context = container["securityContext"]
                self.assertTrue(context["readOnlyRootFilesystem"])
                self.assertFalse(context["allowPrivilegeEscalation"])
                self.assertEqual(context["capabilities"], {"drop": ["ALL"]})

    def test_what_is_referred_to_is_there(self):
        for objects, pod in self.pods():
            spec = objects["Deployment"]["spec"]
            labels = spec["template"]["metadata"]["labels"]
            self.assertEqual(spec["selector"]["matchLabels"], labels)
            volumes = {volume["name"]: volume for volume in pod["volumes"]}
            mounted = {
                mount["name"] for part in self.containers(pod) for mount in part["volumeMounts"]
            }
            self.assertEqual(mounted, set(volumes))
            self.assertEqual(
                volumes["config"]["configMap"]["name"], objects["ConfigMap"]["metadata"]["name"]
            )

    def test_the_service_leads_to_the_ports_that_the_server_listens_at(self):
        objects = self.manifests["server"]
        spec = objects["Deployment"]["spec"]["template"]
        self.assertEqual(objects["Service"]["spec"]["selector"], spec["metadata"]["labels"])
        (container,) = spec["spec"]["containers"]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        led = {port["targetPort"]: port["port"] for port in objects["Service"]["spec"]["ports"]}
        self.assertEqual(led, ports)
        text = objects["ConfigMap"]["data"]["server.yaml"]
        for port in ports.values():
            self.assertIn(f'":{port}', text)


if __name__ == "__main__":
    unittest.main()
