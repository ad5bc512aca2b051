#ifndef CMD_SERVER_REPORT_H
#define CMD_SERVER_REPORT_H

#include "base/attr.h"

struct server;

/* Begins to tell the service manager how @server stands, and that all of its workers live; on the
 * main thread, before they run. Errors of service_new(). */
int report_open(struct server *server) CV_MUST_USE;

#endif
