#ifndef CV_NET_BIND_H
#define CV_NET_BIND_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <uv.h>

#include "net/address.h"
#include "net/loop.h"

/* Private to net: the address of a listener, from its text to a listening socket. */

#define CV_BIND_PATH_SIZE sizeof(((struct sockaddr_un *)0)->sun_path)
#define CV_BIND_TEXT_SIZE (CV_BIND_PATH_SIZE + 8)

_Static_assert(CV_BIND_TEXT_SIZE >= CV_ADDRESS_SIZE, "cv_bound.text holds any address");

struct cv_bind_target {
    bool is_unix, is_passed;
    char host[256]; /* name or address without brackets, "" for all; a unix socket's path; or the
                       name of one that was passed */
    uint16_t port;
};

struct cv_bound {
    int type;                     /* SOCK_STREAM or SOCK_DGRAM */
    bool passed;                  /* by systemd, who keeps its file, and it too */
    int fd;                       /* owned */
    char text[CV_BIND_TEXT_SIZE]; /* where it really listens, as parsed */
    char path[CV_BIND_PATH_SIZE]; /* of a unix socket, "" of others */
    dev_t device;                 /* the file that it made, so as to remove no other */
    ino_t inode;
};

/* Returns 0 or CV_ESYNTAX. */
int cv_bind_parse(struct cv_bind_target *out, const char *text) CV_MUST_USE;

/* Binds and listens, or takes what was passed to the process for that address; a name is looked up
 * at once, blocking (@loop is not run). What is accepted has TCP_NODELAY and keepalive
 * (net/keepalive.h). Returns 0, CV_ESYNTAX, CV_ENOTPASSED, -errno, or UV_EAI_* for a name that does
 * not resolve. */
int cv_bind(struct cv_bound *out, struct cv_loop *loop, const char *text) CV_MUST_USE;

/* The same for a UDP socket, which has no unix: form (CV_ESYNTAX). */
int cv_bind_datagrams(struct cv_bound *out, struct cv_loop *loop, const char *text) CV_MUST_USE;

/* As cv_bind(), at a TCP address that cv_bind_beside() will share; a unix socket, and what was
 * passed, cannot be shared, and is as ever. -EADDRINUSE still when anybody else listens there. */
int cv_bind_shared(struct cv_bound *out, struct cv_loop *loop, const char *text) CV_MUST_USE;

/* One more socket at the address of @first; the kernel spreads the visitors over all of them.
 * -EOPNOTSUPP for a unix socket and for what was passed: beside a socket of root's the kernel lets
 * nobody else listen. */
int cv_bind_beside(struct cv_bound *out, const struct cv_bound *first) CV_MUST_USE;

/* The text of where a socket is bound: `unix:PATH`, or as of cv_address_text(). */
void cv_bind_text(char text[CV_BIND_TEXT_SIZE], const struct sockaddr *address);

/* Closes the socket and removes its file. */
void cv_unbind(struct cv_bound *bound);

#endif
