#ifndef CMD_COMMON_PAGES_H
#define CMD_COMMON_PAGES_H

/* Lets go of the constants of the program and its libraries, most of which only starting needs:
 * symbols and relocations. They are pages of files, which nobody writes, and what is read again is
 * mapped again from the kernel's cache. Code stays, since a debugger's breakpoints are written into
 * it. Where the linker puts constants and code into one segment nothing is let go, nor of a library
 * with text relocations, whose constants the loader has written. */
void pages_let_go(void);

#endif
