#ifndef CV_ACCESS_DISCOVERED_H
#define CV_ACCESS_DISCOVERED_H

#include "access/ip.h"

/* What may be done with an address that somebody on the network merely claimed. */

/* Whether @address, which a LOCATION named or its name was resolved to, may be asked for a document
 * or dialled: it is the @sender's own, or @on_link, inside a network of the interface that the
 * claim came in on; and never loopback, the unspecified address, multicast, link-local or one of a
 * cloud's metadata. The one exception is an IPv6 link-local address that is the sender's own: on a
 * link without any router there is no other. */
bool cv_discovered_allows(const struct cv_ip *address, const struct cv_ip *sender, bool on_link);

/* How sure the end of a connection would be. */
struct cv_discovered_trust {
    bool tls;
    bool unverified; /* --insecure */
    bool anchored;   /* the operator named the authority or the name to verify: a certificate that
                        anybody can get for a name of their own choice proves nothing here */
};

/* Whether a secret may be sent to an end that was discovered: TLS, verified against what the
 * operator chose. */
bool cv_discovered_trusts(const struct cv_discovered_trust *trust);

#endif
