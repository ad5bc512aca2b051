#include "net/tls_client.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "net/address.h"
#include "net/gcm.h"
#include "net/log.h"
#include "net/tls_stream.h"

/* All that decides whether a session may be resumed. Longer ones are not kept. */
#define KEY_SIZE 1024

struct entry {
    struct cv_list link;
    SSL_SESSION *session; /* owned; NULL: used up */
    char key[KEY_SIZE];
};

void cv_tls_sessions_init(struct cv_tls_sessions *sessions, const struct cv_alloc *alloc)
{
    *sessions = (struct cv_tls_sessions){.alloc = alloc};
    cv_list_init(&sessions->entries);
}

void cv_tls_sessions_deinit(struct cv_tls_sessions *sessions)
{
    for (struct cv_list *link; (link = cv_list_pop(&sessions->entries));) {
        struct entry *entry = cv_container_of(link, struct entry, link);

        SSL_SESSION_free(entry->session);
        cv_free(sessions->alloc, entry);
    }
    sessions->count = 0;
}

static bool make_key(char key[KEY_SIZE], const struct cv_tls_client_options *o)
{
    int len = snprintf(key, KEY_SIZE, "%s\n%u\n%d\n%s\n%s\n%s", o->name, (unsigned)o->port,
                       o->insecure, o->ca_file ? o->ca_file : "", o->cert_file ? o->cert_file : "",
                       o->key_file ? o->key_file : "");

    return len < KEY_SIZE;
}

/* The entry for the server, a new one when there is room, or NULL: resuming only saves work. */
static struct entry *entry_for(struct cv_tls_sessions *sessions,
                               const struct cv_tls_client_options *options)
{
    char key[KEY_SIZE];
    struct entry *entry;

    if (!make_key(key, options))
        return NULL;
    cv_list_each (link, &sessions->entries) {
        entry = cv_container_of(link, struct entry, link);
        if (strcmp(entry->key, key) == 0)
            return entry;
    }
    if (sessions->count == CV_TLS_SESSIONS_MAX)
        return NULL;
    entry = cv_alloc_zero(sessions->alloc, sizeof(*entry));
    if (!entry)
        return NULL;
    memcpy(entry->key, key, sizeof(key));
    cv_list_push_back(&sessions->entries, &entry->link);
    sessions->count++;
    return entry;
}

/* A ticket has come: with TLS 1.3 at any time after the handshake. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
    struct entry *entry = SSL_get_app_data(ssl);

    if (!entry)
        return 0;
    SSL_SESSION_free(entry->session);
    entry->session = session;
    return 1; /* taken */
}

/* A ticket is used once, so that nobody who watches can tell two connections of one client (RFC
 * 8446, C.4). */
static void resume(SSL *ssl, struct entry *entry)
{
    if (!entry || !entry->session)
        return;
    SSL_set_session(ssl, entry->session); /* fails for one of another version: a full handshake */
    SSL_SESSION_free(entry->session);
    entry->session = NULL;
}

/* Whether the system keeps its authorities one a file under their hashes, as OpenSSL looks them up.
 */
static bool has_hashed_folder(void)
{
    const char *folder = getenv(X509_get_default_cert_dir_env());
    DIR *dir = opendir(folder ? folder : X509_get_default_cert_dir());
    bool found = false;

    if (!dir)
        return false;
    for (struct dirent *entry; !found && (entry = readdir(dir));) {
        size_t len = strspn(entry->d_name, "0123456789abcdef");

        found = len == 8 && strcmp(entry->d_name + len, ".0") == 0;
    }
    closedir(dir);
    return found;
}

/* One authority is read from the folder when it is asked for; the file holds all of them, and
 * parsing it costs a megabyte. */
static int trust_system(SSL_CTX *ctx)
{
    if (!getenv(X509_get_default_cert_file_env()) && has_hashed_folder())
        return SSL_CTX_set_default_verify_dir(ctx) == 1 ? 0 : -ENOMEM;
    return SSL_CTX_set_default_verify_paths(ctx) == 1 ? 0 : -ENOMEM;
}

static int trust(SSL_CTX *ctx, const char *ca_file, char *error, size_t error_size)
{
    if (!ca_file)
        return trust_system(ctx);
    if (cv_tls_check_readable(ca_file, error, error_size) < 0)
        return CV_ESYNTAX;
    if (SSL_CTX_load_verify_file(ctx, ca_file) == 1)
        return 0;
    snprintf(error, error_size, "%s: no usable certificate: %s", ca_file, cv_tls_why());
    return CV_ESYNTAX;
}

static int configure(SSL_CTX *ctx, const struct cv_tls_client_options *options, char *error,
                     size_t error_size)
{
    static const unsigned char alpn[] = "\x08http/1.1";
    int rc = cv_tls_restrict(ctx);

    cv_tls_tune(ctx);
    cv_tls_take_records(ctx);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, on_session);
    if (SSL_CTX_set_alpn_protos(ctx, alpn, sizeof(alpn) - 1) != 0)
        rc = -ENOMEM;
    SSL_CTX_set_verify(ctx, options->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    if (rc == 0 && !options->insecure)
        rc = trust(ctx, options->ca_file, error, error_size);
    if (rc == 0 && options->cert_file &&
        cv_tls_use_pair(ctx, options->cert_file, options->key_file, error, error_size) < 0)
        rc = CV_ESYNTAX;
    return rc;
}

/* What the certificate must be for. RFC 6066, 3: an address is no server name. */
static int expect(SSL *ssl, const char *name)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    struct sockaddr_storage address;

    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (cv_address_parse(&address, name, 0) == 0)
        return X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1 ? 0 : -ENOMEM;
    return SSL_set1_host(ssl, name) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1 ? 0 : -ENOMEM;
}

int cv_tls_client_new(SSL **out, struct cv_tls_sessions *sessions,
                      const struct cv_tls_client_options *options, char *error, size_t error_size)
{
    struct entry *entry = entry_for(sessions, options);
    SSL_CTX *ctx;
    SSL *ssl = NULL;
    int rc = -ENOMEM;

    snprintf(error, error_size, "%s", cv_strerror(rc));
    ERR_clear_error();
    ctx = SSL_CTX_new_ex(NULL, cv_gcm_properties(), TLS_client_method());
    if (ctx)
        rc = configure(ctx, options, error, error_size);
    if (rc == 0) {
        ssl = SSL_new(ctx);
        rc = ssl ? expect(ssl, options->name) : -ENOMEM;
    }
    ERR_clear_error();
    SSL_CTX_free(ctx); /* the SSL holds it */
    if (rc < 0) {
        SSL_free(ssl);
        return rc;
    }
    SSL_set_app_data(ssl, entry);
    SSL_set_connect_state(ssl);
    resume(ssl, entry);
    *out = ssl;
    return 0;
}

int cv_tls_client_explain(const SSL *ssl, int code, char *text, size_t size)
{
    long verdict = SSL_get_verify_result(ssl);

    if (code == -EPROTO && SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE && verdict != X509_V_OK) {
        snprintf(text, size, "the server's certificate is refused: %s",
                 X509_verify_cert_error_string(verdict));
        return CV_EDENIED;
    }
    if (code == -EPROTO)
        snprintf(text, size, "TLS: %s", cv_tls_why());
    else
        snprintf(text, size, "in the handshake of TLS: %s", cv_strerror(code));
    return code;
}
