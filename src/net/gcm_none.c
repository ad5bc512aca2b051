#include <stddef.h>

#include "net/gcm.h"

/* libIPSec_MB is for x86-64 alone. */

const char *cv_gcm_properties(void)
{
    return NULL;
}
