/* SPDX-License-Identifier: MIT */
#include "tools/snapshot/sockets.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <talloc.h>
#include <unistd.h>

#define ADDRESS_MAX 40 /* "0100007F:1F90", and IPv6's of 32 digits */

struct unix_socket {
    uint64_t inode, peer;
    uint8_t state;
};

struct tcp_socket {
    uint64_t inode;
    char local[ADDRESS_MAX], remote[ADDRESS_MAX];
    unsigned state;
};

struct rw_sockets {
    int pid;
    uint64_t space; /* inode of the network namespace; 0 not known */
    bool is_ours;
    const char *unix_note; /* why the list of unix sockets is missing */
    bool has_unix, has_tcp;
    struct unix_socket *unixes;
    size_t unix_count;
    struct tcp_socket *tcps;
    size_t tcp_count;
};

static uint64_t space_of(int pid)
{
    char path[64];
    struct stat status;

    if (pid > 0)
        snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
    return stat(pid > 0 ? path : "/proc/self/ns/net", &status) == 0 ? status.st_ino : 0;
}

struct rw_sockets *rw_sockets_new(void *parent, int pid)
{
    struct rw_sockets *sockets = talloc_zero(parent, struct rw_sockets);

    if (!sockets)
        return NULL;
    sockets->pid = pid;
    sockets->space = space_of(pid);
    sockets->is_ours = sockets->space != 0 && sockets->space == space_of(0);
    return sockets;
}

int rw_sockets_are_of(const struct rw_sockets *sockets, int pid)
{
    return sockets->space != 0 && sockets->space == space_of(pid);
}

/* --- unix sockets */

static int compare_unix(const void *a, const void *b)
{
    uint64_t left = ((const struct unix_socket *)a)->inode, right = ((const struct unix_socket *)b)->inode;

    return (left > right) - (left < right);
}

static void add_unix(struct rw_sockets *sockets, const struct nlmsghdr *header)
{
    const struct unix_diag_msg *message = NLMSG_DATA(header);
    struct unix_socket one = {.inode = message->udiag_ino, .state = message->udiag_state};
    int left = (int)header->nlmsg_len - (int)NLMSG_LENGTH(sizeof(*message));
    const struct rtattr *attribute = (const struct rtattr *)(message + 1);

    for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left))
        if (attribute->rta_type == UNIX_DIAG_PEER && RTA_PAYLOAD(attribute) >= sizeof(uint32_t))
            one.peer = *(const uint32_t *)RTA_DATA(attribute);
    if (sockets->unix_count % 256 == 0) {
        struct unix_socket *grown =
            talloc_realloc(sockets, sockets->unixes, struct unix_socket, sockets->unix_count + 256);
        if (!grown)
            return;
        sockets->unixes = grown;
    }
    sockets->unixes[sockets->unix_count++] = one;
}

static int list_unix(struct rw_sockets *sockets, int netlink)
{
    struct {
        struct nlmsghdr header;
        struct unix_diag_req request;
    } question = {
        .header = {.nlmsg_len = sizeof(question),
                   .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .request = {.sdiag_family = AF_UNIX, .udiag_states = UINT32_MAX, .udiag_show = UDIAG_SHOW_PEER},
    };
    struct timeval patience = {.tv_sec = 1};
    _Alignas(struct nlmsghdr) char answer[32768];

    setsockopt(netlink, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (send(netlink, &question, sizeof(question), 0) < 0)
        return -errno;
    for (;;) {
        ssize_t got = recv(netlink, answer, sizeof(answer), 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? -errno : -EPROTO;
        const struct nlmsghdr *header = (const struct nlmsghdr *)answer;
        for (size_t left = (size_t)got; NLMSG_OK(header, left); header = NLMSG_NEXT(header, left)) {
            if (header->nlmsg_type == NLMSG_DONE)
                return 0;
            if (header->nlmsg_type == NLMSG_ERROR)
                return ((const struct nlmsgerr *)NLMSG_DATA(header))->error;
            if (header->nlmsg_len >= NLMSG_LENGTH(sizeof(struct unix_diag_msg)))
                add_unix(sockets, header);
        }
    }
}

static void read_unix(struct rw_sockets *sockets)
{
    sockets->has_unix = true;
    if (!sockets->is_ours) {
        sockets->unix_note = "the process is in another network namespace";
        return;
    }
    int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    int result = netlink < 0 ? -errno : list_unix(sockets, netlink);
    if (netlink >= 0)
        close(netlink);
    if (result < 0)
        sockets->unix_note =
            talloc_asprintf(sockets, "the kernel does not list unix sockets here (%s)", strerror(-result));
    if (sockets->unix_count)
        qsort(sockets->unixes, sockets->unix_count, sizeof(*sockets->unixes), compare_unix);
}

/* --- TCP */

static void read_tcp_file(struct rw_sockets *sockets, const char *name)
{
    char path[64], line[512];
    struct tcp_socket one;

    snprintf(path, sizeof(path), "/proc/%d/net/%s", sockets->pid, name);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof(line), file)) {
        if (sscanf(line, " %*d: %39s %39s %x %*s %*s %*s %*u %*u %" SCNu64, one.local, one.remote, &one.state,
                   &one.inode) != 4)
            continue;
        if (sockets->tcp_count % 256 == 0) {
            struct tcp_socket *grown =
                talloc_realloc(sockets, sockets->tcps, struct tcp_socket, sockets->tcp_count + 256);
            if (!grown)
                break;
            sockets->tcps = grown;
        }
        sockets->tcps[sockets->tcp_count++] = one;
    }
    if (file)
        fclose(file);
}

static const char *tcp_state(unsigned state)
{
    static const char *const names[] = {
        [TCP_ESTABLISHED] = "ESTABLISHED",
        [TCP_SYN_SENT] = "SYN_SENT",
        [TCP_SYN_RECV] = "SYN_RECV",
        [TCP_FIN_WAIT1] = "FIN_WAIT1",
        [TCP_FIN_WAIT2] = "FIN_WAIT2",
        [TCP_TIME_WAIT] = "TIME_WAIT",
        [TCP_CLOSE] = "CLOSE",
        [TCP_CLOSE_WAIT] = "CLOSE_WAIT",
        [TCP_LAST_ACK] = "LAST_ACK",
        [TCP_LISTEN] = "LISTEN",
        [TCP_CLOSING] = "CLOSING",
    };

    return state < sizeof(names) / sizeof(names[0]) ? names[state] : NULL;
}

/* A connection is nobody's until it is accepted, and nobody's again once it was closed: but then its end has
 * been told to the other side. */
static bool is_not_accepted(unsigned state)
{
    return state == TCP_ESTABLISHED || state == TCP_SYN_RECV || state == TCP_CLOSE_WAIT;
}

/* The one that listens where the connection leads to: at that address, or at all of the machine's. 0 where it
 * is not known which (SO_REUSEPORT). */
static uint64_t listener_of(const struct rw_sockets *sockets, const struct tcp_socket *own)
{
    const char *port = strchr(own->remote, ':');
    uint64_t found = 0;

    for (size_t i = 0; i < sockets->tcp_count; i++) {
        const struct tcp_socket *one = &sockets->tcps[i];
        const char *its_port = strchr(one->local, ':');

        if (one->state != TCP_LISTEN || !port || !its_port || strcmp(its_port, port) != 0 ||
            (strcmp(one->local, own->remote) != 0 &&
             strspn(one->local, "0") != (size_t)(its_port - one->local)))
            continue;
        if (found && found != one->inode)
            return 0;
        found = one->inode;
    }
    return found;
}

static bool find_tcp(struct rw_sockets *sockets, uint64_t inode, struct rw_socket *out)
{
    const struct tcp_socket *own = NULL;

    for (size_t i = 0; i < sockets->tcp_count && !own; i++)
        if (sockets->tcps[i].inode == inode)
            own = &sockets->tcps[i];
    if (!own)
        return false;
    out->kind = own->state == TCP_LISTEN ? "listener" : "tcp";
    out->state = tcp_state(own->state);
    if (own->state == TCP_LISTEN)
        return true;
    for (size_t i = 0; i < sockets->tcp_count; i++) {
        const struct tcp_socket *other = &sockets->tcps[i];
        if (other == own || strcmp(other->local, own->remote) != 0 || strcmp(other->remote, own->local) != 0)
            continue;
        out->peer = other->inode;
        if (!other->inode && is_not_accepted(other->state)) {
            out->state = "NOT_ACCEPTED";
            out->peer = listener_of(sockets, own);
            out->note = "nobody has accepted the connection yet";
        }
        return true;
    }
    /* Closed and forgotten, or never of this machine: the two look alike from here. */
    out->note = "the other end is not on this machine, or gone";
    return true;
}

void rw_sockets_find(struct rw_sockets *sockets, uint64_t inode, struct rw_socket *out)
{
    const struct unix_socket key = {.inode = inode};

    *out = (struct rw_socket){.kind = "other"};
    if (!sockets->has_tcp) {
        sockets->has_tcp = true;
        read_tcp_file(sockets, "tcp");
        read_tcp_file(sockets, "tcp6");
    }
    if (find_tcp(sockets, inode, out))
        return;
    if (!sockets->has_unix)
        read_unix(sockets);
    const struct unix_socket *found =
        sockets->unix_count ? bsearch(&key, sockets->unixes, sockets->unix_count, sizeof(key), compare_unix)
                            : NULL;
    if (!found) {
        out->note = sockets->unix_note;
        return;
    }
    out->kind = found->state == TCP_LISTEN ? "listener" : "unix";
    out->peer = found->peer;
    /* Without a peer it is one that anybody may send to, or one whose peer is gone. */
    if (found->state != TCP_LISTEN && !found->peer)
        out->kind = "other";
}
