#include "base/peer.h"

#include "base/ip.h"

void cv_peer_text(char text[CV_PEER_TEXT_SIZE], const struct cv_peer *peer)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    struct cv_ip ip = {.family = peer->family};
    struct cv_text out;

    memcpy(ip.bytes, peer->ip, sizeof(ip.bytes));
    if (ip.family == 6 && memcmp(ip.bytes, mapped, sizeof(mapped)) == 0) {
        ip.family = 4;
        memcpy(ip.bytes, peer->ip + sizeof(mapped), 4);
    }
    cv_text_init(&out, text, CV_PEER_TEXT_SIZE);
    cv_text_str(&out, ip.family == 6 ? "[" : "");
    cv_ip_write(&out, &ip);
    cv_text_str(&out, ip.family == 6 ? "]:" : ":");
    cv_text_u64(&out, peer->port);
}

bool cv_peer_parse(struct cv_peer *out, const char *text)
{
    const char *colon = strrchr(text, ':');
    bool bracketed = text[0] == '[';
    struct cv_ip ip;
    size_t len;
    int64_t port;

    *out = (struct cv_peer){.family = 0};
    if (!colon || !cv_text_to_i64(colon + 1, strlen(colon + 1), &port) || port > UINT16_MAX)
        return false;
    len = (size_t)(colon - text);
    if (bracketed && (len < 2 || text[len - 1] != ']'))
        return false;
    if (!cv_ip_parse(&ip, text + bracketed, bracketed ? len - 2 : len) ||
        (ip.family == 6) != bracketed)
        return false;
    out->family = ip.family;
    memcpy(out->ip, ip.bytes, sizeof(out->ip));
    out->port = (uint16_t)port;
    return true;
}
