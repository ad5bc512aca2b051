#include "base/key.h"

static bool key_byte(char c)
{
    if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
        return true;
    return c == '.' || c == '_' || c == '@' || c == '=' || c == '+' || c == '-';
}

bool cv_key_valid(const char *key, size_t len)
{
    if (len == 0 || len > CV_KEY_MAX)
        return false;
    for (size_t i = 0; i < len; i++)
        if (!key_byte(key[i]))
            return false;
    return true;
}
