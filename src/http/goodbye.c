#include "http/goodbye.h"

/* libwebsockets has the name in a header that is not installed. */
#define WRITE_CLOSE ((enum lws_write_protocol)4)

#define CLOSE_WAIT 2 /* seconds for the other end to close, too */

int cv_goodbye(struct lws *wsi, unsigned code)
{
    unsigned char frame[LWS_PRE + 2];

    frame[LWS_PRE] = (unsigned char)(code >> 8);
    frame[LWS_PRE + 1] = (unsigned char)code;
    if (lws_write(wsi, frame + LWS_PRE, 2, WRITE_CLOSE) < 0)
        return -1;
    lws_set_timeout(wsi, PENDING_TIMEOUT_CLOSE_ACK, CLOSE_WAIT);
    return 0;
}
