#include "net/proxy.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "net/address.h"

/* Longer than any name or block. */
#define ENTRY_SIZE 256

struct address {
    uint8_t bytes[16];
    unsigned bits; /* 32, 128, or 0 when it is none */
};

static struct address address_of(const char *text)
{
    struct address address = {.bits = 0};

    if (inet_pton(AF_INET, text, address.bytes) == 1)
        address.bits = 32;
    else if (inet_pton(AF_INET6, text, address.bytes) == 1)
        address.bits = 128;
    return address;
}

/* @entry is changed: cut at its slash. */
static bool block_holds(char *entry, const struct address *host)
{
    char *slash = strchr(entry, '/');
    struct address block;
    unsigned long bits = host->bits;

    if (slash) {
        char *end;

        *slash = '\0';
        bits = strtoul(slash + 1, &end, 10);
        if (end == slash + 1 || *end || bits > host->bits)
            return false;
    }
    block = address_of(entry);
    return block.bits == host->bits &&
           cv_address_same_bits(block.bytes, host->bytes, (unsigned)bits);
}

static bool domain_holds(const char *domain, const char *host)
{
    size_t skip, len;

    if (*domain == '.')
        domain++;
    len = strlen(domain);
    if (len == 0 || len > strlen(host))
        return false;
    skip = strlen(host) - len;
    return strcasecmp(host + skip, domain) == 0 && (skip == 0 || host[skip - 1] == '.');
}

bool cv_proxy_excepted(const char *list, const char *host)
{
    static const char blanks[] = ", \t";
    struct address address = address_of(host);

    for (list += strspn(list, blanks); *list; list += strspn(list, blanks)) {
        size_t len = strcspn(list, blanks);
        char entry[ENTRY_SIZE];

        if (len < sizeof(entry)) {
            memcpy(entry, list, len);
            entry[len] = '\0';
            if (strcmp(entry, "*") == 0)
                return true;
            if (address.bits ? block_holds(entry, &address) : domain_holds(entry, host))
                return true;
        }
        list += len;
    }
    return false;
}

static const char *first_set(cv_proxy_env *env, const char *a, const char *b)
{
    const char *value = env(a);

    return value || !b ? value : env(b);
}

const char *cv_proxy_find(const char *host, bool tls, cv_proxy_env *env)
{
    const char *except = first_set(env, "no_proxy", "NO_PROXY");
    const char *proxy = tls ? first_set(env, "https_proxy", "HTTPS_PROXY") : env("http_proxy");

    if (!proxy)
        proxy = first_set(env, "all_proxy", "ALL_PROXY");
    if (!proxy || !*proxy || (except && cv_proxy_excepted(except, host)))
        return NULL;
    return proxy;
}
