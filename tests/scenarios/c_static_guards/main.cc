// SPDX-License-Identifier: MIT
#include <pthread.h>
#include <thread>

static pthread_barrier_t both;

struct Codecs {
    explicit Codecs(int depth);
};

struct Formats {
    explicit Formats(int depth);
};

static Codecs &codecs()
{
    static Codecs only{1}; // HERE wants-codecs
    return only;
}

static Formats &formats()
{
    static Formats only{1}; // HERE wants-formats
    return only;
}

Codecs::Codecs(int)
{
    pthread_barrier_wait(&both);
    formats();
}

Formats::Formats(int)
{
    pthread_barrier_wait(&both);
    codecs();
}

int main()
{
    pthread_barrier_init(&both, nullptr, 2);
    std::thread first([] { codecs(); }), second([] { formats(); });
    pthread_setname_np(first.native_handle(), "makes-codecs");
    pthread_setname_np(second.native_handle(), "makes-formats");
    first.join();
    second.join();
}
