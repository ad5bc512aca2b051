"""Mistakes that cost time and nothing else, so that no other test can see them; each is built as
the release is, and the guard has to fail and to name the function."""

import json
import os
import pathlib
import shlex
import subprocess
import tempfile

# name, file, text, replacement, scenario, what has to be named
MUTANTS = [
    (
        "encode-twice",
        "src/wire/frame.c",
        "    size_t n = cv_varint_encode(out, frame->id);\n",
        "    size_t n = cv_varint_encode(out, frame->id);\n\n"
        "    n = cv_varint_encode(out, frame->id);\n",
        "wire.head.large",
        "wire/varint.c:cv_varint_encode",
    ),
    (
        "mask-three-times",
        "src/ws/read.c",
        "        cv_ws_mask(data, n, ws->mask, ws->seen);\n",
        "        for (int i = 0; i < 3; i++)\n"
        "            cv_ws_mask(data, n, ws->mask, ws->seen);\n",
        "ws.large.from-client",
        "ws/mask.c:cv_ws_mask",
    ),
    (
        "decode-byte-by-byte",
        "src/session/recv.c",
        "    n = cv_frame_decode(&r->frame, r->head, before + add);\n",
        "    n = CV_EMORE;\n"
        "    for (size_t have = 1; have <= before + add && n == CV_EMORE; have++)\n"
        "        n = cv_frame_decode(&r->frame, r->head, have);\n",
        "session.bulk.8",
        "wire/varint.c:cv_varint_decode",
    ),
    (
        "move-the-payload",
        "src/net/link.c",
        "    if (real != most)\n",
        "    memmove(at + real + slot->head_len + 1, at + most + slot->head_len, len);\n"
        "    memmove(at + real + slot->head_len, at + real + slot->head_len + 1, len);\n"
        "    if (real != most)\n",
        "session.bulk.1",
        "memmove in net/link.c:cv_link_laid",
    ),
    (
        "a-block-a-frame",
        "src/session/send.c",
        "    s->frame_id++;\n    s->stats.frames_out++;\n    s->stats.bytes_out += len;\n",
        "    s->frame_id++;\n    s->stats.frames_out++;\n    s->stats.bytes_out += len;\n"
        "    cv_free(s->alloc, cv_alloc_zero(s->alloc, 8));\n",
        "session.request",
        "allocations",
    ),
    (
        "look-twice",
        "src/manager/route.c",
        "        best = pick_local(group, wish, now, &full);\n",
        "        best = pick_local(cv_group_find(m, wish->key), wish, now, &full);\n",
        "manager.route",
        "manager/manager.c:cv_group_find",
    ),
]

LAYERS = ("net", "manager", "session", "conn", "wire", "ws", "base")
ROOT = pathlib.Path(__file__).resolve().parents[2]


def _compile(build, file, source, target):
    """Compiles @source as the build compiles @file."""
    for command in json.loads((build / "compile_commands.json").read_text(encoding="utf-8")):
        if pathlib.Path(command["file"]).resolve() == ROOT / file:
            words = shlex.split(command["command"])
            words[words.index("-o") + 1] = str(target)
            words[words.index("-c") + 1] = str(source)
            subprocess.run(words, cwd=command["directory"], check=True)
            return
    raise ValueError(f"{file} is not built")


def _build(build, mutant, folder):
    """The program with the mistake in it: an object comes before the archive that has its like."""
    _, file, text, replacement = mutant[:4]
    original = (ROOT / file).read_text(encoding="utf-8")
    if original.count(text) != 1:
        raise ValueError(f"its text stands {original.count(text)} times in {file}")
    source = folder / file
    source.parent.mkdir(parents=True)
    source.write_text(original.replace(text, replacement), encoding="utf-8")
    _compile(build, file, source, folder / "mutant.o")
    objects = sorted((build / "tests/cost/CMakeFiles/cost.dir").glob("*.o"))
    archives = [build / f"src/{layer}/libcv_{layer}.a" for layer in LAYERS]
    subprocess.run([os.environ.get("CC", "cc"), "-o", folder / "cost", folder / "mutant.o",
                    *objects, *archives], check=True)
    return folder / "cost"


def _verdict(build, mutant, measure, judge):
    """Why it was not caught, or None."""
    scenario, named = mutant[4:]
    with tempfile.TemporaryDirectory(prefix="culvert-cost-") as folder:
        try:
            program = _build(build, mutant, pathlib.Path(folder))
        except (ValueError, subprocess.CalledProcessError) as error:
            return f"does not apply any more: {error}"
        failed, _, lines = judge(measure(program, scenario),
                                 measure(build / "tests/cost/cost", scenario))
    if not failed:
        return "NOT CAUGHT"
    return None if any(named in line for line in lines) else f"{named} is not named: {lines}"


def run_all(build, measure, judge):
    """0 when each is caught, with the scenario and the function that it is in."""
    missed = 0
    for mutant in MUTANTS:
        why = _verdict(build, mutant, measure, judge)
        missed += why is not None
        print(f"{mutant[0]:26} {why or 'caught by ' + mutant[4]}", flush=True)
    print(f"{len(MUTANTS) - missed} of {len(MUTANTS)} mistakes caught")
    return 1 if missed else 0
