#ifndef CV_NET_CURL_LIB_H
#define CV_NET_CURL_LIB_H

#include <curl/curl.h>

#include "base/attr.h"

/* Private to net: libcurl, loaded when a proxy is met for the first time. With the forty libraries
 * behind it, it would cost every agent six megabytes. */

#define CV_CURL_FUNCTIONS(X) \
    X(global_init)           \
    X(global_cleanup)        \
    X(easy_init)             \
    X(easy_cleanup)          \
    X(easy_setopt)           \
    X(easy_getinfo)          \
    X(easy_recv)             \
    X(easy_send)             \
    X(easy_strerror)         \
    X(multi_init)            \
    X(multi_cleanup)         \
    X(multi_setopt)          \
    X(multi_add_handle)      \
    X(multi_remove_handle)   \
    X(multi_socket_action)   \
    X(multi_assign)          \
    X(multi_info_read)       \
    X(multi_strerror)        \
    X(slist_append)          \
    X(slist_free_all)        \
    X(url)                   \
    X(url_cleanup)           \
    X(url_set)               \
    X(url_get)               \
    X(free)

struct cv_curl_lib {
#define CV_CURL_MEMBER(name) __typeof__(curl_##name) *name;
    CV_CURL_FUNCTIONS(CV_CURL_MEMBER)
#undef CV_CURL_MEMBER
};

/* Loads and initialises it; stays loaded, since libraries behind it do not bear to be unloaded.
 * Undo with cv_curl_lib_unload(). Returns 0, -ENOMEM, or -ELIBACC with *@why, borrowed until the
 * next load. */
int cv_curl_lib_load(struct cv_curl_lib *lib, const char **why) CV_MUST_USE;
void cv_curl_lib_unload(struct cv_curl_lib *lib);

#endif
