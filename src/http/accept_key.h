#ifndef CV_HTTP_ACCEPT_KEY_H
#define CV_HTTP_ACCEPT_KEY_H

#include "ws/handshake.h"

/* Sec-WebSocket-Accept for a client's key (RFC 6455, 4.2.2), ended by NUL. Returns 0 or -ENOMEM. */
int cv_accept_key(char out[CV_WS_ACCEPT_LEN + 1], const char *key, size_t key_len) CV_MUST_USE;

#endif
