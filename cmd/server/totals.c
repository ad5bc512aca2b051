#include "totals.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/reason.h"
#include "culvert_version.h"
#include "server.h"

static void add_session(void *ctx, const struct guest_info *info)
{
    struct totals *totals = ctx;

    cv_session_stats_add(&totals->stats, cv_session_stats(info->session));
    totals->conns += cv_session_conns(info->session);
}

void totals_add(struct totals *totals, struct worker *worker)
{
    cv_session_stats_add(&totals->stats, &worker->past);
    totals->joined += worker->joined;
    totals->left += worker->left;
    totals->ignored += cv_manager_stats(worker->manager)->announces_ignored;
    totals->lag[worker->index] = worker->lag;
    guests_each(worker, add_session, totals);
}

void totals_merge(struct totals *totals, const struct totals *other)
{
    cv_session_stats_add(&totals->stats, &other->stats);
    totals->joined += other->joined;
    totals->left += other->left;
    totals->conns += other->conns;
    totals->ignored += other->ignored;
    for (size_t i = 0; i < CV_LIMIT_THREADS_MAX; i++)
        if (other->lag[i] > totals->lag[i])
            totals->lag[i] = other->lag[i];
}

/* Descriptors that are open; 0 when /proc does not tell. */
static unsigned open_files(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned count = 0;

    if (!dir)
        return 0;
    while (readdir(dir))
        count++;
    closedir(dir);
    return count > 3 ? count - 3 : 0; /* without itself, . and .. */
}

static void head(FILE *out, const char *name, const char *type, const char *help)
{
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void one(FILE *out, const char *name, const char *type, const char *help, uint64_t value)
{
    head(out, name, type, help);
    fprintf(out, "%s %" PRIu64 "\n", name, value);
}

/* The reference's counters, without the labels that grow with its users. Their names do not end as
 * those of counters should, so they have no type. */
static void write_reference(FILE *out, const struct totals *totals, uint64_t closed)
{
    const struct cv_session_stats *stats = &totals->stats;

    one(out, "session_server_total_add_websocket_session", "untyped",
        "Sessions that joined, as the reference counts them.", totals->joined);
    one(out, "session_server_total_remove_websocket_session", "untyped",
        "Sessions that left, as the reference counts them.", totals->left);
    one(out, "session_server_total_add_connections", "untyped",
        "Connections opened, as the reference counts them.", stats->opened);
    one(out, "session_server_total_remove_connections", "untyped",
        "Connections ended, as the reference counts them.", closed);
    one(out, "session_server_total_transmit_bytes", "untyped",
        "Payload sent to agents, as the reference counts it.", stats->bytes_out);
    one(out, "session_server_total_receive_bytes", "untyped",
        "Payload received from agents, as the reference counts it.", stats->bytes_in);
}

static void write_flow(FILE *out, const struct cv_session_stats *stats)
{
    static const char pauses[] = "culvert_pauses_total", resumes[] = "culvert_resumes_total";
    static const char bytes[] = "culvert_bytes_total", frames[] = "culvert_frames_total";

    head(out, bytes, "counter", "Payload of connections; in: from agents.");
    fprintf(out, "%s{direction=\"in\"} %" PRIu64 "\n%s{direction=\"out\"} %" PRIu64 "\n", bytes,
            stats->bytes_in, bytes, stats->bytes_out);
    head(out, frames, "counter", "Frames of the protocol; in: from agents.");
    fprintf(out, "%s{direction=\"in\"} %" PRIu64 "\n%s{direction=\"out\"} %" PRIu64 "\n", frames,
            stats->frames_in, frames, stats->frames_out);
    head(out, pauses, "counter", "Pause frames; in: agents asked us to wait.");
    fprintf(out, "%s{direction=\"in\"} %" PRIu64 "\n%s{direction=\"out\"} %" PRIu64 "\n", pauses,
            stats->pauses_in, pauses, stats->pauses_out);
    head(out, resumes, "counter", "Resume frames; in: agents let us go on.");
    fprintf(out, "%s{direction=\"in\"} %" PRIu64 "\n%s{direction=\"out\"} %" PRIu64 "\n", resumes,
            stats->resumes_in, resumes, stats->resumes_out);
    one(out, "culvert_unknown_frames_total", "counter", "Frames of a type not known, skipped.",
        stats->unknown_frames);
}

static void write_dials(FILE *out, const struct cv_session_stats *stats)
{
    static const char name[] = "culvert_dial_duration_seconds";
    uint64_t count = 0;

    head(out, name, "histogram", "From a dial to the agent's word that the target answered.");
    for (size_t i = 0; i < CV_DIAL_BOUNDS; i++) {
        count += stats->dialled[i];
        fprintf(out, "%s_bucket{le=\"%g\"} %" PRIu64 "\n", name, cv_dial_bounds[i] / 1e3, count);
    }
    count += stats->dialled[CV_DIAL_BOUNDS];
    fprintf(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n%s_sum %.6f\n%s_count %" PRIu64 "\n", name,
            count, name, (double)stats->dial_time / 1e6, name, count);
}

static void write_ends(FILE *out, const struct cv_session_stats *stats)
{
    static const char name[] = "culvert_connections_ended_total";

    head(out, name, "counter", "Connections ended, by reason.");
    for (int i = CV_REASON_NONE + 1; i < CV_REASON_COUNT; i++)
        fprintf(out, "%s{reason=\"%s\"} %" PRIu64 "\n", name, cv_reason_name((enum cv_reason)i),
                stats->closed[i]);
}

static void write_loops(FILE *out, const struct totals *totals, unsigned workers)
{
    static const char name[] = "culvert_loop_lag_seconds";

    head(out, name, "gauge", "How late each event loop last came to a timer.");
    for (unsigned i = 0; i < workers; i++)
        fprintf(out, "%s{worker=\"%u\"} %.6f\n", name, i, (double)totals->lag[i] / 1e6);
}

static void write_gauges(FILE *out, const struct totals *totals, const struct server *server)
{
    static const char build[] = "culvert_build_info";

    head(out, build, "gauge", "What runs; always 1.");
    fprintf(out, "%s{version=\"%s\",commit=\"%s\"} 1\n", build, CULVERT_VERSION, CULVERT_COMMIT);
    one(out, "culvert_sessions", "gauge", "Sessions now: of agents, peers and visitors.",
        atomic_load(&server->sessions));
    one(out, "culvert_connections", "gauge", "Connections open now.", totals->conns);
    one(out, "culvert_visits", "gauge", "Visitors being served now.", atomic_load(&server->conns));
    one(out, "culvert_queue_bytes", "gauge", "Bytes held for sinks that are slow.",
        atomic_load(&server->budget.used));
    one(out, "culvert_queue_bytes_limit", "gauge", "Bytes that may be held.", server->budget.limit);
    one(out, "culvert_open_files", "gauge", "Descriptors in use.", open_files());
    one(out, "culvert_draining", "gauge", "1 when no new work is taken.",
        atomic_load(&server->draining));
    one(out, "culvert_announcements_ignored_total", "counter",
        "Announcements of clients by ends that are no peers, or over the cap.", totals->ignored);
}

char *totals_write(const struct totals *totals, const struct server *server, size_t *len)
{
    const struct cv_session_stats *stats = &totals->stats;
    char *text = NULL;
    uint64_t closed = 0;
    FILE *out = open_memstream(&text, len);

    if (!out)
        return NULL;
    for (int i = 0; i < CV_REASON_COUNT; i++)
        closed += stats->closed[i];
    write_gauges(out, totals, server);
    write_reference(out, totals, closed);
    write_flow(out, stats);
    write_dials(out, stats);
    write_ends(out, stats);
    write_loops(out, totals, server->worker_count);
    return fclose(out) == 0 ? text : NULL;
}
