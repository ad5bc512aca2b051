#ifndef CV_CONFIG_YAML_SCAN_H
#define CV_CONFIG_YAML_SCAN_H

#include <stdbool.h>

#include "config/arena.h"

/* Inside the layer: where things stand in a YAML text. libcyaml tells what a value is but not where
 * it stood, and the lines that it names are off by one event; so libyaml's events are walked once
 * beforehand. */

#define CV_YAML_KEY_MAX  64 /* bytes of a key */
#define CV_YAML_ITEM_KEY UINT32_MAX

/* A key, or one value of it. */
struct cv_yaml_place {
    const char *key; /* owned by the arena */
    uint32_t
        item; /* CV_YAML_ITEM_KEY for the key itself; else the value's place in the list, from 0 */
    unsigned line;    /* from 1 */
    const char *text; /* the value; NULL of a key. Owned by the arena */
    bool mapped;      /* it was a mapping */
    bool listed;      /* it is an item of a list; of a key: its value is a list */
};

struct cv_yaml_scan {
    struct cv_yaml_place *places; /* owned by the arena; as they stand in the text */
    size_t count;
    bool mapped;         /* an item is a mapping: cv_yaml_flatten() makes one value of it */
    unsigned line;       /* of what is wrong */
    const char *key;     /* under which it is wrong, or NULL */
    const char *problem; /* what is wrong; owned by the arena, or static */
};

/* Walks @text, which must hold one mapping of keys to plain values or lists of them, or nothing. An
 * item of a list may be a mapping of the list's own key and of suffixes (config/suffix.h), also as
 * `{forward: V, send-proxy: v2}`: its text is then the value with these behind it.
 *
 * CV_ESYNTAX  anything else: see @out
 * -ENOMEM */
int cv_yaml_scan(struct cv_yaml_scan *out, struct cv_arena *arena, const char *text,
                 size_t len) CV_MUST_USE;

/* The same file anew, without mappings in lists; owned by the arena. NULL without memory. */
const char *cv_yaml_flatten(const struct cv_yaml_scan *scan, struct cv_arena *arena);

#endif
