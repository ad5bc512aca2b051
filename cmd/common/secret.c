#include "secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char blanks[] = " \t\r\n";

static int refuse(char *error, size_t size, const char *file, const char *why)
{
    snprintf(error, size, "%s: %s", file, why);
    return -1;
}

static void trim(struct secret *secret)
{
    size_t start = 0;

    while (start < secret->len && strchr(blanks, secret->bytes[start]))
        start++;
    while (secret->len > start && strchr(blanks, secret->bytes[secret->len - 1]))
        secret->len--;
    secret->len -= start;
    memmove(secret->bytes, secret->bytes + start, secret->len);
}

int secret_read(struct secret *out, const char *file, char *error, size_t size)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    struct stat stat;
    ssize_t n;

    if (fd < 0)
        return refuse(error, size, file, strerror(errno));
    if (fstat(fd, &stat) < 0 || !S_ISREG(stat.st_mode) || (stat.st_mode & 077)) {
        close(fd);
        return refuse(error, size, file, "must be a file that nobody else may read (chmod 600)");
    }
    n = read(fd, out->bytes, sizeof(out->bytes));
    close(fd);
    if (n < 0)
        return refuse(error, size, file, strerror(errno));
    out->len = (size_t)n;
    trim(out);
    if (out->len < CV_ROOM_SECRET_MIN || out->len > CV_ROOM_SECRET_MAX)
        return refuse(error, size, file, "a secret has 16 to 1024 bytes");
    return 0;
}
