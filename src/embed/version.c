#include <culvert/version.h>

const char *cv_version(void)
{
    return CV_VERSION;
}
