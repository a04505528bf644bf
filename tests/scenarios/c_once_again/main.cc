// SPDX-License-Identifier: MIT
#include <mutex>

static std::once_flag is_loaded;
static int depth;

static void load()
{
    if (depth++ == 0)
        std::call_once(is_loaded, load); // HERE loads-again
}

int main()
{
    std::call_once(is_loaded, load);
}
