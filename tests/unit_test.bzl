# SPDX-License-Identifier: MIT
"""A unit test: a program of cmocka's, named as its first source is."""

def unit_test(name, srcs = [], size = "small", copts = [], linkopts = [], **more):
    native.cc_test(
        name = name,
        size = size,
        srcs = [name + ".c"] + srcs,
        copts = ["-D_GNU_SOURCE"] + copts,
        linkopts = ["-lcmocka"] + linkopts,
        **more
    )
