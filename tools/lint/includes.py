#!/usr/bin/env python3
"""Checks with the compiler itself that a layer's include folders hold just what its row allows.

`includes.py CC TABLE SRC LAYER=DIR:DIR...`: with the include folders of each layer, the compiler
finds every header of the layers that cmake/layers.txt lets it see, and including one of any other
layer does not compile. `includes.py --self-test CC` shows that both can fail.
"""
import subprocess
import sys
import tempfile
from pathlib import Path

from layers import read_table


def compiles(compiler, folders, text):
    """Whether the preprocessor takes @text with just these include folders."""
    views = [f"-I{folder}" for folder in folders]
    command = [compiler, "-E", "-x", "c", *views, "-", "-o", "/dev/null"]
    return subprocess.run(command, input=text, capture_output=True, text=True).returncode == 0


def missing(headers):
    """A text that does not compile when one of @headers cannot be found."""
    return "".join(f'#if !__has_include("{h}")\n#error "{h}"\n#endif\n' for h in headers)


def errors(compiler, table, src, folders_of):
    """Each layer and header about which the compiler and the table differ."""
    refused = 0
    for layer, folders in folders_of.items():
        for other in table:
            headers = sorted(f"{other}/{path.name}" for path in (src / other).glob("*.h"))
            if not headers:
                continue
            if other == layer or other in table[layer][1]:
                if not compiles(compiler, folders, missing(headers)):
                    yield f"{layer} does not find every header of {other}"
            elif compiles(compiler, folders, f'#include "{headers[0]}"\n'):
                yield f"{layer} finds {headers[0]}"
            else:
                refused += 1
    if not refused:
        yield "no pair of layers was refused: this check proves nothing"


def self_test(compiler):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "layers.txt").write_text("base pure\nwire pure base\nsession pure wire base\n")
        for layer in ("base", "wire", "session"):
            (root / "src" / layer).mkdir(parents=True)
            (root / "src" / layer / f"{layer}.h").write_text("\n")
            (root / "view" / layer).mkdir(parents=True)
            (root / "view" / layer / layer).symlink_to(root / "src" / layer)
        table, view = read_table(root / "layers.txt"), root / "view"

        def check(folders_of):
            return list(errors(compiler, table, root / "src", folders_of))

        assert check({"wire": [view / "wire", view / "base"]}) == []
        assert "wire finds session" in check({"wire": [root / "src"]})[0]
        assert "wire does not find every header of base" in check({"wire": [view / "wire"]})[0]
        everything = [view / "wire", view / "base", view / "session"]
        assert "proves nothing" in check({"session": everything})[0]
    print("4 cases")


def main():
    if sys.argv[1:2] == ["--self-test"]:
        self_test(sys.argv[2])
        return 0
    compiler, table, src = sys.argv[1], read_table(Path(sys.argv[2])), Path(sys.argv[3])
    folders_of = {}
    for pair in sys.argv[4:]:
        layer, folders = pair.split("=", 1)
        folders_of[layer] = [folder for folder in folders.split(":") if folder]
    found = list(errors(compiler, table, src, folders_of))
    print("\n".join(found) if found else "includes: in order")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
