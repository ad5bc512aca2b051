#include <string.h>

#include "session/core.h"

/* Connections of `udp`: one Data frame is one datagram, whole or not at all. What has no place is
 * dropped, as on any way that datagrams take; nobody is paused for them. */

bool cv_gram_proto(const char *proto, size_t len)
{
    static const char udp[] = "udp";
    const char *at;

    if (len < sizeof(udp) - 1)
        return false;
    at = proto + len - (sizeof(udp) - 1);
    return memcmp(at, udp, sizeof(udp) - 1) == 0 && (at == proto || at[-1] == ':');
}

size_t cv_gram_least(const struct cv_session *s, const struct entry *e)
{
    return e->dgram && s->config.culvert ? CV_DGRAM_MAX : 1;
}

size_t cv_gram_room(const struct cv_session *s)
{
    return s->config.culvert ? CV_DGRAM_MAX : CV_DATA_MAX_FOREIGN;
}

static void drop_assembly(struct cv_session *s)
{
    cv_free(s->alloc, s->gram);
    s->gram = NULL;
    s->gram_len = 0;
}

/* Puts the pieces of a datagram together; false when there is no room for it. */
static bool assemble(struct cv_session *s, const uint8_t *data, size_t len)
{
    if (s->gram_len + len > CV_DGRAM_MAX)
        return false;
    if (!s->gram)
        s->gram = cv_alloc(s->alloc, CV_DGRAM_MAX);
    if (!s->gram)
        return false;
    if (len)
        memcpy(s->gram + s->gram_len, data, len);
    s->gram_len += len;
    return true;
}

/* Keeps one for a target that is not there yet. */
static bool keep(struct cv_session *s, struct entry *e, const uint8_t *data, size_t len)
{
    struct gram *gram;

    if (e->grams_len + len > CV_DGRAMS_KEPT || !cv_budget_take(&s->budget, len))
        return false;
    gram = cv_alloc(s->alloc, sizeof(*gram) + len);
    if (!gram) {
        cv_budget_give(&s->budget, len);
        return false;
    }
    cv_list_init(&gram->link);
    gram->len = len;
    memcpy(gram->data, data, len);
    cv_list_push_back(&e->grams, &gram->link);
    e->grams_len += len;
    return true;
}

size_t cv_gram_piece(struct cv_session *s, struct entry *e, const uint8_t **data, size_t len,
                     bool fin)
{
    bool first = s->reader.body_len == 0;

    /* dropped or not, it holds nobody up */
    cv_conn_consumed(&e->conn, &s->limits, len);
    cv_entry_settle(s, e);
    if (first)
        drop_assembly(s);
    if (!first || !fin) {
        if ((!first && !s->gram) || !assemble(s, *data, len)) {
            drop_assembly(s);
            return 0;
        }
        *data = s->gram;
        len = s->gram_len;
    }
    if (!fin || len == 0 || len > CV_DGRAM_MAX)
        return 0;
    if (cv_conn_delivers(e->conn.state) && cv_list_empty(&e->grams))
        return len;
    (void)!keep(s, e, *data, len);
    return 0;
}

void cv_gram_lend(struct cv_session *s, struct entry *e, struct cv_session_event *event)
{
    struct gram *gram = cv_container_of(cv_list_pop(&e->grams), struct gram, link);

    e->grams_len -= gram->len;
    cv_budget_give(&s->budget, gram->len);
    if (cv_list_empty(&e->grams))
        e->tells &= ~(unsigned)EVENT_GRAM;
    s->lent = gram;
    event->kind = CV_EVENT_DATA;
    event->data = gram->data;
    event->len = gram->len;
}

void cv_gram_return(struct cv_session *s)
{
    cv_free(s->alloc, s->lent);
    s->lent = NULL;
}

void cv_gram_drop_all(struct cv_session *s, struct entry *e)
{
    while (!cv_list_empty(&e->grams))
        cv_free(s->alloc, cv_container_of(cv_list_pop(&e->grams), struct gram, link));
    cv_budget_give(&s->budget, e->grams_len);
    e->grams_len = 0;
    e->tells &= ~(unsigned)EVENT_GRAM;
}
