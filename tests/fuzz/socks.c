/* The three messages of SOCKS5 and the user and password of Basic, all readers over the same bytes.
 *
 * A message that is accepted is no longer than what was offered, is accepted with more behind it
 * and at no cut before its end; an address that comes out of a request is one word. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "door/basic.h"
#include "door/socks.h"

static void require(bool fine)
{
    if (!fine)
        abort();
}

static int read_message(int which, const uint8_t *in, size_t len)
{
    union {
        struct cv_socks_hello hello;
        struct cv_socks_login login;
        struct cv_socks_request request;
    } out;

    switch (which) {
    case 0:
        return cv_socks_hello_read(&out.hello, in, len);
    case 1:
        return cv_socks_login_read(&out.login, in, len);
    default:
        return cv_socks_request_read(&out.request, in, len);
    }
}

static void check_request(const uint8_t *in, size_t len)
{
    struct cv_socks_request request;

    if (cv_socks_request_read(&request, in, len) < 0 || request.problem != CV_SOCKS_OK)
        return;
    require(strlen(request.address) < CV_SOCKS_ADDRESS_MAX && strchr(request.address, ':'));
    for (const char *at = request.address; *at; at++)
        require(*at > ' ' && *at < 0x7f && *at != '/');
}

static void check_basic(const uint8_t *in, size_t len)
{
    struct cv_basic basic;

    if (cv_basic_read(&basic, (struct cv_slice){(const char *)in, len}) < 0)
        return;
    require(basic.user == basic.text && basic.password == basic.user + strlen(basic.user) + 1);
    require(basic.password + strlen(basic.password) <= basic.text + CV_BASIC_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (int which = 0; which < 3; which++) {
        int n = read_message(which, data, size);

        require(n > 0 || n == CV_EMORE || n == CV_EPROTO);
        if (n <= 0)
            continue;
        require((size_t)n <= size);
        if (which < 2 || (size_t)n < size) {
            require(read_message(which, data, (size_t)n) == n);
            require(read_message(which, data, (size_t)n - 1) == CV_EMORE);
        }
    }
    check_request(data, size);
    check_basic(data, size);
    return 0;
}
