#ifndef CMD_SERVER_STATE_H
#define CMD_SERVER_STATE_H

#include "discovery/target.h"

/* What a server keeps between two runs, in the state directory: the UUID under which it announces
 * itself, and its BOOTID. */
struct state {
    int lock; /* held as long as this server runs: two with one UUID would say goodbye for each
                 other */
    int dir;
    char uuid[CV_SSDP_UUID_LEN + 1];
    uint32_t boot; /* greater than in any run before */
};

/* Where it is when --state-dir does not say. */
const char *state_default_dir(void);

/* Makes the directory when there is none, takes it for this process, reads what was kept, and keeps
 * the next BOOTID. @fresh is 16 random bytes for a new UUID. Returns 0 or -errno: -EWOULDBLOCK when
 * another server has it. */
int state_open(struct state *state, const char *path, const uint8_t fresh[16],
               int64_t wall) CV_MUST_USE;

/* Keeps it, for the next run. Returns 0 or -errno. */
int state_save(const struct state *state) CV_MUST_USE;
void state_close(struct state *state);

#endif
