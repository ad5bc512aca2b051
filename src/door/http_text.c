#include "door/http_text.h"

#include <string.h>

#include "base/error.h"
#include "door/http_check.h"

const char *cv_http_reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {
#define X(number, text) {number, text},
        CV_HTTP_STATUS_MAP(X)
#undef X
    };

    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Unknown";
}

void cv_http_text_init(struct cv_http_text *out, char *buf, size_t size, int status)
{
    cv_text_init(&out->text, buf, size);
    out->error = status < 100 || status > 599 ? CV_ESYNTAX : 0;
    cv_text_str(&out->text, "HTTP/1.1 ");
    cv_text_i64(&out->text, status);
    cv_text_str(&out->text, " ");
    cv_text_str(&out->text, cv_http_reason(status));
    cv_text_str(&out->text, "\r\n");
}

static bool is_value(const char *value)
{
    for (const char *p = value; *p; p++)
        if (((unsigned char)*p < ' ' && *p != '\t') || *p == 0x7f)
            return false;
    return true;
}

void cv_http_text_header(struct cv_http_text *out, const char *name, const char *value)
{
    if (out->error)
        return;
    if (!cv_http_is_token((struct cv_slice){name, strlen(name)}) || !is_value(value)) {
        out->error = CV_ESYNTAX;
        return;
    }
    cv_text_str(&out->text, name);
    cv_text_str(&out->text, ": ");
    cv_text_str(&out->text, value);
    cv_text_str(&out->text, "\r\n");
}

void cv_http_text_number(struct cv_http_text *out, const char *name, uint64_t value)
{
    char digits[21];
    struct cv_text text;

    cv_text_init(&text, digits, sizeof(digits));
    cv_text_u64(&text, value);
    cv_http_text_header(out, name, digits);
}

int cv_http_text_end(struct cv_http_text *out)
{
    cv_text_str(&out->text, "\r\n");
    if (out->error)
        return out->error;
    return out->text.truncated ? CV_ETOOLONG : (int)out->text.len;
}
