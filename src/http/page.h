#ifndef CV_HTTP_PAGE_H
#define CV_HTTP_PAGE_H

#include "base/attr.h"

/* The HTML pages of the file service. Each is one block of text, ended by NUL, that the caller
 * gives to free(). */

#define CV_PAGE_ENTRIES_MAX \
    4096 /* entries of a folder that its page shows; it says when there are more */

/* The page of a folder. @root_fd is the service's root; @path leads from there to the folder,
 * without slashes at its ends and empty for the root itself. Folders come first, then files, each
 * by name; names that begin with a dot, links that lead out of the root and whatever is neither
 * file nor folder are left out. Returns 0, -ENOMEM, or -errno of reading the folder. */
int cv_page_folder(char **out, size_t *len, int root_fd, const char *path) CV_MUST_USE;

/* The page of an error: its status with a sentence of ours that is not escaped. Returns 0 or
 * -ENOMEM. */
int cv_page_error(char **out, size_t *len, int status, const char *sentence) CV_MUST_USE;

#endif
