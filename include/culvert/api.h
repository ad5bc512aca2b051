#ifndef CULVERT_API_H
#define CULVERT_API_H

/* What all headers of libculvert share.
 *
 * Nothing in the library is global, no signal is handled and nothing ends the process. Whatever is
 * made lives on one uv_loop_t, the caller's, and is used from the thread of that loop alone; there
 * may be as many loops as there are threads.
 *
 * Options are structs whose first field, `size`, is sizeof the struct as the program was compiled
 * with it: later versions add fields behind, and a program that does not know them gets what zero
 * means there. What a struct or a call points to is copied, unless it says that it is borrowed.
 *
 * A call that can fail returns 0 or a count, or a negative code (culvert/error.h). Callbacks come
 * from the loop, never from within a call, and may call everything. */

#if defined(__GNUC__)
#define CV_API __attribute__((visibility("default")))
#else
#define CV_API
#endif

#endif
