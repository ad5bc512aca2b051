# Completion for bash.
function words_of(command, i, text) {
    for (i = 1; i <= flags; i++)
        if (belongs(i, command))
            text = text " --" names[i]
    return substr(text, 2)
}

function reply(words) {
    return "COMPREPLY=($(compgen -W '" words "' -- \"$cur\"))"
}

function action(kind_, value) {
    if (kind_ == "FILE")
        return "_filedir"
    if (kind_ == "DIR")
        return "_filedir -d"
    if (kind_ == "IFACE")
        return "_available_interfaces -a"
    if (kind_ == "USER")
        return "COMPREPLY=($(compgen -u -- \"$cur\"))"
    return choices(value) == "" ? "" : reply(choices(value))
}

# One branch for all flags whose values are completed alike.
function print_values(i, what, done, patterns) {
    print "    case $prev in"
    for (i = 1; i <= flags; i++) {
        what = kind(values[i])
        if (what == "none" || what == "may" || (names[i] in done))
            continue
        done[names[i]] = 1
        what = action(what, values[i])
        patterns[what] = patterns[what] (patterns[what] == "" ? "" : " | ") "--" names[i]
    }
    for (what in patterns)
        printf "    %s)\n%s        return\n        ;;\n", patterns[what], what == "" ? "" : "        " what "\n"
    print "    esac\n    $split && return"
}

# Finds the command among the words before the one at the cursor, in $command.
function print_command_case(i, pair, first, second) {
    print "    local command= i"
    print "    for ((i = 1; i < cword; i++)); do"
    print "        case ${words[i]} in\n        --admin) i=$((i + 1)) ;;\n        -*) ;;"
    print "        *)\n            command=${words[i]}\n            break\n            ;;\n        esac\n    done"
    for (i = 1; i <= commands; i++) {
        split(command_names[i], pair, " ")
        if (!(pair[1] in second))
            first = first " " pair[1]
        second[pair[1]] = second[pair[1]] (pair[2] == "" ? "" : " " pair[2])
    }
    printf "    case $command in\n    '') %s ;;\n", reply(words_of("") first)
    for (i = 1; i <= commands; i++) {
        split(command_names[i], pair, " ")
        if (command_names[i] in own_flags)
            printf "    %s) %s ;;\n", pair[1], reply(words_of(command_names[i]) second[pair[1]])
    }
    printf "    %s) %s ;;\n", asking(" | "), reply(words_of("ask"))
    print "    esac"
}

END {
    name = program
    gsub(/-/, "_", name)
    printf "# bash completion of %s, made from its --help\n_%s()\n{\n", program, name
    print "    local cur prev words cword split\n    _init_completion -s -n : || return"
    print_values()
    if (commands)
        print_command_case()
    else
        print "    " reply(words_of(""))
    printf "} &&\n    complete -F _%s %s\n", name, program
}
