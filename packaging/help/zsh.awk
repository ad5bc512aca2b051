# Completion for zsh.
function quoted(text, special) {
    gsub(special, "\\\\&", text)
    gsub(/'/, "'\\''", text)
    return text
}

function action(kind_, value) {
    if (kind_ == "FILE")
        return "_files"
    if (kind_ == "DIR")
        return "_files -/"
    if (kind_ == "IFACE")
        return "_net_interfaces"
    if (kind_ == "USER")
        return "_users"
    return choices(value) == "" ? " " : "(" choices(value) ")"
}

# The argument of _arguments that stands for flag @i.
function spec(i, kind_, repeat, words, value) {
    kind_ = kind(values[i])
    words = flag_words[i]
    repeat = words ~ /; repeatable/ ? "*" : ""
    if (names[i] == "help" || names[i] == "version")
        repeat = "(- *)"
    words = repeat "--" names[i] (kind_ == "none" ? "" : kind_ == "may" ? "=-" : "=") \
        (words == "" ? "" : "[" quoted(words, "[\\[\\]]") "]")
    if (kind_ == "none")
        return "'" words "'"
    value = values[i]
    if (kind_ == "may")
        gsub(/^\[=|\]$/, "", value)
    return "'" words (kind_ == "may" ? "::" : ":") quoted(value, "[\\[\\]:]") ":" action(kind_, values[i]) "'"
}

function specs(command, indent, i, text) {
    for (i = 1; i <= flags; i++)
        if (belongs(i, command))
            text = text " \\\n" indent spec(i)
    return text
}

function print_arguments(command) {
    print "        _arguments" specs(command, "            ") " \\\n            '*: : '\n        ;;"
}

# What comes behind the first word of @command.
function print_rest(command, pair) {
    split(command, pair, " ")
    printf "    %s)\n", pair[1]
    if (pair[2] != "")
        printf "        if ((CURRENT == 2)); then\n            compadd %s\n            return\n        fi\n" \
            "        shift words\n        ((CURRENT--))\n", pair[2]
    print_arguments(command)
}

function print_commands(i, pair, second) {
    for (i = 1; i <= commands; i++) {
        split(command_names[i], pair, " ")
        printf "    '%s:%s'\n", pair[1], quoted(command_words[i], "[:]")
    }
    print ")\n"
    print "_arguments -C" specs("", "    ") " \\\n    '1: :->command' '*:: :->rest'"
    print "case $state in\ncommand) _describe command commands ;;\nrest)\n    case $words[1] in"
    for (i = 1; i <= commands; i++)
        if (command_names[i] in own_flags)
            print_rest(command_names[i])
    printf "    %s)\n", asking(" | ")
    print_arguments("ask")
    print "    esac\n    ;;\nesac"
}

END {
    printf "#compdef %s\n# zsh completion of %s, made from its --help\n\n", program, program
    if (commands) {
        print "local curcontext=$curcontext state line\nlocal -a commands=("
        print_commands()
    } else
        print "_arguments" specs("", "    ")
}
