#ifndef TESTS_CONFIG_WORDS_H
#define TESTS_CONFIG_WORDS_H

#include <string.h>

#define WORDS_MAX 64

/* A command line cut at its blanks; `\t` inside a word stands for a blank of the word. */
struct words {
    char text[2048];
    const char *argv[WORDS_MAX];
    int argc;
};

static inline void words_split(struct words *words, const char *program, const char *line)
{
    strncpy(words->text, line, sizeof(words->text) - 1);
    words->text[sizeof(words->text) - 1] = '\0';
    words->argv[0] = program;
    words->argc = 1;
    for (char *word = strtok(words->text, " "); word && words->argc < WORDS_MAX;
         word = strtok(NULL, " ")) {
        for (char *tab = strchr(word, '\t'); tab; tab = strchr(tab, '\t'))
            *tab = ' ';
        words->argv[words->argc++] = word;
    }
}

#endif
