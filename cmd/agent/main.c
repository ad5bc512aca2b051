#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"
#include "discover.h"
#include "net/loop.h"

static int run(const struct cv_agent_config *config)
{
    static struct agent agent; /* large, and there is one */
    struct cv_config_error error;
    struct confine_user user;
    int code = process_begin(&user, &config->common, &error);

    if (code == EXIT_OK)
        code = agent_start(&agent, config, &error);
    if (code != EXIT_OK) {
        fprintf(stderr, "%s\n", error.line);
        return code;
    }
    process_settle(&user, &config->common, &agent.loop.log);
    return agent_run(&agent);
}

/* Reads flags and files; --help and --version need no more of them. */
static int configure(struct cv_agent_config *config, const struct cv_alloc *heap,
                     const struct cv_agent_surroundings *surroundings, int argc, char **argv,
                     struct cv_config_error *error)
{
    int rc =
        cv_agent_config_init(config, heap, surroundings, argc, (const char *const *)argv, error);

    if (rc == 0 && config->common.values)
        rc = discover_check(config, error);
    return rc;
}

int main(int argc, char **argv)
{
    char host[256] = "";
    struct cv_agent_surroundings surroundings = {.token = getenv("CULVERT_TOKEN")};
    struct cv_alloc heap = cv_heap();
    struct cv_agent_config config;
    struct cv_config_error error;
    int code = EXIT_OK;

    if (gethostname(host, sizeof(host) - 1) == 0)
        surroundings.host_name = host;
    if (configure(&config, &heap, &surroundings, argc, argv, &error) < 0) {
        fprintf(stderr, "%s\n", error.line);
        code = EXIT_USAGE;
    } else if (!process_only_prints(&config.common)) {
        code = run(&config);
    }
    cv_agent_config_deinit(&config);
    return code;
}
