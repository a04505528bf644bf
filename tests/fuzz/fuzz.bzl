# SPDX-License-Identifier: MIT
"""A fuzz target: a libFuzzer program with --config=fuzz; in every other build a test that reads its seeds and
some thousand inputs made of them, always the same."""

# of a target that depends on :in_memory
FUZZ_IN_MEMORY = [
    "-Wl,--wrap=open",
    "-Wl,--wrap=close",
    "-Wl,--wrap=fstat",
    "-Wl,--wrap=pread",
]

def fuzz_target(name, deps, seeds, inputs, srcs = [], data = [], linkopts = [], env = {}, tags = []):
    native.cc_test(
        name = name,
        size = "medium",
        srcs = [name + ".c"] + srcs + select({
            ":is_fuzzer": [],
            "//conditions:default": ["main.c"],
        }),
        args = [str(inputs)] + ["$(locations %s)" % seed for seed in seeds],
        copts = ["-D_GNU_SOURCE"],
        data = data + seeds,
        env = env,
        linkopts = linkopts + select({
            ":is_fuzzer": ["-fsanitize=fuzzer"],
            "//conditions:default": [],
        }),
        tags = tags,
        deps = deps + [":fuzz"],
    )
