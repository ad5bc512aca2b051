/* ClientHellos: no proper start of an accepted one is judged, and a name is a name. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "door/tls_hello.h"

static void require(int fine)
{
    if (!fine)
        abort();
}

static int read_tight(char name[CV_TLS_NAME_MAX + 1], const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    int rc;

    require(copy != NULL);
    if (size)
        memcpy(copy, data, size);
    rc = cv_tls_hello_name(name, copy, size);
    free(copy);
    require(rc >= 0 || rc == CV_EMORE || rc == CV_ESYNTAX || rc == CV_ETOOLONG);
    require(strlen(name) == (size_t)(rc > 0 ? rc : 0));
    require(strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-._") == strlen(name));
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char name[CV_TLS_NAME_MAX + 1], other[CV_TLS_NAME_MAX + 1];
    int rc = read_tight(name, data, size), last = CV_EMORE;

    /* more bytes never take a verdict back */
    for (size_t cut = 0, step = size / 256 + 1; cut < size; cut += step) {
        int now = read_tight(other, data, cut);

        require(last == CV_EMORE || now == last);
        last = now;
    }
    require(last == CV_EMORE || last == rc);
    return 0;
}
