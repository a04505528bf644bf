/* SPDX-License-Identifier: MIT */
/* A library with a little of everything that is looked for in one: exports, data, inlined calls, tables. */
#include <string.h>

int subject_data[16];
int subject_entry(int count, const char *name);
int subject_other(int count, char *out);

static inline __attribute__((always_inline)) int inlined(int a, int b)
{
    subject_data[a & 15] += b;
    return subject_data[b & 15] * a;
}

static __attribute__((noinline)) int recursive(int depth, char *out)
{
    char local[200];
    memset(local, depth, sizeof(local));
    out[0] = (char)(local[depth & 127] + inlined(depth, depth + 1));
    return depth > 0 ? recursive(depth - 1, out) + 1 : inlined(3, 4);
}

int subject_other(int count, char *out)
{
    return recursive(count, out) + inlined(count, out[0]);
}

int subject_entry(int count, const char *name)
{
    char out[16] = "";
    int sum = 0;
    for (int i = 0; i < count; i++)
        sum += subject_other(i, out) + inlined(i, name[0]);
    return sum;
}
