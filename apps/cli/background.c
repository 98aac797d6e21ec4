#include "background.h"
#include "paths.h"
#include "term.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Every STRIDE-th of the shipped nouns; words nearer to the query than this do not compete with it. */
enum { STRIDE = 10, VERSION = 1 };
static const double near_words = 0.8;

static void take_tensor(const wi_tensor *tensor, size_t dim, cli_background *out)
{
    if (tensor->dtype == WI_F32 && tensor->rank == 2 && tensor->shape[1] == dim &&
        (out->rows = malloc(tensor->n_bytes + 1))) {
        memcpy(out->rows, tensor->data, tensor->n_bytes);
        out->n = (size_t)tensor->shape[0];
    }
}

static bool read_kept(const char *path, cli_background *out)
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
static void keep(const char *path, const cli_background *background)
{
    const wi_tensor tensor = {
        .name = "background",
        .dtype = WI_F32,
        .rank = 2,
        .shape = {background->n, background->dim},
        .data = background->rows,
        .n_bytes = background->n * background->dim * sizeof(float),
    };
    (void)wi_tensors_write(path, &tensor, 1, NULL, 0, NULL);
}

static wi_status embed_nouns(const cli_runtime *runtime, const wi_label_list_info *nouns,
                             cli_background *out, wi_error *error)
{
    wi_session *session = NULL;
    wi_session_options sizes = {.max_images = 1};
    size_t n = nouns->n_labels / STRIDE;
    char **texts = calloc(n + 1, sizeof *texts);
    out->rows = calloc(n + 1, out->dim * sizeof *out->rows);
    wi_status status = texts && out->rows ? WI_OK : WI_ERR_NOMEM;
    for (size_t i = 0; i < n && status == WI_OK; i++) {
        const char *label = nouns->labels[i * STRIDE];
        texts[i] = cli_text("a photo of a %.*s", (int)strcspn(label, "|"), label);
        status = texts[i] ? WI_OK : WI_ERR_NOMEM;
    }
    if (status == WI_OK) {
        status = wi_session_open(runtime->model, &sizes, &session, error);
    }
    if (status == WI_OK) {
        status = wi_session_encode_texts(session, (const char *const *)texts, n, out->rows, NULL,
                                         NULL, error);
    }
    if (status == WI_OK) {
        wi_normalise(out->rows, n, out->dim);
        out->n = n;
    }
    wi_session_close(&session);
    for (size_t i = 0; i < n && texts; i++) {
        free(texts[i]);
    }
    free(texts);
    return status;
}

int cli_background_open(const cli_runtime *runtime, const cli_library *library, cli_background *out)
{
    wi_error error = {0};
    wi_label_list *list = NULL;
    wi_label_list_info info;
    *out = (cli_background){.dim = runtime->info.embedding_dim, .scale = runtime->info.logit_scale};
    char *kept = cli_text("%s/%.16s.background-%d.safetensors", library->folder,
                          runtime->info.fingerprint, (int)VERSION);
    char *nouns = cli_share_path("heads/nouns.txt");
    int status = CLI_OK;
    if (kept && !read_kept(kept, out) && nouns) {
        if (wi_label_list_open(nouns, &list, &error) != WI_OK) {
            status = cli_failed(runtime->app, nouns, &error);
        } else {
            wi_label_list_get_info(list, &info);
            status = embed_nouns(runtime, &info, out, &error) == WI_OK
                         ? CLI_OK
                         : cli_failed(runtime->app, NULL, &error);
        }
        if (status == CLI_OK) {
            keep(kept, out);
        }
    }
    wi_label_list_close(&list);
    free(kept);
    free(nouns);
    return status;
}

void cli_background_close(cli_background *background)
{
    free(background->rows);
    *background = (cli_background){0};
}

static double dot(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)a[i] * (double)b[i];
    }
    return sum;
}

double cli_background_confidence(const cli_background *background, const float *query,
                                 const float *photo)
{
    double own = dot(query, photo, background->dim), others = 0;
    for (size_t i = 0; i < background->n; i++) {
        const float *word = background->rows + i * background->dim;
        if (dot(word, query, background->dim) < near_words) {
            others += exp((double)background->scale * (dot(word, photo, background->dim) - own));
        }
    }
    return background->n > 0 ? 1 / (1 + others) : (double)NAN;
}
