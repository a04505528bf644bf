/* SPDX-License-Identifier: MIT */
#include "tools/snapshot/image.h"

#include <errno.h>
#include <string.h>
#include <talloc.h>

#include "tools/snapshot/module.h"
#include "tools/snapshot/proc.h"

static int finish(struct rw_image *image, struct rw_image **out)
{
    if (image->modules)
        image->symbols = rw_symbols_new(image, image->modules);
    if (!image->memory || !image->modules || !image->symbols) {
        talloc_free(image);
        return -ENOMEM;
    }
    *out = image;
    return 0;
}

int rw_image_open(void *parent, int pid, const char *saved_maps, struct rw_image **out)
{
    uint8_t byte;

    *out = NULL;
    struct rw_image *image = talloc_zero(parent, struct rw_image);
    if (!image)
        return -ENOMEM;
    image->pid = pid;
    int result = rw_maps_live(image, pid, &image->maps);
    if (result == -ESRCH || result == -ENOMEM) {
        talloc_free(image);
        return result;
    }
    if (result < 0) {
        image->note = talloc_asprintf(image, "its memory map may not be read (%s)", strerror(-result));
        if (!saved_maps || rw_maps_saved(image, saved_maps, &image->maps) < 0)
            result = rw_maps_parse(image, "", 0, &image->maps);
        else {
            image->note = talloc_asprintf_append((char *)image->note, "; the one saved before was used");
            result = 0;
        }
        if (result < 0) {
            talloc_free(image);
            return result;
        }
    }
    image->memory = rw_memory_live(image, pid);
    if (!image->memory) {
        talloc_free(image);
        return -ENOMEM;
    }
    result = image->maps->count ? rw_memory_read(image->memory, image->maps->items[0].start, &byte, 1) : 0;
    if (result == -EPERM || result == -EACCES) {
        /* What the files hold is still there: enough to unwind copies that the process made of its own
         * stacks. */
        image->modules = rw_modules_new(image, pid, image->maps, NULL);
        if (image->modules)
            image->memory = rw_memory_of_files(image, image->modules);
        image->note =
            talloc_asprintf(image, "%s%sits memory may not be read (%s)", image->note ? image->note : "",
                            image->note ? "; " : "", strerror(-result));
    } else
        image->modules = rw_modules_new(image, pid, image->maps, image->memory);
    return finish(image, out);
}

int rw_image_saved(void *parent, int pid, const char *saved_maps, struct rw_image **out)
{
    *out = NULL;
    struct rw_image *image = talloc_zero(parent, struct rw_image);
    if (!image)
        return -ENOMEM;
    image->pid = pid;
    int result = rw_maps_saved(image, saved_maps, &image->maps);
    if (result < 0) {
        talloc_free(image);
        return result;
    }
    image->modules = rw_modules_new(image, pid, image->maps, NULL);
    if (image->modules)
        image->memory = rw_memory_of_files(image, image->modules);
    return finish(image, out);
}
