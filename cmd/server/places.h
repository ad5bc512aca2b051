#ifndef CMD_SERVER_PLACES_H
#define CMD_SERVER_PLACES_H

#include "access/publish.h"
#include "base/key.h"
#include "base/list.h"
#include "publish.h"

/* Ports and names that clients want to have exposed, and which client has each. Private to
 * publish.c.
 *
 * Who comes first has it. Further sessions of the same client share it, and its visitors get the
 * target of the newest; so one that comes back meets no clash with itself and leaves no gap.
 * Another client waits, and has it when the first one's last session is gone. */
struct place;
struct places;

struct claim {
    struct cv_list link;         /* in its place, the oldest first */
    struct place *place;         /* NULL: it is malformed, not permitted, or there was no memory */
    struct publish *publish;     /* borrowed */
    const struct suitor *suitor; /* borrowed; whose it is */
    const char *client;          /* borrowed; the suitor's key */
    const char *text;            /* borrowed; as it came */
    struct cv_publication asked; /* borrows from text, where the address comes last */
    uint32_t number;             /* from 1, as the session counts */
    bool judged;
    const char *problem; /* why it is not permitted, static; NULL: it is */
    uint64_t told;       /* the place's state that it was told of */
};

int places_new(struct places **out, struct server *server) CV_MUST_USE;

/* Closes them all; nothing is opened any more. */
void places_close(struct places *places);

/* When no claim is left and no visitor either. NULL is fine. */
void places_free(struct places *places);

/* A permitted claim goes to its place, or leaves it. */
void places_enter(struct places *places, struct claim *claim);
void places_leave(struct places *places, struct claim *claim);

/* Tries once more what could not be opened. */
void places_retry(struct places *places);

/* From any thread; as publish_find(). */
bool places_find(struct places *places, struct cv_slice host, struct cv_upstream_target *out);
void places_each(struct places *places, void (*each)(void *ctx, const struct publish_info *info),
                 void *ctx);

/* publish.c: tells the session of @claim, and the log of a refusal. */
void publish_tell(const struct claim *claim, bool granted, const char *text);

#endif
