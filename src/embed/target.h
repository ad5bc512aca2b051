#ifndef CV_EMBED_TARGET_H
#define CV_EMBED_TARGET_H

#include "access/target.h"
#include "base/key.h"

/* What a program dials: `CLIENT/HOST:PORT` or `CLIENT/unix/PATH`. */
struct cv_dial_target {
    char client[CV_KEY_MAX + 1];
    enum cv_proto proto;
    const char *address; /* borrowed from the text */
};

/* CV_ESYNTAX  not a target of that form
 * CV_EBADKEY  CLIENT is no client key */
int cv_dial_target_read(struct cv_dial_target *out, const char *text) CV_MUST_USE;

#endif
