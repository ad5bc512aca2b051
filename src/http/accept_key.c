#include "http/accept_key.h"

#include "base/text.h"
#include "net/digest.h"

int cv_accept_key(char out[CV_WS_ACCEPT_LEN + 1], const char *key, size_t key_len)
{
    char both[CV_WS_KEY_LEN + sizeof(CV_WS_GUID)];
    uint8_t digest[CV_SHA1_LEN];
    struct cv_text text;
    int rc;

    cv_text_init(&text, both, sizeof(both));
    cv_text_bytes(&text, key, key_len);
    cv_text_str(&text, CV_WS_GUID);
    rc = cv_sha1(digest, both, text.len);
    if (rc == 0)
        cv_base64(out, digest, sizeof(digest));
    return rc;
}
