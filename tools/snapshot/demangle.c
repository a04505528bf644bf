/* SPDX-License-Identifier: MIT */
#include "tools/snapshot/demangle.h"

#include <stdlib.h>
#include <string.h>
#include <talloc.h>

#include <libiberty/demangle.h>

char *rw_demangle(void *ctx, const char *symbol)
{
    /* Rust before C++: its older names are valid C++ ones with a hash behind. */
    char *plain = NULL;

    if (symbol[0] == '_' && (symbol[1] == 'R' || symbol[1] == 'Z')) {
        plain = rust_demangle(symbol, DMGL_NO_OPTS);
        if (!plain)
            plain = cplus_demangle_v3(symbol, DMGL_PARAMS | DMGL_ANSI | DMGL_RET_DROP);
    }
    /* "pthread_cond_wait@@GLIBC_2.3.2": the version is the linker's, not the source's. */
    char *result = plain ? talloc_strdup(ctx, plain) : talloc_strndup(ctx, symbol, strcspn(symbol, "@"));
    free(plain);
    return result;
}
