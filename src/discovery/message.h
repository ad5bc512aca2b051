#ifndef CV_DISCOVERY_MESSAGE_H
#define CV_DISCOVERY_MESSAGE_H

#include <stdbool.h>

#include "base/attr.h"

/* SSDP datagrams, read and written (UPnP Device Architecture 1.1, part 1). Lenient with what real
 * devices send, strict in what goes out.
 *
 *   target  what is announced or asked for: `upnp:rootdevice`, `uuid:...`, `urn:...`; the header NT
 *           of an announcement, ST of a search and its answer
 *   USN     unique service name: `uuid:...`, or that, `::` and a target */

#define CV_SSDP_PORT     1900
#define CV_SSDP_IN_MAX   2048        /* bytes of a datagram that is read; a longer one is dropped */
#define CV_SSDP_OUT_MAX  512         /* bytes of a datagram that is sent */
#define CV_SSDP_NAME_MAX 255         /* bytes of a target or USN; a longer one is hostile */
#define CV_SSDP_URL_MAX  511         /* bytes of a LOCATION */
#define CV_SSDP_MX_MAX   5           /* seconds: a larger MX counts as this */
#define CV_SSDP_AGE_MAX  (7 * 86400) /* seconds that anything is believed for */

/* Text inside the datagram: borrowed, not ended by NUL. */
struct cv_ssdp_slice {
    const char *at; /* NULL: there is no such header */
    size_t len;
};

enum cv_ssdp_kind {
    CV_SSDP_SEARCH,
    CV_SSDP_ANSWER,
    CV_SSDP_ALIVE,
    CV_SSDP_BYEBYE,
    CV_SSDP_UPDATE,
    CV_SSDP_OTHER, /* an announcement with no NTS, or one that is not known */
};

struct cv_ssdp_message {
    enum cv_ssdp_kind kind;
    struct cv_ssdp_slice target; /* NT or ST */
    struct cv_ssdp_slice usn;
    struct cv_ssdp_slice location; /* LOCATION, else the first http(s) URI of AL */
    struct cv_ssdp_slice al;       /* alternates: `<URI><URI>` */
    struct cv_ssdp_slice server;
    bool discover; /* MAN is "ssdp:discover" */
    int mx;        /* seconds, at most CV_SSDP_MX_MAX; 0: none that is positive */
    int64_t
        age; /* seconds that it may be believed for, at most CV_SSDP_AGE_MAX; -1: nothing said */
    int64_t boot, next_boot; /* BOOTID and NEXTBOOTID; -1: none */
};

/* Reads one datagram. @wall is seconds since 1970, for Expires. @out borrows @data.
 *
 * CV_ESYNTAX  none of the three start lines, or longer than CV_SSDP_IN_MAX: to be dropped without a
 *             word */
int cv_ssdp_parse(struct cv_ssdp_message *out, const char *data, size_t len,
                  int64_t wall) CV_MUST_USE;

/* What to make of an announcement or an answer. */
enum cv_ssdp_verdict {
    CV_SSDP_SKIP,   /* something is missing, or it is none of our business */
    CV_SSDP_REJECT, /* hostile: control bytes, overlong names, a LOCATION that is no http URL */
    CV_SSDP_REPORT, /* good, but may not be remembered; an active search still reports it */
    CV_SSDP_KEEP,   /* good for @age seconds */
    CV_SSDP_GONE,   /* the device says goodbye */
    CV_SSDP_MOVED,  /* the device keeps what it is under a new BOOTID */
};
enum cv_ssdp_verdict cv_ssdp_judge(const struct cv_ssdp_message *message);

/* Takes the next http(s) URI off @al; false when there is none left. */
bool cv_ssdp_alternate(struct cv_ssdp_slice *al, struct cv_ssdp_slice *uri);

/* The `uuid:...` that @usn starts with. */
struct cv_ssdp_slice cv_ssdp_device(struct cv_ssdp_slice usn);

bool cv_ssdp_slice_same(struct cv_ssdp_slice a, struct cv_ssdp_slice b);
bool cv_ssdp_slice_is(struct cv_ssdp_slice slice, const char *text);

/* Whether @a is @word in any case of ASCII letters. */
bool cv_ssdp_same_word(struct cv_ssdp_slice a, const char *word);
struct cv_ssdp_slice cv_ssdp_slice_of(const char *text);

/* The groups that SSDP speaks to. */
enum cv_ssdp_group {
    CV_SSDP_V4,      /* 239.255.255.250 */
    CV_SSDP_V6_LINK, /* FF02::C */
    CV_SSDP_V6_SITE, /* FF05::C */
};

/* What the datagrams that are written hold; strings are borrowed for the call. */
struct cv_ssdp_notice {
    enum cv_ssdp_group group; /* of announcements and searches: names HOST */
    const char *target;       /* NT or ST */
    size_t target_len;
    const char *usn;
    const char *location;
    const char *server;
    unsigned age;             /* seconds */
    uint32_t boot, next_boot; /* 31 bits */
    uint32_t config;          /* 24 bits */
    int mx;
    int64_t wall; /* seconds since 1970 */
};

/* Each writes one datagram and its NUL to @out and returns its length.
 *
 * CV_ETOOLONG  it would be longer than CV_SSDP_OUT_MAX */
int cv_ssdp_write_search(char out[CV_SSDP_OUT_MAX + 1],
                         const struct cv_ssdp_notice *notice) CV_MUST_USE;
int cv_ssdp_write_answer(char out[CV_SSDP_OUT_MAX + 1],
                         const struct cv_ssdp_notice *notice) CV_MUST_USE;

/* @kind is ALIVE, BYEBYE or UPDATE. */
int cv_ssdp_write_notify(char out[CV_SSDP_OUT_MAX + 1], enum cv_ssdp_kind kind,
                         const struct cv_ssdp_notice *notice) CV_MUST_USE;

#endif
