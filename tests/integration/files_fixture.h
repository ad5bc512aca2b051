#ifndef TESTS_INTEGRATION_FILES_FIXTURE_H
#define TESTS_INTEGRATION_FILES_FIXTURE_H

/* A folder on disk, the file service on it, and clients at the other ends of socketpairs, all on
 * one loop. */
#include "door/http.h"
#include "http/files.h"

#define H     "Host: culvert.files\r\n"
#define CLOSE "Connection: close\r\n\r\n"
extern struct cv_loop files_loop;
extern struct cv_files *files;
extern char files_shelf[64]; /* the folder that is served; its parent holds outside.txt, which says
                                "secret" */

void files_setup(void);
void files_teardown(void);

/* Makes a file, a folder or a link in the folder that is served. */
void put(const char *name, const char *text);
void put_folder(const char *name);
void put_link(const char *to, const char *name);

/* A file of @size bytes in which every eight differ; returns them, for free(). */
char *put_big(const char *name, size_t size);

/* A client's socket, non-blocking; the other end is served. */
int client(void);

/* Runs the loop once, without waiting. */
void turn(void);

/* Sends all of a text, running the loop meanwhile. */
void say(int fd, const char *text, size_t len);

/* Runs the loop until the other end closes; returns what it sent, ended by NUL, for free(). */
char *read_all(int fd, size_t *len);

/* One answer, taken apart by our own reader. */
struct answer {
    char *text; /* for free() */
    struct cv_http_head head;
    const char *body;
    size_t body_len; /* all that came behind the head */
};

/* Reads the answer until the other end closes; closes @fd. */
struct answer take(int fd);

/* Sends a request on a connection of its own and takes the answer. */
struct answer ask(const char *request);
struct answer get(const char *target, const char *headers);

void assert_header(const struct answer *answer, const char *name, const char *want);
void assert_status(const char *target, int want);

#endif
