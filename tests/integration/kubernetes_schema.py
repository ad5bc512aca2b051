"""Manifests on standard input against the fields that Kubernetes' own description of its API has,
of which Debian's python3-kubernetes is made; a line for each thing that is wrong. Run by the
interpreter of Debian, as a program."""
import re
import sys

import yaml
from kubernetes import client

PLAIN = {"str": str, "int": int, "bool": bool}


def wrong(value, kind, path):
    """What is wrong with @value, which is to be a @kind."""
    if kind == "object":
        return
    if kind in PLAIN:
        if type(value) is not PLAIN[kind]:
            yield f"{path}: {value!r} is no {kind}"
        return
    pair = re.fullmatch(r"(list|dict)[\[(](?:str, )?(.*)[\])]", kind)
    if not isinstance(value, list if pair and pair[1] == "list" else dict):
        yield f"{path}: {value!r} is no {kind}"
    elif pair:
        for key, item in enumerate(value) if pair[1] == "list" else value.items():
            yield from wrong(item, pair[2], f"{path}[{key}]")
    else:
        yield from wrong_fields(value, getattr(client, kind), path)


def wrong_fields(value, model, path):
    names = {name: attribute for attribute, name in model.attribute_map.items()}
    known = {names[name]: item for name, item in value.items() if name in names}
    try:
        model(**known)  # refuses when a field is missing
    except ValueError as error:
        yield f"{path}: {error}"
    for name, item in value.items():
        if name in names:
            yield from wrong(item, model.openapi_types[names[name]], f"{path}.{name}")
        else:
            yield f"{path}.{name}: there is no such field"


def wrong_object(found):
    """An object of a manifest: its kind must be one of its group and version."""
    group, _, version = found.get("apiVersion", "").rpartition("/")
    group, version, kind = group.partition(".")[0] or "core", version, found.get("kind", "")
    api = getattr(client, f"{group.title()}{version.title()}Api", None)
    call = "create_namespaced_" + re.sub(r"(?<!^)(?=[A-Z])", "_", kind).lower()
    if not hasattr(api, call):
        return [f"{kind}: not in {found.get('apiVersion')}"]
    return wrong_fields(found, getattr(client, f"{version.title()}{kind}"), kind)


for each in yaml.safe_load_all(sys.stdin):
    for line in wrong_object(each):
        print(line)
