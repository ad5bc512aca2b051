#ifndef CV_HTTP_ADMIN_CORE_H
#define CV_HTTP_ADMIN_CORE_H

#include "http/admin.h"

/* Private to the admin's files. */

/* Who watches. */
struct cv_admin_watcher {
    uint64_t id; /* of the WebSocket; 0: a free place */
    bool known;  /* it has said its token */
    uint8_t digest[CV_TOKEN_DIGEST];
};

struct cv_admin {
    struct cv_admin_config config;
    struct cv_site *site;
    struct cv_admin_watcher watchers[CV_ADMIN_WATCHERS_MAX];
};

/* Why a request may not even say its token; NULL when it may. */
const char *cv_admin_objection(const struct cv_admin *admin, const struct cv_site_request *request);

/* Whether a token of @digest is let in now: any, where everyone on this machine is. */
bool cv_admin_knows(const struct cv_admin *admin, const uint8_t digest[CV_TOKEN_DIGEST]);

extern const struct cv_site_talks cv_admin_talks; /* admin_live.c */

#endif
