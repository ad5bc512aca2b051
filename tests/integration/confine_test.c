#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "confine.h"

#define NO_FILTER 99 /* exit code of a child that could not be confined */

/* Does one thing and returns 0 or an errno. */
typedef int deed(void);

static int result(long rc)
{
    return rc < 0 ? errno : 0;
}

/* The wait status of a confined child that does @act. */
static int confined(deed *act)
{
    pid_t pid = fork();
    int status;

    cr_assert_geq(pid, 0);
    if (pid == 0) {
        confine_secrets();
        _exit(confine_calls() < 0 ? NO_FILTER : act());
    }
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    return status;
}

static void assert_fails(deed *act, int error)
{
    int status = confined(act);

    cr_assert(WIFEXITED(status), "killed by %d", WTERMSIG(status));
    cr_assert_eq(WEXITSTATUS(status), error, "%d", WEXITSTATUS(status));
}

static void assert_deadly(deed *act)
{
    int status = confined(act);

    cr_assert(WIFSIGNALED(status), "exit %d", WEXITSTATUS(status));
    cr_assert_eq(WTERMSIG(status), SIGSYS);
    cr_assert_not(WCOREDUMP(status));
}

static int run_program(void)
{
    char *const argv[] = {(char *)"true", NULL};

    return result(execv("/bin/true", argv));
}

static int own_root(void)
{
    return result(chroot("/"));
}

static int own_namespace(void)
{
    return result(unshare(CLONE_NEWUSER));
}

static int become_root(void)
{
    return result(setuid(0));
}

static int load_program(void)
{
    return result(syscall(SYS_bpf, 0, NULL, 0));
}

Test(confine, what_only_an_intruder_wants_ends_the_process)
{
    assert_deadly(run_program);
    assert_deadly(own_root);
    assert_deadly(own_namespace);
    assert_deadly(become_root);
    assert_deadly(load_program);
}

static int packet_socket(void)
{
    return result(socket(AF_PACKET, SOCK_RAW, 0));
}

static int child_in_namespaces(void)
{
    return result(syscall(SYS_clone, CLONE_NEWUSER | CLONE_NEWNS | SIGCHLD, NULL, NULL, NULL, 0));
}

static int future_call(void)
{
    return result(syscall(5000)); /* no kernel has so many */
}

static int writable_code(void)
{
    void *at =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return at == MAP_FAILED ? errno : 0;
}

static int code_from_data(void)
{
    void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return at == MAP_FAILED ? NO_FILTER : result(mprotect(at, 4096, PROT_READ | PROT_EXEC));
}

Test(confine, what_is_not_on_the_list_fails)
{
    assert_fails(packet_socket, ENOSYS);
    assert_fails(child_in_namespaces, ENOSYS);
    assert_fails(future_call, ENOSYS);
    assert_fails(writable_code, ENOSYS);
    assert_fails(code_from_data, ENOSYS);
}

static void *nothing(void *arg)
{
    return arg;
}

static int serve(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    pthread_t thread;

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 1) < 0)
        return errno;
    if (pthread_create(&thread, NULL, nothing, NULL) || pthread_join(thread, NULL))
        return EAGAIN;
    return result(open("/etc/passwd", O_RDONLY | O_CLOEXEC));
}

Test(confine, what_serves_goes_on)
{
    assert_fails(serve, 0);
}

static int core_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_CORE, &limit) < 0)
        return errno;
    return limit.rlim_cur || limit.rlim_max ? EINVAL : 0;
}

static int abort_now(void)
{
    abort();
}

Test(confine, nothing_dumps_core)
{
    int status = confined(abort_now);

    assert_fails(core_limit, 0);
    cr_assert(WIFSIGNALED(status));
    cr_assert_eq(WTERMSIG(status), SIGABRT);
    cr_assert_not(WCOREDUMP(status));
}

Test(confine, finds_who_to_become_or_says_what_is_wrong)
{
    struct confine_user user;
    char error[300];

    cr_assert_eq(confine_find_user(&user, NULL, error, sizeof(error)), 0);
    cr_assert_str_eq(user.name, "");
    cr_assert_eq(confine_find_user(&user, "no-such-user", error, sizeof(error)), -ENOENT);
    cr_assert_str_eq(error, "user no-such-user: there is none of that name");
    cr_assert_eq(confine_find_user(&user, "", error, sizeof(error)), -ENOENT);
    cr_assert_eq(confine_find_user(&user, "root:no-such-group", error, sizeof(error)), -ENOENT);
    cr_assert_str_eq(error, "group no-such-group: there is none of that name");
    if (geteuid() == 0) {
        cr_assert_eq(confine_find_user(&user, "daemon:adm", error, sizeof(error)), 0);
        cr_assert_str_eq(user.name, "daemon");
        cr_assert_neq(user.gid, 0);
    }
}
