/* SPDX-License-Identifier: MIT */
/*
 * The other ends of sockets: of unix sockets from the kernel's own list (NETLINK_SOCK_DIAG), of TCP
 * connections within this machine from /proc/PID/net/tcp. Read once, at the first question, for the network
 * namespace of one process. For this folder; any one thread at a time.
 */
#ifndef RACEWATCH_TOOLS_SNAPSHOT_SOCKETS_H
#define RACEWATCH_TOOLS_SNAPSHOT_SOCKETS_H

#include <stdint.h>

struct rw_sockets;

/* The sockets of the network namespace that process `pid` is in. NULL only for want of memory. */
struct rw_sockets *rw_sockets_new(void *parent, int pid);

/* Whether that is the namespace of process `pid`. */
int rw_sockets_are_of(const struct rw_sockets *sockets, int pid);

struct rw_socket {
    const char *kind;  /* "unix" "tcp" "listener"; "other" where it is none of these */
    const char *state; /* of TCP, "NOT_ACCEPTED" besides the kernel's own; NULL */
    uint64_t peer;     /* inode of the other end, or of the listener that is to accept it; 0: nobody has it */
    const char *note;  /* why `peer` is not known, or NULL */
};

/* `inode` of a socket; *out is always filled. */
void rw_sockets_find(struct rw_sockets *sockets, uint64_t inode, struct rw_socket *out);

#endif
