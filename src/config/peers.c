#include <errno.h>
#include <string.h>

#include "access/quote.h"
#include "base/error.h"
#include "config/file.h"

/* The file of peers. */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* `PROGRAM: PATH:LINE: PROBLEM` */
static int refuse_line(struct cv_config_error *error, const char *program, const char *path,
                       unsigned line, const char *problem)
{
    struct cv_text text;

    cv_config_error_start(&text, error, program);
    cv_escape(&text, path, strlen(path));
    cv_text_str(&text, ":");
    cv_text_u64(&text, line);
    cv_text_str(&text, ": ");
    cv_text_str(&text, problem);
    return CV_ESYNTAX;
}

/* The line at @start without blanks around it, ended by NUL. */
static char *trim(char *start, char *end)
{
    while (start < end && is_blank(start[0]))
        start++;
    while (end > start && is_blank(end[-1]))
        end--;
    *end = '\0';
    return start;
}

int cv_peers_load(struct cv_peer_servers *peers, struct cv_arena *arena, const char *program,
                  const char *path, struct cv_config_error *error)
{
    struct cv_file file;
    unsigned line = 0;
    char *at, *end;
    int rc = cv_file_read(&file, arena, program, path, CV_PEERS_FILE_MAX, true, error);

    if (rc < 0 || !file.text)
        return rc;
    end = file.text + file.len;
    if (memchr(file.text, '\0', file.len))
        return refuse_line(error, program, path, 1, "the file holds a NUL");
    for (at = file.text; at < end; line++) {
        struct cv_taking taking = {.arena = arena};
        char *stop = memchr(at, '\n', (size_t)(end - at)), *text;

        stop = stop ? stop : end;
        text = trim(at, stop);
        at = stop + 1;
        if (text[0] == '\0' || text[0] == '#')
            continue;
        rc = cv_take_peer(&taking, peers, text);
        if (rc == -ENOMEM)
            return cv_config_error_memory(error, program);
        if (rc < 0)
            return refuse_line(error, program, path, line + 1, taking.problem);
    }
    return 0;
}
