/* SPDX-License-Identifier: MIT */
#include "tools/snapshot/shared_places.h"

#include <string.h>
#include <talloc.h>
#include <uthash.h>

#include "tools/snapshot/symbols_internal.h"

/* By the file itself: it may have other paths elsewhere. */
struct key {
    uint64_t device, inode;
    uint64_t offset;
    uint64_t is_return;
};

struct shared {
    struct key key;
    struct rw_frame *frames;
    size_t count;
    UT_hash_handle hh;
};

#define SHARED_NAME_MAX 64

/* By what the maps say of the file. */
struct name_key {
    uint64_t device, inode, table;
    char name[SHARED_NAME_MAX]; /* zeros to the end */
};

struct shared_name {
    struct name_key key;
    bool is_there;
    uint64_t value;
    UT_hash_handle hh;
};

struct rw_shared_places {
    struct shared *all;
    struct shared_name *names;
};

static int destroy(struct rw_shared_places *places)
{
    HASH_CLEAR(hh, places->all);
    HASH_CLEAR(hh, places->names);
    return 0;
}

struct rw_shared_places *rw_shared_places_new(void *parent)
{
    struct rw_shared_places *places = talloc_zero(parent, struct rw_shared_places);

    if (places)
        talloc_set_destructor(places, destroy);
    return places;
}

void rw_symbols_share(struct rw_symbols *symbols, struct rw_shared_places *places)
{
    symbols->shared = places;
}

static struct key key_of(const struct rw_module *module, uint64_t offset, bool is_return)
{
    return (struct key){module->device, module->inode, offset, is_return};
}

const struct rw_frame *rw_shared_places_find(const struct rw_shared_places *places,
                                             const struct rw_module *module, uint64_t offset, bool is_return,
                                             size_t *count)
{
    const struct key key = key_of(module, offset, is_return);
    struct shared *shared = NULL;

    if (module->inode)
        HASH_FIND(hh, places->all, &key, sizeof key, shared);
    *count = shared ? shared->count : 0;
    return shared ? shared->frames : NULL;
}

const struct rw_frame *rw_shared_places_add(struct rw_shared_places *places, const struct rw_module *module,
                                            uint64_t offset, bool is_return, const struct rw_frame *frames,
                                            size_t count)
{
    struct shared *shared = module->inode ? talloc_zero(places, struct shared) : NULL;

    if (!shared)
        return NULL;
    shared->key = key_of(module, offset, is_return);
    shared->count = count;
    shared->frames = talloc_memdup(shared, frames, count * sizeof *frames);
    if (!shared->frames) {
        talloc_free(shared);
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        struct rw_frame *frame = &shared->frames[i];
        frame->function = talloc_strdup(shared, frame->function);
        frame->file = talloc_strdup(shared, frame->file);
        frame->module = talloc_strdup(shared, frame->module);
        frame->build_id = talloc_strdup(shared, frame->build_id);
    }
    HASH_ADD(hh, places->all, key, sizeof shared->key, shared);
    return shared->frames;
}

/* The number of a file that was deleted may be another's by now. */
static bool make_name_key(const struct rw_module *module, uint32_t table, const char *name,
                          struct name_key *key)
{
    *key = (struct name_key){.device = module->first->device, .inode = module->first->inode, .table = table};
    if (module->first->inode == 0 || module->first->is_deleted || strlen(name) >= sizeof key->name)
        return false;
    memcpy(key->name, name, strlen(name));
    return true;
}

int rw_shared_name_find(const struct rw_shared_places *places, const struct rw_module *module, uint32_t table,
                        const char *name, uint64_t *value)
{
    struct name_key key;
    struct shared_name *shared = NULL;

    if (make_name_key(module, table, name, &key))
        HASH_FIND(hh, places->names, &key, sizeof key, shared);
    *value = shared ? shared->value : 0;
    return shared ? shared->is_there : -1;
}

void rw_shared_name_add(struct rw_shared_places *places, const struct rw_module *module, uint32_t table,
                        const char *name, bool is_there, uint64_t value)
{
    struct name_key key;
    struct shared_name *shared =
        make_name_key(module, table, name, &key) ? talloc_zero(places, struct shared_name) : NULL;

    if (!shared)
        return;
    shared->key = key;
    shared->is_there = is_there;
    shared->value = value;
    HASH_ADD(hh, places->names, key, sizeof shared->key, shared);
}
