#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "manager/directory_core.h"

/* A server that comes back under its id at once, before this one has said goodbye, keeps its
 * record: hence a script, which looks before it takes the record out. */
static const char leave_script[] =
    "local v = redis.call('GET', KEYS[1]) "
    "if v and string.sub(v, 1, #ARGV[1]) == ARGV[1] then "
    "redis.call('DEL', KEYS[1]) redis.call('SREM', KEYS[2], ARGV[2]) end return 1";

/* Our own record. */

static const char *number(struct cv_directory *d, unsigned slot, uint64_t value)
{
    struct cv_text text;

    cv_text_init(&text, d->text[slot], sizeof(d->text[slot]));
    cv_text_u64(&text, value);
    return text.buf;
}

static const char *write_record(struct cv_directory *d)
{
    struct cv_text text;

    cv_text_init(&text, d->record, sizeof(d->record));
    cv_text_u64(&text, d->incarnation);
    cv_text_str(&text, " ");
    cv_text_str(&text, d->url);
    cv_text_str(&text, " ");
    cv_text_str(&text, d->version);
    cv_text_str(&text, " ");
    cv_text_u64(&text, d->sessions);
    return text.buf;
}

static void take_down(struct cv_directory *d, uint64_t now, struct cv_command *command)
{
    struct cv_text run;

    cv_text_init(&run, d->text[1], sizeof(d->text[1]));
    cv_text_u64(&run, d->incarnation);
    cv_text_str(&run, " ");
    *command = (struct cv_command){7,
                                   {"EVAL", leave_script, "2",
                                    cv_directory_name(d, 0, MEMBERS_KEY ":", d->id, ""),
                                    MEMBERS_KEY, run.buf, d->id}};
    cv_directory_op(&d->ops, OP_LEAVE, "", 0, now);
}

static void renew(struct cv_directory *d, uint64_t now, struct cv_command *command)
{
    static const enum op_kind kinds[RECORD_STEPS] = {OP_READ, OP_TOUCH, OP_RECORD, OP_ENROL};
    const char *key = cv_directory_name(d, 0, MEMBERS_KEY ":", d->id, "");
    const char *lease = number(d, 1, CV_DIRECTORY_MEMBER_LEASE / CV_MSEC);

    switch (d->record_step) {
    case 0:
        d->round_refusals = d->refusals;
        *command = (struct cv_command){2, {"GET", key}};
        break;
    case 1: /* also goes through where there is no memory to write it anew */
        *command = (struct cv_command){3, {"PEXPIRE", key, lease}};
        break;
    case 2:
        *command = (struct cv_command){d->recorded ? 6 : 5,
                                       {"SET", key, write_record(d), "PX", lease, "XX"}};
        break;
    default:
        *command = (struct cv_command){3, {"SADD", MEMBERS_KEY, d->id}};
        d->listing_wanted = true;
        break;
    }
    cv_directory_op(&d->ops, kinds[d->record_step++], "", 0, now);
}

/* Who there is. */

const struct member_record *cv_members_find(const struct cv_directory *d, const char *id)
{
    struct member_record *member;

    HASH_FIND_STR(d->members, id, member);
    return member;
}

static bool is_there(const struct member_record *member)
{
    return member && member->gone_at == CV_NEVER;
}

bool cv_members_trusts(const struct cv_directory *d, const struct cv_claim *claim, uint64_t now)
{
    const struct member_record *member = cv_members_find(d, claim->server);

    return is_there(member) && member->incarnation == claim->incarnation &&
           now - member->seen_at < CV_DIRECTORY_LEASE;
}

static struct member_record *member_get(struct cv_directory *d, const char *id)
{
    const struct cv_alloc *table_alloc = d->alloc;
    struct member_record *member;

    HASH_FIND_STR(d->members, id, member);
    if (member)
        return member;
    member = cv_alloc_zero(d->alloc, sizeof(*member));
    if (!member)
        return NULL;
    memcpy(member->id, id, strlen(id));
    member->gone_at = 0;
    HASH_ADD_STR(d->members, id, member);
    if (cv_table_added(member))
        return member;
    cv_free(d->alloc, member);
    return NULL;
}

static void member_free(struct cv_directory *d, struct member_record *member)
{
    const struct cv_alloc *table_alloc = d->alloc;

    HASH_DEL(d->members, member);
    cv_free(d->alloc, member->url);
    cv_free(d->alloc, member);
}

void cv_members_clear(struct cv_directory *d)
{
    struct member_record *member, *next;

    HASH_ITER (hh, d->members, member, next)
        member_free(d, member);
    cv_free(d->alloc, d->listing);
    d->listing = NULL;
}

static void set_gone(struct cv_directory *d, struct member_record *member, uint64_t now)
{
    if (is_there(member)) {
        d->stats.members--;
        member->gone_at = now;
    } else if (member->gone_at == 0) {
        member->gone_at = now;
    }
}

/* The end of a word of visible characters before a blank; NULL when there is none. */
static const char *word_end(const char *text)
{
    const char *at = text;

    while (*at > ' ' && *at <= '~')
        at++;
    return at > text && *at == ' ' ? at : NULL;
}

static bool is_word(const char *word, const char *text, size_t len)
{
    return strncmp(word, text, len) == 0 && word[len] == '\0';
}

/* `RUN URL VERSION SESSIONS`; false when it cannot be read. */
static bool read_record(struct cv_directory *d, struct member_record *member, const char *text)
{
    const char *url, *version, *blank, *end;
    uint64_t run, sessions;
    size_t size;
    char *copy;

    if (!cv_directory_number(&text, ' ', &run) || !(blank = word_end(text)) ||
        !(end = word_end(blank + 1)))
        return false;
    url = text;
    version = blank + 1;
    text = end + 1;
    if (blank - url > CV_DIRECTORY_URL_MAX || !cv_directory_number(&text, '\0', &sessions))
        return false;
    size = (size_t)(end - url);
    copy = member->url;
    if (!copy || member->incarnation != run || !is_word(copy, url, (size_t)(blank - url)) ||
        !is_word(member->version, version, (size_t)(end - version)))
        copy = NULL;
    if (!copy) {
        copy = cv_alloc_zero(d->alloc, size + 1);
        if (!copy)
            return false;
        memcpy(copy, url, size);
        copy[blank - url] = '\0';
        cv_free(d->alloc, member->url);
        member->url = copy;
        member->version = copy + (version - url);
    }
    member->incarnation = run;
    member->sessions = sessions;
    return true;
}

/* What our own record is, before it is written anew. */
static void judge_own(struct cv_directory *d, const struct cv_reply *reply)
{
    const char *text = reply->text;
    uint64_t run;

    if (reply->type != CV_REPLY_ERROR)
        d->twin = reply->type == CV_REPLY_TEXT && cv_directory_number(&text, ' ', &run) &&
                  run != d->incarnation;
}

/* It was not there any more, and with it, as far as we know, nothing else of ours. */
static void lost(struct cv_directory *d, uint64_t now)
{
    d->stats.lost++;
    d->recorded = false;
    d->record_step = 0;
    cv_own_republish(d, now);
}

static void recorded(struct cv_directory *d, const struct cv_reply *reply, uint64_t now)
{
    d->record_refused = reply->type == CV_REPLY_ERROR;
    if (reply->type == CV_REPLY_NIL) {
        lost(d, now);
        return;
    }
    d->recorded = d->recorded || !d->record_refused;
    if (!d->record_refused)
        cv_own_retry(d, now);
}

/* What Redis has of the record of @id. */
static void judge(struct cv_directory *d, const char *id, const struct cv_reply *reply,
                  uint64_t sent_at, uint64_t now)
{
    struct member_record *member;
    bool was_there;

    if (strcmp(id, d->id) == 0)
        return;
    member = member_get(d, id);
    if (!member) {
        d->listing_whole = false;
        return;
    }
    was_there = is_there(member);
    member->listing = d->listing_number;
    if (reply->type != CV_REPLY_TEXT || !read_record(d, member, reply->text)) {
        set_gone(d, member, now);
        if (now - member->gone_at >= DEAD_FOR)
            cv_members_prune(d, "", id);
        return;
    }
    member->gone_at = CV_NEVER;
    member->seen_at = sent_at;
    d->stats.members += !was_there;
}

/* Listings. */

static void finish(struct cv_directory *d, uint64_t now)
{
    struct member_record *member, *next;

    d->listing_busy = false;
    d->listed_at = now;
    HASH_ITER (hh, d->members, member, next) {
        if (member->listing == d->listing_number)
            continue;
        set_gone(d, member, now);
        member_free(d, member);
    }
    cv_cache_listed(d, d->listing_whole, now);
    d->clean = d->clean || d->refusals == d->listing_refusals;
    cv_directory_calm(d);
}

static void listed(struct cv_directory *d, const struct cv_reply *reply, uint64_t now)
{
    size_t count = 0;

    cv_free(d->alloc, d->listing);
    d->listing_count = d->listing_asked = d->listing_answered = 0;
    d->listing = reply->type == CV_REPLY_ARRAY && reply->count
                     ? cv_alloc_zero(d->alloc, cv_min_size(reply->count, CV_DIRECTORY_MEMBERS) *
                                                   sizeof(d->listing[0]))
                     : NULL;
    if (!d->listing) { /* what was known stays */
        d->listing_busy = false;
        d->listed_at = now;
        cv_cache_listed(d, false, now);
        return;
    }
    for (size_t i = 0; i < reply->count && count < CV_DIRECTORY_MEMBERS; i++) {
        const struct cv_reply *id = &reply->items[i];

        if (id->type == CV_REPLY_TEXT && cv_key_valid(id->text, id->len))
            memcpy(d->listing[count++], id->text, id->len);
    }
    d->listing_number++;
    d->listing_whole = reply->count <= CV_DIRECTORY_MEMBERS;
    d->listing_count = count;
    if (count == 0)
        finish(d, now);
}

/* What was known of it stays. */
static void refused(struct cv_directory *d, const char *id)
{
    struct member_record *member;

    d->listing_whole = false;
    HASH_FIND_STR(d->members, id, member);
    if (member)
        member->listing = d->listing_number;
}

static void got(struct cv_directory *d, const struct op *op, const struct cv_reply *reply,
                uint64_t now)
{
    d->listing_answered += op->count;
    for (size_t i = 0; i < op->count; i++) {
        const char *id = d->listing[op->first + i];

        if (reply->type == CV_REPLY_ARRAY && reply->count == op->count)
            judge(d, id, &reply->items[i], op->sent_at, now);
        else
            refused(d, id);
    }
    if (d->listing_answered == d->listing_count)
        finish(d, now);
}

static bool get_next(struct cv_directory *d, uint64_t now, struct cv_command *command)
{
    size_t first = d->listing_asked;
    size_t count = cv_min_size(d->listing_count - first, CV_MEMBERS_GET);
    struct op *op;

    if (!d->listing_busy || count == 0)
        return false;
    command->argc = count + 1;
    command->argv[0] = "MGET";
    for (size_t i = 0; i < count; i++) {
        struct cv_text text;

        cv_text_init(&text, d->names[i], sizeof(d->names[i]));
        cv_text_str(&text, MEMBERS_KEY ":");
        cv_text_str(&text, d->listing[first + i]);
        command->argv[i + 1] = text.buf;
    }
    d->listing_asked += count;
    op = cv_directory_op(&d->ops, OP_GET, "", 0, now);
    op->first = first;
    op->count = count;
    return true;
}

static bool list_next(struct cv_directory *d, uint64_t now, struct cv_command *command)
{
    if (!d->listing_wanted || d->listing_busy)
        return false;
    d->listing_wanted = false;
    d->listing_busy = true;
    d->listing_count = d->listing_asked = 0;
    d->listing_turn = d->stats.commands;
    d->listing_refusals = d->round_refusals;
    *command = (struct cv_command){2, {"SMEMBERS", MEMBERS_KEY}};
    cv_directory_op(&d->ops, OP_LIST, "", 0, now);
    return true;
}

/* Taking out what the dead left. */

void cv_members_prune(struct cv_directory *d, const char *key, const char *field)
{
    struct prune *prune = &d->prunes[d->prune_count];

    if (d->prune_count == PRUNES_MAX)
        return; /* it is met again */
    d->prune_count++;
    *prune = (struct prune){.key = ""};
    memcpy(prune->key, key, strlen(key));
    memcpy(prune->field, field, strlen(field));
}

static bool prune_next(struct cv_directory *d, uint64_t now, struct cv_command *command)
{
    const struct prune *prune;

    if (d->prune_count == 0)
        return false;
    prune = &d->prunes[--d->prune_count];
    if (prune->key[0])
        *command = (struct cv_command){
            3, {"HDEL", cv_directory_name(d, 0, ROUTE_PREFIX, prune->key, "}"), prune->field}};
    else
        *command = (struct cv_command){3, {"SREM", MEMBERS_KEY, prune->field}};
    cv_directory_op(&d->ops, OP_PRUNE, "", 0, now);
    return true;
}

/* The connection. */

bool cv_members_next(struct cv_directory *d, uint64_t now, struct cv_command *command)
{
    if (d->leaving) {
        if (d->record_step == RECORD_STEPS)
            return false;
        d->record_step = RECORD_STEPS;
        take_down(d, now, command);
        return true;
    }
    if (d->record_step < RECORD_STEPS) {
        renew(d, now, command);
        return true;
    }
    return list_next(d, now, command) || get_next(d, now, command) || prune_next(d, now, command);
}

void cv_directory_leave(struct cv_directory *d)
{
    d->leaving = true;
    d->record_step = 0;
}

void cv_members_answered(struct cv_directory *d, const struct op *op, const struct cv_reply *reply,
                         uint64_t now)
{
    if (op->kind == OP_LIST) {
        listed(d, reply, now);
    } else if (op->kind == OP_GET) {
        got(d, op, reply, now);
    } else if (op->kind == OP_READ) {
        judge_own(d, reply);
    } else if (op->kind == OP_RECORD) {
        recorded(d, reply, now);
    }
}

void cv_members_down(struct cv_directory *d)
{
    d->listing_busy = false;
    d->listing_wanted = false;
    d->listing_count = d->listing_asked = 0;
    d->prune_count = 0;
}

const char *cv_directory_url(const struct cv_directory *d, const char *id, uint64_t incarnation)
{
    const struct member_record *member = cv_members_find(d, id);

    return is_there(member) && member->incarnation == incarnation ? member->url : NULL;
}

void cv_directory_each(const struct cv_directory *d,
                       void (*each)(void *ctx, const struct cv_member_record *member), void *ctx)
{
    struct member_record *member, *next;
    struct cv_member_record self = {.id = d->id,
                                    .url = d->url,
                                    .version = d->version,
                                    .incarnation = d->incarnation,
                                    .sessions = d->sessions,
                                    .is_self = true};

    each(ctx, &self);
    HASH_ITER (hh, d->members, member, next) {
        struct cv_member_record info = {.id = member->id,
                                        .url = member->url,
                                        .version = member->version,
                                        .incarnation = member->incarnation,
                                        .sessions = member->sessions,
                                        .seen_at = member->seen_at};

        if (is_there(member))
            each(ctx, &info);
    }
}
