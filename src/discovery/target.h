#ifndef CV_DISCOVERY_TARGET_H
#define CV_DISCOVERY_TARGET_H

#include "discovery/message.h"

/* What a device announces, and which searches it answers. */

#define CV_SSDP_TYPE    "urn:culvert-tunnel:device:TunnelServer:1"
#define CV_SSDP_SERVICE "urn:culvert-tunnel:service:Tunnel:1"
#define CV_SSDP_ALL     "ssdp:all"

#define CV_SSDP_UUID_LEN    36  /* `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` */
#define CV_SSDP_TYPE_MAX    100 /* bytes of a type, so that every datagram has room */
#define CV_SSDP_TARGETS_MAX 4

/* A device: what it is, and under which name. */
struct cv_ssdp_identity {
    char uuid[CV_SSDP_UUID_LEN + 1];
    char type[CV_SSDP_TYPE_MAX + 1];
    char service[CV_SSDP_TYPE_MAX + 1]; /* "": none */
};

bool cv_ssdp_uuid_valid(const char *text);

/* A URI of printable ASCII without blanks, at most CV_SSDP_TYPE_MAX bytes. */
bool cv_ssdp_type_valid(const char *text);

/* Writes a random UUID (RFC 9562, version 4) from 16 random bytes. */
void cv_ssdp_uuid_format(char out[CV_SSDP_UUID_LEN + 1], const uint8_t random[16]);

/* How many targets are announced: root device, UUID, type and service. */
size_t cv_ssdp_target_count(const struct cv_ssdp_identity *identity);

/* Target @index as it is announced, in @out. */
void cv_ssdp_target(char out[CV_SSDP_NAME_MAX + 1], const struct cv_ssdp_identity *identity,
                    size_t index);

/* The USN that goes with it; @target is what stands in NT or ST. */
void cv_ssdp_usn(char out[CV_SSDP_NAME_MAX + 1], const struct cv_ssdp_identity *identity,
                 struct cv_ssdp_slice target);

/* The targets that a search for @wanted is answered with, as bits. A device or service type is
 * answered up to our version; everything else must be the very same. */
unsigned cv_ssdp_match(const struct cv_ssdp_identity *identity, struct cv_ssdp_slice wanted);

/* Whether a device that announces @offered is what a search for @wanted looks for: @wanted is
 * ssdp:all, the same, or a lower version of a device or service type. */
bool cv_ssdp_covers(struct cv_ssdp_slice offered, struct cv_ssdp_slice wanted);

#endif
