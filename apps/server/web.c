#define _GNU_SOURCE
#include "web.h"
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <whatsit/digest.h>

enum { MAX_FILES = 4096, MAX_FILE_BYTES = 1 << 30 };

typedef struct file {
    char *url, *path; /* "/app/main.js"; where it lies */
    char etag[65];
    uint64_t n_bytes;
} file;

typedef struct table {
    file *files;
    size_t n;
} table;

struct srv_web {
    char *folder;
    pthread_mutex_t mutex; /* guards which table is that of now */
    table *now;
};

static const char *type_of(const char *path)
{
    static const char *const types[][2] = {
        {".html", "text/html; charset=utf-8"},
        {".js", "text/javascript; charset=utf-8"},
        {".mjs", "text/javascript; charset=utf-8"},
        {".css", "text/css; charset=utf-8"},
        {".json", "application/json"},
        {".webmanifest", "application/manifest+json"},
        {".wasm", "application/wasm"},
        {".svg", "image/svg+xml"},
        {".png", "image/png"},
        {".jpg", "image/jpeg"},
        {".webp", "image/webp"},
        {".ico", "image/x-icon"},
        {".txt", "text/plain; charset=utf-8"},
        {".woff2", "font/woff2"},
    };
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot && i < sizeof types / sizeof types[0]; i++) {
        if (!strcmp(dot, types[i][0])) {
            return types[i][1];
        }
    }
    return "application/octet-stream";
}

/* nftw has no context. */
static pthread_mutex_t walk_mutex = PTHREAD_MUTEX_INITIALIZER;
static table *walked;
static size_t walked_root;

static int hash_file(const char *path, char etag[65])
{
    char buffer[1 << 16];
    ssize_t n = -1;
    wi_digest *digest = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && wi_digest_open(&digest, NULL) == WI_OK) {
        while ((n = read(fd, buffer, sizeof buffer)) > 0) {
            wi_digest_update(digest, buffer, (size_t)n);
        }
        wi_digest_finish(digest, etag);
    }
    wi_digest_close(&digest);
    if (fd >= 0) {
        close(fd);
    }
    return n == 0 ? 0 : -1;
}

static int visit(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)where;
    const char *url = path + walked_root;
    if (kind != FTW_F || strstr(url, "/.") || walked->n == MAX_FILES ||
        info->st_size > MAX_FILE_BYTES) {
        return 0;
    }
    file *f = &walked->files[walked->n];
    f->url = strdup(url);
    f->path = strdup(path);
    f->n_bytes = (uint64_t)info->st_size;
    if (!f->url || !f->path || hash_file(path, f->etag) != 0) {
        free(f->url);
        free(f->path);
        *f = (file){0};
        return 0;
    }
    walked->n++;
    return 0;
}

static int compare_files(const void *a, const void *b)
{
    return strcmp(((const file *)a)->url, ((const file *)b)->url);
}

static void free_table(table **web)
{
    for (size_t i = 0; *web && i < (*web)->n; i++) {
        free((*web)->files[i].url);
        free((*web)->files[i].path);
    }
    if (*web) {
        free((*web)->files);
    }
    free(*web);
    *web = NULL;
}

static wi_status read_table(const char *folder, table **out, wi_error *error)
{
    table *web = calloc(1, sizeof *web);
    char *root = realpath(folder, NULL);
    *out = NULL;
    if (web) {
        web->files = calloc(MAX_FILES, sizeof *web->files);
    }
    if (!web || !web->files || !root) {
        int number = errno;
        free_table(&web);
        free(root);
        return store_fail(error, WI_ERR_IO, "%.150s: %s", folder, strerror(number));
    }
    pthread_mutex_lock(&walk_mutex);
    walked = web;
    walked_root = strlen(root);
    int failed = nftw(root, visit, 16, FTW_PHYS);
    pthread_mutex_unlock(&walk_mutex);
    free(root);
    if (failed) {
        free_table(&web);
        return store_fail(error, WI_ERR_IO, "%.150s: cannot be read", folder);
    }
    qsort(web->files, web->n, sizeof *web->files, compare_files);
    *out = web;
    return WI_OK;
}

wi_status srv_web_open(const char *folder, srv_web **out, wi_error *error)
{
    srv_web *web = calloc(1, sizeof *web);
    *out = NULL;
    if (!web || !(web->folder = strdup(folder))) {
        free(web);
        return store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    pthread_mutex_init(&web->mutex, NULL);
    wi_status status = read_table(folder, &web->now, error);
    if (status != WI_OK) {
        srv_web_close(&web);
    }
    *out = web;
    return status;
}

wi_status srv_web_reload(srv_web *web, wi_error *error)
{
    table *now = NULL;
    wi_status status = read_table(web->folder, &now, error);
    if (status == WI_OK) {
        pthread_mutex_lock(&web->mutex);
        table *old = web->now;
        web->now = now;
        pthread_mutex_unlock(&web->mutex);
        free_table(&old);
    }
    return status;
}

void srv_web_close(srv_web **web)
{
    if (*web) {
        free_table(&(*web)->now);
        pthread_mutex_destroy(&(*web)->mutex);
        free((*web)->folder);
    }
    free(*web);
    *web = NULL;
}

static const file *find(const table *web, const char *url)
{
    file wanted = {.url = (char *)(uintptr_t)url};
    return web && web->n ? bsearch(&wanted, web->files, web->n, sizeof wanted, compare_files)
                         : NULL;
}

/* NAME.gz beside NAME, for who takes it; parts are those of the plain file. */
static const file *find_packed(const table *web, const srv_request *request, const char *url)
{
    char packed[1024];
    const char *takes = srv_pairs_get(&request->headers, "Accept-Encoding");
    bool wanted = takes && strstr(takes, "gzip") && !srv_pairs_get(&request->headers, "Range") &&
                  strlen(url) + 4 < sizeof packed;
    if (!wanted) {
        return NULL;
    }
    strcpy(packed, url);
    return find(web, strcat(packed, ".gz"));
}

static bool answer(const table *web, const srv_request *request, srv_response *response)
{
    const char *url = !strcmp(request->path, "/") ? "/index.html" : request->path;
    const file *plain = find(web, url), *packed = plain ? find_packed(web, request, url) : NULL;
    const file *f = packed ? packed : plain;
    char tag[70];
    if (!f) {
        return false;
    }
    strcpy(tag, "\"");
    strcat(tag, f->etag);
    strcat(tag, "\"");
    srv_header(response, "ETag", tag);
    srv_header(response, "Cache-Control", "no-cache");
    srv_header(response, "Vary", "Accept-Encoding");
    if (packed) {
        srv_header(response, "Content-Encoding", "gzip");
    }
    /* Shared memory between WebAssembly threads needs the first two; nothing is loaded from
     * elsewhere. */
    srv_header(response, "Cross-Origin-Opener-Policy", "same-origin");
    srv_header(response, "Cross-Origin-Embedder-Policy", "require-corp");
    srv_header(response, "Content-Security-Policy",
               "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; "
               "img-src 'self' blob: data:; media-src 'self' blob:; worker-src 'self' blob:; "
               "connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; "
               "frame-ancestors 'none'");
    if (srv_etag_matches(request, f->etag)) {
        srv_empty(response, 304);
        return true;
    }
    int fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat info;
    if (fd < 0 || fstat(fd, &info) != 0 || (uint64_t)info.st_size != f->n_bytes) {
        if (fd >= 0) {
            close(fd);
        }
        srv_error(request, response, 503, "changed", "this file has changed: try again later");
        return true;
    }
    srv_header(response, "Content-Type", type_of(plain->path));
    srv_file_answer(request, response, f->etag, fd, f->n_bytes);
    return true;
}

bool srv_web_answer(srv_web *web, const srv_request *request, srv_response *response)
{
    if (!web) {
        return false;
    }
    pthread_mutex_lock(&web->mutex);
    bool found = answer(web->now, request, response);
    pthread_mutex_unlock(&web->mutex);
    return found;
}
