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

static int find_wild(const char *host, const char *path)
{
    static const struct cv_http_route wild[] = {
        {"*.example", ""},       {"*.b.example", ""},   {"a.b.example", "/api"},
        {"*.example", "/x/y/z"}, {"*.b.example", "/x"}, {"a.b.example", "/api/v2"},
    };

    return cv_http_route_find(wild, sizeof(wild) / sizeof(wild[0]),
                              (struct cv_slice){host, strlen(host)},
                              (struct cv_slice){path, strlen(path)});
}

Test(http_route, takes_one_or_more_labels_for_a_wildcard)
{
    cr_assert_eq(find_wild("a.example", "/"), 0);
    cr_assert_eq(find_wild("A.Example.:80", "/"), 0);
    cr_assert_eq(find_wild("x.y.z.example", "/"), 0);
    cr_assert_eq(find_wild("example", "/"), -1);
    cr_assert_eq(find_wild(".example", "/"), -1);
    cr_assert_eq(find_wild("..example", "/"), -1);
    cr_assert_eq(find_wild("a..example", "/"), -1);
    cr_assert_eq(find_wild("aexample", "/"), -1);
    cr_assert_eq(find_wild("a.example.evil", "/"), -1);
}

Test(http_route, goes_by_the_exact_name_then_by_the_longest_wildcard_then_by_the_prefix)
{
    cr_assert_eq(find_wild("b.example", "/x/y/z"), 3);
    cr_assert_eq(find_wild("c.b.example", "/"), 1);
    cr_assert_eq(find_wild("c.b.example", "/x/y/z"), 4);
    cr_assert_eq(find_wild("a.b.example", "/api"), 2);
    cr_assert_eq(find_wild("a.b.example", "/api/v2/x"), 5);
    cr_assert_eq(find_wild("a.b.example", "/other"), 1, "no route of the name takes it");
    cr_assert_eq(find_wild("x.a.b.example", "/api"), 1);
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
