#include "viewer.h"
#include "term.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* In a session of its own, so that Ctrl-C here does not end it; what fails comes back through a pipe that
 * closes when the program runs. 0, or errno. */
static int start(char *const *words)
{
    int ends[2], number = 0;
    if (pipe(ends) != 0) {
        return errno;
    }
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        setsid();
        if (fork() == 0) { /* its parent is gone at once: nobody has to wait for it */
            int null = open("/dev/null", O_RDWR);
            dup2(null, 0);
            dup2(null, 1);
            execvp(words[0], words);
            number = errno;
            (void)!write(ends[1], &number, sizeof number);
        }
        _exit(0);
    }
    number = child < 0 ? errno : 0;
    close(ends[1]);
    if (child > 0 && read(ends[0], &number, sizeof number) != sizeof number) {
        number = 0;
    }
    close(ends[0]);
    if (child > 0) {
        waitpid(child, NULL, 0);
    }
    return number;
}

int cli_viewer_show(cli_app *app, const cli_list *paths, const char *page)
{
#if defined(__APPLE__)
    const char *opener = "open";
#else
    const char *opener = "xdg-open";
#endif
    const char *named = getenv("WHATSIT_VIEWER");
    bool all = named && named[0];
    char **words = calloc(paths->n + 2, sizeof *words);
    if (!words || (!all && !page)) {
        free((void *)words);
        cli_error(app, "there is no place to write the contact sheet: set WHATSIT_VIEWER");
        return CLI_FAILED;
    }
    words[0] = (char *)(uintptr_t)(all ? named : opener);
    for (size_t i = 0; i < paths->n && all; i++) {
        words[1 + i] = paths->items[i];
    }
    if (!all) {
        words[1] = (char *)(uintptr_t)page;
    }
    int number = start(words);
    if (number != 0) {
        cli_error(app, "%s: %s: WHATSIT_VIEWER names the program that shows photos", words[0],
                  number == ENOENT ? "is not installed" : strerror(number));
    }
    free((void *)words);
    return number == 0 ? CLI_OK : CLI_FAILED;
}
