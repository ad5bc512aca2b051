#ifndef TESTS_SUPPORT_REDIS_MODEL_H
#define TESTS_SUPPORT_REDIS_MODEL_H

#include <stdbool.h>

#include "base/reply.h"
#include "manager/directory.h"

/* As much of a Redis as the directory uses: what its commands do, what it forgets, and whom it
 * tells. It knows no connections; time is what the caller says. */

#define MODEL_KEYS   128
#define MODEL_FIELDS 24
#define MODEL_TEXT   400
#define MODEL_ITEMS  160
#define MODEL_SUBS   2048

struct redis_model {
    struct model_key {
        char name[120];   /* "": free */
        uint64_t expires; /* CV_NEVER: it does not */
        struct {
            char name[112],
                value[MODEL_TEXT]; /* a string has one, without a name; a set no values */
        } fields[MODEL_FIELDS];
        size_t count;
    } keys[MODEL_KEYS];
    struct {
        void *who; /* NULL: free */
        char channel[100];
    } subs[MODEL_SUBS];
    bool full;              /* what writes is refused */
    const char *refused[2]; /* commands that who asks has no right to; NULL: none */
    uint64_t commands, told;

    /* Somebody published on a channel that @who is subscribed to. */
    void (*tell)(void *ctx, void *who, const char *channel);
    void *ctx;
};

/* An answer that owns its texts; for free(). */
struct model_answer {
    struct cv_reply reply, items[MODEL_ITEMS];
    char text[MODEL_ITEMS * 64 + MODEL_TEXT];
    size_t len;
};

void redis_model_init(struct redis_model *model);

/* Executes a command of @who. Never NULL. */
struct model_answer *redis_model_run(struct redis_model *model, uint64_t now, void *who,
                                     size_t argc, const char *const *argv);

/* What another one would be told by a message on @channel. */
struct model_answer *redis_model_message(const char *channel);

/* Forgets all keys; and whom to tell. */
void redis_model_flush(struct redis_model *model);
void redis_model_leave(struct redis_model *model, void *who);

/* The field @field of the hash @key, or the string @key when @field is ""; NULL when there is none.
 */
const char *redis_model_get(struct redis_model *model, uint64_t now, const char *key,
                            const char *field);

/* How many fields the key has. */
size_t redis_model_count(struct redis_model *model, uint64_t now, const char *key);

#endif
