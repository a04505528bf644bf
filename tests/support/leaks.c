/* SPDX-License-Identifier: MIT */
/* What LeakSanitizer is not to tell: libdw 0.188 forgets a list of scopes when dwarf_getscopes finds nothing.
 */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libdw.so";
}
