#ifndef CV_NET_GCM_LIB_H
#define CV_NET_GCM_LIB_H

#include <intel-ipsec-mb.h>
#include <stdbool.h>

/* Private to net: AES-GCM of libIPSec_MB, loaded when TLS is met for the first time. */

/* Of one length of key. */
struct cv_gcm_calls {
    size_t key_len; /* bytes */
    aes_gcm_pre_t expand;
    aes_gcm_init_t init; /* takes IV and additional data */
    aes_gcm_enc_dec_update_t encrypt, decrypt;
    aes_gcm_enc_dec_finalize_t encrypt_tag, decrypt_tag;
};

struct cv_gcm_lib {
    struct cv_gcm_calls aes128, aes256;
};

/* Loads it, for the life of the process; threads may use it together. False where it is not
 * installed, or the CPU lacks the instructions (VAES in registers of 512 bits) with which it is
 * faster than OpenSSL 3.0. */
bool cv_gcm_lib_load(struct cv_gcm_lib *lib);

#endif
