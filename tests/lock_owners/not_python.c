/* SPDX-License-Identifier: MIT */
/*
 * Has what the library looks for in a Python, and a table of methods that is not what it should be (WRONG:
 * how). Says whether the table is as it was, and waits to be killed.
 */
#include <stdio.h>
#include <unistd.h>

typedef void *method(void *self, void *a, void *b, void *c);

struct row {
    const char *name;
    method *function;
    int flags;
    const char *doc;
};

#define NOTHING 0
#define NO_RELEASE 1
#define STRANGE_CALL 2
#define TWO_TABLES 3
#define NOT_CODE 4
#define READ_ONLY 5

int _Py_TrueStruct = 1;
int Py_FinalizeEx(void);
int Py_FinalizeEx(void)
{
    return _Py_TrueStruct;
}

static void *do_it(void *self, void *a, void *b, void *c)
{
    return self ? a : b ? b : c;
}

#define FUNCTION(is_wrong) ((is_wrong) ? (method *)&_Py_TrueStruct : do_it)
#define ROWS                                                                                                 \
    {                                                                                                        \
        {"acquire_lock", do_it, 3, NULL}, {"acquire", do_it, WRONG == STRANGE_CALL ? 0x282 : 0x82, NULL},    \
            {"release_lock", do_it, 4, NULL}, {WRONG == NO_RELEASE ? "free" : "release", do_it, 4, NULL},    \
            {"locked", do_it, 4, NULL}, {"__enter__", FUNCTION(WRONG == NOT_CODE), 3, NULL},                 \
            {"__exit__", do_it, 1, NULL}, {NULL, NULL, 0, NULL},                                             \
    }

#if WRONG == READ_ONLY
static const struct row table[] = ROWS; /* made read-only once its addresses are known */
#else
static struct row table[] = ROWS;
#endif
#if WRONG == TWO_TABLES
static struct row second[] = ROWS;
#else
#define second table
#endif

/* volatile: or the compiler knows what is in them. */
static int count_changed(const volatile struct row *rows)
{
    int count = 0;
    for (int i = 0; rows[i].name; i++)
        count += rows[i].function != FUNCTION(WRONG == NOT_CODE && i == 5);
    return count;
}

int main(void)
{
    printf("changed: %d\n", count_changed(table) + count_changed(second));
    fflush(stdout);
    pause();
    return 0;
}
