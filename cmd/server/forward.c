#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "door/proxy_head.h"
#include "net/address.h"
#include "net/log.h"
#include "server.h"
#include "visit.h"

static const struct visit_way forward_way = {.answer = NULL};

/* What the target is told first of the visitor: its length. */
static size_t write_head(uint8_t out[CV_PROXY_WRITE_MAX], const struct cv_forward *rule,
                         const char *peer, const char *local)
{
    struct cv_proxy_head head;

    if (!rule->send_proxy)
        return 0;
    (void)!cv_peer_parse(&head.from, peer); /* whoever has no address is written as unknown */
    (void)!cv_peer_parse(&head.to, local);
    return cv_proxy_head_write(out, rule->send_proxy, &head);
}

static void on_admitted(void *ctx, int fd, const char *peer, const char *local)
{
    const struct forward *forward = ctx;
    const struct cv_forward *rule = forward->rule;
    uint8_t head[CV_PROXY_WRITE_MAX];
    size_t head_len = write_head(head, rule, peer, local);

    visit_start(forward->worker, &(struct visit_options){.way = &forward_way,
                                                         .door = forward->listen,
                                                         .peer = peer,
                                                         .client = rule->client,
                                                         .proto = rule->proto,
                                                         .address = rule->address,
                                                         .fd = fd,
                                                         .early = head,
                                                         .early_len = head_len,
                                                         .from = CV_ROUTE_VISITOR});
}

static void on_visitor(void *ctx, int fd, const char *peer)
{
    char local[CV_ADDRESS_SIZE];

    cv_address_local(local, fd);
    on_admitted(ctx, fd, peer, local);
}

/* Opening and closing one. */

static void close_socket(int fd)
{
    if (fd >= 0)
        close(fd);
}

/* Listens, behind an usher where visitors come by a proxy. @fd: a socket that listens already, or
 * -1. */
static int listen_for(struct forward *forward, const struct forward *first, int fd)
{
    struct worker *worker = forward->worker;
    const struct cv_usher_config usher = {
        .loop = &worker->loop, .name = forward->listen, .admitted = on_admitted, .ctx = forward};
    cv_listener_accepted *accepted = on_visitor;
    void *ctx = forward;

    if (forward->rule->proxy_protocol) {
        int rc = cv_usher_new(&forward->usher, &usher);

        if (rc < 0) {
            close_socket(fd);
            return rc;
        }
        accepted = cv_usher_accepted;
        ctx = forward->usher;
    }
    if (fd >= 0)
        return cv_listener_new_on(&forward->listener, &worker->loop, fd, accepted, ctx);
    return worker_listen(worker, &forward->listener, forward->listen,
                         first ? first->listener : NULL, accepted, ctx);
}

/* Takes nobody in any more. */
static void forward_shut(struct forward *forward)
{
    cv_listener_close(forward->listener);
    cv_flows_close(forward->flows);
    cv_usher_free(forward->usher);
    forward->listener = NULL;
    forward->flows = NULL;
    forward->usher = NULL;
}

static void forward_close(struct forward *forward)
{
    cv_list_remove(&forward->link);
    forward_shut(forward);
    free(forward->listen);
    free(forward);
}

/* @first: the same one at the first worker, or NULL there. On failure it is gone, and so is @fd. */
static int forward_open(struct forward **out, struct worker *worker, const struct cv_forward *rule,
                        const struct forward *first, int fd)
{
    struct forward *forward = calloc(1, sizeof(*forward));
    int rc = -ENOMEM;

    if (!forward) {
        close_socket(fd);
        return rc;
    }
    cv_list_init(&forward->link);
    forward->worker = worker;
    forward->rule = rule;
    forward->fresh = true;
    forward->listen = strdup(rule->listen);
    if (forward->listen && rule->proto == CV_PROTO_UDP)
        /* a flow must not change its socket: one worker has all */
        rc = worker->index > 0 ? 0
                               : cv_flows_open(&forward->flows, &worker->loop, forward->listen,
                                               on_visitor, forward);
    else if (forward->listen)
        rc = listen_for(forward, first, fd);
    else
        close_socket(fd);
    if (rc < 0) {
        forward_close(forward);
        return rc;
    }
    cv_list_push_back(&worker->forwards, &forward->link);
    *out = forward;
    return 0;
}

const char *forward_address(const struct forward *forward)
{
    return forward->flows ? cv_flows_address(forward->flows)
                          : cv_listener_address(forward->listener);
}

/* All of them. */

static void log_rule(const struct forward *forward, const char *verb)
{
    const struct cv_forward *rule = forward->rule;

    if (forward->worker->index == 0)
        cv_log_about(&forward->worker->loop.log, CV_LOG_INFO,
                     &(struct cv_log_about){.client = rule->client}, "forward %s%s %s %s/%s/%s%s",
                     forward_address(forward), rule->proxy_protocol ? ", PROXY protocol," : "",
                     verb, rule->client, cv_proto_name(rule->proto), rule->address,
                     rule->send_proxy ? ", which is told who came" : "");
}

int forwards_open(struct worker *worker, struct cv_config_error *error)
{
    const struct cv_forwards *rules = &worker->rules->config->forwards;
    const struct cv_list *at = &worker->server->workers[0].forwards;
    struct forward *forward;

    for (size_t i = 0; i < rules->count; i++) {
        const struct forward *first = NULL;
        int rc;

        if (worker->index > 0) {
            at = at->next;
            first = cv_container_of(at, struct forward, link);
        }
        rc = forward_open(&forward, worker, &rules->at[i], first, -1);
        if (rc < 0)
            return server_fail(error, EXIT_OPEN, rules->at[i].listen, rc);
        log_rule(forward, "to");
    }
    return EXIT_OK;
}

/* Whether the listener may stay for @rule. */
static bool serves(const struct forward *forward, const struct cv_forward *rule)
{
    return strcmp(forward->listen, rule->listen) == 0 &&
           (forward->rule->proto == CV_PROTO_UDP) == (rule->proto == CV_PROTO_UDP) &&
           forward->rule->proxy_protocol == rule->proxy_protocol;
}

static bool leads_elsewhere(const struct cv_forward *a, const struct cv_forward *b)
{
    return strcmp(a->client, b->client) != 0 || a->proto != b->proto ||
           strcmp(a->address, b->address) != 0 || a->send_proxy != b->send_proxy;
}

/* Moves the one that serves @rule from @old to where it belongs, if there is one. */
static void keep(struct worker *worker, struct cv_list *old, const struct cv_forward *rule)
{
    cv_list_each (link, old) { /* mostly the first: rules keep their order */
        struct forward *forward = cv_container_of(link, struct forward, link);
        bool elsewhere;

        if (!serves(forward, rule))
            continue; /* where another rule has it already, it is in @old no more */
        elsewhere = leads_elsewhere(forward->rule, rule);
        cv_list_remove(&forward->link);
        cv_list_push_back(&worker->forwards, &forward->link);
        forward->rule = rule;
        forward->fresh = false;
        if (elsewhere)
            log_rule(forward, "leads now to");
        return;
    }
}

static void shut_all(struct worker *worker, struct cv_list *old)
{
    cv_list_each (link, old) {
        struct forward *forward = cv_container_of(link, struct forward, link);

        if (worker->index == 0)
            cv_log_about(&worker->loop.log, CV_LOG_INFO,
                         &(struct cv_log_about){.client = forward->rule->client},
                         "forward %s closed", forward_address(forward));
        forward_shut(forward);
    }
}

/* Whether it is there, or another worker takes its visitors in. */
static bool open_new(struct worker *worker, const struct cv_forward *rule, int fd, bool last)
{
    struct forward *forward;
    int rc;

    if (worker->index > 0 && fd < 0)
        return true;
    rc = forward_open(&forward, worker, rule, NULL, fd);
    if (rc == 0)
        log_rule(forward, "to");
    else if (last)
        cv_log_about(&worker->loop.log, CV_LOG_ERROR,
                     &(struct cv_log_about){.client = rule->client},
                     "reload: forward %s is not there: %s", rule->listen, cv_strerror(rc));
    return rc == 0;
}

/* Opens those that are not there; the others stand first, in the order of the rules. */
static size_t open_missing(struct worker *worker, const int *fds, bool last)
{
    const struct cv_forwards *rules = &worker->rules->config->forwards;
    const struct cv_list *link = worker->forwards.next;
    size_t missing = 0;

    for (size_t i = 0; i < rules->count; i++) {
        if (link != &worker->forwards &&
            cv_container_of(link, struct forward, link)->rule == &rules->at[i])
            link = link->next;
        else if (!open_new(worker, &rules->at[i], fds ? fds[i] : -1, last))
            missing++;
    }
    return missing;
}

size_t forwards_follow(struct worker *worker, const int *fds, bool last)
{
    const struct cv_forwards *rules = &worker->rules->config->forwards;
    struct cv_list old, *link;
    size_t missing;

    cv_list_init(&old);
    while ((link = cv_list_pop(&worker->forwards)))
        cv_list_push_back(&old, link);
    for (size_t i = 0; i < rules->count; i++)
        keep(worker, &old, &rules->at[i]);
    shut_all(worker, &old); /* before anything opens, perhaps at the same address */
    missing = open_missing(worker, fds, last);
    cv_list_each_safe (rest, &old)
        forward_close(cv_container_of(rest, struct forward, link));
    return missing;
}

void forwards_beside(const struct worker *first, int *fds)
{
    const struct cv_forwards *rules = &first->rules->config->forwards;

    for (size_t i = 0; i < rules->count; i++)
        fds[i] = -1;
    cv_list_each (link, &first->forwards) {
        const struct forward *forward = cv_container_of(link, struct forward, link);

        if (forward->fresh && forward->listener)
            fds[forward->rule - rules->at] = cv_listener_beside(forward->listener);
    }
}

void forwards_close(struct worker *worker)
{
    cv_list_each_safe (link, &worker->forwards)
        forward_close(cv_container_of(link, struct forward, link));
}
