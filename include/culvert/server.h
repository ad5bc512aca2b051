#ifndef CULVERT_SERVER_H
#define CULVERT_SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include <culvert/connection.h>
#include <culvert/error.h>
#include <culvert/log.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A server: has a front door, at whose path `/connect` agents come in over WebSockets, and dials
 * through them. Agents are those of culvert/agent.h, culvert-agent, and those of
 * rancher/remotedialer. Visitors may come in too (culvert/dial.h, `culvertctl connect` and
 * `forward`), and dial what this program allows. */
struct cv_server;

enum cv_server_role { CV_SERVER_AGENT, CV_SERVER_VISITOR };

/* Somebody who wants in. Everything is borrowed for the call. */
struct cv_server_claim {
    size_t size; /* sizeof(struct cv_server_claim), of the library */
    enum cv_server_role role;
    const char *key;     /* the client key; of a visitor, what it calls itself */
    const char *token;   /* secret: `Authorization: Bearer TOKEN`; NULL: it shows none */
    const char *remote;  /* where it comes from: `192.0.2.1:4711`, `[2001:db8::1]:4711`, `unix` */
    const char *subject; /* of its certificate, which client_ca_file vouches for, as RFC 4514
                            writes it; NULL: it shows none */
};

/* A session that stands. Everything is borrowed for the call. */
struct cv_server_session {
    size_t size; /* sizeof(struct cv_server_session), of the library */
    uint64_t id; /* a server gives none twice */
    enum cv_server_role role;
    const char *key, *remote;     /* as in the claim that let it in */
    const char *version;          /* of a culvert-agent; NULL: it says none */
    bool culvert;                 /* false: an agent of rancher/remotedialer, or one like it */
    uint32_t connections;         /* open through it now */
    uint64_t bytes_in, bytes_out; /* payload from it, to it */
    uint64_t age;                 /* microseconds since it came in */
    uint64_t rtt; /* microseconds of the shortest round trip; UINT64_MAX: not measured */
};

struct cv_server_options {
    size_t size; /* sizeof(struct cv_server_options) */

    /* The front door's addresses, NULL behind the last: `127.0.0.1:8123`, `[::1]:8123`, `:8123`,
     * `unix:PATH`; port 0 takes a free one. A name is looked up at once, which blocks. */
    const char *const *listen;

    /* For `wss:`, files in PEM; NULL, both: plain. With client_ca_file clients are asked for a
     * certificate of these authorities, and let in without one if `authorize` does. */
    const char *cert_file, *key_file, *client_ca_file;

    /* Limits; 0: the default. */
    uint32_t max_sessions;          /* 10,000; more are answered with 503 */
    uint32_t max_conns_per_session; /* 8,192 */
    uint32_t max_conns_per_address; /* 1,000: of one address at the front door, agents that are in
                                       left out; loopback is not counted */
    uint32_t max_rate_per_address;  /* 500 connections a second of one address */
    uint32_t max_rate;              /* 2,000 connections a second of all; the rest waits */
    uint64_t buffer_budget;         /* 512 MiB of what was read and not taken yet, of all */

    enum cv_log_level log_level; /* lines above it are not made */
    cv_log_write *log;           /* NULL: nothing is logged */
    void *data;                  /* borrowed; for `log`, and cv_server_data() */

    /* Whether somebody may come in: 0; CV_EDENIED, which is answered with 401 and makes agents ask
     * ever more rarely; or another code, when it is not known now: 503, and they come back soon.
     * What is positive is no code, and lets nobody in. It must answer at once. May not be NULL: who
     * may come in is the program's to say. */
    int (*authorize)(struct cv_server *server, const struct cv_server_claim *claim);

    /* Whether the visitor may dial @target, `CLIENT/HOST:PORT`, `CLIENT/udp/HOST:PORT` or
     * `CLIENT/unix/PATH`: 0, or a code whose text it reads; what is positive reads as CV_EDENIED.
     * NULL: visitors may dial nothing. */
    int (*allow)(struct cv_server *server, const struct cv_server_session *visitor,
                 const char *target);

    /* A session stands, or has ended: @error and @text say why. Both are called once for each,
     * also while the server closes. NULL: not wanted. */
    void (*on_join)(struct cv_server *server, const struct cv_server_session *session);
    void (*on_leave)(struct cv_server *server, const struct cv_server_session *session, int error,
                     const char *text);
};

/* Opens the front door. @loop is borrowed until the server has closed.
 *
 * -EINVAL        no `listen`, no `authorize`, or a struct of another size
 * CV_ESYNTAX     an address or a file cannot be used: the log says which and why
 * -EADDRINUSE    and others of bind(2) and listen(2); -ENOENT and others of files
 * -ENOMEM, libuv's code
 *
 * After a failure too the loop is to run once more before it is closed. */
CV_API int cv_server_new(struct cv_server **out, uv_loop_t *loop,
                         const struct cv_server_options *options);

/* Where it listens by the address number @number (from 0) of `listen`, with the port filled in;
 * NULL behind the last, and once it closes. Lives until then. */
CV_API const char *cv_server_address(const struct cv_server *server, size_t number);

/* Within `authorize`: copies the value of the request's header @name to @out, ended by NUL and cut
 * at @size bytes. Returns its whole length, or -ENOENT. */
CV_API ssize_t cv_server_header(const struct cv_server_claim *claim, const char *name, char *out,
                                size_t size);

/* Dials @target, `CLIENT/HOST:PORT` or `CLIENT/unix/PATH`, through the newest session of CLIENT
 * that is alive. @out (may be NULL) is the connection, @data is borrowed. Whether it works the
 * callbacks say; on_close says CV_ENOSESSION when the client has no session, and CV_EFULL when its
 * sessions have as many connections as they may.
 *
 * CV_ESYNTAX   not a target of that form; datagrams (`udp/`) have none
 * CV_EBADKEY   CLIENT is no client key
 * CV_ETOOLONG  over 266 bytes behind CLIENT
 * -EINVAL      @callbacks is NULL, or its size is wrong
 * CV_ECLOSED   the server closes
 * -ENOMEM */
CV_API int cv_server_dial(struct cv_connection **out, struct cv_server *server, const char *target,
                          const struct cv_connection_callbacks *callbacks, void *data);

/* Listens at @address (as of `listen`) until the server closes, and leads who comes there to
 * @target, as of cv_server_dial(): socket to tunnel, without passing through the program. What
 * fails is a reset, and a line in the log. @where (may be NULL) is set to where it listens, with
 * the port filled in; it lives until the server closes.
 *
 * CV_ESYNTAX, CV_EBADKEY, CV_ETOOLONG, CV_ECLOSED, -ENOMEM, and those of bind(2) and listen(2) */
CV_API int cv_server_forward(struct cv_server *server, const char *address, const char *target,
                             const char **where);

/* Calls @each for every session, in the order in which they came in. It may end sessions. */
CV_API void cv_server_each(struct cv_server *server,
                           void (*each)(void *data, const struct cv_server_session *session),
                           void *data);

/* Ends the session @id, with a close frame 1008; on_leave follows. It comes back soon, if
 * `authorize` lets it. CV_ESTALE: there is none. */
CV_API int cv_server_end_session(struct cv_server *server, uint64_t id);

/* Reads the certificate's files anew; sessions that stand keep theirs. When it fails, with a code
 * as of cv_server_new(), what was there is used on. 0 without TLS. */
CV_API int cv_server_reload_certificate(struct cv_server *server);

CV_API void *cv_server_data(const struct cv_server *server);

/* Closes the front door, and lets what runs end by itself for at most @wait milliseconds: sessions
 * without connections are told to go (1012, upon which agents look for another server, or this one
 * again), nothing new is dialled. Then it ends what is left, tells the rest, and frees the server,
 * which takes about a second at most. A second call can only shorten the wait; its @closed, unless
 * NULL, takes the place of the first one's.
 * @closed (may be NULL) is called when nothing of it is on the loop any more; the server must not
 * be used after its return, nor after this call when it is NULL. Until then everything may be
 * called; what would begin something new says CV_ECLOSED. */
CV_API void cv_server_close(struct cv_server *server, uint64_t wait,
                            void (*closed)(struct cv_server *server));

#ifdef __cplusplus
}
#endif

#endif
