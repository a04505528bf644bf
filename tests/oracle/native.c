/* SPDX-License-Identifier: MIT */
/*
 * Native functions between Python frames. Loaded by ctypes; what it calls of Python is declared here, so that
 * one file serves every version: no headers, no libc.
 */
void *PyObject_CallObject(void *callable, void *arguments);
unsigned long PyThread_start_new_thread(void (*function)(void *), void *argument);

/* The work after the call keeps it from being a jump, which would leave no frame. */
static volatile int returned;

#define NATIVE(n)                                                                                            \
    void *native_##n(void *callable);                                                                        \
    void *native_##n(void *callable)                                                                         \
    {                                                                                                        \
        void *result = PyObject_CallObject(callable, 0);                                                     \
        returned = n;                                                                                        \
        return result;                                                                                       \
    }                                                                                                        \
    void callback_##n(void (*function)(void));                                                               \
    void callback_##n(void (*function)(void))                                                                \
    {                                                                                                        \
        function();                                                                                          \
        returned = n;                                                                                        \
    }

NATIVE(0)
NATIVE(1)
NATIVE(2)
NATIVE(3)
NATIVE(4)

/* A thread that Python did not create, as a C library would call back from. */
static void in_thread(void *function)
{
    ((void (*)(void))function)();
    returned = 9;
}

void foreign_thread(void (*function)(void));
void foreign_thread(void (*function)(void))
{
    PyThread_start_new_thread(in_thread, (void *)function);
}
