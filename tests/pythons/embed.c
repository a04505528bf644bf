/* SPDX-License-Identifier: MIT */
/* A C program with a Python inside: takes the arguments that python3 takes. Linked against one libpython;
 * declares what it calls itself, so that no headers of that version are needed. */
int Py_BytesMain(int argc, char **argv);

int main(int argc, char **argv)
{
    return Py_BytesMain(argc, argv);
}
