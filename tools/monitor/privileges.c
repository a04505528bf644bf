/* SPDX-License-Identifier: MIT */
#include "tools/monitor/privileges.h"

#include <linux/capability.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BIT(capability) (UINT64_C(1) << (capability))

/* To trace and to read memory; files of a program that changed its user, or that are deleted and still
 * mapped; on_hang=kill of such a program; priority for the thread for which others stand still
 * (snapshot/quick.h). */
#define NEEDED                                                                                               \
    (BIT(CAP_SYS_PTRACE) | BIT(CAP_DAC_READ_SEARCH) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_SYS_ADMIN) |           \
     BIT(CAP_CHECKPOINT_RESTORE) | BIT(CAP_KILL) | BIT(CAP_SYS_NICE))

static uint64_t both(uint32_t low, uint32_t high)
{
    return (uint64_t)high << 32 | low;
}

void rw_privileges_drop(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (syscall(SYS_capget, &header, data) != 0)
        return;
    uint64_t permitted = both(data[0].permitted, data[1].permitted);
    /* Without CAP_SYS_PTRACE (root in a container, say) the kernel lets a process trace only those whose
     * capabilities it has itself (cap_ptrace_access_check, security/commoncap.c): then each of them counts.
     */
    if ((permitted & BIT(CAP_SYS_PTRACE)) == 0)
        return;
    permitted &= NEEDED;
    data[0].permitted = data[0].effective = (uint32_t)permitted;
    data[1].permitted = data[1].effective = (uint32_t)(permitted >> 32);
    data[0].inheritable = data[1].inheritable = 0;
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    syscall(SYS_capset, &header, data);
}
