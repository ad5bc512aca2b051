#ifndef CV_DISCOVERY_URL_H
#define CV_DISCOVERY_URL_H

#include "discovery/message.h"

/* An address that was found: `http`, `https`, and for the tunnel `ws` and `wss`. */
struct cv_ssdp_url {
    bool tls;
    bool websocket;            /* ws or wss */
    bool bracketed;            /* the host is IPv6 and stood in brackets, which are left out */
    struct cv_ssdp_slice host; /* borrowed from the text, never empty */
    uint16_t port;
    struct cv_ssdp_slice path; /* with its query; empty or starts with a slash */
};

/* Reads a URL of the four schemes, at most CV_SSDP_URL_MAX bytes of printable ASCII, with no user,
 * password or fragment. A host is letters, digits, dots, dashes and underscores, or hexadecimal
 * digits, colons and dots in brackets; whether it is an address is the caller's to find out.
 *
 * CV_ESYNTAX  it is none of http or https */
int cv_ssdp_url_parse(struct cv_ssdp_url *out, const char *text, size_t len) CV_MUST_USE;

/* The same for ws and wss. */
int cv_ssdp_ws_parse(struct cv_ssdp_url *out, const char *text, size_t len) CV_MUST_USE;

#endif
