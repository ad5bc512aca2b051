# Completion for fish.
function quoted(text) {
    gsub(/[\\']/, "\\\\&", text)
    return "'" text "'"
}

function action(kind_, value) {
    if (kind_ == "none" || kind_ == "may")
        return ""
    if (kind_ == "FILE")
        return " -r -F"
    if (kind_ == "DIR")
        return " -x -a '(__fish_complete_directories)'"
    if (kind_ == "IFACE")
        return " -x -a '(__fish_print_interfaces)'"
    if (kind_ == "USER")
        return " -x -a '(__fish_complete_users)'"
    return " -x" (choices(value) == "" ? "" : " -a '" choices(value) "'")
}

function print_flags(command, condition, i) {
    for (i = 1; i <= flags; i++)
        if (belongs(i, command))
            printf "complete -c %s%s -l %s%s%s\n", program, condition, names[i], action(kind(values[i]), values[i]), \
                flag_words[i] == "" ? "" : " -d " quoted(flag_words[i])
}

function print_command(i, pair, seen) {
    split(command_names[i], pair, " ")
    seen = "__fish_seen_subcommand_from " pair[1]
    printf "complete -c %s -n __fish_use_subcommand -a %s -d %s\n", program, pair[1], quoted(command_words[i])
    if (pair[2] != "")
        printf "complete -c %s -n '%s; and not __fish_seen_subcommand_from %s' -a %s\n", program, seen, pair[2], pair[2]
    if (command_names[i] in own_flags)
        print_flags(command_names[i], " -n '" seen "'")
}

END {
    printf "# fish completion of %s, made from its --help\ncomplete -c %s -f\n", program, program
    print_flags("", commands ? " -n __fish_use_subcommand" : "")
    for (i = 1; i <= commands; i++)
        print_command(i)
    if (commands)
        print_flags("ask", " -n '__fish_seen_subcommand_from " asking(" ") "'")
}
