#ifndef CMD_COMMON_FILES_H
#define CMD_COMMON_FILES_H

/* Raises the soft limit of open files to the hard one; a failure is said on standard error. */
void files_raise(void);

#endif
