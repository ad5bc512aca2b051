#include <stdio.h>

#include "admin.h"
#include "advertise.h"
#include "config/file.h"
#include "peering.h"
#include "server.h"

static int run(const struct cv_server_config *config)
{
    static struct server server; /* large, and there is one */
    struct cv_config_error error;
    struct confine_user user;
    int code = process_begin(&user, &config->common, &error);

    if (code == EXIT_OK)
        code = server_start(&server, config, &error);
    if (code != EXIT_OK) {
        fprintf(stderr, "%s\n", error.line);
        return code;
    }
    process_settle(&user, &config->common, &server.workers[0].loop.log);
    return server_run(&server);
}

/* --check reads the credential file too. */
static int check_credentials(const struct cv_server_config *config, struct cv_config_error *error)
{
    struct cv_alloc heap = cv_heap();
    struct cv_credentials *credentials = NULL;
    int rc = 0;

    if (config->token_file)
        rc = cv_credentials_load(&credentials, &heap, config->common.program->name,
                                 config->token_file, error);
    cv_credentials_free(credentials);
    return rc;
}

/* Reads flags and files. @heap is borrowed for as long as @config is. */
static int configure(struct cv_server_config *config, const struct cv_alloc *heap, int argc,
                     char **argv, struct cv_config_error *error)
{
    int rc = cv_server_config_init(config, heap, argc, (const char *const *)argv, error);

    if (rc == 0 && config->common.values)
        rc = advertise_check(config, error);
    if (rc == 0 && config->common.values)
        rc = admin_check(config, error);
    if (rc == 0 && config->common.action == CV_CONFIG_CHECK)
        rc = check_credentials(config, error);
    if (rc == 0 && config->common.action == CV_CONFIG_CHECK)
        rc = peering_check(config, error);
    return rc;
}

int main(int argc, char **argv)
{
    struct cv_alloc heap = cv_heap();
    struct cv_server_config config;
    struct cv_config_error error = {.line = ""};
    int code = EXIT_OK;

    if (configure(&config, &heap, argc, argv, &error) < 0) {
        fprintf(stderr, "%s\n", error.line);
        code = EXIT_USAGE;
    } else if (!process_only_prints(&config.common)) {
        code = run(&config);
    }
    cv_server_config_deinit(&config);
    return code;
}
