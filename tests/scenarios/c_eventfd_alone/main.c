/* SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

int main(void)
{
    uint64_t value;
    int wake = eventfd(0, EFD_CLOEXEC);

    return (int)read(wake, &value, sizeof(value)); /* HERE reads */
}
