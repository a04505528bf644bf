/* SPDX-License-Identifier: MIT */
/*
 * Without libFuzzer: COUNT FILE...: each seed as it is, then COUNT inputs made of them, always the same ones.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

#define SIZE_OF_INPUT_MAX 65536u

static uint64_t random_state = 20;

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

struct seed {
    uint8_t *bytes;
    size_t size;
};

static struct seed read_seed(const char *path)
{
    struct seed seed = {malloc(SIZE_OF_INPUT_MAX), 0};
    FILE *file = fopen(path, "re");
    if (file == NULL || seed.bytes == NULL) {
        fprintf(stderr, "%s cannot be read\n", path);
        exit(1);
    }
    seed.size = fread(seed.bytes, 1, SIZE_OF_INPUT_MAX, file);
    fclose(file);
    return seed;
}

/* Some bytes of the one seed, then some of the other, a few of them changed. */
static size_t mutate(uint8_t *input, const struct seed *one, const struct seed *other)
{
    static const uint8_t telling[] = {0, 1, 0x7f, 0x80, 0xff, '"', '-', '\n', ' ', '9'};
    size_t head = one->size > 0 ? next_random() % (one->size + 1) : 0;
    size_t from = other->size > 0 ? next_random() % (other->size + 1) : 0;
    size_t tail = other->size - from;
    if (tail > SIZE_OF_INPUT_MAX - head)
        tail = SIZE_OF_INPUT_MAX - head;
    memcpy(input, one->bytes, head);
    memcpy(input + head, other->bytes + from, tail);
    size_t size = head + tail;
    for (uint64_t changes = next_random() % 8; changes > 0 && size > 0; changes--) {
        uint8_t *byte = &input[next_random() % size];
        switch (next_random() % 3) {
        case 0:
            *byte ^= (uint8_t)(1u << next_random() % 8);
            break;
        case 1:
            *byte = telling[next_random() % sizeof(telling)];
            break;
        default:
            *byte = (uint8_t)next_random();
        }
    }
    return size;
}

int main(int argument_count, char **arguments)
{
    size_t seed_count = argument_count > 2 ? (size_t)argument_count - 2 : 0;
    struct seed *seeds = calloc(seed_count + 1, sizeof(*seeds));
    uint8_t *input = malloc(SIZE_OF_INPUT_MAX);
    if (seed_count == 0 || seeds == NULL || input == NULL)
        return 2;
    unsigned long count = strtoul(arguments[1], NULL, 10);
    for (size_t i = 0; i < seed_count; i++) {
        seeds[i] = read_seed(arguments[2 + i]);
        LLVMFuzzerTestOneInput(seeds[i].bytes, seeds[i].size);
    }
    for (unsigned long i = 0; i < count; i++) {
        size_t size = mutate(input, &seeds[next_random() % seed_count], &seeds[next_random() % seed_count]);
        uint8_t *exact = malloc(size + !size); /* so that a sanitizer sees the byte after the last */
        memcpy(exact, input, size);
        LLVMFuzzerTestOneInput(exact, size);
        free(exact);
    }
    printf("%zu seeds and %lu inputs made of them were read\n", seed_count, count);
    for (size_t i = 0; i < seed_count; i++)
        free(seeds[i].bytes);
    free(seeds);
    free(input);
    return 0;
}
