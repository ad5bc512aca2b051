#ifndef CV_DOOR_TLS_HELLO_H
#define CV_DOOR_TLS_HELLO_H

#include "base/attr.h"

/* The name that a TLS client asks for (RFC 6066, 3), read off its first message, which is neither
 * taken nor answered: the connection can go to whoever has that name. */

#define CV_TLS_HELLO_MAX ((size_t)16 * 1024) /* bytes of a ClientHello with its records' heads */
#define CV_TLS_NAME_MAX  253

/* Reads @name, ended by NUL and in lower case, from the first @len bytes of a connection; returns
 * its length, 0 when the client names nobody. The same bytes may be offered again with more behind
 * them: the ClientHello may come in many records and segments.
 *
 * CV_EMORE     it is not complete
 * CV_ESYNTAX   not a ClientHello, or one that no server could read
 * CV_ETOOLONG  over CV_TLS_HELLO_MAX bytes */
int cv_tls_hello_name(char name[CV_TLS_NAME_MAX + 1], const uint8_t *buf, size_t len) CV_MUST_USE;

#endif
