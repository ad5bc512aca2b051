#!/usr/bin/env python3
"""Checks the rules of the house that neither a compiler nor clang-format knows.

`style.py [ROOT]` checks a tree, `style.py --self-test` shows that each rule can fail.
"""
import os
import re
import sys
import tempfile
from pathlib import Path

FILE_LINES = 600
FUNCTION_LINES = 70
COLUMNS = 100
CODE_FOLDERS = ("src", "cmd", "include", "examples", "tests", "tools", "bench")

PRODUCT_FOLDERS = ("src", "cmd", "include")

BANNED_CALL = re.compile(r"\b(strcpy|strcat|sprintf|vsprintf|gets|alloca)\s*\(")
TYPEDEF = re.compile(r"\btypedef\s+(struct|union|enum)\b")
BEFORE_FUNCTION = re.compile(r"^\s*$|[;}]\s*$|^#")
NAME = re.compile(r"(\w+)\s*\(")
# Spelt in two parts, so that this file does not find itself.
OUTSIDE = re.compile(r"\.\./" + "shared" + r"|/work/" + "shared")
STRING_OR_COMMENT = re.compile(
    r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', re.S)


def blank(match):
    """Spaces for a comment or a string, with its line ends kept; a string keeps its quotes."""
    text = match.group()
    inner = re.sub(r"[^\n]", " ", text)
    return '"' + inner[1:-1] + '"' if text[0] == '"' else inner


def functions(lines):
    """(first line, last line, signature) of each function: its braces stand in the first column."""
    start = None
    for number, line in enumerate(lines):
        if line.rstrip() == "{":
            start = number
        elif start is not None and line.startswith("}"):
            head = start
            while head > 0 and not BEFORE_FUNCTION.search(lines[head - 1]):
                head -= 1
            yield head, number, " ".join(lines[head:start]).strip()
            start = None


def line_errors(lines):
    for number, line in enumerate(lines, 1):
        if len(line) > COLUMNS:
            yield number, f"{len(line)} columns, at most {COLUMNS}"
        if "\t" in line:
            yield number, "a tab"
        if line != line.rstrip():
            yield number, "blanks at the end"


def size_errors(lines):
    if len(lines) > FILE_LINES:
        yield len(lines), f"{len(lines)} lines, at most {FILE_LINES}"


def code_errors(code, folder):
    """Errors of a C file whose comments and strings are blanked."""
    lines = code.split("\n")
    for number, line in enumerate(lines, 1):
        found = BANNED_CALL.search(line)
        if found and folder in PRODUCT_FOLDERS:
            yield number, f"{found.group(1)} is not used here"
        if TYPEDEF.search(line):
            yield number, "no typedef for a struct, union or enum"
    for first, last, signature in functions(lines):
        name = NAME.search(signature)
        if last - first + 1 > FUNCTION_LINES:
            yield first + 1, f"a function of {last - first + 1} lines, at most {FUNCTION_LINES}"
        external = folder == "src" and name and "static" not in signature.split()
        if external and not name.group(1).startswith("cv_"):
            yield first + 1, f"{name.group(1)} has external linkage and no prefix cv_"


def guard_errors(path, root, code):
    """A header opens with its guard; in src/ the guard is the path."""
    directives = re.findall(r"^\s*#\s*(\w+)\s*(\w*)", code, re.M)
    names = [name for _, name in directives[:2]]
    if [word for word, _ in directives[:2]] != ["ifndef", "define"] or names[0] != names[1]:
        yield 1, "no header guard"
    elif directives[-1][0] != "endif":
        yield 1, "the header guard does not end the file"
    elif path.parts[len(root.parts)] == "src":
        wanted = "CV_" + re.sub(r"\W", "_", str(path.relative_to(root / "src"))).upper()
        if names[0] != wanted:
            yield 1, f"the header guard is {names[0]}, not {wanted}"


def file_errors(path, root):
    text = path.read_text(errors="replace")
    lines = text.split("\n")[:-1] if text.endswith("\n") else text.split("\n")
    for number, line in enumerate(lines, 1):
        if OUTSIDE.search(line):
            yield number, "names a place outside of this repository"
    folder = path.relative_to(root).parts[0]
    if folder not in CODE_FOLDERS or path.suffix not in (".c", ".h", ".py"):
        return
    yield from size_errors(lines)
    yield from line_errors(lines)
    if path.suffix == ".py":
        return
    code = STRING_OR_COMMENT.sub(blank, text)
    yield from code_errors(code, folder)
    if path.suffix == ".h":
        yield from guard_errors(path, root, code)


NOT_OURS = (".git", "__pycache__", "corpus", "node_modules")


def text_files(root):
    """Every file of the tree but build output, repositories, packages and binaries."""
    for folder, folders, names in os.walk(root):
        inside = Path(folder).relative_to(root)
        folders[:] = sorted(f for f in folders if f not in NOT_OURS
                            and not (inside == Path(".") and f == "build"))
        for name in sorted(names):
            path = Path(folder) / name
            if path.is_file() and b"\0" not in path.read_bytes()[:4096]:
                yield path


def tree_errors(root):
    for path in text_files(root):
        for number, why in file_errors(path, root):
            yield f"{path}:{number}: {why}"


HEADER = "#ifndef CV_BASE_A_H\n#define CV_BASE_A_H\n{}#endif\n"
LONG_BODY = "    x++;\n"

# (what is wrong, file, text); no reason: nothing may be found.
CASES = [
    (None, "src/base/a.h", HEADER.format("/* gets( and typedef struct in words */\n")),
    (None, "src/base/a.c", 'static int f(void)\n{\n    return g("sprintf(");\n}\n'),
    (None, "src/base/a.c", "int cv_f(int a,\n         int b)\n{\n    return 0;\n}\n"),
    (None, "src/base/a.c", "void cv_f(void)\n{\n" + LONG_BODY * 67 + "}\n"),
    (None, "tests/a.c", "int helper(void)\n{\n    return 0;\n}\n"),
    ("columns", "src/base/a.c", "int " + "a" * 97 + ";\n"),
    ("a tab", "src/base/a.c", "\tint a;\n"),
    ("blanks", "src/base/a.c", "int a; \n"),
    ("strcpy is not", "src/base/a.c", "    strcpy(a, b);\n"),
    (None, "tests/a.c", "    strcpy(a, b);\n"),
    ("alloca is not", "cmd/a.c", "    alloca (3);\n"),
    ("no typedef", "src/base/a.c", "typedef struct a a;\n"),
    ("a function of 71", "src/base/a.c", "void cv_f(void)\n{\n" + LONG_BODY * 68 + "}\n"),
    ("601 lines", "src/base/a.c", "int a;\n" * 601),
    ("no prefix", "src/base/a.c", "int helper(void)\n{\n    return 0;\n}\n"),
    ("no prefix", "src/base/a.c", "/* Why. */\nint helper(int a,\n           int b)\n{\n}\n"),
    ("no header guard", "src/base/a.h", "int a;\n"),
    ("does not end", "src/base/a.h", HEADER.format("") + "#define X\n"),
    ("not CV_BASE_B_H", "src/base/b.h", HEADER.format("")),
    ("outside", "README.md", "see .." + "/shared/design\n"),
    ("outside", "tools/x", "cd /work/" + "shared\n"),
]


def self_test():
    for expected, name, text in CASES:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            found = list(tree_errors(Path(folder)))
        if expected is None:
            assert not found, found
        else:
            assert len(found) == 1 and expected in found[0], (expected, found)
    print(f"{len(CASES)} cases")


def main():
    if sys.argv[1:] == ["--self-test"]:
        self_test()
        return 0
    errors = list(tree_errors(Path(sys.argv[1] if len(sys.argv) > 1 else ".")))
    print("\n".join(errors) if errors else "style: in order")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
