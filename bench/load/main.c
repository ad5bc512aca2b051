#include "load.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static const struct mode {
    const char *name;
    int (*run)(const struct cv_load_options *options);
} modes[] = {
    {"target", cv_load_target}, {"bulk", cv_load_bulk},     {"web", cv_load_web},
    {"hold", cv_load_hold},     {"agents", cv_load_agents}, {"herd", cv_load_herd},
};

static int usage(void)
{
    fputs("usage: load target|bulk|web|hold|agents|herd --port N [--control N] [--conns N]\n"
          "            [--seconds S] [--warm S] [--up] [--fresh] [--tls] [--active N]\n"
          "            [--block BYTES] [--first N]\n",
          stderr);
    return 2;
}

/* Reads a number from @text. -1 when it is none or lies outside @low to @high. */
static int read_number(const char *text, double low, double high, double *out)
{
    char *end = NULL;

    errno = 0;
    *out = strtod(text, &end);
    return errno == 0 && end != text && *end == '\0' && *out >= low && *out <= high ? 0 : -1;
}

/* Takes one option with its value. -1 when it is not known or out of range. */
static int read_option(struct cv_load_options *options, const char *name, const char *text)
{
    double value = 0;

    if (strcmp(name, "--port") == 0 || strcmp(name, "--control") == 0) {
        if (read_number(text, 1, 65535, &value) != 0)
            return -1;
        *(name[2] == 'p' ? &options->port : &options->control) = (uint16_t)value;
        return 0;
    }
    if (strcmp(name, "--conns") == 0 || strcmp(name, "--active") == 0) {
        if (read_number(text, 1, CV_LOAD_CONNS_MAX, &value) != 0)
            return -1;
        *(name[2] == 'c' ? &options->conns : &options->active) = (unsigned)value;
        return 0;
    }
    if (strcmp(name, "--first") == 0) {
        if (read_number(text, 0, 1e9, &value) != 0)
            return -1;
        options->first = (unsigned)value;
        return 0;
    }
    if (strcmp(name, "--block") == 0) {
        if (read_number(text, 4096, CV_LOAD_BLOCK_MAX, &value) != 0)
            return -1;
        options->block = (size_t)value;
        return 0;
    }
    if (strcmp(name, "--seconds") == 0)
        return read_number(text, 0.01, 3600, &options->seconds);
    if (strcmp(name, "--warm") == 0)
        return read_number(text, 0, 3600, &options->warm);
    return -1;
}

static bool read_switch(struct cv_load_options *options, const char *name)
{
    bool *found = strcmp(name, "--up") == 0      ? &options->up
                  : strcmp(name, "--fresh") == 0 ? &options->fresh
                  : strcmp(name, "--tls") == 0   ? &options->tls
                                                 : NULL;

    if (found != NULL)
        *found = true;
    return found != NULL;
}

static int read_options(struct cv_load_options *options, char **argv)
{
    for (; *argv != NULL; argv++) {
        if (read_switch(options, *argv))
            continue;
        if (argv[1] == NULL || read_option(options, argv[0], argv[1]) != 0)
            return -1;
        argv++;
    }
    if (options->port == 0 || (options->up && options->control == 0))
        return -1;
    return options->active <= options->conns && !(options->active > 0 && options->fresh) ? 0 : -1;
}

int main(int argc, char **argv)
{
    struct cv_load_options options = {.conns = 1, .seconds = 1, .block = CV_LOAD_BLOCK};
    struct rlimit files;

    if (argc < 2 || read_options(&options, argv + 2) != 0)
        return usage();
    /* OpenSSL writes without MSG_NOSIGNAL. */
    signal(SIGPIPE, SIG_IGN);
    /* Nothing of a benchmark that was killed stays behind. */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        if (strcmp(argv[1], modes[i].name) == 0)
            return modes[i].run(&options);
    }
    return usage();
}
