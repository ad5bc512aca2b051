/* Writes the program of the filter of system calls, for the build: the daemons carry it ready made
 * (confine.c), and need neither this library nor the time and memory that it takes. */
#include <errno.h>
#include <linux/filter.h>
#include <sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

/* All that the daemons, libuv, OpenSSL, libcurl, the resolver and the loader use when they serve.
 * Names that an architecture does not have are passed over. */
static const char *const allowed[] = {
    /* bytes */
    "read",
    "readv",
    "pread64",
    "preadv",
    "preadv2",
    "write",
    "writev",
    "pwrite64",
    "pwritev",
    "pwritev2",
    "lseek",
    "sendfile",
    "splice",
    /* sockets; socket() itself is below */
    "accept",
    "accept4",
    "bind",
    "connect",
    "getpeername",
    "getsockname",
    "getsockopt",
    "listen",
    "recvfrom",
    "recvmmsg",
    "recvmsg",
    "sendmmsg",
    "sendmsg",
    "sendto",
    "setsockopt",
    "shutdown",
    "socketpair",
    /* waiting */
    "epoll_create",
    "epoll_create1",
    "epoll_ctl",
    "epoll_pwait",
    "epoll_pwait2",
    "epoll_wait",
    "eventfd2",
    "inotify_add_watch",
    "inotify_init1",
    "inotify_rm_watch",
    "pipe",
    "pipe2",
    "poll",
    "ppoll",
    "pselect6",
    "select",
    "timerfd_create",
    "timerfd_settime",
    "clock_getres",
    "clock_gettime",
    "clock_nanosleep",
    "gettimeofday",
    "nanosleep",
    "time",
    "restart_syscall",
    /* files: certificates, credentials, state, the served folder, the resolver's */
    "access",
    "chdir",
    "chmod",
    "close",
    "close_range",
    "dup",
    "dup2",
    "dup3",
    "faccessat",
    "faccessat2",
    "fchmod",
    "fchmodat",
    "fcntl",
    "fdatasync",
    "flock",
    "fstat",
    "fstatfs",
    "fsync",
    "ftruncate",
    "getcwd",
    "getdents64",
    "lstat",
    "mkdir",
    "mkdirat",
    "newfstatat",
    "open",
    "openat",
    "openat2",
    "readlink",
    "readlinkat",
    "rename",
    "renameat",
    "renameat2",
    "stat",
    "statfs",
    "statx",
    "umask",
    "unlink",
    "unlinkat",
    "ioctl",
    /* memory; mmap() and mprotect() are below */
    "brk",
    "madvise",
    "membarrier",
    "mlock",
    "mremap",
    "munlock",
    "munmap",
    /* threads; clone() is below */
    "exit",
    "exit_group",
    "futex",
    "get_robust_list",
    "gettid",
    "rseq",
    "sched_getaffinity",
    "sched_getparam",
    "sched_getscheduler",
    "sched_setaffinity",
    "sched_yield",
    "set_robust_list",
    "set_tid_address",
    "arch_prctl",
    /* signals */
    "rt_sigaction",
    "rt_sigpending",
    "rt_sigprocmask",
    "rt_sigreturn",
    "rt_sigsuspend",
    "rt_sigtimedwait",
    "sigaltstack",
    "tgkill",
    /* about the process and the machine */
    "getegid",
    "geteuid",
    "getgid",
    "getpgrp",
    "getpid",
    "getppid",
    "getpriority",
    "getrandom",
    "getrlimit",
    "getrusage",
    "getuid",
    "prlimit64",
    "sysinfo",
    "times",
    "uname",
    "getcpu",
#ifdef SANITIZED /* the leak checker stops the threads to look at them, in a process of its own */
    "getdents",
    "ptrace",
    "wait4",
    "prctl",
    "kill",
    "process_vm_readv",
    "personality",
#endif
};

/* What no daemon has a use for and an intruder has. Everything else fails with ENOSYS. */
static const char *const deadly[] = {
    "acct",
    "add_key",
    "bpf",
    "chroot",
    "delete_module",
    "execve",
    "execveat",
    "finit_module",
    "fsconfig",
    "fsmount",
    "fsopen",
    "init_module",
    "ioperm",
    "iopl",
    "kcmp",
    "kexec_load",
    "keyctl",
    "mknod",
    "mknodat",
    "mount",
    "move_mount",
    "open_by_handle_at",
    "open_tree",
    "perf_event_open",
    "pidfd_getfd",
    "pivot_root",
    "process_vm_writev",
    "quotactl",
    "reboot",
    "request_key",
    "setns",
    "settimeofday",
    "swapoff",
    "swapon",
    "syslog",
    "umount2",
    "unshare",
    "userfaultfd",
    "clock_settime",
    "setuid",
    "setgid",
    "setreuid",
    "setregid",
    "setresuid",
    "setresgid",
    "setgroups",
    "capset",
#ifndef SANITIZED
    "ptrace",
    "process_vm_readv",
#endif
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* 0 also for a call that this architecture does not have. */
static int add(scmp_filter_ctx filter, uint32_t action, const char *name, unsigned count,
               const struct scmp_arg_cmp *conditions)
{
    int call = seccomp_syscall_resolve_name(name);

    if (call == __NR_SCMP_ERROR || call < 0)
        return 0;
    return seccomp_rule_add_array(filter, action, call, count, conditions);
}

static int add_all(scmp_filter_ctx filter, uint32_t action, const char *const *names, size_t count)
{
    int rc = 0;

    for (size_t i = 0; i < count && rc == 0; i++)
        rc = add(filter, action, names[i], 0, NULL);
    return rc;
}

/* Threads, and no namespaces. clone3() hides its flags behind a pointer: without it libc takes
 * clone(). */
static int add_clone(scmp_filter_ctx filter)
{
    const scmp_datum_t spaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
                                CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
    const struct scmp_arg_cmp none = SCMP_A0(SCMP_CMP_MASKED_EQ, spaces, 0);

    return add(filter, SCMP_ACT_ALLOW, "clone", 1, &none);
}

static int add_socket(scmp_filter_ctx filter)
{
    static const int families[] = {1 /* unix */, 2 /* IPv4 */, 10 /* IPv6 */, 16 /* netlink */};
    int rc = 0;

    for (size_t i = 0; i < COUNT(families) && rc == 0; i++) {
        const struct scmp_arg_cmp family = SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i]);

        rc = add(filter, SCMP_ACT_ALLOW, "socket", 1, &family);
    }
    return rc;
}

/* Memory is written or run, and never becomes what can be run. Libraries are mapped as such. */
static int add_memory(scmp_filter_ctx filter)
{
    const struct scmp_arg_cmp no_run = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
    const struct scmp_arg_cmp no_write = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_WRITE, 0);
    int rc = add(filter, SCMP_ACT_ALLOW, "mprotect", 1, &no_run);

    if (rc == 0)
        rc = add(filter, SCMP_ACT_ALLOW, "mmap", 1, &no_run);
    return rc ? rc : add(filter, SCMP_ACT_ALLOW, "mmap", 1, &no_write);
}

static int fill(scmp_filter_ctx filter)
{
    int rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree, no list */

    if (rc == 0)
        rc = add_all(filter, SCMP_ACT_ALLOW, allowed, COUNT(allowed));
    if (rc == 0)
        rc = add_all(filter, SCMP_ACT_KILL_PROCESS, deadly, COUNT(deadly));
    if (rc == 0)
        rc = add_clone(filter);
    if (rc == 0)
        rc = add_socket(filter);
    return rc ? rc : add_memory(filter);
}

/* The program as the kernel takes it, from @fd to standard output as rows of a C array. */
static int print(int fd)
{
    struct sock_filter row;
    ssize_t n;

    while ((n = read(fd, &row, sizeof(row))) == (ssize_t)sizeof(row))
        printf("{0x%02x, %u, %u, 0x%08x},\n", row.code, row.jt, row.jf, row.k);
    return n == 0 && fflush(stdout) == 0 ? 0 : -1;
}

static int write_program(scmp_filter_ctx filter)
{
    int fd = memfd_create("filter", MFD_CLOEXEC);
    int rc = fd < 0 ? -1 : fill(filter);

    if (rc == 0)
        rc = seccomp_export_bpf(filter, fd);
    if (rc == 0)
        rc = lseek(fd, 0, SEEK_SET) < 0 ? -1 : print(fd);
    if (fd >= 0)
        close(fd);
    return rc;
}

int main(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
    int rc = filter ? write_program(filter) : -1;

    if (rc < 0)
        fprintf(stderr, "the filter of system calls could not be made\n");
    seccomp_release(filter);
    return rc < 0;
}
