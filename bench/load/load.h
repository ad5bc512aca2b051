#ifndef CV_BENCH_LOAD_H
#define CV_BENCH_LOAD_H

/* The load generator of the benchmark: one program, one mode a process, all on loopback.
 *
 * target: what the visitors reach; the first line of a connection says what it wants (target.c)
 * bulk: streams as fast as they go, one way; bytes are counted where they arrive
 * web: small requests over kept or fresh connections, with a histogram of their latency
 * hold: connections that are open, proven by one echoed byte, and then silent
 * agents: WebSocket agents that join a server and then only ping
 * herd: the same, who come back whenever they lose it
 *
 * A measuring mode prints one line of JSON, herd one each time that all are back. Hold, agents and
 * web in turn print one once all are up, stay until their standard input ends, and print another of
 * what was lost or measured.
 * Exit codes: 0 done, 1 the far end failed, 2 bad arguments. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    CV_LOAD_CONNS_MAX = 16384,  /* the hard limit of open files is often 20,000 */
    CV_LOAD_BLOCK = 128 * 1024, /* one read or write of a bulk stream, as iperf3 does */
    CV_LOAD_BLOCK_MAX = 1024 * 1024,
    CV_LOAD_BODY = 1024,        /* body of one web response */
    CV_LOAD_EVENTS = 256,       /* events taken from epoll at once */
    CV_LOAD_PATIENCE_S = 5,     /* a blocking step that takes longer has failed */
};

#define CV_LOAD_NS 1000000000ull

struct cv_load_options {
    uint16_t port;    /* where to connect, or to listen (target) */
    uint16_t control; /* bulk up: the target itself, asked how much has arrived */
    unsigned conns;   /* streams, connections or agents */
    double seconds;   /* length of the measured window */
    double warm;      /* length of the unmeasured run before it */
    bool up;          /* bulk: from visitor to target */
    bool fresh;       /* web: a connection a request */
    bool tls;         /* agents: over wss */
    unsigned active;  /* web: so many requests at once, the connections in turn; 0: one on each */
    unsigned first;   /* number of the first agent */
    size_t block;     /* target, bulk: bytes of one read or write */
};

/* The modes. Each returns the exit code of the process. */
int cv_load_target(const struct cv_load_options *options);
int cv_load_bulk(const struct cv_load_options *options);
int cv_load_web(const struct cv_load_options *options);
int cv_load_hold(const struct cv_load_options *options);
int cv_load_agents(const struct cv_load_options *options);
int cv_load_herd(const struct cv_load_options *options);

/* Writes the request by which the agent bench-@number joins; its length. */
size_t cv_load_join(char *out, size_t size, uint16_t port, unsigned number);

/* Length in bytes of the one response that the target gives to any GET, head and body. */
size_t cv_load_response_length(void);

/* Fills @bytes with what no tunnel can compress. */
void cv_load_fill_with_noise(char *bytes, size_t len);

/* Latencies in nanoseconds, kept to about 3 %: 32 linear steps in each power of two. */
enum { CV_LOAD_STEPS = 32, CV_LOAD_BUCKETS = 64 * CV_LOAD_STEPS };

struct cv_load_histogram {
    uint64_t count;
    uint64_t buckets[CV_LOAD_BUCKETS];
};

void cv_load_histogram_add(struct cv_load_histogram *histogram, uint64_t ns);

/* The latency in nanoseconds that @fraction (0 to 1) of all stay at or below; 0 when there are
 * none. */
uint64_t cv_load_histogram_at(const struct cv_load_histogram *histogram, double fraction);

/* Sockets. Each returns a descriptor that the caller closes, or -1 with errno. All have
 * TCP_NODELAY. */
int cv_load_listen(uint16_t port);
/* Waits for the connection; reads on it time out after CV_LOAD_PATIENCE_S. */
int cv_load_connect(uint16_t port);
/* Does not wait: writable once connected. @source picks one of 127.0.0.1 to 127.0.0.64 to come
 * from, since one address runs out of ports when every request takes a fresh one. */
int cv_load_connect_start(uint16_t port, unsigned source);

int cv_load_set_nonblocking(int fd);

/* Whether the far end has not ended a connection that it owes no bytes. Does not wait. */
bool cv_load_is_open(int fd);

/* A connection in the clear or, with a context, through TLS. It never blocks. */
struct ssl_st;
struct ssl_ctx_st;

struct cv_load_link {
    int fd;
    struct ssl_st *tls; /* NULL in the clear */
};

/* A context for any number of links; never freed, as it lives as long as the process. NULL when
 * OpenSSL will not. */
struct ssl_ctx_st *cv_load_tls_new(void);

/* Connects in the clear, and with a @context prepares TLS. -1 with errno. */
int cv_load_link_open(struct cv_load_link *link, uint16_t port, struct ssl_ctx_st *context);

/* Goes on with the TLS handshake: 0 when it is done, or there is none; -1 with errno, EAGAIN while
 * the far end has the word. */
int cv_load_link_shake(struct cv_load_link *link);

/* As recv does. With TLS, bytes may wait inside: read until EAGAIN. */
ssize_t cv_load_link_recv(struct cv_load_link *link, void *bytes, size_t len);

/* Sends all of the few bytes at once, or fails with -1. */
int cv_load_link_send(struct cv_load_link *link, const void *bytes, size_t len);

void cv_load_link_close(struct cv_load_link *link);

/* Sends all of @len bytes on a blocking socket; -1 with errno. */
int cv_load_send_all(int fd, const void *bytes, size_t len);

/* Nanoseconds of the monotonic clock. */
uint64_t cv_load_now(void);

/* Milliseconds from @now until @deadline for epoll_wait, rounded up, at least 0. */
int cv_load_wait_ms(uint64_t now, uint64_t deadline);

/* Returns once standard input has ended: the benchmark has seen enough. */
void cv_load_wait_for_end(void);

#endif
