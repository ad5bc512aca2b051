#include "support/redis_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void redis_model_init(struct redis_model *model)
{
    memset(model, 0, sizeof(*model));
}

void redis_model_flush(struct redis_model *model)
{
    memset(model->keys, 0, sizeof(model->keys));
}

void redis_model_leave(struct redis_model *model, void *who)
{
    for (size_t i = 0; i < MODEL_SUBS; i++)
        if (model->subs[i].who == who)
            model->subs[i].who = NULL;
}

/* Answers. */

static const char *keep(struct model_answer *answer, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = answer->text + answer->len;

    if (answer->len + size > sizeof(answer->text))
        abort();
    memcpy(copy, text, size);
    answer->len += size;
    return copy;
}

static struct model_answer *answer_new(enum cv_reply_type type)
{
    struct model_answer *answer = calloc(1, sizeof(*answer));

    if (!answer)
        abort();
    answer->reply.type = type;
    answer->reply.text = "";
    answer->reply.items = type == CV_REPLY_ARRAY ? answer->items : NULL;
    return answer;
}

static struct model_answer *say(enum cv_reply_type type, const char *text)
{
    struct model_answer *answer = answer_new(type);

    answer->reply.text = keep(answer, text);
    answer->reply.len = strlen(text);
    return answer;
}

static struct model_answer *number(int64_t value)
{
    struct model_answer *answer = answer_new(CV_REPLY_INTEGER);

    answer->reply.number = value;
    return answer;
}

/* NULL: nil. */
static void add(struct model_answer *answer, const char *text)
{
    struct cv_reply *item = &answer->items[answer->reply.count++];

    if (answer->reply.count > MODEL_ITEMS)
        abort();
    item->type = text ? CV_REPLY_TEXT : CV_REPLY_NIL;
    item->text = text ? keep(answer, text) : "";
    item->len = strlen(item->text);
}

struct model_answer *redis_model_message(const char *channel)
{
    struct model_answer *answer = answer_new(CV_REPLY_ARRAY);

    add(answer, "message");
    add(answer, channel);
    add(answer, "");
    return answer;
}

/* Keys. */

static struct model_key *find(struct redis_model *model, uint64_t now, const char *name)
{
    for (size_t i = 0; i < MODEL_KEYS; i++) {
        struct model_key *key = &model->keys[i];

        if (!key->name[0] || strcmp(key->name, name) != 0)
            continue;
        if (key->expires > now)
            return key;
        memset(key, 0, sizeof(*key));
        return NULL;
    }
    return NULL;
}

static struct model_key *make(struct redis_model *model, uint64_t now, const char *name)
{
    struct model_key *key = find(model, now, name);

    for (size_t i = 0; !key && i < MODEL_KEYS; i++)
        if (!model->keys[i].name[0] || model->keys[i].expires <= now) {
            key = &model->keys[i];
            memset(key, 0, sizeof(*key));
            snprintf(key->name, sizeof(key->name), "%s", name);
            key->expires = CV_NEVER;
        }
    if (!key)
        abort();
    return key;
}

static size_t place(const struct model_key *key, const char *field)
{
    size_t i = 0;

    while (key && i < key->count && strcmp(key->fields[i].name, field) != 0)
        i++;
    return i;
}

/* 1 when it is new. */
static int put(struct redis_model *model, uint64_t now, const char *name, const char *field,
               const char *value)
{
    struct model_key *key = make(model, now, name);
    size_t at = place(key, field);
    int fresh = at == key->count;

    if (at == MODEL_FIELDS)
        abort();
    key->count += (size_t)fresh;
    snprintf(key->fields[at].name, sizeof(key->fields[at].name), "%s", field);
    snprintf(key->fields[at].value, sizeof(key->fields[at].value), "%s", value);
    return fresh;
}

static int take(struct redis_model *model, uint64_t now, const char *name, const char *field)
{
    struct model_key *key = find(model, now, name);
    size_t at = place(key, field);

    if (!key || at == key->count)
        return 0;
    key->fields[at] = key->fields[--key->count];
    if (key->count == 0)
        memset(key, 0, sizeof(*key));
    return 1;
}

const char *redis_model_get(struct redis_model *model, uint64_t now, const char *name,
                            const char *field)
{
    struct model_key *key = find(model, now, name);
    size_t at = place(key, field);

    return key && at < key->count ? key->fields[at].value : NULL;
}

size_t redis_model_count(struct redis_model *model, uint64_t now, const char *name)
{
    const struct model_key *key = find(model, now, name);

    return key ? key->count : 0;
}

static struct model_answer *all(struct redis_model *model, uint64_t now, const char *name,
                                bool values)
{
    const struct model_key *key = find(model, now, name);
    struct model_answer *answer = answer_new(CV_REPLY_ARRAY);

    for (size_t i = 0; key && i < key->count; i++) {
        add(answer, key->fields[i].name);
        if (values)
            add(answer, key->fields[i].value);
    }
    return answer;
}

/* Commands. */

static struct model_answer *publish(struct redis_model *model, const char *channel)
{
    int count = 0;

    for (size_t i = 0; i < MODEL_SUBS; i++)
        if (model->subs[i].who && strcmp(model->subs[i].channel, channel) == 0) {
            count++;
            model->told++;
            model->tell(model->ctx, model->subs[i].who, channel);
        }
    return number(count);
}

static struct model_answer *subscribe(struct redis_model *model, void *who, const char *channel,
                                      bool on)
{
    struct model_answer *answer = answer_new(CV_REPLY_ARRAY);
    size_t free_at = MODEL_SUBS;

    for (size_t i = 0; i < MODEL_SUBS; i++) {
        if (!model->subs[i].who)
            free_at = i;
        else if (model->subs[i].who == who && strcmp(model->subs[i].channel, channel) == 0)
            model->subs[i].who = NULL;
    }
    if (on && free_at == MODEL_SUBS)
        abort();
    if (on) {
        model->subs[free_at].who = who;
        snprintf(model->subs[free_at].channel, sizeof(model->subs[free_at].channel), "%s", channel);
    }
    add(answer, on ? "subscribe" : "unsubscribe");
    add(answer, channel);
    add(answer, "");
    return answer;
}

static uint64_t later(uint64_t now, const char *ms)
{
    return now + strtoull(ms, NULL, 10) * CV_MSEC;
}

static struct model_answer *expire(struct redis_model *model, uint64_t now, const char *name,
                                   const char *ms)
{
    struct model_key *key = find(model, now, name);

    if (key)
        key->expires = later(now, ms);
    return number(key != NULL);
}

static struct model_answer *set(struct redis_model *model, uint64_t now, size_t argc,
                                const char *const *argv)
{
    if (argc == 6 && !find(model, now, argv[1])) /* XX */
        return answer_new(CV_REPLY_NIL);
    put(model, now, argv[1], "", argv[2]);
    make(model, now, argv[1])->expires = later(now, argv[4]);
    return say(CV_REPLY_TEXT, "OK");
}

static struct model_answer *mget(struct redis_model *model, uint64_t now, size_t argc,
                                 const char *const *argv)
{
    struct model_answer *answer = answer_new(CV_REPLY_ARRAY);

    for (size_t i = 1; i < argc; i++)
        add(answer, redis_model_get(model, now, argv[i], ""));
    return answer;
}

/* The one script that there is: a record is taken out by the run that wrote it. */
static struct model_answer *leave(struct redis_model *model, uint64_t now, const char *const *argv)
{
    const char *record = redis_model_get(model, now, argv[3], "");

    if (record && strncmp(record, argv[5], strlen(argv[5])) == 0) {
        take(model, now, argv[3], "");
        take(model, now, argv[4], argv[6]);
    }
    return number(1);
}

static bool writes(const char *word)
{
    return strcmp(word, "HSET") == 0 || strcmp(word, "SET") == 0 || strcmp(word, "SADD") == 0;
}

static bool refuses(const struct redis_model *model, const char *word)
{
    for (size_t i = 0; i < sizeof(model->refused) / sizeof(model->refused[0]); i++)
        if (model->refused[i] && strcmp(model->refused[i], word) == 0)
            return true;
    return false;
}

static struct model_answer *refuse(const char *word)
{
    char text[64];

    snprintf(text, sizeof(text), "NOPERM this user has no permissions to run '%s'", word);
    return say(CV_REPLY_ERROR, text);
}

struct model_answer *redis_model_run(struct redis_model *model, uint64_t now, void *who,
                                     size_t argc, const char *const *argv)
{
    const char *word = argv[0];

    model->commands++;
    if (model->full && writes(word))
        return say(CV_REPLY_ERROR, "OOM command not allowed when used memory > 'maxmemory'.");
    if (refuses(model, word))
        return refuse(word);
    if (strcmp(word, "HGETALL") == 0)
        return all(model, now, argv[1], true);
    if (strcmp(word, "SMEMBERS") == 0)
        return all(model, now, argv[1], false);
    if (strcmp(word, "HSET") == 0)
        return number(put(model, now, argv[1], argv[2], argv[3]));
    if (strcmp(word, "SADD") == 0)
        return number(put(model, now, argv[1], argv[2], ""));
    if (strcmp(word, "HDEL") == 0 || strcmp(word, "SREM") == 0)
        return number(take(model, now, argv[1], argv[2]));
    if (strcmp(word, "PEXPIRE") == 0)
        return expire(model, now, argv[1], argv[2]);
    if (strcmp(word, "SET") == 0)
        return set(model, now, argc, argv);
    if (strcmp(word, "GET") == 0) {
        const char *text = redis_model_get(model, now, argv[1], "");

        return text ? say(CV_REPLY_TEXT, text) : answer_new(CV_REPLY_NIL);
    }
    if (strcmp(word, "MGET") == 0)
        return mget(model, now, argc, argv);
    if (strcmp(word, "EVAL") == 0)
        return leave(model, now, argv);
    if (strcmp(word, "PUBLISH") == 0)
        return publish(model, argv[1]);
    if (strcmp(word, "SUBSCRIBE") == 0 || strcmp(word, "UNSUBSCRIBE") == 0)
        return subscribe(model, who, argv[1], word[0] == 'S');
    return say(CV_REPLY_ERROR, "ERR unknown command");
}
