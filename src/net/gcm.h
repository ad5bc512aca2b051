#ifndef CV_NET_GCM_H
#define CV_NET_GCM_H

/* Private to net: a faster AES-GCM for the TLS of tunnels. OpenSSL 3.0 has none for wide vector
 * instructions; libIPSec_MB has, and takes a seventh of the time. It is given to OpenSSL as a
 * provider in this process, for AES-128-GCM and AES-256-GCM and for nothing else; whoever does not
 * ask for it gets OpenSSL's own. */

/* The property query by which an SSL_CTX prefers it, for SSL_CTX_new_ex(); NULL where there is
 * none, which asks for OpenSSL's own. Safe on every thread. */
const char *cv_gcm_properties(void);

#endif
