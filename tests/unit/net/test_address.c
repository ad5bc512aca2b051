#include <criterion/criterion.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/address.h"

static bool is_loopback(const char *host)
{
    struct sockaddr_storage address;

    cr_assert_eq(cv_address_parse(&address, host, 80), 0);
    return cv_address_is_loopback((struct sockaddr *)&address);
}

Test(address, tells_this_machine_from_others)
{
    const struct sockaddr_un path = {.sun_family = AF_UNIX};

    cr_assert(is_loopback("127.0.0.1"));
    cr_assert(is_loopback("127.255.1.2"));
    cr_assert(is_loopback("::1"));
    cr_assert(is_loopback("::ffff:127.0.0.1"));
    cr_assert_not(is_loopback("128.0.0.1"));
    cr_assert_not(is_loopback("0.0.0.0"));
    cr_assert_not(is_loopback("::"));
    cr_assert_not(is_loopback("::ffff:10.0.0.1"));
    cr_assert_not(is_loopback("fe80::1"));
    cr_assert_not(cv_address_is_loopback((const struct sockaddr *)&path));
}

static void control_of(int fd, char name[16])
{
    socklen_t len = 15;

    memset(name, 0, 16);
    cr_assert_eq(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &len), 0);
}

Test(address, a_socket_within_the_machine_is_not_paced_and_others_keep_what_they_have)
{
    struct sockaddr_storage here, there;
    char before[16], after[16];
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    cr_assert_geq(fd, 0);
    cr_assert_eq(cv_address_parse(&here, "127.0.0.1", 80), 0);
    cr_assert_eq(cv_address_parse(&there, "192.0.2.1", 80), 0);
    control_of(fd, before);
    cv_address_unpace(fd, (struct sockaddr *)&there);
    control_of(fd, after);
    cr_assert_str_eq(after, before);
    cv_address_unpace(fd, (struct sockaddr *)&here);
    control_of(fd, after);
    cr_assert_str_eq(after, "reno");
    close(fd);
}
