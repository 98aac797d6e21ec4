#include "base/file.h"

#include "base/error.h"
#include "base/size.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_ATTEMPTS = 1000 };

static wi_status open_temporary(wi_file_writer *writer, size_t n_temporary, wi_error *error)
{
    int fd = -1;
    for (int n = 0; n < MAX_ATTEMPTS && fd < 0; n++) {
        snprintf(writer->temporary, n_temporary, "%s.tmp-%" PRIdMAX "-%d", writer->path,
                 (intmax_t)getpid(), n);
        fd = open(writer->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd < 0 && errno != EEXIST)
            break;
    }
    if (fd < 0)
        return wi_fail_errno(error, writer->path, "cannot write beside it", errno);
    writer->stream = fdopen(fd, "wb");
    if (!writer->stream) {
        int saved = errno;
        close(fd);
        unlink(writer->temporary);
        return wi_fail_errno(error, writer->path, "cannot write", saved);
    }
    return WI_OK;
}

wi_status wi_file_writer_open(wi_file_writer *writer, const char *path, wi_error *error)
{
    *writer = (wi_file_writer){NULL, NULL, NULL, 0};
    struct stat st;
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
        return wi_fail(error, WI_ERR_IO, "%s: not a regular file", path);
    size_t n_path = strlen(path), n_temporary = n_path + 48;
    writer->path = malloc(n_path + 1);
    writer->temporary = malloc(n_temporary);
    wi_status status;
    if (writer->path && writer->temporary) {
        memcpy(writer->path, path, n_path + 1);
        status = open_temporary(writer, n_temporary, error);
    } else {
        status = wi_fail_nomem(error, n_temporary, "a file name");
    }
    if (status != WI_OK) { /* nothing was created, so there is nothing to unlink */
        free(writer->path);
        free(writer->temporary);
        *writer = (wi_file_writer){NULL, NULL, NULL, 0};
    }
    return status;
}

wi_status wi_file_writer_write(wi_file_writer *writer, const void *bytes, size_t n_bytes,
                               wi_error *error)
{
    if (n_bytes && fwrite(bytes, 1, n_bytes, writer->stream) != n_bytes)
        return wi_fail_errno(error, writer->path, "cannot write", errno);
    writer->n_bytes += n_bytes;
    return WI_OK;
}

wi_status wi_file_writer_align(wi_file_writer *writer, size_t step, wi_error *error)
{
    static const uint8_t zeros[256];
    size_t left = (size_t)(writer->n_bytes % step);
    left = left ? step - left : 0;
    while (left) {
        size_t n = left < sizeof zeros ? left : sizeof zeros;
        wi_status status = wi_file_writer_write(writer, zeros, n, error);
        if (status != WI_OK)
            return status;
        left -= n;
    }
    return WI_OK;
}

/* The rename is on disk only when the folder is. Some file systems cannot sync a folder: not an
 * error. */
static void sync_folder(char *path)
{
    char *slash = strrchr(path, '/');
    const char *folder = ".";
    char first = '\0';
    if (slash) {
        size_t keep = slash == path ? 1 : 0;
        first = slash[keep];
        slash[keep] = '\0';
        folder = path;
    }
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
    if (slash)
        slash[slash == path ? 1 : 0] = first;
}

wi_status wi_file_writer_commit(wi_file_writer *writer, wi_error *error)
{
    wi_status status = WI_OK;
    if (fflush(writer->stream) != 0 || fsync(fileno(writer->stream)) != 0)
        status = wi_fail_errno(error, writer->path, "cannot write", errno);
    int closed = fclose(writer->stream);
    writer->stream = NULL;
    if (status == WI_OK && closed != 0)
        status = wi_fail_errno(error, writer->path, "cannot write", errno);
    if (status == WI_OK && rename(writer->temporary, writer->path) != 0)
        status = wi_fail_errno(error, writer->path, "cannot put the new file in place", errno);
    if (status == WI_OK) {
        sync_folder(writer->path);
        free(writer->temporary);
        writer->temporary = NULL;
    }
    wi_file_writer_abandon(writer);
    return status;
}

void wi_file_writer_abandon(wi_file_writer *writer)
{
    if (writer->stream)
        fclose(writer->stream);
    if (writer->temporary)
        unlink(writer->temporary);
    free(writer->temporary);
    free(writer->path);
    *writer = (wi_file_writer){NULL, NULL, NULL, 0};
}
