/* A configuration file's text through the server's loader, and the same bytes as a credential file.
 *
 * What is read and printed by --check is a file again that says the same; what is refused is
 * refused with one line. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/file.h"
#include "config/print.h"
#include "config/server.h"
#include "support/test_alloc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void require(bool fine)
{
    if (!fine)
        abort();
}

static bool one_line(const char *text)
{
    return text[0] != '\0' && strpbrk(text, "\r\n") == NULL;
}

/* What --check prints for @config, which must be freed. */
static char *print(const struct cv_server_config *config, size_t *len)
{
    char *text;
    FILE *out = open_memstream(&text, len);

    require(out != NULL);
    cv_options_print(out, &config->common);
    fclose(out);
    return text;
}

static void check_again(const struct cv_alloc *alloc, const struct cv_server_config *config)
{
    struct cv_server_config again;
    struct cv_config_error error;
    size_t len;
    char *text = print(config, &len);

    require(cv_server_config_init_text(&again, alloc, "again", text, len, &error) == 0);
    require(again.listens.count == config->listens.count);
    for (size_t i = 0; i < again.listens.count; i++)
        require(strcmp(again.listens.at[i].address, config->listens.at[i].address) == 0);
    require(again.forwards.count == config->forwards.count);
    for (size_t i = 0; i < again.forwards.count; i++) {
        require(strcmp(again.forwards.at[i].address, config->forwards.at[i].address) == 0);
        require(again.forwards.at[i].send_proxy == config->forwards.at[i].send_proxy);
    }
    require(memcmp(&again.limits, &config->limits, sizeof(again.limits)) == 0);
    require(again.drain_timeout == config->drain_timeout);
    free(text);
    cv_server_config_deinit(&again);
}

static void check_config(const struct cv_alloc *alloc, const char *text, size_t len)
{
    struct cv_server_config config;
    struct cv_config_error error;

    if (cv_server_config_init_text(&config, alloc, "fuzz", text, len, &error) == 0)
        check_again(alloc, &config);
    else
        require(one_line(error.line));
    cv_server_config_deinit(&config);
}

static void check_credentials(const struct cv_alloc *alloc, const char *text, size_t len)
{
    struct cv_credential_error error;
    struct cv_credentials *table = NULL;

    if (cv_credentials_parse(&table, alloc, text, len, &error) < 0)
        require(error.line > 0 && one_line(error.text));
    cv_credentials_free(table);
}

/* A publication whose name a pattern of that very name permits. */
static void check_publication(const char *text, size_t len)
{
    struct cv_publication asked;
    struct cv_publish pattern;
    const char *problem = NULL;

    if (cv_publication_parse(&asked, (struct cv_span){text, len}, &problem) < 0) {
        require(problem != NULL);
        return;
    }
    require(asked.what.len + 1 + asked.address.len == len);
    require(cv_publication_same(&asked, &asked));
    require(cv_publish_parse(&pattern, asked.what, &problem) == 0);
    require(cv_publish_permits(&pattern, &asked));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct test_alloc memory;

    test_alloc_init(&memory);
    check_config(&memory.alloc, (const char *)data, len);
    check_credentials(&memory.alloc, (const char *)data, len);
    check_publication((const char *)data, len);
    require(memory.live == 0);
    return 0;
}
