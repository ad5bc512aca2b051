#include <criterion/criterion.h>
#include <stdlib.h>

#include "net/proxy.h"

Test(proxy, excepts_what_no_proxy_names)
{
    cr_assert(cv_proxy_excepted("*", "example.com"));
    cr_assert(cv_proxy_excepted("a.org, Example.COM", "example.com"));
    cr_assert(cv_proxy_excepted(".example.com", "www.example.com"));
    cr_assert(cv_proxy_excepted(".example.com", "example.com"));
    cr_assert(cv_proxy_excepted("example.com", "www.example.com"));
    cr_assert(cv_proxy_excepted("localhost 10.0.0.0/8", "10.1.2.3"));
    cr_assert(cv_proxy_excepted("10.1.2.3", "10.1.2.3"));
    cr_assert(cv_proxy_excepted("10.1.2.0/23", "10.1.3.255"));
    cr_assert(cv_proxy_excepted("0.0.0.0/0", "10.1.3.255"));
    cr_assert(cv_proxy_excepted("fd00::/8", "fd12::1"));
    cr_assert(cv_proxy_excepted("10.0.0.1/32", "10.0.0.1"));
}

Test(proxy, excepts_nothing_else)
{
    cr_assert_not(cv_proxy_excepted("", "example.com"));
    cr_assert_not(cv_proxy_excepted(" ,, ", "example.com"));
    cr_assert_not(cv_proxy_excepted(".", "example.com"));
    cr_assert_not(cv_proxy_excepted("example.com", "badexample.com"));
    cr_assert_not(cv_proxy_excepted("www.example.com", "example.com"));
    cr_assert_not(cv_proxy_excepted("10.1.2.0/23", "10.1.4.0"));
    cr_assert_not(cv_proxy_excepted("10.0.0.0/33", "10.0.0.0"));
    cr_assert_not(cv_proxy_excepted("10.0.0.0/", "10.0.0.0"));
    cr_assert_not(cv_proxy_excepted("10.0.0.0/8x", "10.0.0.0"));
    cr_assert_not(cv_proxy_excepted("::/0", "10.0.0.0"));
    cr_assert_not(cv_proxy_excepted("0.1", "10.0.0.1"));
}

static char *modern(const char *name)
{
    return getenv(name);
}

static void clean(void)
{
    static const char *const names[] = {"http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY",
                                        "all_proxy",  "ALL_PROXY",  "no_proxy",    "NO_PROXY"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unsetenv(names[i]);
}

Test(proxy, finds_the_one_for_the_scheme)
{
    clean();
    cr_assert_null(cv_proxy_find("a.org", true, modern));
    setenv("HTTPS_PROXY", "upper", 1);
    cr_assert_str_eq(cv_proxy_find("a.org", true, modern), "upper");
    setenv("https_proxy", "lower", 1);
    cr_assert_str_eq(cv_proxy_find("a.org", true, modern), "lower");
    cr_assert_null(cv_proxy_find("a.org", false, modern));
    setenv("HTTP_PROXY", "evil", 1);
    cr_assert_null(cv_proxy_find("a.org", false, modern));
    setenv("http_proxy", "plain", 1);
    cr_assert_str_eq(cv_proxy_find("a.org", false, modern), "plain");
    setenv("no_proxy", "a.org", 1);
    cr_assert_null(cv_proxy_find("a.org", false, modern));
    clean();
    setenv("ALL_PROXY", "socks5h://s", 1);
    cr_assert_str_eq(cv_proxy_find("a.org", false, modern), "socks5h://s");
    cr_assert_str_eq(cv_proxy_find("a.org", true, modern), "socks5h://s");
    setenv("https_proxy", "", 1); /* set to nothing: none */
    cr_assert_null(cv_proxy_find("a.org", true, modern));
}
