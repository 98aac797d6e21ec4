#include "suite.h"

int main(void)
{
#define X(name) cmocka_unit_test(name),
    const struct CMUnitTest tests[] = {KERNEL_TESTS(X)};
#undef X
    case_seed();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
