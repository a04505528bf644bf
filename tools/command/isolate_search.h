/* SPDX-License-Identifier: MIT */
/* Which of the tests before it does a test need, to hang? Delta debugging (Zeller's ddmin). */
#ifndef RACEWATCH_TOOLS_COMMAND_ISOLATE_SEARCH_H
#define RACEWATCH_TOOLS_COMMAND_ISOLATE_SEARCH_H

#include <stddef.h>

/* Whether it hangs after these tests, in this order: 1 yes, 0 no, or a negative errno that ends the search.
 */
typedef int rw_isolate_probe(void *context, const size_t *tests, size_t count);

/* `tests` is a set after which it hangs, *count of them, 1 or more; it does not hang after none. Both become
 * the smallest such set that was found; the order stays. 0: without any one of them it does not hang, as far
 * as the probe tells; else what the probe returned: the set is what was known until then. */
int rw_isolate_reduce(rw_isolate_probe *probe, void *context, size_t *tests, size_t *count);

#endif
