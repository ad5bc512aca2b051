#include "door/socks.h"

#include <string.h>

#include "base/error.h"
#include "base/text.h"

#define VERSION       5
#define LOGIN_VERSION 1 /* RFC 1929, 2 */

enum { COMMAND_CONNECT = 1 };
enum { TYPE_V4 = 1, TYPE_NAME = 3, TYPE_V6 = 4 };

int cv_socks_hello_read(struct cv_socks_hello *out, const uint8_t *in, size_t len)
{
    *out = (struct cv_socks_hello){.no_auth = false};
    if (len >= 1 && in[0] != VERSION)
        return CV_EPROTO;
    if (len >= 2 && in[1] == 0)
        return CV_EPROTO;
    if (len < 2 || len < 2 + (size_t)in[1])
        return CV_EMORE;
    for (size_t i = 0; i < in[1]; i++) {
        out->no_auth = out->no_auth || in[2 + i] == CV_SOCKS_NO_AUTH;
        out->password = out->password || in[2 + i] == CV_SOCKS_PASSWORD;
    }
    return 2 + in[1];
}

void cv_socks_method_write(uint8_t out[CV_SOCKS_METHOD_LEN], uint8_t method)
{
    out[0] = VERSION;
    out[1] = method;
}

int cv_socks_login_read(struct cv_socks_login *out, const uint8_t *in, size_t len)
{
    size_t user, password;

    *out = (struct cv_socks_login){.user = NULL};
    if (len >= 1 && in[0] != LOGIN_VERSION)
        return CV_EPROTO;
    if (len < 2)
        return CV_EMORE;
    user = in[1];
    if (len < 3 + user)
        return CV_EMORE;
    password = in[2 + user];
    if (len < 3 + user + password)
        return CV_EMORE;
    *out = (struct cv_socks_login){.user = (const char *)in + 2,
                                   .user_len = user,
                                   .password = (const char *)in + 3 + user,
                                   .password_len = password};
    return (int)(3 + user + password);
}

void cv_socks_verdict_write(uint8_t out[CV_SOCKS_VERDICT_LEN], bool yes)
{
    out[0] = LOGIN_VERSION;
    out[1] = yes ? 0 : 1;
}

/* Bytes of the address behind the four of the head, its port not counted; CV_EMORE while that is
 * not known, 0 for a type that is not known. */
static int address_len(const uint8_t *in, size_t len)
{
    switch (in[3]) {
    case TYPE_V4:
        return 4;
    case TYPE_V6:
        return 16;
    case TYPE_NAME:
        return len < 5 ? CV_EMORE : 1 + in[4];
    default:
        return 0;
    }
}

static void write_v4(struct cv_text *text, const uint8_t *ip)
{
    for (int i = 0; i < 4; i++) {
        cv_text_str(text, i ? "." : "");
        cv_text_u64(text, ip[i]);
    }
}

/* All eight groups: it is read by a program. */
static void write_v6(struct cv_text *text, const uint8_t *ip)
{
    static const char digits[] = "0123456789abcdef";

    cv_text_str(text, "[");
    for (size_t i = 0; i < 16; i += 2) {
        const char group[] = {digits[ip[i] >> 4], digits[ip[i] & 15], digits[ip[i + 1] >> 4],
                              digits[ip[i + 1] & 15]};

        cv_text_str(text, i ? ":" : "");
        cv_text_bytes(text, group, sizeof(group));
    }
    cv_text_str(text, "]");
}

/* Whether a name can stand in an address: whatever else it is, the agent's resolver says. */
static bool name_fits(const uint8_t *name, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (name[i] <= ' ' || name[i] >= 0x7f || strchr("/[]", name[i]))
            return false;
    return len > 0;
}

static void refuse(struct cv_socks_request *out, enum cv_socks_reply problem, const char *text)
{
    out->problem = problem;
    out->text = text;
}

/* The name of a visitor that writes addresses as names may be an IPv6 address. */
static void write_name(struct cv_text *text, const uint8_t *name, size_t len)
{
    bool v6 = memchr(name, ':', len) != NULL;

    cv_text_str(text, v6 ? "[" : "");
    cv_text_bytes(text, (const char *)name, len);
    cv_text_str(text, v6 ? "]" : "");
}

static void read_address(struct cv_socks_request *out, uint8_t type, const uint8_t *at, size_t len)
{
    unsigned port = (unsigned)at[len] << 8 | at[len + 1];
    struct cv_text text;

    cv_text_init(&text, out->address, sizeof(out->address));
    if (type == TYPE_V4)
        write_v4(&text, at);
    else if (type == TYPE_V6)
        write_v6(&text, at);
    else if (name_fits(at + 1, len - 1))
        write_name(&text, at + 1, len - 1);
    else
        refuse(out, CV_SOCKS_FAILURE, "the host is not a name");
    cv_text_str(&text, ":");
    cv_text_u64(&text, port);
    if (port == 0)
        refuse(out, CV_SOCKS_FAILURE, "port 0");
    if (text.truncated)
        refuse(out, CV_SOCKS_FAILURE, "the name is too long");
}

int cv_socks_request_read(struct cv_socks_request *out, const uint8_t *in, size_t len)
{
    int address;

    *out = (struct cv_socks_request){.problem = CV_SOCKS_OK};
    if (len >= 1 && in[0] != VERSION)
        return CV_EPROTO;
    if (len >= 3 && in[2] != 0)
        return CV_EPROTO;
    if (len < 4)
        return CV_EMORE;
    address = address_len(in, len);
    if (address == CV_EMORE)
        return CV_EMORE;
    if (address == 0) { /* where it ends is not known: answered at once */
        refuse(out, CV_SOCKS_NO_ADDRESS_TYPE, "an address of no known type");
        return (int)len;
    }
    if (len < 4 + (size_t)address + 2)
        return CV_EMORE;
    read_address(out, in[3], in + 4, (size_t)address);
    if (in[1] != COMMAND_CONNECT)
        refuse(out, CV_SOCKS_NO_COMMAND, "a command other than CONNECT");
    return 4 + address + 2;
}

void cv_socks_reply_write(uint8_t out[CV_SOCKS_REPLY_LEN], uint8_t reply)
{
    memset(out, 0, CV_SOCKS_REPLY_LEN);
    out[0] = VERSION;
    out[1] = reply;
    out[3] = TYPE_V4;
}
