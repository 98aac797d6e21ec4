#include "save.h"
#include "load.h"
#include "paths.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static wi_status fail_path(const char *path, wi_error *error, const char *what, int number)
{
    return cli_fail(error, WI_ERR_IO, "%.150s: %s: %s", path, what,
                    strerror(number ? number : EIO));
}

wi_status cli_save_open(cli_save *save, const char *path, wi_error *error)
{
    *save = (cli_save){.path = path};
    if (!strcmp(path, "-")) {
        save->stream = stdout;
        save->is_stdout = true;
        return WI_OK;
    }
    if (cli_is_folder(path)) {
        return fail_path(path, error, "cannot write", EISDIR);
    }
    if (!cli_is_special(path)) {
        save->temporary = cli_text("%s.tmp-%ld", path, (long)getpid());
        if (!save->temporary) {
            return cli_fail(error, WI_ERR_NOMEM, "out of memory");
        }
    }
    save->stream = fopen(save->temporary ? save->temporary : path, "wb");
    if (!save->stream) {
        int number = errno;
        free(save->temporary);
        save->temporary = NULL;
        return fail_path(path, error, "cannot write", number);
    }
    return WI_OK;
}

bool cli_save_ok(cli_save *save)
{
    if (ferror(save->stream) && !save->number) {
        save->number = errno ? errno : EIO;
    }
    return save->number == 0;
}

static void finish_stream(cli_save *save)
{
    bool good = cli_save_ok(save) && fflush(save->stream) == 0 &&
                (!save->temporary || fsync(fileno(save->stream)) == 0);
    if (!good && !save->number) {
        save->number = errno ? errno : EIO;
    }
    if (save->is_stdout) {
        /* It is reported here, so what follows must not report it again. */
        if (!good && !freopen("/dev/null", "w", stdout)) {
            clearerr(stdout);
        }
    } else if (fclose(save->stream) != 0 && !save->number) {
        save->number = errno;
    }
}

wi_status cli_save_commit(cli_save *save, wi_error *error)
{
    finish_stream(save);
    save->stream = NULL;
    if (!save->number && save->temporary && rename(save->temporary, save->path) != 0) {
        save->number = errno;
    }
    if (!save->number) {
        free(save->temporary);
        save->temporary = NULL;
        return WI_OK;
    }
    cli_save_abandon(save);
    return fail_path(save->is_stdout ? "standard output" : save->path, error, "cannot write",
                     save->number);
}

void cli_save_abandon(cli_save *save)
{
    if (save->stream && !save->is_stdout) {
        fclose(save->stream);
    }
    if (save->temporary) {
        unlink(save->temporary);
        free(save->temporary);
    }
    save->stream = NULL;
    save->temporary = NULL;
}

static wi_status copy_file(const char *from, const char *to, wi_error *error)
{
    char buffer[1 << 14];
    cli_save save = {0};
    size_t n;
    FILE *in = fopen(from, "rb");
    if (!in) {
        return fail_path(from, error, "cannot read", errno);
    }
    wi_status status = cli_save_open(&save, to, error);
    while (status == WI_OK && (n = fread(buffer, 1, sizeof buffer, in)) > 0) {
        fwrite(buffer, 1, n, save.stream);
        if (!cli_save_ok(&save)) {
            break;
        }
    }
    fclose(in);
    if (status == WI_OK) {
        status = cli_save_commit(&save, error);
    }
    cli_save_abandon(&save);
    return status;
}

wi_status cli_save_tensors(const char *path, const wi_tensor *tensors, size_t n_tensors,
                           const char *const (*metadata)[2], size_t n_metadata, wi_error *error)
{
    if (strcmp(path, "-") && !cli_is_special(path)) {
        return wi_tensors_write(path, tensors, n_tensors, metadata, n_metadata, error);
    }
    /* A rename would replace the device or pipe itself. */
    const char *base = getenv("TMPDIR");
    char *folder = cli_text("%s/whatsit-XXXXXX", base && base[0] ? base : "/tmp");
    if (!folder || !mkdtemp(folder)) {
        int number = errno;
        free(folder);
        return fail_path("a temporary folder", error, "cannot make", number);
    }
    char *file = cli_text("%s/out.safetensors", folder);
    wi_status status = file
                           ? wi_tensors_write(file, tensors, n_tensors, metadata, n_metadata, error)
                           : cli_fail(error, WI_ERR_NOMEM, "out of memory");
    if (status == WI_OK) {
        status = copy_file(file, path, error);
    }
    if (file) {
        unlink(file);
    }
    rmdir(folder);
    free(file);
    free(folder);
    return status;
}
