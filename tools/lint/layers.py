#!/usr/bin/env python3
"""Checks the includes of every file under src/ and cmd/ against cmake/layers.txt.

A layer includes itself and the layers of its row; a header of the system only where its owner is.
The table itself must have no cycle. `layers.py [ROOT]` checks a tree, `layers.py --self-test` shows
that each rule can fail.
"""
import re
import sys
import tempfile
from pathlib import Path

INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>|(\S+))')

# All that a pure layer sees of the system: types, atomic ones too, bytes and error numbers.
PURE_HEADERS = {
    "errno.h", "inttypes.h", "limits.h", "stdalign.h", "stdatomic.h", "stdbool.h", "stddef.h",
    "stdint.h", "string.h",
}

# Headers with an owner: a name, or a folder's prefix, and the only layers that may include it.
OWNERS = {
    "uv.h": {"net"}, "uv/": {"net"}, "openssl/": {"net"}, "curl/": {"net", "cmd"},
    "sys/socket.h": {"net"}, "sys/un.h": {"net"}, "sys/epoll.h": {"net"},
    "sys/ioctl.h": {"net", "cmd"},
    "sys/uio.h": {"net"}, "sys/select.h": {"net"}, "poll.h": {"net"}, "netdb.h": {"net"},
    "netinet/": {"net"}, "arpa/": {"net"}, "net/if.h": {"net"}, "ifaddrs.h": {"net"},
    "linux/tcp.h": {"net"}, "linux/sockios.h": {"net"}, "linux/netlink.h": {"net"},
    "linux/rtnetlink.h": {"net"},
    "resolv.h": {"net"}, "sys/time.h": {"net"}, "sys/timerfd.h": {"net"},
    # http needs the calendar for its dates; that it does not ask the clock is symbols.py's business
    "time.h": {"net", "http"},
    "cyaml/": {"config"}, "yaml.h": {"config"},
    "llhttp.h": {"door"},
    "uthash.h": {"base"},
    "libwebsockets.h": {"http"},
    "jansson.h": {"http", "cmd"},
    "hiredis/": {"net"},
    # what libculvert's own headers have in common with the layers; the rest is for their users
    "culvert/error.h": {"base"}, "culvert/log.h": {"base"}, "culvert/": {"embed"},
    "immintrin.h": {"ws"}, "emmintrin.h": {"ws"}, "arm_neon.h": {"ws"},
}


def read_table(path):
    """{layer: (pure, [layers that it sees])} of layers.txt."""
    table = {}
    for line in path.read_text().splitlines():
        words = line.split("#")[0].split()
        if words:
            table[words[0]] = (words[1] == "pure", words[2:])
    return table


def table_errors(table):
    """Unknown names, a pure layer that sees an impure one, and cycles."""
    for layer, (pure, sees) in table.items():
        for seen in sees:
            if seen not in table:
                yield f"layers.txt: {layer} sees {seen}, which is no layer"
            elif pure and not table[seen][0]:
                yield f"layers.txt: {layer} is pure and sees {seen}, which is not"
    for layer in table:
        trail, todo = set(), list(table[layer][1])
        while todo:
            seen = todo.pop()
            if seen in trail or seen not in table:
                continue
            trail.add(seen)
            todo.extend(table[seen][1])
        if layer in trail:
            yield f"layers.txt: {layer} sees itself through others"


def owners_of(header):
    for name, owners in OWNERS.items():
        if header == name or (name.endswith("/") and header.startswith(name)):
            return owners
    return None


def quoted_error(layer, header, table):
    """Why `layer` may not include "header", or None."""
    first = header.split("/")[0]
    if ".." in header.split("/"):
        return "goes up by .."
    if layer == "cmd":
        return None
    if "/" not in header or first not in table:
        return "is no header of a layer: write it as <layer>/<file>.h"
    if first != layer and first not in table[layer][1]:
        return f"{layer} may not see {first}"
    return None


def system_error(layer, header, table):
    """Why `layer` may not include <header>, or None."""
    owners = owners_of(header)
    if owners is not None:
        return None if layer in owners else f"belongs to {', '.join(sorted(owners))}"
    if layer != "cmd" and table[layer][0] and header not in PURE_HEADERS:
        return f"{layer} is pure"
    return None


def file_errors(path, layer, table):
    for number, line in enumerate(path.read_text().splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        quoted, system, computed = match.groups()
        if quoted:
            why = quoted_error(layer, quoted, table)
        elif system:
            why = system_error(layer, system, table)
        else:
            why = "is computed: name the header"
        if why:
            yield f"{path}:{number}: {quoted or system or computed}: {why}"


def tree_errors(root):
    table = read_table(root / "cmake/layers.txt")
    yield from table_errors(table)
    for path in sorted(root.glob("src/**/*.[ch]")):
        layer = path.relative_to(root / "src").parts[0]
        if layer not in table:
            yield f"{path}: {layer} is not in layers.txt"
        else:
            yield from file_errors(path, layer, table)
    for path in sorted(root.glob("cmd/**/*.[ch]")):
        yield from file_errors(path, "cmd", table)


GOOD_TABLE = "# a comment\nbase pure\nwire pure base\nnet impure wire base\n"

# (what is wrong, table, files); no reason: nothing may be found.
CASES = [
    (None, GOOD_TABLE, {
        "src/wire/a.c": '#include "wire/a.h"\n#include "base/b.h"\n#include <string.h>\n',
        "src/base/t.h": "#include <uthash.h>\n",
        "src/net/n.c": '#include <uv.h>\n#include <time.h>\n#include "wire/a.h"\n',
        "cmd/server/main.c": '#include "options.h"\n#include "net/n.h"\n#include <stdio.h>\n'}),
    ("may not see net", GOOD_TABLE, {"src/wire/a.c": '  #  include "net/n.h"\n'}),
    ("may not see wire", GOOD_TABLE, {"src/base/a.h": '#include "wire/a.h"\n'}),
    ("is pure", GOOD_TABLE, {"src/base/a.c": "#include <stdio.h>\n"}),
    ("is pure", GOOD_TABLE, {"src/wire/deep/a.c": "#include <pthread.h>\n"}),
    ("belongs to http, net", GOOD_TABLE, {"src/base/a.c": "#include <time.h>\n"}),
    ("belongs to net", GOOD_TABLE, {"cmd/x/main.c": "#include <netinet/in.h>\n"}),
    ("belongs to base", GOOD_TABLE, {"src/net/a.c": "#include <uthash.h>\n"}),
    ("no header of a layer", GOOD_TABLE, {"src/wire/a.c": '#include "a.h"\n'}),
    ("goes up", GOOD_TABLE, {"src/wire/a.c": '#include "wire/../net/n.h"\n'}),
    ("is computed", GOOD_TABLE, {"src/wire/a.c": "#include HEADER\n"}),
    ("not in layers.txt", GOOD_TABLE, {"src/util/a.c": "\n"}),
    ("which is no layer", "base pure wire\n", {}),
    ("which is not", "base pure net\nnet impure\n", {}),
    ("through others", "a pure b\nb pure c\nc pure a\n", {}),
]


def self_test():
    for expected, table, files in CASES:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            for name, text in {"cmake/layers.txt": table, **files}.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text)
            found = list(tree_errors(root))
        if expected is None:
            assert not found, found
        else:
            assert found and all(expected in error for error in found), (expected, found)
    print(f"{len(CASES)} cases")


def main():
    if sys.argv[1:] == ["--self-test"]:
        self_test()
        return 0
    errors = list(tree_errors(Path(sys.argv[1] if len(sys.argv) > 1 else ".")))
    print("\n".join(errors) if errors else "layers: in order")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
