#ifndef CV_DOOR_PROXY_HEAD_H
#define CV_DOOR_PROXY_HEAD_H

#include "base/peer.h"

/* The PROXY protocol, versions 1 and 2 (HAProxy's doc/proxy-protocol.txt): what a proxy says first
 * on a connection, so that whoever is behind it knows for whom it is. */

#define CV_PROXY_LINE_MAX  107  /* bytes of a line of version 1 */
#define CV_PROXY_HEAD_MAX  4096 /* of a head of version 2 that is read */
#define CV_PROXY_WRITE_MAX CV_PROXY_LINE_MAX

/* Who connected, and to where; both of one family. Family 0, both: the head does not say (UNKNOWN,
 * LOCAL, an unspecified family, a unix socket, datagrams), and the connection's own ends hold. */
struct cv_proxy_head {
    struct cv_peer from, to;
};

/* Reads the head at the start of a connection whose first @len bytes are at @in; returns its
 * length. More bytes never change what was said of fewer, and all bytes of an incomplete head
 * belong to it.
 *
 * CV_EMORE     it is not complete
 * CV_EPROTO    not a head, or one that must be refused; *@problem says why, static
 * CV_ETOOLONG  over CV_PROXY_HEAD_MAX bytes; *@problem too */
int cv_proxy_head_read(struct cv_proxy_head *out, const uint8_t *in, size_t len,
                       const char **problem) CV_MUST_USE;

/* Writes a head of @version, 1 or 2, and returns its length. Ends of two families, or of none, are
 * written as unknown. */
size_t cv_proxy_head_write(uint8_t out[CV_PROXY_WRITE_MAX], unsigned version,
                           const struct cv_proxy_head *head);

#endif
