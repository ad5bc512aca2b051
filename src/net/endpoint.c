#include "net/endpoint.h"

#include <errno.h>

ssize_t cv_endpoint_data_later(struct cv_endpoint *endpoint, const uint8_t *data, size_t len)
{
    (void)endpoint, (void)data, (void)len;
    return 0;
}

ssize_t cv_endpoint_read_later(struct cv_endpoint *endpoint, uint8_t *into, size_t max)
{
    (void)endpoint, (void)into, (void)max;
    return -EAGAIN;
}

void cv_endpoint_fin_later(struct cv_endpoint *endpoint)
{
    (void)endpoint;
}
