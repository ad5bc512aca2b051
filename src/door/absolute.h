#ifndef CV_DOOR_ABSOLUTE_H
#define CV_DOOR_ABSOLUTE_H

#include "door/http.h"

/* A request to a forward proxy for an http URL (`GET http://host/path`, RFC 9112, 3.2.2) becomes
 * the one that its origin is sent. */

#define CV_ABSOLUTE_ADDRESS_MAX 262 /* HOST:PORT and a NUL */

/* Whether the target is an absolute form. */
bool cv_absolute_is(const struct cv_http_head *head);

/* Writes whom to dial: HOST:PORT, IPv6 in brackets, port 80 when none is said.
 *
 * CV_ESYNTAX  another scheme than http, or no authority */
int cv_absolute_address(const struct cv_http_head *head,
                        char out[CV_ABSOLUTE_ADDRESS_MAX]) CV_MUST_USE;

/* Writes the origin's head and returns its length, at most CV_HTTP_HEAD_MAX + 64 bytes: path in
 * place of the URL, without what is said to the proxy alone (Proxy-..., and what Connection names),
 * and with `Connection: close`, so that one request uses one connection. */
int cv_absolute_rewrite(const struct cv_http_head *head, char *out, size_t size) CV_MUST_USE;

#endif
