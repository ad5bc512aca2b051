#ifndef CULVERT_REMOTE_H
#define CULVERT_REMOTE_H

#include <stdbool.h>
#include <stddef.h>

#include <culvert/api.h>

/* How a server is reached, and who one says one is there. */
struct cv_remote {
    size_t size;       /* sizeof(struct cv_remote) */
    const char *url;   /* `ws://HOST:PORT/connect`, or wss:; without user, password and query */
    const char *token; /* secret, cleared when it is not needed any more; NULL: none */

    /* Of TLS: files in PEM, read at each handshake. */
    const char *ca_file;              /* whom to trust; NULL: whom the system trusts */
    const char *cert_file, *key_file; /* a client's certificate; NULL, both: none */
    const char *server_name;          /* to verify; NULL: the URL's host */
    bool insecure;                    /* the certificate is not verified */

    const char *proxy;      /* URL; NULL: as https_proxy, http_proxy and no_proxy say */
    const char *proxy_auth; /* `USER:PASSWORD` for it, secret; NULL: none */

    const char *const *headers; /* `Name: value` of the handshake, NULL behind the last, at most
                                   31; NULL: none */
};

#endif
