#ifndef CV_HTTP_FEATURES_H
#define CV_HTTP_FEATURES_H

#include "door/http.h"

/* The header in which Culvert ends tell each other apart from reference ends, and offer extensions:
 * `X-Culvert-Features: ack, halfclose, credit, dgram, publish`. The server echoes those that it
 * shares. A reference end ignores it. */
#define CV_FEATURES_HEADER   "X-Culvert-Features"
#define CV_FEATURES_TEXT_MAX 64

/* An agent of ours says its version by this as its User-Agent, with the version behind. */
#define CV_AGENT_PRODUCT     "culvert-agent/"
#define CV_AGENT_VERSION_MAX 31 /* bytes that are kept */

/* What the head says so, up to what no version is made of; else "". */
void cv_features_version(char out[CV_AGENT_VERSION_MAX + 1], const struct cv_http_head *head);

/* What this version speaks (CV_FEATURE_*). */
unsigned cv_features_ours(void);

/* What the head offers, of what we speak; *@culvert says whether the header is there at all. */
unsigned cv_features_read(const struct cv_http_head *head, bool *culvert);

/* The header's value; @out has CV_FEATURES_TEXT_MAX bytes. */
void cv_features_write(char *out, unsigned features);

#endif
