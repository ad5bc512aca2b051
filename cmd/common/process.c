#include "process.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "config/print.h"
#include "culvert_version.h"
#include "files.h"
#include "net/log.h"
#include "pages.h"

void process_print_version(const char *name)
{
    printf("%s %s (%s)\n", name, CULVERT_VERSION, CULVERT_COMMIT);
}

bool process_only_prints(const struct cv_common_config *common)
{
    switch (common->action) {
    case CV_CONFIG_RUN:
        return false;
    case CV_CONFIG_CHECK:
        cv_options_print(stdout, common);
        return true;
    case CV_CONFIG_HELP:
        cv_options_help(stdout, common->program);
        return true;
    case CV_CONFIG_VERSION:
        process_print_version(common->program->name);
        return true;
    }
    return false;
}

int process_begin(struct confine_user *user, const struct cv_common_config *common,
                  struct cv_config_error *error)
{
    char text[300];

    files_raise();
    confine_secrets();
    if (confine_find_user(user, common->user, text, sizeof(text)) == 0)
        return EXIT_OK;
    snprintf(error->line, sizeof(error->line), "%s: --user: %s", common->program->name, text);
    return EXIT_USAGE;
}

void process_settle(const struct confine_user *user, const struct cv_common_config *common,
                    const struct cv_log *log)
{
    int rc = confine_become(user);

    if (rc < 0) {
        cv_log(log, CV_LOG_ERROR, "--user: %s: %s", user->name, cv_strerror(rc));
        _exit(EXIT_RUNTIME); /* other threads run already */
    }
    pages_let_go();
    rc = common->unconfined ? 0 : confine_calls();
    if (rc < 0)
        cv_log(log, CV_LOG_WARN, "system calls are not confined: %s", cv_strerror(rc));
}

int process_watch_signals(struct process_signals *signals, struct cv_loop *loop,
                          uv_signal_cb on_signal, void *data)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        uv_signal_t *handle = &signals->handles[i];
        int rc = uv_signal_init(loop->uv, handle);

        if (rc == 0)
            rc = uv_signal_start(handle, on_signal, numbers[i]);
        if (rc < 0)
            return rc;
        handle->data = data;
        uv_unref((uv_handle_t *)handle);
    }
    return 0;
}

void process_unwatch_signals(struct process_signals *signals)
{
    for (size_t i = 0; i < sizeof(signals->handles) / sizeof(signals->handles[0]); i++)
        uv_close((uv_handle_t *)&signals->handles[i], NULL);
}
