# Fills a template of a manual page (scdoc) with facts: `@FLAGS@`, `@ASK@`, `@COMMANDS@` and `@KEYS@`, each alone on its line.
# usage: awk -f read.awk -f page.awk FACTS TEMPLATE

function plain(text) {
    gsub(/[\\*_#~<>`]/, "\\\\&", text)
    return text
}

function item(head, words, indent) {
    printf "%s%s\n%s\t%s\n\n", indent, head, indent, plain(words)
}

function flag_head(i, value) {
    value = values[i]
    return "*--" names[i] "*" (value == "" ? "" : substr(value, 1, 1) == "[" ? plain(value) : " _" plain(value) "_")
}

function print_flags(scope, indent, i) {
    for (i = 1; i <= flags; i++)
        if (scopes[i] == scope && flag_words[i] != "")
            item(flag_head(i), flag_words[i], indent)
}

function print_commands(i) {
    for (i = 1; i <= commands; i++) {
        item("*" command_names[i] "*" (arguments[i] == "" ? "" : " " plain(arguments[i])), command_words[i])
        print_flags(command_names[i], "\t")
    }
}

# Every flag but those that only make sense on a command line.
function print_keys(i, words, list) {
    for (i = 1; i <= flags; i++) {
        if (names[i] ~ /^(config|check|help|version)$/)
            continue
        words = flag_words[i]
        list = sub(/; repeatable/, "", words)
        item("*" names[i] "*: " (values[i] == "" ? "true or false" : "_" plain(values[i]) "_") (list ? ", a list" : ""), words)
    }
}

$0 == "@FLAGS@" { print_flags("all"); next }
$0 == "@ASK@" { print_flags("ask"); next }
$0 == "@COMMANDS@" { print_commands(); next }
$0 == "@KEYS@" { print_keys(); next }
{ print }
