# Reads what a program says for --help; writes a line a fact, with tabs between:
#   flag SCOPE NAME VALUE WORDS      SCOPE: `all`, `ask` (commands that ask a server), or a command's name
#   command NAME ARGUMENTS WORDS     of culvertctl
# A line `@ NAME` says that the --help of that command follows.
BEGIN { OFS = "\t"; scope = "all" }

function flush() {
    if (fact != "")
        print fact, words
    fact = words = ""
}

# The flags among the words @text of command @name.
function own(name, text, flag, value) {
    while (match(text, /--[a-z][a-z-]*/)) {
        flag = substr(text, RSTART + 2, RLENGTH - 2)
        text = substr(text, RSTART + RLENGTH)
        value = ""
        if (match(text, /^ [A-Z0-9][^] ,]*(,[A-Z])?/))
            value = substr(text, 2, RLENGTH - 1)
        if (flag != "help" && !((name, flag) in shown)) {
            shown[name, flag] = 1
            owner[++owns] = name OFS flag
            argument[owns] = value
        }
    }
}

# A word of a command's name is followed by one blank, its arguments by two or more.
function command(line, at, synopsis, name, rest) {
    at = index(line, "  ")
    synopsis = at ? substr(line, 1, at - 1) : line
    words = substr(line, at)
    sub(/^ */, "", words)
    name = rest = synopsis
    sub(/ [^a-z].*/, "", name)
    rest = substr(rest, length(name) + 2)
    fact = "command" OFS name OFS rest
    own(name, rest " " words)
}

function flag(line, name, value) {
    line = substr(line, 3)
    match(line, /^[a-z-]+/)
    name = substr(line, 1, RLENGTH)
    line = substr(line, RLENGTH + 1)
    if (match(line, /^ '[^']*'/) || match(line, /^(\[=| )[A-Z][^ ]*/))
        value = substr(line, 1, RLENGTH)
    line = substr(line, length(value) + 1)
    sub(/^ +/, "", line)
    sub(/^ /, "", value)
    if (in_own && (name == "help" || name == "version"))
        return
    told[scope OFS name] = 1
    fact = "flag" OFS scope OFS name OFS value
    words = line
}

/^@ / { flush(); scope = substr($0, 3); in_own = 1; next }
/^Commands:/ { in_commands = 1; next }
/^Flags/ { flush(); in_commands = 0; scope = /ask a server/ ? "ask" : "all"; next }
/^  --/ { flush(); flag(substr($0, 3)); next }
/^  [a-z]/ && in_commands { flush(); command(substr($0, 3)); next }
/^          / && fact != "" { sub(/^ +/, ""); words = words (words == "" ? "" : " ") $0; next }
{ flush() }
END {
    flush()
    for (i = 1; i <= owns; i++)
        if (!(owner[i] in told))
            print "flag", owner[i], argument[i], ""
}
