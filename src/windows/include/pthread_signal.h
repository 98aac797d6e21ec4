/* Threads have no signals of their own here: <signal.h> says so. */
#include <signal.h>
