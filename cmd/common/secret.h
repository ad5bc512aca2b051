#ifndef CMD_COMMON_SECRET_H
#define CMD_COMMON_SECRET_H

#include "base/attr.h"
#include "rendezvous/token.h"

/* The secret that rooms are signed with: the bytes of a file without blanks around them. */
struct secret {
    char bytes[CV_ROOM_SECRET_MAX + 1];
    size_t len;
};

/* Returns 0, or -1 and in @error, one line cut at @size, what is wrong: a file that others may
 * read, too. */
int secret_read(struct secret *out, const char *file, char *error, size_t size) CV_MUST_USE;

#endif
