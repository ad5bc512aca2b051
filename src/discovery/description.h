#ifndef CV_DISCOVERY_DESCRIPTION_H
#define CV_DISCOVERY_DESCRIPTION_H

#include "discovery/target.h"

/* The XML document that LOCATION leads to (UPnP Device Architecture 1.1, part 2), with the tunnel's
 * URL in an element of our own: <culvert:connectURL>. */

#define CV_DESCRIPTION_PATH    "/ssdp/description.xml"
#define CV_DESCRIPTION_MAX     ((size_t)64 * 1024) /* bytes of one that is read */
#define CV_DESCRIPTION_OUT_MAX 2048                /* of one that is written */
#define CV_DESCRIPTION_DEPTH   32                  /* elements inside one another */

struct cv_description {
    const struct cv_ssdp_identity *identity;
    const char *name;      /* friendlyName: any text */
    const char *version;   /* of the program */
    const char *authority; /* HOST:PORT that it was asked for at; NULL: none is known */
    bool tls;
};

/* Writes the document and its NUL; returns its length. CV_ETOOLONG. */
int cv_description_write(char *out, size_t size,
                         const struct cv_description *description) CV_MUST_USE;

/* A number of 24 bits that changes with what the document says of the device. */
uint32_t cv_description_config(const struct cv_description *description);

/* Copies the tunnel's URL (ws or wss, at most CV_SSDP_URL_MAX bytes) out of a document; "" when it
 * has none.
 *
 * CV_ESYNTAX   no XML that we take: a DOCTYPE, an entity of its own, a section that is not closed,
 *              elements that do not match, control bytes, a URL that is none
 * CV_ETOOLONG  over CV_DESCRIPTION_MAX or CV_DESCRIPTION_DEPTH */
int cv_description_read(char url[CV_SSDP_URL_MAX + 1], const char *text, size_t len) CV_MUST_USE;

#endif
