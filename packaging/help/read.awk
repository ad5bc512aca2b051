# Reads the facts of facts.awk, the first file, for what is made from them.
BEGIN { FS = "\t" }
FNR == NR && $1 == "flag" { scopes[++flags] = $2; names[flags] = $3; values[flags] = $4; flag_words[flags] = $5; own_flags[$2]++; next }
FNR == NR { command_names[++commands] = $2; arguments[commands] = $3; command_words[commands] = $4; next }

# What a shell can offer for a value that --help calls @value.
function kind(value) {
    if (value == "FILE" || value == "DIR" || value == "IFACE" || value == "LEVEL" || value == "FORMAT")
        return value
    return value ~ /^NAME\[:GROUP\]/ ? "USER" : value == "" ? "none" : value ~ /^\[/ ? "may" : "any"
}

# The words that a value of that kind is one of.
function choices(value) {
    return value == "LEVEL" ? "error warn info debug" : value == "FORMAT" ? "text json" : ""
}

# Whether flag @i belongs to @command: its own, or those of a server where it has none; "" is the program itself.
function belongs(i, command) {
    if (command == "")
        return scopes[i] == "all" || (scopes[i] == "ask" && names[i] == "admin")
    return scopes[i] == (command in own_flags ? command : "ask")
}

# The first words of the commands that ask a server, with @sign between.
function asking(sign, i, text) {
    for (i = 1; i <= commands; i++)
        if (!(command_names[i] in own_flags))
            text = text (text == "" ? "" : sign) command_names[i]
    return text
}
