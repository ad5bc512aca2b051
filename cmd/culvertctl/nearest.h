#ifndef CULVERTCTL_NEAREST_H
#define CULVERTCTL_NEAREST_H

#include <stddef.h>

/* What somebody who typed a word may have meant. */
struct nearest {
    const char *word; /* borrowed */
    const char *best; /* borrowed; NULL: nothing is near */
    size_t distance;  /* of it */
};

#define NEAREST_MAX 80 /* bytes of a word that is looked at */

void nearest_init(struct nearest *nearest, const char *word);

/* Takes @candidate when it is nearer than all before, and near at all: a third of the letters may
 * be wrong, missing, too many or swapped with their neighbour. */
void nearest_offer(struct nearest *nearest, const char *candidate);

#endif
