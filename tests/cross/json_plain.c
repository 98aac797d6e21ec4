/* The JSON reader of the WebAssembly module under the tests of the one that it stands in for, but
 * for the test of the library's own allocations. */
int library_tests(void);
#define main library_tests
#include "../fmt/json.c"
#undef main

int main(void)
{
    cmocka_set_skip_filter("the_library_may_run_out_of_memory");
    return library_tests();
}
