#include "http/reach.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/digest.h"

#define WAIT (15 * CV_SEC) /* until TLS stands */

void cv_reach_outbound(struct cv_outbound_options *out, const struct cv_outward *outward,
                       const struct cv_url *url)
{
    *out = (struct cv_outbound_options){.host = url->host,
                                        .port = url->port,
                                        .tls = url->tls,
                                        .insecure = outward->insecure,
                                        .ca_file = outward->ca,
                                        .cert_file = outward->cert,
                                        .key_file = outward->key,
                                        .server_name = outward->tls_server_name,
                                        .proxy = outward->proxy,
                                        .proxy_auth = outward->proxy_auth,
                                        .timeout = WAIT};
}

int cv_reach_authorization(char **out, const struct cv_outward *outward)
{
    size_t size = outward->token ? strlen("Bearer ") + strlen(outward->token) + 1 : 0;

    *out = NULL;
    if (!size)
        return 0;
    *out = malloc(size);
    if (!*out)
        return -ENOMEM;
    snprintf(*out, size, "Bearer %s", outward->token);
    return 0;
}

void cv_reach_forget(char *authorization)
{
    if (authorization)
        cv_secret_clear(authorization, strlen(authorization));
    free(authorization);
}

const char *cv_reach_unreadable(const struct cv_outward *outward)
{
    const char *files[] = {outward->ca, outward->cert, outward->key};

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        if (files[i] && access(files[i], R_OK) < 0)
            return files[i];
    return NULL;
}
