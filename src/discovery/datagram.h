#ifndef CV_DISCOVERY_DATAGRAM_H
#define CV_DISCOVERY_DATAGRAM_H

#include "base/peer.h"
#include "discovery/message.h"

/* Datagrams between the state machines and the shell, which alone knows sockets.
 *
 *   link  an interface and one group of SSDP on it; numbered by the shell */

struct cv_ssdp_from {
    unsigned link;
    struct cv_peer peer;
    bool multicast; /* it was sent to the group, not to us alone */
    bool on_link;   /* the sender's address lies in a network of the interface */
};

struct cv_ssdp_out {
    unsigned link;
    bool multicast;      /* to the group; else to the peer */
    struct cv_peer peer; /* when not multicast */
    size_t len;
    char data[CV_SSDP_OUT_MAX + 1];
};

#endif
