#include "process.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

#include "config/print.h"
#include "culvert_version.h"

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

void process_raise_files(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        return;
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files) < 0)
        perror("open files");
}

int process_watch_signals(struct process_signals *signals, struct cv_loop *loop,
                          uv_signal_cb on_signal, void *data)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        uv_signal_t *handle = &signals->handles[i];
        int rc = uv_signal_init(&loop->uv, handle);

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
