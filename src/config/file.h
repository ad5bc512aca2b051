#ifndef CV_CONFIG_FILE_H
#define CV_CONFIG_FILE_H

#include "access/credential.h"
#include "config/values.h"

#define CV_CREDENTIAL_FILE_MAX ((size_t)64 << 20) /* bytes */

/* A file's bytes, ended by a NUL that is not counted. */
struct cv_file {
    char *text; /* owned by the arena that was handed in */
    size_t len;
};

/* Reads @path, at most @max bytes. @secret refuses a file that group or others may read. @error
 * names file and reason; the result is CV_EDENIED for the mode, CV_ETOOLONG, -ENOMEM, or the
 * system's -errno. */
int cv_file_read(struct cv_file *out, struct cv_arena *arena, const char *program, const char *path,
                 size_t max, bool secret, struct cv_config_error *error) CV_MUST_USE;

/* Reads a credential file. @alloc is borrowed until the table is freed. Errors as of
 * cv_file_read(), and CV_ESYNTAX with file and line in @error. */
int cv_credentials_load(struct cv_credentials **out, const struct cv_alloc *alloc,
                        const char *program, const char *path,
                        struct cv_config_error *error) CV_MUST_USE;

/* Reads an agent's token: the first line of @path, without blanks around it. *@out is owned by the
 * arena, which clears it. Errors as above; CV_ESYNTAX does not show what stands there. */
int cv_token_load(const char **out, struct cv_arena *arena, const char *program, const char *path,
                  struct cv_config_error *error) CV_MUST_USE;

#define CV_PEERS_FILE_MAX ((size_t)1 << 20) /* bytes */

/* Adds the peers of a file: a line each, `ID:TOKEN:URL`; empty lines and those that start with `#`
 * say nothing. Errors as above; they show nothing of a line. */
int cv_peers_load(struct cv_peer_servers *peers, struct cv_arena *arena, const char *program,
                  const char *path, struct cv_config_error *error) CV_MUST_USE;

/* Reads what a proxy asks for: `USER:PASSWORD`, the first line of @path. As above. */
int cv_proxy_auth_load(const char **out, struct cv_arena *arena, const char *program,
                       const char *path, struct cv_config_error *error) CV_MUST_USE;

#endif
