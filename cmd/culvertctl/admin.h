#ifndef CULVERTCTL_ADMIN_H
#define CULVERTCTL_ADMIN_H

#include <jansson.h>
#include <stdbool.h>

/* Talking to a server's admin API, for the commands that do. */

#define ADMIN_URL_DEFAULT "http://127.0.0.1:8124"

struct admin_options {
    const char *url;        /* http(s)://HOST:PORT or unix:PATH */
    const char *token_file; /* NULL: CULVERT_ADMIN_TOKEN, or none */
    bool json;
    unsigned watch;     /* seconds between two looks; 0: once */
    const char *object; /* the one word that is no flag; NULL: none */
    bool missing;       /* in: 404 is no complaint; out: it was the answer */
};

/* Reads the words behind a command; @object says what the one word that is no flag stands for, NULL
 * when there is to be none. Returns EXIT_OK, or the code to exit with when it has complained. */
int admin_read_options(struct admin_options *out, int argc, char **argv, const char *object);

/* Asks @method @path of the server; *@out gets the answer, to be json_decref()ed. Returns EXIT_OK,
 * or the code to exit with when it has complained, or with `missing` still set. */
int admin_ask(struct admin_options *options, const char *method, const char *path, json_t **out);

#endif
