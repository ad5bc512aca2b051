#ifndef CV_BASE_REPLY_H
#define CV_BASE_REPLY_H

#include "base/attr.h"

/* What a Redis answered, or told a subscriber: plain data, borrowed from whoever read it. */
enum cv_reply_type {
    CV_REPLY_NIL,
    CV_REPLY_TEXT,    /* a string, or a status */
    CV_REPLY_ERROR,   /* its text says why */
    CV_REPLY_INTEGER, /* its number */
    CV_REPLY_ARRAY,   /* its items */
};

struct cv_reply {
    enum cv_reply_type type;
    const char *text; /* ended by NUL; "" where there is none */
    size_t len;
    int64_t number;
    const struct cv_reply *items;
    size_t count;
};

#endif
