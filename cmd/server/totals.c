#include "totals.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

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
    counts_add(&totals->counts, &worker->counts);
    for (size_t i = 0; i < CV_SHED_COUNT; i++)
        totals->counts.shed[i] += worker->loop.shed[i];
    totals->ignored += cv_manager_stats(worker->manager)->announces_ignored;
    counts_lag_add(&totals->lag[worker->index], &worker->lag);
    guests_each(worker, add_session, totals);
}

void totals_merge(struct totals *totals, const struct totals *other)
{
    cv_session_stats_add(&totals->stats, &other->stats);
    counts_add(&totals->counts, &other->counts);
    totals->conns += other->conns;
    totals->ignored += other->ignored;
    for (size_t i = 0; i < CV_LIMIT_THREADS_MAX; i++)
        counts_lag_add(&totals->lag[i], &other->lag[i]);
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

static size_t resident_bytes(void)
{
    FILE *in = fopen("/proc/self/statm", "re");
    unsigned long size, resident = 0;

    if (!in)
        return 0;
    if (fscanf(in, "%lu %lu", &size, &resident) != 2)
        resident = 0;
    fclose(in);
    return resident * (size_t)sysconf(_SC_PAGESIZE);
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
        "Sessions that joined, as the reference counts them.", totals->counts.joined);
    one(out, "session_server_total_remove_websocket_session", "untyped",
        "Sessions that left, as the reference counts them.", totals->counts.left);
    one(out, "session_server_total_add_connections", "untyped",
        "Connections opened, as the reference counts them.", stats->opened);
    one(out, "session_server_total_remove_connections", "untyped",
        "Connections ended, as the reference counts them.", closed);
    one(out, "session_server_total_transmit_bytes", "untyped",
        "Payload sent to agents, as the reference counts it.", stats->bytes_out);
    one(out, "session_server_total_receive_bytes", "untyped",
        "Payload received from agents, as the reference counts it.", stats->bytes_in);
    one(out, "session_server_total_transmit_error_bytes", "untyped",
        "Error frames sent, as the reference counts them.", stats->error_bytes_out);
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

static void write_session_ends(FILE *out, const struct counts *counts)
{
    static const char name[] = "culvert_sessions_ended_total";

    head(out, name, "counter", "Sessions of agents, peers and visitors that ended, by reason.");
    for (int i = CV_ENDING_NONE + 1; i < CV_ENDING_COUNT; i++)
        fprintf(out, "%s{reason=\"%s\"} %" PRIu64 "\n", name, cv_ending_name((enum cv_ending)i),
                counts->ended[i]);
}

static void write_loops(FILE *out, const struct totals *totals, unsigned workers)
{
    static const char name[] = "culvert_loop_lag_seconds";

    head(out, name, "histogram", "How late an event loop comes to a timer, once a second.");
    for (unsigned i = 0; i < workers; i++) {
        const struct counts_lag *lag = &totals->lag[i];
        uint64_t count = 0;

        for (size_t k = 0; k < COUNTS_LAG_BOUNDS; k++) {
            count += lag->looks[k];
            fprintf(out, "%s_bucket{worker=\"%u\",le=\"%g\"} %" PRIu64 "\n", name, i,
                    (double)counts_lag_bounds[k] / 1e6, count);
        }
        count += lag->looks[COUNTS_LAG_BOUNDS];
        fprintf(out, "%s_bucket{worker=\"%u\",le=\"+Inf\"} %" PRIu64 "\n", name, i, count);
        fprintf(out, "%s_sum{worker=\"%u\"} %.6f\n%s_count{worker=\"%u\"} %" PRIu64 "\n", name, i,
                (double)lag->time / 1e6, name, i, count);
    }
}

static void write_statuses(FILE *out, const char *name, const char *help,
                           const uint64_t rows[COUNTS_STATUS_COUNT])
{
    head(out, name, "counter", help);
    for (size_t i = 0; i < COUNTS_STATUS_COUNT; i++)
        fprintf(out, "%s{status=\"%s\"} %" PRIu64 "\n", name, counts_status_name(i), rows[i]);
}

static void write_refusals(FILE *out, const struct counts *counts)
{
    static const char visits[] = "culvert_visits_failed_total";
    static const char shed[] = "culvert_turned_away_total";

    write_statuses(out, "culvert_front_door_refusals_total",
                   "Requests that the front door refused, by status.", counts->refused);
    write_statuses(out, "culvert_http_door_errors_total",
                   "Requests that the HTTP door answered by itself, by status.", counts->answered);
    head(out, shed, "counter", "Connections closed before it was known what they want, by cause.");
    for (int i = 0; i < CV_SHED_COUNT; i++)
        fprintf(out, "%s{reason=\"%s\"} %" PRIu64 "\n", shed, cv_shed_name((enum cv_shed)i),
                counts->shed[i]);
    one(out, "culvert_address_refusals_total", "counter",
        "Connections refused because their address has too many.", counts->crowded);
    one(out, "culvert_door_refusals_total", "counter",
        "Visitors without a token that does, at SOCKS5, the HTTP proxy and the HTTP door.",
        counts->strangers);
    one(out, "culvert_admin_refusals_total", "counter",
        "Requests at the admin API without a token that does, or from another site's page.",
        counts->intruders);
    one(out, "culvert_front_door_holds_total", "counter",
        "Times that the front door left those who came waiting, over --max-rate.", counts->held);
    head(out, visits, "counter", "Visitors whose target was not had, by reason.");
    for (int i = CV_FAILURE_NONE + 1; i < CV_FAILURE_COUNT; i++)
        fprintf(out, "%s{reason=\"%s\"} %" PRIu64 "\n", visits, cv_failure_name((enum cv_failure)i),
                counts->failed[i]);
}

/* Peers: of those that we dial, which are those that are configured. */

static bool is(const json_t *peer, const char *field, const char *text)
{
    const char *has = json_string_value(json_object_get(peer, field));

    return has && strcmp(has, text) == 0;
}

struct peer_sum {
    const char *name, *type, *help, *field;
};

/* How many entries of the peer @id and @direction are up. */
static unsigned peer_ups(const json_t *peers, const char *id, const char *direction)
{
    const json_t *peer;
    unsigned count = 0;
    size_t i;

    json_array_foreach(peers, i, peer) count +=
        is(peer, "peer", id) && is(peer, "direction", direction) && is(peer, "state", "up");
    return count;
}

/* What @field of the peer @id is, of its entries together. */
static json_int_t peer_sum(const json_t *peers, const char *id, const char *field)
{
    const json_t *peer;
    json_int_t sum = 0;
    size_t i;

    json_array_foreach(peers, i,
                       peer) if (is(peer, "peer", id) && !is(peer, "direction", "directory")) sum +=
        json_integer_value(json_object_get(peer, field));
    return sum;
}

/* The id of the entry @i when it is the first that we dial of that id: an id may have two URLs. */
static const char *peer_id(const json_t *peers, size_t i)
{
    const json_t *peer = json_array_get(peers, i);
    const char *id = json_string_value(json_object_get(peer, "peer"));

    if (!id || !is(peer, "direction", "out"))
        return NULL;
    for (size_t k = 0; k < i; k++)
        if (is(json_array_get(peers, k), "peer", id) &&
            is(json_array_get(peers, k), "direction", "out"))
            return NULL;
    return id;
}

static void write_peer_sum(FILE *out, const json_t *peers, const struct peer_sum *of)
{
    head(out, of->name, of->type, of->help);
    for (size_t i = 0; i < json_array_size(peers); i++) {
        const char *id = peer_id(peers, i);

        if (id)
            fprintf(out, "%s{peer=\"%s\"} %" JSON_INTEGER_FORMAT "\n", of->name, id,
                    peer_sum(peers, id, of->field));
    }
}

/* The reference has the last three, two of them without ever counting; as many peers as are
 * configured bound the label. */
static void write_peers(FILE *out, const json_t *peers)
{
    static const struct peer_sum sums[] = {
        {"culvert_peer_clients", "gauge", "Clients that the peer announces.", "clients"},
        {"culvert_peer_reconnects_total", "counter",
         "Sessions that we opened to the peer after the first.", "reconnects"},
        {"session_server_total_peer_ws_attempt", "untyped",
         "Dials of the peer, as the reference counts them.", "attempts"},
        {"session_server_total_peer_ws_connected", "untyped",
         "Sessions that we opened to the peer, as the reference counts them.", "connected"},
        {"session_server_total_peer_ws_disconnected", "untyped",
         "Of these those that ended, as the reference would count them.", "disconnected"},
    };
    static const char up[] = "culvert_peer_up";

    head(out, up, "gauge", "1 when a session stands; out: one that we opened, in: the peer.");
    for (size_t i = 0; i < json_array_size(peers); i++) {
        const char *id = peer_id(peers, i);

        if (id)
            fprintf(out,
                    "%s{peer=\"%s\",direction=\"out\"} %d\n%s{peer=\"%s\",direction=\"in\"} %d\n",
                    up, id, peer_ups(peers, id, "out") > 0, up, id, peer_ups(peers, id, "in") > 0);
    }
    for (size_t i = 0; i < sizeof(sums) / sizeof(sums[0]); i++)
        write_peer_sum(out, peers, &sums[i]);
}

/* The process; time and memory under the names that Prometheus' client libraries give these. */
static void write_process(FILE *out)
{
    struct rusage usage = {.ru_maxrss = 0};
    struct rlimit files = {.rlim_cur = 0};
    struct timeval user, kernel;

    (void)getrusage(RUSAGE_SELF, &usage);
    (void)getrlimit(RLIMIT_NOFILE, &files);
    user = usage.ru_utime;
    kernel = usage.ru_stime;
    one(out, "culvert_open_files", "gauge", "Descriptors in use.", open_files());
    one(out, "culvert_open_files_limit", "gauge", "Descriptors that may be in use.",
        files.rlim_cur);
    one(out, "process_resident_memory_bytes", "gauge", "Memory in use.", resident_bytes());
    head(out, "process_cpu_seconds_total", "counter", "Time of processors that was used.");
    fprintf(out, "process_cpu_seconds_total %.6f\n",
            (double)(user.tv_sec + kernel.tv_sec) + (double)(user.tv_usec + kernel.tv_usec) / 1e6);
}

static void write_gauges(FILE *out, const struct totals *totals, const struct server *server)
{
    static const char build[] = "culvert_build_info";

    head(out, build, "gauge", "What runs; always 1.");
    fprintf(out, "%s{version=\"%s\",commit=\"%s\"} 1\n", build, CULVERT_VERSION, CULVERT_COMMIT);
    one(out, "culvert_sessions", "gauge", "Sessions now: of agents, peers and visitors.",
        atomic_load(&server->sessions));
    one(out, "culvert_sessions_limit", "gauge", "Sessions that there may be.",
        server->config->limits.max_sessions);
    one(out, "culvert_agents", "gauge", "Sessions of agents now.", atomic_load(&server->agents));
    one(out, "culvert_connections", "gauge", "Connections open now.", totals->conns);
    one(out, "culvert_visits", "gauge", "Visitors being served now.", atomic_load(&server->conns));
    one(out, "culvert_visits_limit", "gauge", "Visitors that may be served.",
        server->config->limits.max_conns);
    one(out, "culvert_queue_bytes", "gauge", "Bytes held for sinks that are slow.",
        atomic_load(&server->budget.used));
    one(out, "culvert_queue_bytes_limit", "gauge", "Bytes that may be held.", server->budget.limit);
    one(out, "culvert_draining", "gauge", "1 when no new work is taken.",
        atomic_load(&server->draining));
    one(out, "culvert_announcements_ignored_total", "counter",
        "Announcements of clients by ends that are no peers, or over the cap.", totals->ignored);
}

static void write_directory_counters(FILE *out, const struct cv_directory_stats *stats)
{
    one(out, "culvert_directory_commands_total", "counter", "Commands sent.", stats->commands);
    one(out, "culvert_directory_lookups_total", "counter", "Keys looked up.", stats->lookups);
    one(out, "culvert_directory_hits_total", "counter", "Dials answered from the cache.",
        stats->hits);
    one(out, "culvert_directory_misses_total", "counter",
        "Dials of which the cache knew that nobody has the client.", stats->misses);
    one(out, "culvert_directory_coalesced_total", "counter",
        "Dials that waited for a lookup of another's.", stats->coalesced);
    one(out, "culvert_directory_timeouts_total", "counter", "Dials not answered in time.",
        stats->timeouts);
    one(out, "culvert_directory_changes_total", "counter", "Changes of watched keys heard.",
        stats->changes);
    one(out, "culvert_directory_published_total", "counter", "Claims made.", stats->published);
    one(out, "culvert_directory_renewed_total", "counter", "Claims renewed.", stats->renewed);
    one(out, "culvert_directory_withdrawn_total", "counter", "Claims taken back.",
        stats->withdrawn);
    one(out, "culvert_directory_refused_total", "counter",
        "Commands that Redis answered with an error.", stats->refused);
    one(out, "culvert_directory_lost_total", "counter",
        "Times that what we had published was gone.", stats->lost);
    one(out, "culvert_directory_stale_total", "counter", "Claims that led to nothing.",
        stats->failed);
    one(out, "culvert_directory_denied_total", "counter",
        "Dials of other servers for what this one does not have.", stats->denied);
}

static void write_directory(FILE *out, const struct server *server)
{
    const struct cv_directory_stats *stats;
    struct directory_info info;

    if (!directory_info(server->directory, &info))
        return;
    stats = cv_directory_stats(info.core);
    one(out, "culvert_directory_up", "gauge", "1 when Redis answers.", info.up);
    head(out, "culvert_directory_lag_seconds", "gauge", "From the last command to its answer.");
    fprintf(out, "culvert_directory_lag_seconds %.6f\n", (double)stats->lag / 1e6);
    one(out, "culvert_directory_members", "gauge", "Servers, with this one.", stats->members);
    one(out, "culvert_directory_links", "gauge", "Links to other servers.", info.links);
    one(out, "culvert_directory_cached_keys", "gauge", "Keys in the cache.", stats->cached);
    one(out, "culvert_directory_watched_keys", "gauge", "Those whose changes are heard.",
        stats->watched);
    one(out, "culvert_directory_waiting", "gauge", "Dials that wait for an answer.",
        stats->waiting);
    one(out, "culvert_directory_claims", "gauge", "Keys that this server claims.", stats->claims);
    one(out, "culvert_directory_unpublished", "gauge", "Claims that Redis does not have yet.",
        stats->unpublished);
    write_directory_counters(out, stats);
}

char *totals_write(const struct totals *totals, const struct server *server, const json_t *peers,
                   uint64_t reconnects, size_t *len)
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
    one(out, "culvert_reconnects_total", "counter",
        "Sessions of agents whose client key had been here before.", reconnects);
    write_reference(out, totals, closed);
    write_flow(out, stats);
    write_dials(out, stats);
    write_ends(out, stats);
    write_session_ends(out, &totals->counts);
    write_refusals(out, &totals->counts);
    if (server->peering)
        write_peers(out, peers);
    write_loops(out, totals, server->worker_count);
    one(out, "culvert_live_looks_total", "counter",
        "Times that an event loop was looked at for those who watch.", totals->counts.looks);
    write_process(out);
    write_directory(out, server);
    return fclose(out) == 0 ? text : NULL;
}
