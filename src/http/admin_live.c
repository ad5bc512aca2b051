#include <jansson.h>
#include <string.h>

#include "http/admin_core.h"
#include "net/digest.h"

/* Those who watch. A browser cannot send Authorization with a WebSocket, and a URL is no place for
 * a secret: so the token is the one message that comes in, `{"token":"..."}`, also where none is
 * needed. */

static struct cv_admin_watcher *find(struct cv_admin *admin, uint64_t id)
{
    for (size_t i = 0; i < CV_ADMIN_WATCHERS_MAX; i++)
        if (admin->watchers[i].id == id)
            return &admin->watchers[i];
    return NULL;
}

static bool may(void *ctx, const struct cv_site_request *request)
{
    const struct cv_admin *admin = ctx;
    bool yes = cv_admin_objection(admin, request) == NULL;

    if (!yes)
        admin->config.ops->refused(admin->config.ctx);
    return yes;
}

static void on_opened(void *ctx, uint64_t id)
{
    struct cv_admin_watcher *place = find(ctx, 0);

    if (place) /* the site opens no more than there are places */
        place->id = id;
}

/* The digest of the token; false when that is not what the text says. */
static bool read_token(uint8_t digest[CV_TOKEN_DIGEST], const char *text, size_t len)
{
    json_t *json = json_loadb(text, len, 0, NULL);
    const char *token = json_string_value(json_object_get(json, "token"));
    bool ok = token && cv_sha256(digest, token, strlen(token)) == 0;

    json_decref(json);
    return ok;
}

static void on_heard(void *ctx, uint64_t id, const char *text, size_t len)
{
    struct cv_admin *admin = ctx;
    struct cv_admin_watcher *watcher = find(admin, id);

    if (!watcher)
        return;
    if (watcher->known || !read_token(watcher->digest, text, len)) {
        cv_site_hang_up(admin->site, id, CV_ADMIN_CLOSE_NONSENSE);
    } else if (cv_admin_knows(admin, watcher->digest)) {
        watcher->known = true;
        admin->config.ops->watched(admin->config.ctx, id);
    } else {
        admin->config.ops->refused(admin->config.ctx);
        cv_site_hang_up(admin->site, id, CV_ADMIN_CLOSE_TOKEN);
    }
}

static void on_told(void *ctx, uint64_t id)
{
    struct cv_admin *admin = ctx;

    admin->config.ops->told(admin->config.ctx, id);
}

static void on_closed(void *ctx, uint64_t id)
{
    struct cv_admin *admin = ctx;
    struct cv_admin_watcher *watcher = find(admin, id);
    bool known = watcher && watcher->known;

    if (watcher)
        *watcher = (struct cv_admin_watcher){.id = 0};
    if (known)
        admin->config.ops->unwatched(admin->config.ctx, id);
}

const struct cv_site_talks cv_admin_talks = {
    .path = "/api/v1/live",
    .may = may,
    .opened = on_opened,
    .heard = on_heard,
    .told = on_told,
    .closed = on_closed,
};

int cv_admin_tell(struct cv_admin *admin, uint64_t id, struct cv_site_text *text)
{
    return cv_site_tell(admin->site, id, text);
}

void cv_admin_recheck(struct cv_admin *admin)
{
    for (size_t i = 0; i < CV_ADMIN_WATCHERS_MAX; i++)
        if (admin->watchers[i].known && !cv_admin_knows(admin, admin->watchers[i].digest))
            cv_site_hang_up(admin->site, admin->watchers[i].id, CV_ADMIN_CLOSE_TOKEN);
}
