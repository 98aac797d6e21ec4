#include "background.h"
#include "paths.h"
#include "term.h"
#include <stdlib.h>
#include <string.h>

enum { VERSION = 1 }; /* of what is kept: another one when the words change */

static void take_tensor(const wi_tensor *tensor, size_t dim, background *out)
{
    if (tensor->dtype == WI_F32 && tensor->rank == 2 && tensor->shape[1] == dim &&
        (out->rows = malloc(tensor->n_bytes + 1))) {
        memcpy(out->rows, tensor->data, tensor->n_bytes);
        out->n = (size_t)tensor->shape[0];
    }
}

static bool read_kept(const char *path, background *out)
{
    wi_tensors *file = NULL;
    wi_tensor tensor;
    if (cli_exists(path) && wi_tensors_open(path, &file, NULL) == WI_OK &&
        wi_tensors_get(file, "background", &tensor, NULL) == WI_OK) {
        take_tensor(&tensor, out->dim, out);
    }
    wi_tensors_close(&file);
    return out->rows != NULL;
}

/* Without the file the next search makes them again: not worth a word. */
static void keep(const char *path, const background *made)
{
    const wi_tensor tensor = {
        .name = "background",
        .dtype = WI_F32,
        .rank = 2,
        .shape = {made->n, made->dim},
        .data = made->rows,
        .n_bytes = made->n * made->dim * sizeof(float),
    };
    (void)wi_tensors_write(path, &tensor, 1, NULL, 0, NULL);
}

static wi_status embed(const cli_runtime *runtime, const char *nouns, background *out,
                       wi_error *error)
{
    wi_session *session = NULL;
    wi_session_options sizes = {.max_images = 1};
    wi_status status = wi_session_open(runtime->model, &sizes, &session, error);
    if (status == WI_OK) {
        status = background_embed(session, nouns, out, error);
    }
    wi_session_close(&session);
    return status;
}

int cli_background_open(const cli_runtime *runtime, const cli_library *library, background *out)
{
    wi_error error = {0};
    *out = (background){.dim = runtime->info.embedding_dim, .scale = runtime->info.logit_scale};
    char *kept = cli_text("%s/%.16s.background-%d.safetensors", library->folder,
                          runtime->info.fingerprint, (int)VERSION);
    char *nouns = cli_share_path("heads/nouns.txt");
    int status = CLI_OK;
    if (kept && !read_kept(kept, out) && nouns) {
        status = embed(runtime, nouns, out, &error) == WI_OK
                     ? CLI_OK
                     : cli_failed(runtime->app, NULL, &error);
        if (status == CLI_OK) {
            keep(kept, out);
        }
    }
    free(kept);
    free(nouns);
    return status;
}
