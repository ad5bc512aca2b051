#include <errno.h>
#include <string.h>

#include "sim/foreign_core.h"

/* The reference's connections, as the protocol page tells of them: "Virtual connections" and "Read
 * buffer". */

#define AGENT_READ  ((size_t)32768)
#define SERVER_READ ((size_t)60000) /* unsplit: whatever the application wrote at once */
#define OUTPUT_MAX  ((size_t)65536)

struct reference_conn {
    struct cv_list link;    /* in foreign.conns */
    struct sim_actor actor; /* its dial */
    struct sim_foreign *f;
    struct sim_transfer *x;
    int64_t id;
    struct sim_stream *stream; /* NULL while it is dialled */
    struct sim_bytes rx;
    bool paused;  /* the one flag for both directions */
    bool blocked; /* its writer waits; only Pause, Resume and the end make it look again */
    bool in_table;
    bool over; /* no more comes in, and nothing goes out: what is in rx is still read */
    bool done; /* the socket is closed */
};

static void say_error(struct reference_conn *c, const char *text)
{
    if (c->f->alive)
        sim_foreign_send(c->f, CV_FRAME_ERROR, c->id, text, strlen(text));
}

static struct reference_conn *find(const struct sim_foreign *f, int64_t id)
{
    cv_list_each (link, &f->conns) {
        struct reference_conn *c = cv_container_of(link, struct reference_conn, link);

        if (c->in_table && c->id == id)
            return c;
    }
    return NULL;
}

size_t sim_reference_conns(const struct sim_foreign *f)
{
    size_t count = 0;

    cv_list_each (link, &f->conns)
        count += cv_container_of(link, struct reference_conn, link)->in_table;
    return count;
}

static void close_socket(struct reference_conn *c)
{
    if (c->done)
        return;
    c->done = true;
    sim_bytes_drop(&c->rx, c->rx.len);
    if (c->stream)
        c->stream->ops->close(c->stream, false);
}

/* conn.Close(): takes the entry out, and says EOF if it was there. */
static void close_conn(struct reference_conn *c)
{
    c->over = true;
    if (!c->in_table)
        return;
    c->in_table = false;
    say_error(c, "EOF");
}

/* backPressure.Pause() and Resume(): sent only when the one flag changes. */
static void pause_other(struct reference_conn *c)
{
    if (c->paused)
        return;
    c->paused = true;
    sim_foreign_send(c->f, CV_FRAME_PAUSE, c->id, NULL, 0);
}

static void resume_other(struct reference_conn *c)
{
    if (!c->paused)
        return;
    c->paused = false; /* and its own blocked writer is not woken */
    sim_foreign_send(c->f, CV_FRAME_RESUME, c->id, NULL, 0);
}

/* io.Copy(socket, tunnel). */
static void pump_reader(struct reference_conn *c)
{
    while (c->rx.len) {
        ssize_t n = c->stream->ops->write(c->stream, c->rx.data + c->rx.start, c->rx.len);

        if (n == -EAGAIN)
            return;
        if (n < 0) {
            close_socket(c);
            say_error(c, "write: connection reset by peer");
            close_conn(c);
            return;
        }
        sim_bytes_drop(&c->rx, (size_t)n);
        if (c->rx.len < c->f->plan.resume_mark && c->f->alive)
            resume_other(c);
    }
    if (!c->over)
        return;
    /* the other copy then fails on the closed socket, and its text is said too */
    close_socket(c);
    if (c->f->plan.dialler)
        say_error(c, "read tcp 127.0.0.1:1: use of closed network connection");
    close_conn(c);
}

/* io.Copy(tunnel, socket): one turn; whether there may be more. */
static bool pump_writer(struct reference_conn *c)
{
    struct sim_foreign *f = c->f;
    uint8_t buf[SERVER_READ];
    ssize_t n;

    if (c->done || c->blocked || !c->stream->ops->readable(c->stream))
        return false;
    if (c->over) {
        close_socket(c); /* its write fails, whatever the other copy still has to do */
        close_conn(c);
        return false;
    }
    if (!f->alive || f->output.len >= OUTPUT_MAX)
        return false;
    if (c->paused && f->plan.kind != SIM_FLOOD) {
        c->blocked = true;
        sim_count(f->w, SIM_REFERENCE_BLOCKED, 1);
        return false;
    }
    n = c->stream->ops->read(c->stream, buf, f->plan.dialler ? AGENT_READ : SERVER_READ);
    if (n > 0) {
        sim_foreign_send(f, CV_FRAME_DATA, c->id, buf, (size_t)n);
        return true;
    }
    if (n == -EAGAIN)
        return false;
    close_socket(c);
    say_error(c, n == 0 ? "EOF" : "read tcp 127.0.0.1:1: connection reset by peer");
    close_conn(c);
    return false;
}

void sim_reference_pump(struct sim_foreign *f)
{
    bool more;

    cv_list_each (link, &f->conns) {
        struct reference_conn *c = cv_container_of(link, struct reference_conn, link);

        if (c->stream && !c->done)
            pump_reader(c);
    }
    do {
        more = false;
        cv_list_each (link, &f->conns) {
            struct reference_conn *c = cv_container_of(link, struct reference_conn, link);

            if (c->stream && pump_writer(c))
                more = true;
        }
    } while (more);
}

static void on_ready(void *ctx)
{
    struct reference_conn *c = ctx;

    sim_wake(&c->f->actor, c->f->w->now);
}

static void set_stream(struct reference_conn *c, struct sim_sock *sock)
{
    c->stream = sim_stream_of_sock(c->f->w, sock);
    c->stream->ready = on_ready;
    c->stream->ctx = c;
}

static void dial_ended(struct sim_actor *actor)
{
    struct reference_conn *c = cv_container_of(actor, struct reference_conn, actor);

    if (!c->x || c->x->refuse) {
        sim_count(c->f->w, SIM_DIALS_REFUSED, 1);
        say_error(c, "dial tcp 127.0.0.1:1: connect: connection refused");
        close_conn(c);
        c->done = true;
        return;
    }
    set_stream(c, sim_transfer_sock(c->x, SIM_TARGET));
    sim_wake(&c->f->actor, c->f->w->now);
}

static struct reference_conn *conn_new(struct sim_foreign *f, int64_t id, struct sim_transfer *x)
{
    struct reference_conn *c = sim_new(f->w, sizeof(*c));

    c->f = f;
    c->x = x;
    c->id = id;
    c->in_table = true;
    cv_list_push_back(&f->conns, &c->link);
    sim_actor_init(f->w, &c->actor, dial_ended);
    return c;
}

static void on_connect(struct sim_foreign *f, int64_t id, const uint8_t *body, size_t len)
{
    struct cv_connect connect;
    struct reference_conn *c;
    struct sim_transfer *x;

    if (cv_connect_decode(&connect, body, len) < 0)
        sim_fail(f->w, "a Culvert end sent a Connect that cannot be read");
    if (find(f, id))
        sim_fail(f->w, "a Culvert end used connection id %lld twice", (long long)id);
    x = sim_transfer_by_address(f->w, connect.address, connect.address_len);
    if (x && strcmp(x->key, f->plan.key) != 0)
        sim_fail(f->w, "transfer %u for %s reached %s", x->number, x->key, f->plan.key);
    c = conn_new(f, id, x);
    sim_wake(&c->actor, f->w->now + (x ? x->dial_for : 0));
}

static void on_data(struct sim_foreign *f, int64_t id, const uint8_t *body, size_t len)
{
    struct reference_conn *c = find(f, id);

    if (!c) {
        static const char text[] = "connection not found";

        sim_foreign_send(f, CV_FRAME_ERROR, id, text, strlen(text));
        return;
    }
    if (c->over) {
        close_conn(c);
        return;
    }
    sim_bytes_append(f->w, &c->rx, body, len);
    if (c->rx.len > f->plan.pause_mark)
        pause_other(c);
}

static void on_error(struct sim_foreign *f, int64_t id, const uint8_t *body, size_t len)
{
    struct reference_conn *c = find(f, id);

    if (!c)
        return;
    c->in_table = false;
    c->over = true;
    c->blocked = false;
    sim_foreign_send(f, CV_FRAME_ERROR, id, body, len);
}

void sim_reference_message(struct sim_foreign *f, const struct cv_frame *frame, const uint8_t *body,
                           size_t len)
{
    struct reference_conn *c = find(f, frame->conn_id);

    switch ((enum cv_frame_type)frame->type) {
    case CV_FRAME_DATA:
        on_data(f, frame->conn_id, body, len);
        return;
    case CV_FRAME_CONNECT:
        on_connect(f, frame->conn_id, body, len);
        return;
    case CV_FRAME_ERROR:
        on_error(f, frame->conn_id, body, len);
        return;
    case CV_FRAME_PAUSE:
        if (c)
            c->paused = true;
        return;
    case CV_FRAME_RESUME:
        if (!c)
            return;
        c->paused = c->blocked = false;
        /* whether the writer runs before the next frame is read is up to the scheduler */
        if (c->stream && sim_chance(f->w, 50))
            pump_writer(c);
        return;
    case CV_FRAME_ADD_CLIENT:
    case CV_FRAME_REMOVE_CLIENT:
    case CV_FRAME_SYNC:
    case CV_FRAME_CONNECTED:
    case CV_FRAME_CLOSE_WRITE:
    case CV_FRAME_WINDOW:
    case CV_FRAME_PUBLISHED:
    case CV_FRAME_SILENT:
        return;
    }
}

void sim_reference_lost(struct sim_foreign *f)
{
    cv_list_each (link, &f->conns) {
        struct reference_conn *c = cv_container_of(link, struct reference_conn, link);

        c->in_table = false;
        c->over = true;
        c->blocked = false;
    }
}

void sim_reference_sync(struct sim_foreign *f)
{
    struct sim_bytes ids = {0};

    sim_count(f->w, SIM_SYNCS, 1);
    cv_list_each (link, &f->conns) {
        const struct reference_conn *c = cv_container_of(link, struct reference_conn, link);
        uint8_t id[CV_SYNC_ID_SIZE];

        cv_sync_id_encode(id, c->id);
        if (c->in_table)
            sim_bytes_append(f->w, &ids, id, sizeof(id));
    }
    sim_foreign_send(f, CV_FRAME_SYNC, 0, ids.data, ids.len);
}

void sim_reference_visit(struct sim_foreign *f, struct sim_transfer *x)
{
    char body[CV_CONNECT_MAX], address[SIM_ADDRESS_MAX];
    struct reference_conn *c = conn_new(f, ++f->next_id, x);
    int len;

    sim_transfer_address(x, address);
    len = snprintf(body, sizeof(body), "tcp/%s", address);
    sim_foreign_send(f, CV_FRAME_CONNECT, c->id, body, (size_t)len);
    set_stream(c, sim_transfer_sock(x, SIM_VISITOR));
}
