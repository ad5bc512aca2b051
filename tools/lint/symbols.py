#!/usr/bin/env python3
"""Checks what the layers' archives take from outside, and that the pure ones hold no globals.

`symbols.py RULES LAYER=ARCHIVE...`: RULES is cmake/symbols.txt. A stray time() or malloc() is named
with the object that calls it. `symbols.py --self-test [CC]` shows that each rule can fail.
"""
import subprocess
import sys
import tempfile
from fnmatch import fnmatchcase
from pathlib import Path

# Sections that a running program may write. Constants with pointers stand in `.data.rel.ro`, which
# the loader alone writes.
WRITABLE = (".data", ".bss", ".tdata", ".tbss", "*COM*")


def read_rules(path):
    """{layer: [patterns]} of a file of `LAYER PATTERN...` lines."""
    rules = {}
    for line in path.read_text().splitlines():
        words = line.split("#")[0].split()
        if words:
            rules.setdefault(words[0], []).extend(words[1:])
    return rules


def symbols(archive):
    """(object, symbol, section or None when from outside) of every symbol in an archive."""
    command = ["nm", "--format=sysv", str(archive)]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    member = "?"
    for line in text.splitlines():
        fields = [field.strip() for field in line.split("|")]
        if line.startswith("Symbols from"):
            member = line.split("[")[-1].rstrip("]:")
        elif len(fields) == 7 and fields[0] != "Name":
            yield member, fields[0], None if fields[2] in ("U", "w") else fields[6]


def writable(section):
    if section is None or section.startswith(".data.rel.ro"):
        return False
    return any(section == name or section.startswith(name + ".") for name in WRITABLE)


def matches(symbol, patterns):
    return any(fnmatchcase(symbol, pattern) for pattern in patterns)


def archive_errors(layer, archive, rules):
    found = list(symbols(archive))
    own = {symbol for _, symbol, section in found if section}
    if f"-{layer}" in rules:
        for member, symbol, section in found:
            if section is None and symbol not in own and matches(symbol, rules[f"-{layer}"]):
                yield f"{layer}: {member} calls {symbol}, which only net may"
        return
    for member, symbol, section in found:
        known = matches(symbol, rules.get("*", []) + rules.get(layer, []))
        if section is None and symbol not in own and not known:
            yield f"{layer}: {member} calls {symbol}, which a pure layer may not"
        elif writable(section) and not known:
            yield f"{layer}: {member} holds {symbol} in {section}: a pure layer has no globals"


# (what is wrong, C text, layer); no reason: nothing may be found.
CASES = [
    (None, "#include <string.h>\nint cv_other(void);\n"
           "int f(char *a, char *b, int n) { return memcmp(a, b, n) + cv_other(); }\n", "base"),
    (None, "static const char *const names[] = {\"a\", \"b\"};\n"
           "const char *f(int i) { return names[i]; }\n", "base"),
    (None, "int llhttp_x(void);\nint f(void) { return llhttp_x(); }\n", "door"),
    ("calls llhttp_x", "int llhttp_x(void);\nint f(void) { return llhttp_x(); }\n", "base"),
    ("calls time", "#include <time.h>\nlong f(void) { return time(0); }\n", "base"),
    ("calls malloc", "#include <stdlib.h>\nvoid *f(void) { return malloc(7); }\n", "wire"),
    ("calls __errno_location", "#include <errno.h>\nint f(void) { return errno; }\n", "wire"),
    ("holds count in .bss", "static int count;\nint f(void) { return ++count; }\n", "base"),
    ("holds count in .data", "int count = 4;\n", "base"),
    (None, "#include <stdlib.h>\nvoid *f(void) { return malloc(7); }\n", "http"),
    ("which only net may", "#include <time.h>\nlong f(void) { return time(0); }\n", "http"),
    ("which only net may", "int uv_run(void);\nint f(void) { return uv_run(); }\n", "config"),
]


def self_test(compiler):
    rules = read_rules(Path(__file__).resolve().parents[2] / "cmake/symbols.txt")
    for expected, text, layer in CASES:
        with tempfile.TemporaryDirectory() as folder:
            source, archive = Path(folder) / "a.c", Path(folder) / "a.a"
            source.write_text(text)
            made = source.with_suffix(".o")
            subprocess.run([compiler, "-c", "-fPIC", "-o", made, source], check=True)
            subprocess.run(["ar", "rc", archive, made], check=True)
            found = list(archive_errors(layer, archive, rules))
        if expected is None:
            assert not found, found
        else:
            assert len(found) == 1 and expected in found[0], (expected, found)
    print(f"{len(CASES)} cases")


def main():
    if sys.argv[1:2] == ["--self-test"]:
        self_test(sys.argv[2] if len(sys.argv) > 2 else "cc")
        return 0
    rules = read_rules(Path(sys.argv[1]))
    errors = []
    for pair in sys.argv[2:]:
        layer, archive = pair.split("=", 1)
        errors.extend(archive_errors(layer, Path(archive), rules))
    if not sys.argv[2:]:
        errors.append("no archive to check")
    print("\n".join(errors) if errors else "symbols: in order")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
