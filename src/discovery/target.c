#include "discovery/target.h"

#include <string.h>

#include "base/text.h"

#define ROOT "upnp:rootdevice"

/* The targets in the order in which they are announced. */
enum { TARGET_ROOT, TARGET_UUID, TARGET_TYPE, TARGET_SERVICE };

bool cv_ssdp_uuid_valid(const char *text)
{
    if (strlen(text) != CV_SSDP_UUID_LEN)
        return false;
    for (size_t i = 0; i < CV_SSDP_UUID_LEN; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;

        if (dash ? text[i] != '-' : !strchr("0123456789abcdefABCDEF", text[i]))
            return false;
    }
    return true;
}

bool cv_ssdp_type_valid(const char *text)
{
    size_t len = strlen(text);

    if (len == 0 || len > CV_SSDP_TYPE_MAX || !strchr(text, ':'))
        return false;
    for (size_t i = 0; i < len; i++)
        if (text[i] < 0x21 || text[i] > 0x7e || strchr("<>&\"'", text[i]))
            return false;
    return true;
}

void cv_ssdp_uuid_format(char out[CV_SSDP_UUID_LEN + 1], const uint8_t random[16])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t bytes[16];
    char *at = out;

    memcpy(bytes, random, sizeof(bytes));
    bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40);
    bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
    for (size_t i = 0; i < sizeof(bytes); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *at++ = '-';
        *at++ = digits[bytes[i] >> 4];
        *at++ = digits[bytes[i] & 15];
    }
    *at = '\0';
}

size_t cv_ssdp_target_count(const struct cv_ssdp_identity *identity)
{
    return identity->service[0] ? 4 : 3;
}

void cv_ssdp_target(char out[CV_SSDP_NAME_MAX + 1], const struct cv_ssdp_identity *identity,
                    size_t index)
{
    struct cv_text text;

    cv_text_init(&text, out, CV_SSDP_NAME_MAX + 1);
    if (index == TARGET_UUID)
        cv_text_str(&text, "uuid:");
    cv_text_str(&text, index == TARGET_ROOT   ? ROOT
                       : index == TARGET_UUID ? identity->uuid
                       : index == TARGET_TYPE ? identity->type
                                              : identity->service);
}

void cv_ssdp_usn(char out[CV_SSDP_NAME_MAX + 1], const struct cv_ssdp_identity *identity,
                 struct cv_ssdp_slice target)
{
    struct cv_text text;

    cv_text_init(&text, out, CV_SSDP_NAME_MAX + 1);
    cv_text_str(&text, "uuid:");
    cv_text_str(&text, identity->uuid);
    if (target.len >= 5 && memcmp(target.at, "uuid:", 5) == 0)
        return;
    cv_text_str(&text, "::");
    cv_text_bytes(&text, target.at, target.len);
}

/* Splits `urn:...:device|service:TYPE:VERSION` before its version; false for anything else. */
static bool split_version(struct cv_ssdp_slice urn, struct cv_ssdp_slice *type, int64_t *version)
{
    size_t colons = 0, len = urn.len;
    struct cv_ssdp_slice kind;

    if (urn.len < 4 || !cv_ssdp_same_word((struct cv_ssdp_slice){urn.at, 4}, "urn:"))
        return false;
    while (len && urn.at[len - 1] != ':')
        len--;
    if (len < 4 || !cv_text_to_i64(urn.at + len, urn.len - len, version))
        return false;
    *type = (struct cv_ssdp_slice){urn.at, len - 1};
    kind = (struct cv_ssdp_slice){urn.at, 0};
    for (size_t i = 0; i < type->len; i++) {
        if (urn.at[i] != ':')
            continue;
        if (++colons == 2)
            kind.at = urn.at + i + 1;
        if (colons == 3)
            kind.len = (size_t)(urn.at + i - kind.at);
    }
    return colons == 3 && (cv_ssdp_slice_is(kind, "device") || cv_ssdp_slice_is(kind, "service"));
}

bool cv_ssdp_covers(struct cv_ssdp_slice offered, struct cv_ssdp_slice wanted)
{
    struct cv_ssdp_slice offered_type, wanted_type;
    int64_t offered_version, wanted_version;

    if (cv_ssdp_slice_is(wanted, CV_SSDP_ALL) || cv_ssdp_slice_same(offered, wanted))
        return true;
    return split_version(offered, &offered_type, &offered_version) &&
           split_version(wanted, &wanted_type, &wanted_version) &&
           cv_ssdp_slice_same(offered_type, wanted_type) && wanted_version >= 1 &&
           wanted_version <= offered_version;
}

unsigned cv_ssdp_match(const struct cv_ssdp_identity *identity, struct cv_ssdp_slice wanted)
{
    size_t count = cv_ssdp_target_count(identity);
    unsigned matches = 0;

    for (size_t i = 0; i < count; i++) {
        char target[CV_SSDP_NAME_MAX + 1];

        cv_ssdp_target(target, identity, i);
        if (cv_ssdp_covers(cv_ssdp_slice_of(target), wanted))
            matches |= 1U << i;
    }
    return matches;
}
