#ifndef CV_MANAGER_DIRECTORY_CORE_H
#define CV_MANAGER_DIRECTORY_CORE_H

/* What the files of the directory share; nobody else includes it. */

#include "base/table.h"
#include "manager/directory.h"

#define ROUTE_PREFIX   "culvert:r:{"       /* KEY} -> SERVER/RUN -> SESSION SINCE */
#define CHANGE_PREFIX  "culvert:e:"        /* KEY: the channel of its changes */
#define MEMBERS_KEY    "culvert:{servers}" /* the set of ids; :ID -> RUN URL VERSION SESSIONS */
#define PREFIX_MAX     24
#define RUN_DIGITS     20
#define FIELD_MAX      (CV_KEY_MAX + 1 + RUN_DIGITS + 1) /* SERVER/RUN and its NUL */
#define CV_MEMBERS_GET 64                                /* records of one MGET */
#define PRUNES_MAX     64
#define TROUBLE_MAX    200           /* bytes of an error of Redis, and its NUL */
#define LISTED_FOR     CV_SEC        /* who was not listed a moment ago is not asked for again */
#define DEAD_FOR       (60 * CV_SEC) /* a record that was away so long does not come back */

/* Renewals wait in a wheel of slots: each is due in the second half of a round. */
#define WHEEL_SLOTS 64
#define WHEEL_SLOT  (CV_DIRECTORY_CLAIM_LEASE / 2 / WHEEL_SLOTS)

/* A command whose answer is awaited. */
enum op_kind {
    OP_LOOKUP,
    OP_PUT,
    OP_EXTEND,
    OP_TAKE_BACK,
    OP_TELL,
    OP_READ,
    OP_TOUCH,
    OP_RECORD,
    OP_ENROL,
    OP_LIST,
    OP_GET,
    OP_PRUNE,
    OP_LEAVE,
    OP_SUBSCRIBE,
    OP_UNSUBSCRIBE,
};

struct op {
    enum op_kind kind;
    uint64_t sent_at;
    uint64_t serial;     /* of the entry, or of the claim's state */
    size_t first, count; /* of OP_GET, in the listing */
    bool last;           /* of the commands about one state of a claim */
    char key[CV_KEY_MAX + 1];
};

struct ops {
    struct op at[CV_DIRECTORY_PIPELINE];
    size_t head, count;
};

/* The cache. */

enum phase {
    PHASE_IDLE,
    PHASE_QUEUED,   /* in `lookups` or `refused` */
    PHASE_ASKED,    /* an op says so */
    PHASE_HEALING,  /* nobody has it, as far as is known so soon after an outage: in `healing` */
    PHASE_UNLISTED, /* answered, and names a member that is not known: in `unlisted` */
};

struct entry {
    char key[CV_KEY_MAX + 1];
    UT_hash_handle hh;
    uint64_t serial;
    struct cv_list lru; /* in the directory's, when nobody waits */
    struct cv_list queue;
    struct cv_list waiters; /* never none while nothing is known */
    enum phase phase;
    bool known, fresh;
    bool watched;              /* now */
    bool was_watched, will_be; /* when its answer was asked for; the same of the one to come */
    uint64_t asked_at;         /* its answer */
    uint64_t turn;             /* the number of the last command */
    struct cv_claim *claims;   /* owned */
    size_t claim_count;
    uint32_t turn_at; /* how often one was chosen by turns */
};

/* A SUBSCRIBE or UNSUBSCRIBE that waits to be sent. */
struct watch_job {
    struct cv_list link;
    bool on;
    uint64_t serial;
    char key[CV_KEY_MAX + 1];
};

/* Members. */

struct member_record {
    char id[CV_KEY_MAX + 1];
    UT_hash_handle hh;
    uint64_t incarnation, sessions;
    uint64_t seen_at, gone_at; /* CV_NEVER: it is there */
    uint64_t listing;          /* the last one that named it */
    char *url;                 /* owned; `version` stands behind its NUL */
    const char *version;
};

/* What is taken out because its member is dead: a field of a key, or, without a key, a member. */
struct prune {
    char key[CV_KEY_MAX + 1];
    char field[FIELD_MAX];
};

/* What we claim. */

struct own_session {
    struct cv_list link;
    int64_t session;
    uint64_t since;
};

struct own {
    char key[CV_KEY_MAX + 1];
    UT_hash_handle hh;
    struct cv_list queue;    /* in `urgent`, `spread`, `failed` or a slot of the wheel */
    struct cv_list sessions; /* none: it is to be taken back */
    uint64_t serial;         /* of its state */
    unsigned step;           /* commands that were sent of it */
    bool published;          /* Redis has this state */
    bool tell;               /* the change is yet to be published to those who watch */
    bool renewal;
};

struct cv_directory {
    const struct cv_alloc *alloc;
    const struct cv_random *random;
    struct cv_directory_stats stats;
    char id[CV_KEY_MAX + 1], version[32], url[CV_DIRECTORY_URL_MAX + 1];
    char field[FIELD_MAX]; /* ours */
    uint64_t incarnation, sessions, serial;
    bool up, was_up, watch_up, leaving;
    char trouble[TROUBLE_MAX], watch_trouble[TROUBLE_MAX];
    struct ops ops, watch_ops;

    struct entry *entries;
    struct cv_list lru, lookups, refused, unlisted, healing;
    uint64_t heal_until, poll_at;
    struct cv_list woken, waits; /* of waiters; the latter by deadline */
    struct cv_list watch_jobs;

    struct member_record *members; /* without ourselves */
    char (*listing)[CV_KEY_MAX + 1];
    size_t listing_count, listing_asked, listing_answered;
    uint64_t listing_number;
    bool listing_busy, listing_wanted;
    bool listing_whole;    /* nothing of it was refused or forgotten */
    uint64_t listing_turn; /* the number of its command */
    uint64_t listed_at;    /* the last one was over */
    struct prune prunes[PRUNES_MAX];
    size_t prune_count;

    struct own *owns;
    struct cv_list urgent, spread, failed, wheel[WHEEL_SLOTS];
    uint64_t wheel_at; /* the slot that is due next: a time over WHEEL_SLOT */
    uint64_t spread_from, spread_total, spread_done;
    uint32_t gone; /* owns to be taken back */

    uint64_t renew_at, retry_at;
    unsigned record_step; /* of our record's commands; RECORD_STEPS: none is due */
    bool recorded;        /* on this connection */
    bool twin;            /* the record was another run's */
    bool record_refused;  /* the last time */
    bool lookup_refused;  /* the last one */

    uint64_t refusals;         /* of commands, so far; */
    uint64_t round_refusals;   /* when our record's first command was sent; */
    uint64_t listing_refusals; /* and when that of the last record before the listing was */
    bool clean; /* a record's commands, a listing's after them, and all since went through */

    char text[8][FIELD_MAX + PREFIX_MAX + 48];
    char record[CV_DIRECTORY_URL_MAX + 160];
    char names[CV_MEMBERS_GET][CV_KEY_MAX + PREFIX_MAX];
};

/* directory.c */
struct op *cv_directory_op(struct ops *ops, enum op_kind kind, const char *key, uint64_t serial,
                           uint64_t now);
/* Forgets the trouble if nothing is refused any more, as far as it was tried. */
void cv_directory_calm(struct cv_directory *d);
/* Copies an error, cut where it does not fit. */
void cv_directory_quote(char trouble[TROUBLE_MAX], const struct cv_reply *reply);
void cv_directory_refused(struct cv_directory *d, const struct cv_reply *reply, uint64_t now);

/* Writes a key or channel to d->text[@slot]. */
const char *cv_directory_name(struct cv_directory *d, unsigned slot, const char *prefix,
                              const char *key, const char *suffix);

/* Reads a number that ends before @stop, and moves *@text behind that; false when there is none. */
bool cv_directory_number(const char **text, char stop, uint64_t *value) CV_MUST_USE;

/* directory_cache.c */
bool cv_cache_next(struct cv_directory *d, uint64_t now, struct cv_command *command);
void cv_cache_answered(struct cv_directory *d, const struct op *op, const struct cv_reply *reply,
                       uint64_t now);
void cv_cache_listed(struct cv_directory *d, bool whole, uint64_t now);
void cv_cache_down(struct cv_directory *d, uint64_t now);
void cv_cache_tick(struct cv_directory *d, uint64_t now);
void cv_cache_retry(struct cv_directory *d);
void cv_cache_changed(struct cv_directory *d, struct entry *entry);

void cv_cache_clear(struct cv_directory *d);
struct entry *cv_cache_find(const struct cv_directory *d, const char *key);

/* directory_claims.c: what an answer says, and who of it is chosen. */

/* The claims of @entry are those of the answer from now on. Returns 0 or -ENOMEM. */
int cv_claims_read(struct cv_directory *d, struct entry *entry,
                   const struct cv_reply *reply) CV_MUST_USE;
const struct cv_claim *cv_claims_pick(const struct cv_directory *d, const struct entry *entry,
                                      uint64_t but_incarnation, int64_t but_session, uint64_t now);
/* The same, in place of the newest that whose turn it is. */
const struct cv_claim *cv_claims_turn(const struct cv_directory *d, struct entry *entry,
                                      uint64_t but_incarnation, int64_t but_session, uint64_t now);
bool cv_claims_are_listed(const struct cv_directory *d, const struct entry *entry, uint64_t now);
void cv_claims_prune(struct cv_directory *d, const struct entry *entry, uint64_t now);

/* directory_watch.c */
void cv_watch_add(struct cv_directory *d, const struct entry *entry);
void cv_watch_remove(struct cv_directory *d, const struct entry *entry);
void cv_watch_clear(struct cv_directory *d);

/* directory_members.c */
#define RECORD_STEPS 4
bool cv_members_next(struct cv_directory *d, uint64_t now, struct cv_command *command);
void cv_members_answered(struct cv_directory *d, const struct op *op, const struct cv_reply *reply,
                         uint64_t now);
const struct member_record *cv_members_find(const struct cv_directory *d, const char *id);
bool cv_members_trusts(const struct cv_directory *d, const struct cv_claim *claim, uint64_t now);
void cv_members_down(struct cv_directory *d);
void cv_members_prune(struct cv_directory *d, const char *key, const char *field);
void cv_members_clear(struct cv_directory *d);

/* directory_own.c */
bool cv_own_first(struct cv_directory *d, uint64_t now, struct cv_command *command);
bool cv_own_next(struct cv_directory *d, uint64_t now, struct cv_command *command);
void cv_own_answered(struct cv_directory *d, const struct op *op, const struct cv_reply *reply,
                     uint64_t now);
void cv_own_republish(struct cv_directory *d, uint64_t now);
void cv_own_down(struct cv_directory *d);
void cv_own_tick(struct cv_directory *d, uint64_t now);
void cv_own_retry(struct cv_directory *d, uint64_t now);
uint64_t cv_own_deadline(const struct cv_directory *d, uint64_t now);
void cv_own_clear(struct cv_directory *d);

#endif
