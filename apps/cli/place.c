#include "place.h"
#include "hub.h"
#include "load.h"
#include "output.h"
#include "term.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_TRIES = 10000 };

/* The log's words; the first ones are those of cli_place_how. */
enum { MADE_FOLDER = CLI_PLACE_MOVE + 1, N_WORDS };
static const char *const words[N_WORDS] = {"copy", "link", "move", "folder"};

static wi_status fail(wi_error *error, const char *path, const char *what, int number)
{
    return cli_fail(error, WI_ERR_IO, "%.150s: %s: %s", path, what, strerror(number));
}

/* ---- one file; each of these fails with EEXIST rather than replace ---- */

static int copy_bytes(int in, int out)
{
    static char buffer[1 << 16]; /* used by the main thread only */
    ssize_t n;
    while ((n = read(in, buffer, sizeof buffer)) > 0) {
        for (ssize_t done = 0, some; done < n; done += some) {
            some = write(out, buffer + done, (size_t)(n - done));
            if (some < 0) {
                return errno;
            }
        }
    }
    return n < 0 ? errno : 0;
}

static int copy(const char *from, const char *to)
{
    struct stat info;
    int in = open(from, O_RDONLY | O_CLOEXEC), number = 0;
    if (in < 0 || fstat(in, &info) != 0) {
        number = errno;
        if (in >= 0) {
            close(in);
        }
        return number;
    }
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, info.st_mode & 0777);
    number = out < 0 ? errno : copy_bytes(in, out);
    if (out >= 0) {
        struct timespec times[2] = {info.st_atim, info.st_mtim};
        if (number == 0 && (futimens(out, times) != 0 || fsync(out) != 0)) {
            number = errno;
        }
        if (close(out) != 0 && number == 0) {
            number = errno;
        }
        if (number != 0) {
            unlink(to);
        }
    }
    close(in);
    return number;
}

static int make_link(const char *from, const char *to)
{
    char *absolute = realpath(from, NULL);
    int number = absolute && symlink(absolute, to) == 0 ? 0 : errno;
    free(absolute);
    return number;
}

/* A hard link first: unlike rename it does not replace. Other file systems need a copy. */
static int move(const char *from, const char *to)
{
    int number = link(from, to) == 0 ? 0 : errno;
    if (number == EXDEV || number == EPERM || number == EMLINK || number == ENOTSUP) {
        number = copy(from, to);
    }
    if (number == 0 && unlink(from) != 0) {
        number = errno;
        unlink(to); /* the original stays, so that nothing is there twice */
    }
    return number;
}

/* What would befall every other file too. */
static bool is_full(int number)
{
    return number == ENOSPC || number == EDQUOT || number == EFBIG;
}

/* ---- the log ---- */

/* word: of words */
static bool write_step(FILE *log, int word, const char *from, const char *to)
{
    char *absolute_from = realpath(from, NULL);
    const char *slash = strrchr(to, '/');
    char *folder = slash ? cli_text("%.*s", (int)(slash - to), to) : cli_text(".");
    char *absolute_folder = folder ? realpath(folder, NULL) : NULL;
    bool done = absolute_from && absolute_folder;
    if (done) {
        char *absolute_to = cli_text("%s/%s", absolute_folder, slash ? slash + 1 : to);
        fprintf(log, "%s\t", words[word]);
        cli_write_tsv(log, absolute_from);
        fputc('\t', log);
        cli_write_tsv(log, absolute_to ? absolute_to : "");
        fputc('\n', log);
        done = absolute_to && fflush(log) == 0 && !ferror(log);
        free(absolute_to);
    }
    free(absolute_from);
    free(absolute_folder);
    free(folder);
    return done;
}

static wi_status log_failed(wi_error *error, const char *folder)
{
    fail(error, folder, "cannot write the log", errno ? errno : EIO);
    return WI_ERR_LIMIT;
}

wi_status cli_place_folder(const char *parent, const char *folder, FILE *log, wi_error *error)
{
    if (cli_is_folder(folder)) {
        return WI_OK;
    }
    if (!write_step(log, MADE_FOLDER, parent, folder)) {
        return log_failed(error, folder);
    }
    if (mkdir(folder, 0777) == 0) {
        return WI_OK;
    }
    int number = errno;
    wi_status status = fail(error, folder, "cannot make the folder", number);
    return is_full(number) ? WI_ERR_LIMIT : status;
}

/* "photo.jpg", "photo-2.jpg", ... in the folder. The caller frees. */
static char *target(const char *folder, const char *name, int number)
{
    const char *dot = strrchr(name, '.');
    size_t stem = dot && dot > name ? (size_t)(dot - name) : strlen(name);
    return number == 1 ? cli_text("%s/%s", folder, name)
                       : cli_text("%s/%.*s-%d%s", folder, (int)stem, name, number, name + stem);
}

wi_status cli_place_file(cli_place_how how, const char *from, const char *folder, const char *name,
                         FILE *log, char **to, wi_error *error)
{
    struct stat info;
    for (int try = 1; try <= MAX_TRIES; try++) {
        char *path = target(folder, name, try);
        if (!path) {
            return cli_fail(error, WI_ERR_NOMEM, "out of memory");
        }
        if (lstat(path, &info) == 0) {
            free(path);
            continue;
        }
        if (!write_step(log, (int)how, from, path)) {
            free(path);
            return log_failed(error, folder);
        }
        int number = how == CLI_PLACE_COPY   ? copy(from, path)
                     : how == CLI_PLACE_LINK ? make_link(from, path)
                                             : move(from, path);
        if (number == 0) {
            *to = path;
            return WI_OK;
        }
        if (number != EEXIST) {
            wi_status status = fail(error, path, "cannot write", number);
            free(path);
            return is_full(number) ? WI_ERR_LIMIT : status;
        }
        free(path);
    }
    return cli_fail(error, WI_ERR_IO, "%.150s: every name is taken", folder);
}

/* ---- undo ---- */

static void unescape(char *text)
{
    char *out = text;
    for (const char *c = text; *c; c++) {
        if (*c == '\\' && c[1]) {
            c++;
            *out++ = *c == 't' ? '\t' : *c == 'n' ? '\n' : *c == 'r' ? '\r' : *c;
        } else {
            *out++ = *c;
        }
    }
    *out = '\0';
}

static bool same_content(const char *a, const char *b)
{
    char of_a[65], of_b[65];
    return cli_file_sha256(a, of_a, NULL) == WI_OK && cli_file_sha256(b, of_b, NULL) == WI_OK &&
           !strcmp(of_a, of_b);
}

/* NULL when the step is taken back or was never done; else why not. */
static const char *undo_step(cli_place_how how, const char *from, const char *to, bool *done)
{
    struct stat info;
    *done = false;
    if (lstat(to, &info) != 0) {
        return NULL;
    }
    if (how == CLI_PLACE_LINK && !S_ISLNK(info.st_mode)) {
        return "is no link any more";
    }
    if (how == CLI_PLACE_COPY && !same_content(from, to)) {
        return "is not the same as the original any more";
    }
    if (how == CLI_PLACE_MOVE) {
        int number = move(to, from);
        *done = number == 0;
        return number == 0 ? NULL : strerror(number);
    }
    *done = unlink(to) == 0;
    return *done ? NULL : strerror(errno);
}

/* As undo_step. What still holds something stays, without a word: pictures that were there before. */
static const char *undo_folder(const char *folder)
{
    bool gone = rmdir(folder) == 0 || errno == ENOENT || errno == ENOTEMPTY || errno == EEXIST;
    return gone ? NULL : strerror(errno);
}

static wi_status undo_line(char *line, cli_app *app, size_t *n_undone, size_t *n_kept,
                           wi_error *error)
{
    char *from = strchr(line, '\t'), *to = from ? strchr(from + 1, '\t') : NULL;
    int how = -1;
    bool done = false;
    if (to) {
        *from++ = *to++ = '\0';
        unescape(from);
        unescape(to);
        for (int i = 0; i < N_WORDS; i++) {
            how = !strcmp(line, words[i]) ? i : how;
        }
    }
    if (how < 0 || from[0] != '/' || to[0] != '/') {
        return cli_fail(error, WI_ERR_FORMAT, "not a log of 'whatsit sort'");
    }
    const char *why =
        how == MADE_FOLDER ? undo_folder(to) : undo_step((cli_place_how)how, from, to, &done);
    if (why) {
        cli_error(app, "%s: %s", to, why);
        (*n_kept)++;
    }
    *n_undone += done;
    return WI_OK;
}

wi_status cli_place_undo(const char *log, cli_app *app, size_t *n_undone, size_t *n_kept,
                         wi_error *error)
{
    cli_list lines = {0};
    uint8_t *bytes = NULL;
    size_t n_bytes = 0;
    FILE *file = fopen(log, "rb");
    *n_undone = *n_kept = 0;
    if (!file) {
        return cli_fail(error, WI_ERR_IO, "%s", strerror(errno));
    }
    wi_status status = cli_read_all(file, (size_t)1 << 30, &bytes, &n_bytes, error);
    fclose(file);
    for (size_t at = 0; status == WI_OK && at < n_bytes;) {
        const uint8_t *end = memchr(bytes + at, '\n', n_bytes - at);
        size_t n = end ? (size_t)(end - bytes) - at : n_bytes - at;
        if (end && !cli_list_add(&lines, cli_text("%.*s", (int)n, (char *)bytes + at))) {
            status = cli_fail(error, WI_ERR_NOMEM, "out of memory");
        }
        at += n + 1; /* a line that was cut off tells of a step that was not done */
    }
    for (size_t i = lines.n; i-- > 0 && status == WI_OK;) {
        status = undo_line(lines.items[i], app, n_undone, n_kept, error);
    }
    cli_list_free(&lines);
    free(bytes);
    return status;
}
