#include <criterion/criterion.h>
#include <string.h>

#include "discovery/target.h"

#define UUID "0d0d0d0d-0000-4000-8000-000000000001"

static const struct cv_ssdp_identity ours = {
    .uuid = UUID, .type = "urn:x:device:Tunnel:2", .service = "urn:x:service:Tunnel:1"};

static unsigned match(const char *wanted)
{
    return cv_ssdp_match(&ours, cv_ssdp_slice_of(wanted));
}

Test(target, announces_root_device_uuid_type_and_service)
{
    static const char *const targets[] = {"upnp:rootdevice", "uuid:" UUID, "urn:x:device:Tunnel:2",
                                          "urn:x:service:Tunnel:1"};
    static const char *const usns[] = {"uuid:" UUID "::upnp:rootdevice", "uuid:" UUID,
                                       "uuid:" UUID "::urn:x:device:Tunnel:2",
                                       "uuid:" UUID "::urn:x:service:Tunnel:1"};
    char target[CV_SSDP_NAME_MAX + 1], usn[CV_SSDP_NAME_MAX + 1];

    cr_assert_eq(cv_ssdp_target_count(&ours), 4);
    for (size_t i = 0; i < 4; i++) {
        cv_ssdp_target(target, &ours, i);
        cr_assert_str_eq(target, targets[i]);
        cv_ssdp_usn(usn, &ours, cv_ssdp_slice_of(target));
        cr_assert_str_eq(usn, usns[i]);
    }
}

Test(target, answers_all_to_ssdp_all_and_one_to_each_of_its_own)
{
    cr_assert_eq(match("ssdp:all"), 15);
    cr_assert_eq(match("upnp:rootdevice"), 1);
    cr_assert_eq(match("uuid:" UUID), 2);
    cr_assert_eq(match("urn:x:device:Tunnel:2"), 4);
    cr_assert_eq(match("urn:x:service:Tunnel:1"), 8);
}

Test(target, answers_a_lower_version_and_no_higher_one)
{
    cr_assert_eq(match("urn:x:device:Tunnel:1"), 4);
    cr_assert_eq(match("urn:x:device:Tunnel:3"), 0);
    cr_assert_eq(match("urn:x:device:Tunnel:0"), 0);
    cr_assert_eq(match("urn:x:device:Tunnel:"), 0);
    cr_assert_eq(match("urn:x:device:Tunnel:1x"), 0);
    cr_assert_eq(match("urn:x:device:Tunne:1"), 0);
    cr_assert_eq(match("urn:x:service:Tunnel:2"), 0);
}

Test(target, is_silent_to_everything_else)
{
    cr_assert_eq(match(""), 0);
    cr_assert_eq(match("ssdp:al"), 0);
    cr_assert_eq(match("SSDP:ALL"), 0);
    cr_assert_eq(match("uuid:0D0D0D0D-0000-4000-8000-000000000001"), 0);
    cr_assert_eq(match("upnp:rootdevice2"), 0);
}

Test(target, compares_other_uris_exactly)
{
    struct cv_ssdp_identity flamenco = ours;

    strcpy(flamenco.type, "urn:flamenco:manager:1");
    flamenco.service[0] = '\0';
    cr_assert_eq(cv_ssdp_target_count(&flamenco), 3);
    cr_assert_eq(cv_ssdp_match(&flamenco, cv_ssdp_slice_of("urn:flamenco:manager:1")), 4);
    cr_assert_eq(cv_ssdp_match(&flamenco, cv_ssdp_slice_of("urn:flamenco:manager:0")), 0);
}

Test(target, takes_a_uuid_in_its_one_form)
{
    cr_assert(cv_ssdp_uuid_valid(UUID));
    cr_assert(cv_ssdp_uuid_valid("AA80BC5F-d0af-46b8-8630-23bd7e80ec4d"));
    cr_assert_not(cv_ssdp_uuid_valid(""));
    cr_assert_not(cv_ssdp_uuid_valid(UUID "0"));
    cr_assert_not(cv_ssdp_uuid_valid("0d0d0d0d-0000-4000-8000-00000000000g"));
    cr_assert_not(cv_ssdp_uuid_valid("0d0d0d0d00000-4000-8000-000000000001"));
}

Test(target, makes_a_uuid_of_version_4)
{
    static const uint8_t random[16] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                       0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    char text[CV_SSDP_UUID_LEN + 1];

    cv_ssdp_uuid_format(text, random);
    cr_assert_str_eq(text, "ffffffff-ffff-4fff-bfff-ffffffffffff");
    cr_assert(cv_ssdp_uuid_valid(text));
}

Test(target, takes_a_type_of_the_greatest_length_and_no_longer_one)
{
    char type[CV_SSDP_TYPE_MAX + 2];

    memset(type, 'u', sizeof(type));
    type[1] = ':';
    type[CV_SSDP_TYPE_MAX] = '\0';
    cr_assert(cv_ssdp_type_valid(type));
    type[CV_SSDP_TYPE_MAX] = 'u';
    type[CV_SSDP_TYPE_MAX + 1] = '\0';
    cr_assert_not(cv_ssdp_type_valid(type));
    cr_assert_not(cv_ssdp_type_valid("nocolon"));
    cr_assert_not(cv_ssdp_type_valid("a:b c"));
    cr_assert_not(cv_ssdp_type_valid("a:<b>"));
    cr_assert_not(cv_ssdp_type_valid("a:\r\nX: y"));
}
