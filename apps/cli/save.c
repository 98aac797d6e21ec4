#include "save.h"
#include "load.h"
#include "paths.h"
#include "term.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Bytes that may wait in memory before they go on to the sink. */
enum { MAX_WAITING = 1 << 20 };

static wi_status to_stdout(void *context, const void *bytes, size_t n_bytes, wi_error *error)
{
    (void)context;
    errno = 0;
    return fwrite(bytes, 1, n_bytes, stdout) == n_bytes
               ? WI_OK
               : cli_fail(error, WI_ERR_IO, "standard output: cannot write: %s",
                          strerror(errno ? errno : EIO));
}

wi_status cli_save_open(cli_save *save, const char *path, wi_error *error)
{
    *save = (cli_save){.is_stdout = !strcmp(path, "-")};
    wi_status status = save->is_stdout ? wi_sink_to_function(to_stdout, NULL, &save->sink, error)
                                       : wi_sink_to_file(path, WI_SINK_REPLACE, &save->sink, error);
    if (status == WI_OK) {
        save->stream = open_memstream(&save->waiting, &save->n_waiting);
        if (!save->stream) {
            status = cli_fail(error, WI_ERR_NOMEM, "out of memory");
        }
    }
    if (status != WI_OK) {
        cli_save_abandon(save);
    }
    return status;
}

/* What was printed so far goes to the sink, and the stream begins anew. */
static void drain(cli_save *save)
{
    if (save->failed.status != WI_OK) {
        return;
    }
    if (fflush(save->stream) != 0 || ferror(save->stream)) {
        cli_fail(&save->failed, WI_ERR_NOMEM, "out of memory");
        return;
    }
    long n = ftell(save->stream);
    wi_sink_write(save->sink, save->waiting, n > 0 ? (size_t)n : 0, &save->failed);
    rewind(save->stream);
}

bool cli_save_ok(cli_save *save)
{
    if (save->is_stdout || ftell(save->stream) > MAX_WAITING) {
        drain(save);
    }
    return save->failed.status == WI_OK;
}

wi_status cli_save_commit(cli_save *save, wi_error *error)
{
    drain(save);
    if (save->failed.status == WI_OK) {
        wi_sink_commit(save->sink, &save->failed);
    }
    if (save->is_stdout && save->failed.status == WI_OK && fflush(stdout) != 0) {
        cli_fail(&save->failed, WI_ERR_IO, "standard output: cannot write: %s", strerror(errno));
    }
    /* It is reported here, so what follows must not report it again. */
    if (save->is_stdout && save->failed.status != WI_OK && !freopen("/dev/null", "w", stdout)) {
        clearerr(stdout);
    }
    wi_status status = save->failed.status;
    if (status != WI_OK) {
        *error = save->failed;
    }
    cli_save_abandon(save);
    return status;
}

void cli_save_abandon(cli_save *save)
{
    if (save->stream) {
        fclose(save->stream);
    }
    free(save->waiting);
    wi_sink_close(&save->sink);
    *save = (cli_save){0};
}

static bool is_file(const char *path, const struct stat *info)
{
    struct stat other;
    return path && stat(path, &other) == 0 && other.st_dev == info->st_dev &&
           other.st_ino == info->st_ino;
}

/* Does the verb read the file of info? */
static bool is_read(const cli_args *args, const char *option, const cli_list *more,
                    const struct stat *info)
{
    bool found = false;
    for (size_t i = 0; i < args->n_operands && !found; i++) {
        found = is_file(args->operands[i], info);
    }
    for (size_t i = 0; i < args->n_given && !found; i++) {
        const cli_given *given = &args->given[i];
        const char *value = given->value, *equals = value ? strchr(value, '=') : NULL;
        found = strcmp(given->option->name, option) != 0 &&
                (is_file(value, info) || (equals && is_file(equals + 1, info)));
    }
    for (size_t i = 0; more && i < more->n && !found; i++) {
        found = is_file(more->items[i], info);
    }
    return found;
}

int cli_may_replace(cli_app *app, const cli_args *args, const char *option, const char *path,
                    const cli_list *more)
{
    struct stat info;
    if (!path || !strcmp(path, "-") || lstat(path, &info) != 0 ||
        (stat(path, &info) == 0 && !S_ISREG(info.st_mode))) {
        return CLI_OK; /* a pipe or device; a folder is refused when it is opened */
    }
    if (is_read(args, option, more, &info)) {
        cli_error(app, "%s: is read here too, so it is not written: choose another name", path);
        return CLI_FAILED;
    }
    if (!cli_args_has(args, "force")) {
        cli_error(app, "%s: is there already: --force replaces it", path);
        return CLI_FAILED;
    }
    return CLI_OK;
}

int cli_may_write(cli_app *app, const cli_args *args, const char *option, const cli_list *more)
{
    return cli_may_replace(app, args, option, cli_args_value(args, option), more);
}

wi_status cli_save_tensors(const char *path, const wi_tensor *tensors, size_t n_tensors,
                           const char *const (*metadata)[2], size_t n_metadata, wi_error *error)
{
    cli_save save = {0};
    wi_status status = cli_save_open(&save, path, error);
    if (status == WI_OK) {
        wi_tensors_write_to(save.sink, tensors, n_tensors, metadata, n_metadata, &save.failed);
        status = cli_save_commit(&save, error);
    }
    cli_save_abandon(&save);
    return status;
}
