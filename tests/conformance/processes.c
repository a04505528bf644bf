/* SPDX-License-Identifier: MIT */
/* Processes, how they begin and end; libraries; limits. */
#include <dlfcn.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/conformance/behaviour.h"

extern char **environ;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static char order[64];

static void add(const char *what)
{
    if (strlen(order) + strlen(what) < sizeof order) /* later forks run the handlers, too */
        strcat(order, what);
}

static void prepare(void)
{
    pthread_mutex_lock(&mutex);
    add("prepare ");
}

static void in_parent(void)
{
    add("parent ");
    pthread_mutex_unlock(&mutex);
}

static void in_child(void)
{
    add("child ");
    pthread_mutex_unlock(&mutex);
}

static int in_clone(void *unused)
{
    (void)unused;
    return pthread_mutex_trylock(&mutex) == 0 ? 5 : 6;
}

static void *nothing(void *unused)
{
    return unused;
}

static int after_fork(void)
{
    int wrong = strcmp(order, "prepare child ") != 0;
    wrong += 2 * (pthread_mutex_lock(&mutex) != 0 || pthread_mutex_unlock(&mutex) != 0);
    wrong += 4 * (in_thread(nothing, &mutex) != &mutex);
    wrong += 8 * (waitpid(-1, NULL, WNOHANG) != -1);
    pid_t second = fork();
    if (second == 0)
        _exit(3);
    return wrong + 16 * (status_of(second) != 3);
}

static void *fork_in_thread(void *unused)
{
    (void)unused;
    pid_t pid = fork();
    if (pid == 0)
        _exit(in_thread(nothing, &mutex) == &mutex ? 4 : 1);
    return (void *)(intptr_t)status_of(pid);
}

static void tell_spawn(const char *self)
{
    char *arguments[] = {(char *)(uintptr_t)self, (char *)"status", NULL}, *none[] = {NULL};
    char *preload[] = {(char *)(uintptr_t)self, (char *)"preload", NULL};
    pid_t pid = 0;
    tell("posix_spawn", posix_spawn(&pid, self, NULL, NULL, arguments, environ));
    tell(" status", status_of(pid));
    tell("posix_spawnp of nobody", posix_spawnp(&pid, "/nonexistent/nobody", NULL, NULL, arguments, environ));
    tell("posix_spawn, no environment", posix_spawn(&pid, self, NULL, NULL, preload, none));
    tell(" LD_PRELOAD is gone", status_of(pid));
    pid = vfork();
    if (pid == 0) {
        execve(self, arguments, none);
        _exit(1);
    }
    tell("vfork and exec", status_of(pid));
    pid = vfork();
    if (pid == 0) {
        execve("/nonexistent/nobody", arguments, none);
        _exit(errno == ENOENT ? 2 : 1);
    }
    tell("vfork and exec of nobody", status_of(pid));
    tell("system", system("exit 5"));
    FILE *pipe = popen("echo from a pipe", "r");
    char line[32] = "";
    if (pipe && fgets(line, sizeof line, pipe))
        printf("popen: %s", line);
    tell(" pclose", pipe ? pclose(pipe) : -1);
}

static void tell_daemon(void)
{
    int ends[2];
    if (pipe(ends))
        return;
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        char said = daemon(0, 0) == 0 && getppid() != 0 && getsid(0) != 0 ? 'd' : 'x';
        _exit(write(ends[1], &said, 1) != 1);
    }
    close(ends[1]);
    char heard = 0;
    tell("daemon: its first process", status_of(pid));
    tell(" says", read(ends[0], &heard, 1));
    tell(" that it is one", heard == 'd');
    tell(" and no descriptor of its is left", read(ends[0], &heard, 1));
    close(ends[0]);
}

static void tell_descriptors(void)
{
    int first = open("/dev/null", O_RDONLY | O_CLOEXEC);
    tell("the next descriptor", first);
    close(first);
}

void tell_processes(const char *self)
{
    static char stack[65536] __attribute__((aligned(16)));
    pthread_atfork(prepare, in_parent, in_child);
    pid_t pid = fork();
    if (pid == 0)
        _exit(after_fork());
    tell("fork: what its child finds wrong", status_of(pid));
    printf(" order: %s\n", order);
    tell("fork in a thread", (long)(intptr_t)in_thread(fork_in_thread, NULL));
    order[0] = '\0';
    pid = _Fork();
    if (pid == 0)
        _exit(order[0] != '\0');
    tell("_Fork runs no handler", status_of(pid));
    tell("clone", status_of(clone(in_clone, stack + sizeof stack, SIGCHLD, NULL)));
    tell("clone with shared memory",
         status_of(clone(in_clone, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, NULL)));
    pthread_mutex_unlock(&mutex);
    pid = fork();
    if (pid == 0)
        abort();
    tell("abort", status_of(pid));
    tell_spawn(self);
    tell_daemon();
    tell_descriptors();
    TELL_ERRNO("wait(-1)", waitpid(-1, NULL, WNOHANG));
}

void tell_libraries(const char *self)
{
    (void)self;
    int (*next)(pthread_mutex_t *) = (int (*)(pthread_mutex_t *))dlsym(RTLD_DEFAULT, "pthread_mutex_lock");
    tell("dlsym of a wrapped function", next != NULL);
    tell(" works", next(&mutex));
    tell(" unlock", pthread_mutex_unlock(&mutex));
    tell("dlerror", dlerror() != NULL);
    tell("dlsym of none", dlsym(RTLD_DEFAULT, "there_is_no_such_function") != NULL);
    tell(" dlerror", dlerror() != NULL);
    void *library = dlopen("libm.so.6", RTLD_NOW);
    double (*root)(double) = library ? (double (*)(double))dlsym(library, "sqrt") : NULL;
    tell("dlopen", root ? (long)root(81) : -1);
    tell(" dlclose", library ? dlclose(library) : -1);
    tell("dlopen of none", dlopen("libnone.so.99", RTLD_NOW) != NULL);
    tell(" dlerror", dlerror() != NULL);
    tell("dlvsym", dlvsym(RTLD_DEFAULT, "pthread_cond_wait", "GLIBC_2.2.5") != NULL);
    tell(" of a version that is none", dlvsym(RTLD_DEFAULT, "pthread_cond_wait", "GLIBC_1.0") != NULL);
    dlerror();
}

/* In a process of its own, for a limit cannot be raised again; and not as root, who has none. */
void tell_limits(const char *self)
{
    if (self) {
        pid_t pid = -1;
        char *arguments[] = {(char *)(uintptr_t)self, (char *)"limits", NULL};
        posix_spawn(&pid, self, NULL, NULL, arguments, environ);
        tell("limits", status_of(pid));
        return;
    }
    const struct rlimit locked = {8 << 20, 8 << 20}, space = {256 << 20, 256 << 20};
    if (getuid() == 0 &&
        (setgroups(0, NULL) || setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534)))
        puts("cannot change the user");
    prctl(PR_SET_DUMPABLE, 1);
    setrlimit(RLIMIT_MEMLOCK, &locked);
    TELL_ERRNO("mlockall of what is mapped, with 8 MiB", mlockall(MCL_CURRENT));
    TELL_ERRNO("mlockall of what will be", mlockall(MCL_CURRENT | MCL_FUTURE));
    TELL_ERRNO("munlockall", munlockall());
    setrlimit(RLIMIT_AS, &space);
    void *most = mmap(NULL, 240 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    tell("240 of 256 MiB of address space", most != MAP_FAILED);
    if (most != MAP_FAILED)
        munmap(most, 240 << 20);
}
