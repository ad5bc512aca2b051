#include <string.h>

#include <criterion/criterion.h>

#include "door/http_route.h"

static const struct cv_http_route routes[] = {
    {"app.example", ""},      {"app.example", "/api"}, {"app.example", "/api/v2"},
    {"other.example", "/ui"}, {"[::1]", ""},           {"APP.example", ""},
};

static int find(const char *host, const char *path)
{
    return cv_http_route_find(routes, sizeof(routes) / sizeof(routes[0]),
                              (struct cv_slice){host, strlen(host)},
                              (struct cv_slice){path, strlen(path)});
}

Test(http_route, takes_the_longest_prefix_of_the_host)
{
    cr_assert_eq(find("app.example", "/"), 0);
    cr_assert_eq(find("app.example", "/x/api"), 0);
    cr_assert_eq(find("app.example", "/api"), 1);
    cr_assert_eq(find("app.example", "/api/"), 1);
    cr_assert_eq(find("app.example", "/api/v2"), 2);
    cr_assert_eq(find("app.example", "/api/v2/x"), 2);
    cr_assert_eq(find("other.example", "/ui/x"), 3);
}

Test(http_route, ends_a_prefix_where_a_segment_ends)
{
    cr_assert_eq(find("app.example", "/apix"), 0);
    cr_assert_eq(find("app.example", "/api/v22"), 1);
    cr_assert_eq(find("other.example", "/uix"), -1);
    cr_assert_eq(find("other.example", "/u"), -1);
    cr_assert_eq(find("other.example", "/UI"), -1);
}

Test(http_route, does_not_care_for_port_case_and_last_dot)
{
    cr_assert_eq(find("App.Example:8080", "/"), 0);
    cr_assert_eq(find("app.example.", "/"), 0);
    cr_assert_eq(find("app.example.:443", "/api"), 1);
    cr_assert_eq(find("[::1]", "/"), 4);
    cr_assert_eq(find("[::1]:80", "/"), 4);
}

Test(http_route, finds_nothing_for_other_names)
{
    cr_assert_eq(find("", "/"), -1);
    cr_assert_eq(find(".", "/"), -1);
    cr_assert_eq(find("example", "/"), -1);
    cr_assert_eq(find("xapp.example", "/"), -1);
    cr_assert_eq(find("app.example.evil", "/"), -1);
    cr_assert_eq(find("app.example..", "/"), -1);
}
