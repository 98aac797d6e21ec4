#include "place.h"
#include "load.h"
#include "output.h"
#include "term.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MAX_TRIES = 10000 };

/* The log's words; the first ones are those of cli_place_how. */
enum { MADE_FOLDER = CLI_PLACE_MOVE + 1, MOVED_LINK, UNITED, N_WORDS };
static const char *const words[N_WORDS] = {"copy", "link", "move", "folder", "relink", "unite"};

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
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    number = out < 0 ? errno : copy_bytes(in, out);
    if (out >= 0) {
        struct timespec times[2] = {info.st_atim, info.st_mtim};
        if (number == 0 && (fchmod(out, info.st_mode & 0777) != 0 || futimens(out, times) != 0 ||
                            fsync(out) != 0)) {
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

/* A link that leads to target, in the place of the one at from. */
static int move_link(const char *from, const char *to, const char *target)
{
    if (symlink(target, to) != 0) {
        return errno;
    }
    if (unlink(from) != 0) {
        int number = errno;
        unlink(to);
        return number;
    }
    return 0;
}

/* What would befall every other file too. */
static bool is_full(int number)
{
    return number == ENOSPC || number == EDQUOT || number == EFBIG;
}

static bool is_link(const char *path)
{
    struct stat info;
    return lstat(path, &info) == 0 && S_ISLNK(info.st_mode);
}

static bool exists(const char *path)
{
    struct stat info;
    return lstat(path, &info) == 0;
}

static bool same_content(const char *a, const char *b)
{
    static char of_a[1 << 15], of_b[1 << 15];
    struct stat info_a, info_b;
    FILE *file_a = fopen(a, "rb"), *file_b = fopen(b, "rb");
    bool same = file_a && file_b && fstat(fileno(file_a), &info_a) == 0 &&
                fstat(fileno(file_b), &info_b) == 0 && S_ISREG(info_a.st_mode) &&
                S_ISREG(info_b.st_mode) && info_a.st_size == info_b.st_size;
    for (size_t n = 1; same && n > 0;) {
        n = fread(of_a, 1, sizeof of_a, file_a);
        same = fread(of_b, 1, sizeof of_b, file_b) == n && !memcmp(of_a, of_b, n) &&
               !ferror(file_a) && !ferror(file_b);
    }
    if (file_a) {
        fclose(file_a);
    }
    if (file_b) {
        fclose(file_b);
    }
    return same;
}

/* The same path without links in its folder; the name itself may be one. The caller frees. */
static char *absolute(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *above =
        slash ? cli_text("%.*s", (int)(slash == path ? 1 : slash - path), path) : cli_text(".");
    char *folder = above ? realpath(above, NULL) : NULL;
    char *whole =
        folder ? cli_text("%s/%s", strcmp(folder, "/") ? folder : "", slash ? slash + 1 : path)
               : NULL;
    free(above);
    free(folder);
    return whole;
}

/* ---- the log ---- */

/* word: of words; more: nullable */
static bool write_step(FILE *log, int word, const char *from, const char *to, const char *more)
{
    char *absolute_from = absolute(from), *absolute_to = absolute(to);
    bool done = absolute_from && absolute_to;
    errno = 0;
    if (done) {
        fprintf(log, "%s\t", words[word]);
        cli_write_tsv(log, absolute_from);
        fputc('\t', log);
        cli_write_tsv(log, absolute_to);
        if (more) {
            fputc('\t', log);
            cli_write_tsv(log, more);
        }
        fputc('\n', log);
        done = fflush(log) == 0 && !ferror(log);
    }
    free(absolute_from);
    free(absolute_to);
    return done;
}

static wi_status log_failed(wi_error *error, const char *folder)
{
    fail(error, folder, "cannot write the log", errno ? errno : EIO);
    return WI_ERR_LIMIT;
}

static wi_status make_folder(const cli_placing *p, const char *folder, wi_error *error)
{
    if (cli_is_folder(folder)) {
        return WI_OK;
    }
    if (!write_step(p->log, MADE_FOLDER, p->into, folder, NULL)) {
        return log_failed(error, folder);
    }
    if (mkdir(folder, 0777) == 0) {
        return WI_OK;
    }
    int number = errno;
    wi_status status = fail(error, folder, "cannot make the folder", number);
    return is_full(number) ? WI_ERR_LIMIT : status;
}

/* ---- placing ---- */

/* Where a link leads when it has moved: its file may have moved before it. NULL: nowhere. */
static char *target_of(const cli_placing *p, const char *path)
{
    char *target = realpath(path, NULL);
    for (size_t i = 0; target && i < p->moved_from.n; i++) {
        if (!strcmp(p->moved_from.items[i], target)) {
            free(target);
            return cli_text("%s", p->moved_to.items[i]);
        }
    }
    if (target) {
        return target;
    }
    /* Its file is gone from where the link says: has it moved? */
    char text[4096];
    ssize_t n = readlink(path, text, sizeof text - 1);
    const char *slash = strrchr(path, '/');
    text[n > 0 ? n : 0] = '\0';
    char *said = n <= 0 ? NULL
                 : cli_is_absolute(text) || !slash
                     ? cli_text("%s", text)
                     : cli_text("%.*s/%s", (int)(slash - path), path, text);
    char *old = said ? absolute(said) : NULL;
    free(said);
    for (size_t i = 0; old && i < p->moved_from.n; i++) {
        if (!strcmp(p->moved_from.items[i], old)) {
            free(old);
            return cli_text("%s", p->moved_to.items[i]);
        }
    }
    free(old);
    errno = ENOENT;
    return NULL;
}

/* Is what stands at path what placing from there would give? */
static bool is_there(const cli_placing *p, const char *from, const char *path)
{
    if (p->how == CLI_PLACE_COPY || !(p->how == CLI_PLACE_LINK || is_link(from))) {
        return !is_link(path) && same_content(from, path);
    }
    char *target = p->how == CLI_PLACE_MOVE ? target_of(p, from) : realpath(from, NULL);
    char *other = realpath(path, NULL);
    bool same = target && other && is_link(path) && !strcmp(target, other);
    free(target);
    free(other);
    return same;
}

static wi_status place_file(cli_placing *p, const char *from, const char *to, wi_error *error)
{
    int number;
    if (p->how == CLI_PLACE_MOVE && is_link(from)) {
        char text[4096];
        ssize_t n = readlink(from, text, sizeof text - 1);
        char *target = target_of(p, from);
        text[n > 0 ? n : 0] = '\0';
        if (!target) {
            return fail(error, from, "cannot move the link", ENOENT);
        }
        bool logged = write_step(p->log, MOVED_LINK, from, to, text);
        number = logged ? move_link(from, to, target) : 0;
        free(target);
        if (!logged) {
            return log_failed(error, p->into);
        }
    } else {
        char *was = p->how == CLI_PLACE_MOVE ? absolute(from) : NULL;
        if (!write_step(p->log, (int)p->how, from, to, NULL)) {
            free(was);
            return log_failed(error, p->into);
        }
        number = p->how == CLI_PLACE_COPY   ? copy(from, to)
                 : p->how == CLI_PLACE_LINK ? make_link(from, to)
                                            : move(from, to);
        if (number == 0 && was) {
            /* Memory that is out costs a link its way, no file. */
            char *now = absolute(to);
            if (now && cli_list_add(&p->moved_from, was)) {
                cli_list_add(&p->moved_to, now);
            } else {
                free(now);
            }
        } else {
            free(was);
        }
    }
    if (number == 0) {
        return WI_OK;
    }
    wi_status status = number == ENOENT ? fail(error, from, "cannot read", number)
                                        : fail(error, to, "cannot write", number);
    return is_full(number) ? WI_ERR_LIMIT : status;
}

/* What name, the photo's or a companion's, is called under number. The caller frees. */
static char *target(const char *folder, const char *photo, const char *name, int number)
{
    size_t n_photo = strlen(photo), stem = cli_stem_of(photo);
    bool of_name = !strncmp(name, photo, n_photo);
    const char *rest = of_name ? name + n_photo : name + stem;
    const char *ending = of_name ? photo + stem : "";
    return number == 1 ? cli_text("%s/%s", folder, name)
                       : cli_text("%s/%.*s-%d%s%s", folder, (int)stem, photo, number, ending, rest);
}

typedef enum answer { FREE, TAKEN, THERE } answer;

static answer ask(const cli_placing *p, const char *from, const char *to)
{
    return !exists(to) ? FREE : is_there(p, from, to) ? THERE : TAKEN;
}

/* The answer for the party under number: what the photo gets, unless a companion's name is taken. */
static answer ask_party(const cli_placing *p, const cli_party *party, const char *folder,
                        int number)
{
    const char *photo = cli_name_of(party->from);
    char *to = target(folder, photo, photo, number);
    answer found = to ? ask(p, party->from, to) : TAKEN;
    free(to);
    for (size_t i = 0; i < party->companions.n && found == FREE; i++) {
        const char *name = party->companions.items[i];
        char *from = cli_text("%.*s%s", (int)(photo - party->from), party->from, name);
        to = target(folder, photo, name, number);
        found = from && to && ask(p, from, to) == TAKEN ? TAKEN : FREE;
        free(from);
        free(to);
    }
    return found;
}

static wi_status place_companions(cli_placing *p, const cli_party *party, const char *folder,
                                  int number, wi_error *error)
{
    const char *photo = cli_name_of(party->from);
    wi_status status = WI_OK;
    for (size_t i = 0; i < party->companions.n && status == WI_OK; i++) {
        const char *name = party->companions.items[i];
        char *from = cli_text("%.*s%s", (int)(photo - party->from), party->from, name);
        char *to = target(folder, photo, name, number);
        if (!from || !to) {
            status = cli_fail(error, WI_ERR_NOMEM, "out of memory");
        } else if (ask(p, from, to) == FREE) {
            status = place_file(p, from, to, error);
            p->n_companions += status == WI_OK;
        }
        free(from);
        free(to);
    }
    return status;
}

wi_status cli_place_party(cli_placing *p, const cli_party *party, const char *folder,
                          wi_error *error)
{
    const char *photo = cli_name_of(party->from);
    for (int number = 1; number <= MAX_TRIES; number++) {
        answer found = ask_party(p, party, folder, number);
        if (found == TAKEN) {
            continue;
        }
        if (found == THERE) {
            p->n_there++;
            return p->how == CLI_PLACE_MOVE ? WI_OK
                                            : place_companions(p, party, folder, number, error);
        }
        char *to = target(folder, photo, photo, number);
        wi_status status =
            to ? make_folder(p, folder, error) : cli_fail(error, WI_ERR_NOMEM, "out of memory");
        if (status == WI_OK) {
            status = place_file(p, party->from, to, error);
        }
        free(to);
        return status == WI_OK ? place_companions(p, party, folder, number, error) : status;
    }
    return cli_fail(error, WI_ERR_IO, "%.150s: every name is taken", folder);
}

static bool is_same_file(const char *a, const char *b)
{
    struct stat of_a, of_b;
    return lstat(a, &of_a) == 0 && lstat(b, &of_b) == 0 && of_a.st_dev == of_b.st_dev &&
           of_a.st_ino == of_b.st_ino;
}

/* made is put in the place of path; on failure nothing is left of it. */
static int put_in_place(const char *made, const char *path)
{
    int number = rename(made, path) == 0 ? 0 : errno;
    if (number != 0) {
        unlink(made);
    }
    return number;
}

wi_status cli_place_unite(cli_placing *p, const char *kept, const char *path, bool *done,
                          wi_error *error)
{
    struct stat of_kept, of_path;
    *done = false;
    if (lstat(kept, &of_kept) != 0 || lstat(path, &of_path) != 0 || is_same_file(kept, path) ||
        of_kept.st_dev != of_path.st_dev || is_link(path) || !same_content(kept, path)) {
        return WI_OK;
    }
    char *beside = cli_text("%s.whatsit-%ld", path, (long)getpid());
    if (!beside) {
        return cli_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    bool logged = write_step(p->log, UNITED, kept, path, NULL);
    int number = !logged ? 0 : link(kept, beside) == 0 ? put_in_place(beside, path) : errno;
    free(beside);
    if (!logged) {
        return log_failed(error, p->into);
    }
    *done = number == 0;
    return number == 0 ? WI_OK : fail(error, path, "cannot link", number);
}

/* The other way round: path becomes a file of its own again. */
static int part(const char *path)
{
    char *beside = cli_text("%s.whatsit-%ld", path, (long)getpid());
    int number = beside ? copy(path, beside) : ENOMEM;
    number = number == 0 ? put_in_place(beside, path) : number;
    free(beside);
    return number;
}

/* ---- the log's file ---- */

int cli_place_open_log(cli_app *app, cli_placing *p, const char *verb)
{
    char stamp[32];
    time_t now = time(NULL);
    struct tm parts;
    localtime_r(&now, &parts);
    strftime(stamp, sizeof stamp, "%Y%m%d-%H%M%S", &parts);
    if (!cli_make_folders(p->into)) {
        cli_error(app, "%s: cannot make the folder: %s", p->into, strerror(errno));
        return CLI_FAILED;
    }
    p->log_path = cli_text("%s/whatsit-%s-%s-%ld.tsv", p->into, verb, stamp, (long)getpid());
    p->log = p->log_path ? fopen(p->log_path, "wx") : NULL;
    if (!p->log) {
        cli_error(app, "%s: cannot write the log: %s", p->into, strerror(errno));
        return CLI_FAILED;
    }
    return CLI_OK;
}

int cli_place_close_log(cli_app *app, cli_placing *p, bool gave_up)
{
    struct stat info;
    int failed = p->log ? fclose(p->log) : 0;
    p->log = NULL;
    if (failed && !gave_up) {
        cli_error(app, "%s: cannot write: %s", p->log_path, strerror(errno));
        return CLI_FAILED;
    }
    if (stat(p->log_path, &info) == 0 && info.st_size == 0) {
        unlink(p->log_path);
    }
    return CLI_OK;
}

void cli_placing_free(cli_placing *p)
{
    free(p->log_path);
    p->log_path = NULL;
    cli_list_free(&p->moved_from);
    cli_list_free(&p->moved_to);
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

typedef struct step {
    int how;
    const char *from, *to, *more; /* more: what a link said; NULL in other steps */
} step;

/* What moved goes home, into a folder that may have gone since. */
static int bring_back(const step *s)
{
    const char *slash = strrchr(s->from, '/');
    char *folder = cli_text("%.*s", (int)(slash - s->from), s->from);
    if (folder && folder[0] && !cli_is_folder(folder) && !cli_make_folders(folder)) {
        int number = errno;
        free(folder);
        return number;
    }
    free(folder);
    return s->more ? move_link(s->to, s->from, s->more) : move(s->to, s->from);
}

/* NULL when the step is taken back or was never done; else why not. */
static const char *undo_step(const step *s, bool *done)
{
    struct stat info;
    bool moves = s->how == CLI_PLACE_MOVE || s->how == MOVED_LINK;
    *done = false;
    if (lstat(s->to, &info) != 0) {
        return moves && !exists(s->from) ? "is not there any more: it cannot be brought back"
                                         : NULL;
    }
    if (s->how == UNITED) {
        bool still = is_same_file(s->from, s->to);
        int number = still ? part(s->to) : 0;
        *done = still && number == 0;
        return number == 0 ? NULL : strerror(number);
    }
    if ((s->how == CLI_PLACE_LINK || s->how == MOVED_LINK) && !S_ISLNK(info.st_mode)) {
        return "is no link any more";
    }
    if (s->how == CLI_PLACE_COPY && !same_content(s->from, s->to)) {
        return exists(s->from) ? "is not the same as the original any more"
                               : "is the only copy left: the original is gone";
    }
    if (moves) {
        int number = bring_back(s);
        *done = number == 0;
        return number == 0 ? NULL : strerror(number);
    }
    *done = unlink(s->to) == 0;
    return *done ? NULL : strerror(errno);
}

/* As undo_step. What still holds something stays, without a word: pictures that were there before. */
static const char *undo_folder(const char *folder)
{
    bool gone = rmdir(folder) == 0 || errno == ENOENT || errno == ENOTEMPTY || errno == EEXIST;
    return gone ? NULL : strerror(errno);
}

/* line is cut at its tabs. False when it is none of a log. */
static bool read_step(char *line, step *out)
{
    char *from = strchr(line, '\t'), *to = from ? strchr(from + 1, '\t') : NULL;
    char *more = to ? strchr(to + 1, '\t') : NULL;
    *out = (step){.how = -1};
    if (!to) {
        return false;
    }
    *from++ = *to++ = '\0';
    if (more) {
        *more++ = '\0';
        unescape(more);
    }
    unescape(from);
    unescape(to);
    for (int i = 0; i < N_WORDS; i++) {
        out->how = !strcmp(line, words[i]) ? i : out->how;
    }
    out->from = from;
    out->to = to;
    out->more = more;
    return out->how >= 0 && cli_is_absolute(from) && cli_is_absolute(to) &&
           (out->how == MOVED_LINK) == !!more;
}

static wi_status undo_line(char *line, cli_app *app, size_t *n_undone, size_t *n_kept,
                           wi_error *error)
{
    step s;
    bool done = false;
    if (!read_step(line, &s)) {
        return cli_fail(error, WI_ERR_FORMAT,
                        "not a log of 'whatsit sort' or another verb that moves photos");
    }
    const char *why = s.how == MADE_FOLDER ? undo_folder(s.to) : undo_step(&s, &done);
    if (why) {
        cli_error(app, "%s: %s", s.to, why);
        (*n_kept)++;
    }
    *n_undone += done;
    return WI_OK;
}

static wi_status undo(const char *log, cli_app *app, size_t *n_undone, size_t *n_kept,
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

int cli_place_run_undo(cli_app *app, const char *log)
{
    wi_error error = {0};
    size_t n_undone = 0, n_kept = 0;
    wi_status status = undo(log, app, &n_undone, &n_kept, &error);
    if (status != WI_OK) {
        return cli_failed(app, log, &error);
    }
    cli_note(app, "%zu step%s taken back%s", n_undone, n_undone == 1 ? "" : "s",
             n_kept > 0 ? "; what is named above was left as it is" : "");
    return n_kept > 0 ? CLI_FAILED : CLI_OK;
}
