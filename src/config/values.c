#include "config/values.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/key.h"

static int refuse(struct cv_taking *taking, const char *problem)
{
    taking->problem = problem;
    return CV_ESYNTAX;
}

int cv_take_path(struct cv_taking *taking, void *at, const char *value)
{
    if (value[0] == '\0')
        return refuse(taking, "is empty");
    *(const char **)at = value;
    return 0;
}

int cv_take_origin(struct cv_taking *taking, void *at, const char *value)
{
    struct cv_strings *origins = at;
    const char *host = strstr(value, "://");
    const char **grown;

    if (strcmp(value, "null") != 0 && (!host || host == value || !host[3] || strchr(host + 3, '/')))
        return refuse(taking, "is no origin, such as https://example.org or https://h:8443");
    grown = cv_arena_push(taking->arena, origins->at, &origins->count, sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    origins->at = grown;
    grown[origins->count - 1] = value;
    return 0;
}

int cv_take_name(struct cv_taking *taking, void *at, const char *value)
{
    struct cv_span name = {value, strlen(value)};
    struct cv_ip address;

    if (!cv_name_valid(name) && !cv_ip_parse(&address, name.at, name.len))
        return refuse(taking, "neither a name nor an address");
    *(const char **)at = value;
    return 0;
}

int cv_take_key(struct cv_taking *taking, void *at, const char *value)
{
    if (!cv_key_valid(value, strlen(value)))
        return refuse(taking, cv_error_text(CV_EBADKEY));
    *(const char **)at = value;
    return 0;
}

int cv_take_switch(struct cv_taking *taking, void *at, const char *value)
{
    bool yes = strcmp(value, "true") == 0;

    if (!yes && strcmp(value, "false") != 0)
        return refuse(taking, "neither true nor false");
    *(bool *)at = yes;
    return 0;
}

/* @value in units of @unit, within the option's bounds, which are in the same unit as the result
 * divided by @unit. */
static int take_number(struct cv_taking *taking, uint64_t *out, const char *value, size_t len,
                       uint64_t unit, const char *problem)
{
    const struct cv_option *option = taking->option;
    int64_t number;

    if (!cv_text_to_i64(value, len, &number))
        return refuse(taking, problem);
    if ((uint64_t)number > option->max / unit || (uint64_t)number * unit < option->min)
        return refuse(taking, "out of range");
    *out = (uint64_t)number * unit;
    return 0;
}

int cv_take_count(struct cv_taking *taking, void *at, const char *value)
{
    return take_number(taking, at, value, strlen(value), 1, "not a number");
}

int cv_take_size(struct cv_taking *taking, void *at, const char *value)
{
    static const char units[] = "KMG";
    size_t len = strlen(value);
    const char *unit = len ? strchr(units, value[len - 1]) : NULL;
    uint64_t factor = 1;

    if (unit) {
        factor = UINT64_C(1024) << 10 * (unit - units);
        len--;
    }
    return take_number(taking, at, value, len, factor,
                       "not a number of bytes, or one with K, M or G behind it");
}

int cv_take_seconds(struct cv_taking *taking, void *at, const char *value)
{
    size_t len = strlen(value);
    uint64_t seconds;
    int rc;

    if (len && value[len - 1] == 's')
        len--;
    rc = take_number(taking, &seconds, value, len, 1, "not a number of seconds");

    if (rc < 0)
        return rc;
    *(uint64_t *)at = seconds * CV_SEC;
    return 0;
}

int cv_take_interface(struct cv_taking *taking, void *at, const char *value)
{
    struct cv_strings *names = at;
    const char **grown;
    size_t len = strlen(value);

    if (len == 0 || len > 15 || strpbrk(value, "/: \t\r\n"))
        return refuse(taking, "not the name of an interface");
    grown = cv_arena_push(taking->arena, names->at, &names->count, sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    names->at = grown;
    grown[names->count - 1] = value;
    return 0;
}

int cv_take_log_level(struct cv_taking *taking, void *at, const char *value)
{
    static const char *const names[] = {[CV_LOG_ERROR] = "error",
                                        [CV_LOG_WARN] = "warn",
                                        [CV_LOG_INFO] = "info",
                                        [CV_LOG_DEBUG] = "debug"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(value, names[i]) == 0) {
            *(enum cv_log_level *)at = (enum cv_log_level)i;
            return 0;
        }
    }
    return refuse(taking, "not error, warn, info or debug");
}

int cv_take_log_format(struct cv_taking *taking, void *at, const char *value)
{
    bool json = strcmp(value, "json") == 0;

    if (!json && strcmp(value, "text") != 0)
        return refuse(taking, "neither text nor json");
    *(enum cv_log_format *)at = json ? CV_LOG_JSON : CV_LOG_TEXT;
    return 0;
}

int cv_take_allow(struct cv_taking *taking, void *at, const char *value)
{
    struct cv_patterns *allows = at;
    struct cv_pattern pattern, *grown;
    int rc = cv_pattern_parse(&pattern, value, strlen(value), &taking->problem);

    if (rc < 0)
        return rc;
    grown = cv_arena_push(taking->arena, allows->at, &allows->count, sizeof(pattern));
    if (!grown)
        return -ENOMEM;
    allows->at = grown;
    grown[allows->count - 1] = pattern;
    return 0;
}
