#ifndef CMD_SERVER_ADVERTISE_H
#define CMD_SERVER_ADVERTISE_H

#include "config/server.h"
#include "discovery/description.h"
#include "http/front.h"
#include "process.h"

/* --advertise: announces the front door by SSDP, and describes it. */
struct advertise;

/* Checks what only discovery can judge; for --check too. CV_ESYNTAX: see @error. */
int advertise_check(const struct cv_server_config *config,
                    struct cv_config_error *error) CV_MUST_USE;

/* What the description says. It is written before the first thread starts and stays as it is. */
struct advertise_page {
    bool shown; /* else there is none to be had */
    bool tls;
    struct cv_ssdp_identity identity;
    char name[300]; /* friendlyName */
};

/* Starts announcing the doors, by the addresses that they listen at, and fills in @page, which is
 * borrowed until the end; *@out stays NULL without --advertise. Returns EXIT_OK, or the code to
 * exit with and a line in @error. */
int advertise_open(struct advertise **out, struct advertise_page *page, struct cv_loop *loop,
                   const struct cv_server_config *config, struct cv_listener *const *doors,
                   struct cv_config_error *error) CV_MUST_USE;

/* Says goodbye, which takes a moment of the loop, and frees itself. NULL is fine. */
void advertise_close(struct advertise *advertise);

/* The front door's page at CV_DESCRIPTION_PATH: see cv_front_config.describe. @ctx is the
 * page. */
int advertise_describe(void *ctx, const char *host, char *out, size_t size);

#endif
