# SPDX-License-Identifier: MIT
import multiprocessing

context = multiprocessing.get_context("fork")
a, b, both = context.Lock(), context.Lock(), context.Barrier(2)


def work(first, second):
    with first:
        both.wait()
        with second:  # HERE second-lock
            pass


if __name__ == "__main__":
    child = context.Process(target=work, args=(b, a))
    child.start()
    work(a, b)
    child.join()
