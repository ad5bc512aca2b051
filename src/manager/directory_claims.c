#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "manager/directory_core.h"

/* A field `SERVER/RUN` and its value `SESSION SINCE`; false when they cannot be read. */
static bool read_claim(struct cv_claim *claim, const struct cv_reply *field,
                       const struct cv_reply *value)
{
    const char *slash, *run, *text = value->text;
    uint64_t session;
    size_t len;

    if (field->type != CV_REPLY_TEXT || value->type != CV_REPLY_TEXT)
        return false;
    slash = strchr(field->text, '/');
    len = slash ? (size_t)(slash - field->text) : 0;
    if (!slash || !cv_key_valid(field->text, len))
        return false;
    run = slash + 1;
    *claim = (struct cv_claim){.server = ""};
    memcpy(claim->server, field->text, len);
    if (!cv_directory_number(&run, '\0', &claim->incarnation) ||
        !cv_directory_number(&text, ' ', &session) ||
        !cv_directory_number(&text, '\0', &claim->since))
        return false;
    claim->session = (int64_t)session;
    return true;
}

int cv_claims_read(struct cv_directory *d, struct entry *entry, const struct cv_reply *reply)
{
    size_t count = cv_min_size(reply->count / 2, CV_DIRECTORY_CLAIMS);

    cv_free(d->alloc, entry->claims);
    entry->claims = NULL;
    entry->claim_count = 0;
    if (count == 0)
        return 0;
    entry->claims = cv_alloc_zero(d->alloc, count * sizeof(entry->claims[0]));
    if (!entry->claims)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        struct cv_claim *claim = &entry->claims[entry->claim_count];

        if (read_claim(claim, &reply->items[2 * i], &reply->items[2 * i + 1]) &&
            claim->incarnation != d->incarnation)
            entry->claim_count++;
    }
    return 0;
}

struct but {
    uint64_t incarnation;
    int64_t session;
};

static bool is_open(const struct cv_directory *d, const struct cv_claim *claim, struct but but,
                    uint64_t now)
{
    return !(claim->incarnation == but.incarnation && claim->session == but.session) &&
           cv_members_trusts(d, claim, now);
}

const struct cv_claim *cv_claims_pick(const struct cv_directory *d, const struct entry *entry,
                                      uint64_t but_incarnation, int64_t but_session, uint64_t now)
{
    const struct but but = {but_incarnation, but_session};
    const struct cv_claim *best = NULL;

    for (size_t i = 0; i < entry->claim_count; i++) {
        const struct cv_claim *claim = &entry->claims[i];

        if (is_open(d, claim, but, now) && (!best || claim->since > best->since))
            best = claim;
    }
    return best;
}

const struct cv_claim *cv_claims_turn(const struct cv_directory *d, struct entry *entry,
                                      uint64_t but_incarnation, int64_t but_session, uint64_t now)
{
    const struct but but = {but_incarnation, but_session};

    for (size_t i = 0; i < entry->claim_count; i++) {
        const struct cv_claim *claim = &entry->claims[entry->turn_at++ % entry->claim_count];

        if (is_open(d, claim, but, now))
            return claim;
    }
    return NULL;
}

bool cv_claims_are_listed(const struct cv_directory *d, const struct entry *entry, uint64_t now)
{
    for (size_t i = 0; i < entry->claim_count; i++) {
        const struct cv_claim *claim = &entry->claims[i];
        const struct member_record *member = cv_members_find(d, claim->server);

        if (!member || member->incarnation != claim->incarnation)
            return false;
        if (member->gone_at != CV_NEVER && now - d->listed_at >= LISTED_FOR)
            return false;
    }
    return true;
}

/* Of a run that is over for certain: its server has another one, or was not heard of for long. A
 * server that is only cut off comes back with the same run, and finds its claims. */
static bool is_dead(const struct cv_directory *d, const struct cv_claim *claim, uint64_t now)
{
    const struct member_record *member = cv_members_find(d, claim->server);

    if (strcmp(claim->server, d->id) == 0 || !member)
        return true;
    if (member->gone_at == CV_NEVER)
        return member->incarnation != claim->incarnation;
    return now - member->gone_at >= DEAD_FOR;
}

void cv_claims_prune(struct cv_directory *d, const struct entry *entry, uint64_t now)
{
    for (size_t i = 0; i < entry->claim_count; i++) {
        const struct cv_claim *claim = &entry->claims[i];
        char field[FIELD_MAX];
        struct cv_text text;

        if (!is_dead(d, claim, now))
            continue;
        cv_text_init(&text, field, sizeof(field));
        cv_text_str(&text, claim->server);
        cv_text_str(&text, "/");
        cv_text_u64(&text, claim->incarnation);
        cv_members_prune(d, entry->key, field);
    }
}
