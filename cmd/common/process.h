#ifndef CMD_COMMON_PROCESS_H
#define CMD_COMMON_PROCESS_H

#include "config/options.h"
#include "confine.h"
#include "net/loop.h"

/* What both daemons do as processes. */

enum exit_code { EXIT_OK = 0, EXIT_RUNTIME = 1, EXIT_USAGE = 2, EXIT_OPEN = 3 };

/* Prints `NAME VERSION (COMMIT)`. */
void process_print_version(const char *name);

/* Does what --help, --version or --check ask for: true when there is nothing else to do. */
bool process_only_prints(const struct cv_common_config *common);

/* Before anything is opened: raises the soft limit of open files to the hard one, puts an end to
 * core dumps, and looks up whom to become. Returns EXIT_OK, or EXIT_USAGE and a line in @error. */
int process_begin(struct confine_user *user, const struct cv_common_config *common,
                  struct cv_config_error *error);

/* When everything is open: becomes the user, lets go of what only starting needed, and gives up
 * system calls. It ends the process when it cannot become the user; without the filter it goes on,
 * and says so in @log. */
void process_settle(const struct confine_user *user, const struct cv_common_config *common,
                    const struct cv_log *log);

/* Calls @on_signal in the loop for SIGTERM, SIGINT and SIGHUP; the handles do not keep the loop
 * running. */
struct process_signals {
    uv_signal_t handles[3];
};
int process_watch_signals(struct process_signals *signals, struct cv_loop *loop,
                          uv_signal_cb on_signal, void *data) CV_MUST_USE;
void process_unwatch_signals(struct process_signals *signals);

#endif
