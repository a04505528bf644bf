/* SPDX-License-Identifier: MIT */
#include <cstdio>
#include <future>
#include <stdexcept>
#include <thread>

static int depth(int n)
{
    if (n == 0)
        throw std::runtime_error("deep");
    return depth(n - 1) + 1;
}

int main()
{
    int caught = 0;
    for (int i = 0; i < 1000; i++) {
        try {
            depth(20);
        } catch (const std::runtime_error &) {
            caught++;
        }
    }
    auto result = std::async(std::launch::async, [] { return depth(3); });
    try {
        result.get();
    } catch (const std::runtime_error &) {
        std::thread([&] { std::printf("caught %d, joined\n", caught); }).join();
    }
    return 0;
}
