#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "discovery/description.h"

#define URL "<culvert:connectURL>ws://10.0.0.1:8123/connect</culvert:connectURL>"

static const struct cv_ssdp_identity identity = {
    .uuid = "0d0d0d0d-0000-4000-8000-000000000001",
    .type = CV_SSDP_TYPE,
    .service = CV_SSDP_SERVICE,
};
static const struct cv_description ours = {.identity = &identity,
                                           .name = "a <b> & c",
                                           .version = "0.1.0",
                                           .authority = "10.0.0.1:8123",
                                           .tls = false};

static int read_text(char *url, const char *text)
{
    return cv_description_read(url, text, strlen(text));
}

Test(description, is_read_as_it_was_written)
{
    char text[CV_DESCRIPTION_OUT_MAX], url[CV_SSDP_URL_MAX + 1];
    int len = cv_description_write(text, sizeof(text), &ours);

    cr_assert_gt(len, 0);
    cr_assert_not_null(strstr(text, "<root xmlns=\"urn:schemas-upnp-org:device-1-0\">"));
    cr_assert_not_null(strstr(text, "<UDN>uuid:0d0d0d0d-0000-4000-8000-000000000001</UDN>"));
    cr_assert_not_null(strstr(text, "a &lt;b&gt; &amp; c"));
    cr_assert_eq(cv_description_read(url, text, (size_t)len), 0);
    cr_assert_str_eq(url, "ws://10.0.0.1:8123/connect");
}

Test(description, says_when_it_does_not_fit)
{
    char text[CV_DESCRIPTION_OUT_MAX];
    int len = cv_description_write(text, sizeof(text), &ours);

    cr_assert_eq(cv_description_write(text, (size_t)len + 1, &ours), len);
    cr_assert_eq(cv_description_write(text, (size_t)len, &ours), CV_ETOOLONG);
}

Test(description, has_a_number_that_follows_what_it_says)
{
    struct cv_description other = ours;
    uint32_t number = cv_description_config(&ours);

    cr_assert_leq(number, 0xffffff);
    other.authority = "10.0.0.2:8123";
    cr_assert_eq(cv_description_config(&other), number, "the same device on another interface");
    other.name = "another";
    cr_assert_neq(cv_description_config(&other), number);
}

Test(description, may_lack_our_element)
{
    char url[CV_SSDP_URL_MAX + 1];

    cr_assert_eq(read_text(url, "<?xml version='1.0'?><!-- <x --><root a='1>2'><b/></root>\n"), 0);
    cr_assert_str_eq(url, "");
    cr_assert_eq(read_text(url, "\xef\xbb\xbf<r><connectURL>ws://x/</connectURL></r>"), 0);
    cr_assert_str_eq(url, "");
}

Test(description, gives_the_first_url_without_blanks_and_with_the_five_entities)
{
    char url[CV_SSDP_URL_MAX + 1];

    cr_assert_eq(read_text(url, "<r><culvert:connectURL x='y'>\n wss://h/a?b&amp;c \n"
                                "</culvert:connectURL>" URL "</r>"),
                 0);
    cr_assert_str_eq(url, "wss://h/a?b&c");
}

Test(description, is_refused_with_a_doctype_an_entity_or_what_is_not_closed)
{
    static const char *const wrong[] = {
        "",
        "text",
        "<!DOCTYPE r [<!ENTITY a \"b\">]><r>" URL "</r>",
        "<!doctype r><r/>",
        "<r>&a;</r>",
        "<r>&#65;</r>",
        "<r><![CDATA[x]]></r>",
        "<r>" URL,
        "<r>" URL "</s>",
        "<r><a></r></a>",
        "</r>",
        "<r></r><r></r>",
        "<r></r>x",
        "<r",
        "<r a='>",
        "<!-- x",
        "<? x",
        "<r>\x01</r>",
        "< r></r>",
        "<r><culvert:connectURL>http://h/</culvert:connectURL></r>",
        "<r><culvert:connectURL>nonsense</culvert:connectURL></r>",
    };
    char url[CV_SSDP_URL_MAX + 1];

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        cr_assert_eq(read_text(url, wrong[i]), CV_ESYNTAX, "%s", wrong[i]);
        cr_assert_str_eq(url, "");
    }
}

Test(description, is_read_up_to_its_greatest_depth)
{
    char text[CV_DESCRIPTION_DEPTH * 8 + 32], *at = text, url[CV_SSDP_URL_MAX + 1];

    for (unsigned i = 0; i < CV_DESCRIPTION_DEPTH; i++)
        at = stpcpy(at, "<a>");
    for (unsigned i = 0; i < CV_DESCRIPTION_DEPTH; i++)
        at = stpcpy(at, "</a>");
    cr_assert_eq(read_text(url, text), 0);
    memmove(text + 3, text, strlen(text) + 1);
    cr_assert_eq(read_text(url, text), CV_ETOOLONG);
}

Test(description, is_read_up_to_its_greatest_length)
{
    char *text = malloc(CV_DESCRIPTION_MAX + 1), url[CV_SSDP_URL_MAX + 1];

    cr_assert_not_null(text);
    memset(text, ' ', CV_DESCRIPTION_MAX + 1);
    memcpy(text, "<a/>", 4);
    cr_assert_eq(cv_description_read(url, text, CV_DESCRIPTION_MAX), 0);
    cr_assert_eq(cv_description_read(url, text, CV_DESCRIPTION_MAX + 1), CV_ETOOLONG);
    free(text);
}
