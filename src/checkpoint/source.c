#define _XOPEN_SOURCE 700 /* realpath */
#include "checkpoint/source.h"

#include "base/error.h"
#include "checkpoint/layout.h"
#include "fmt/pickle.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), n_end = strlen(end);
    return n >= n_end && strcmp(text + n - n_end, end) == 0;
}

/* ---- stored tensors ---- */

static bool raw_type_of(wi_safetensors_type type, wi_raw_type *out)
{
    *out = type == WI_ST_F32 ? WI_RAW_F32 : type == WI_ST_F16 ? WI_RAW_F16 : WI_RAW_BF16;
    return type == WI_ST_F32 || type == WI_ST_F16 || type == WI_ST_BF16;
}

static bool raw_type_of_ggml(uint32_t type, wi_raw_type *out)
{
    switch (type) {
    case WI_GGML_F32:
        *out = WI_RAW_F32;
        return true;
    case WI_GGML_F16:
        *out = WI_RAW_F16;
        return true;
    case WI_GGML_BF16:
        *out = WI_RAW_BF16;
        return true;
    case WI_GGML_Q8_0:
        *out = WI_RAW_Q8_0;
        return true;
    case WI_GGML_Q4_0:
        *out = WI_RAW_Q4_0;
        return true;
    default:
        return false;
    }
}

static bool find_in_gguf(const wi_gguf *gguf, const char *name, wi_stored *out)
{
    const wi_gguf_tensor *tensor = wi_gguf_tensor_find(gguf, name);
    if (!tensor)
        return false;
    *out = (wi_stored){
        .type_name = wi_ggml_name(tensor->type), .rank = tensor->rank, .data = tensor->data};
    out->readable = raw_type_of_ggml(tensor->type, &out->type);
    for (uint32_t i = 0; i < tensor->rank; i++)
        out->shape[i] = tensor->dims[tensor->rank - 1 - i];
    return true;
}

bool wi_source_find(const wi_source *source, const char *stored_name, wi_stored *out)
{
    if (source->gguf)
        return find_in_gguf(source->gguf, stored_name, out);
    for (size_t f = 0; f < source->n_files; f++) {
        const wi_safetensors_tensor *tensor =
            wi_safetensors_find(source->files[f].tensors, stored_name);
        if (!tensor)
            continue;
        *out = (wi_stored){.type_name = wi_safetensors_type_name(tensor->type),
                           .rank = tensor->rank,
                           .data = tensor->data};
        out->readable = raw_type_of(tensor->type, &out->type);
        memcpy(out->shape, tensor->shape, sizeof out->shape);
        return true;
    }
    return false;
}

bool wi_source_has_prefix(const wi_source *source, const char *prefix)
{
    size_t n = strlen(prefix);
    for (size_t f = 0; f < source->n_files; f++)
        for (size_t i = 0;
             source->files[f].tensors && i < wi_safetensors_count(source->files[f].tensors); i++)
            if (strncmp(wi_safetensors_at(source->files[f].tensors, i)->name, prefix, n) == 0)
                return true;
    return false;
}

wi_status wi_source_scalar(const wi_source *source, const char *stored_name, bool *found,
                           float *out, wi_error *error)
{
    wi_stored stored;
    *found = wi_source_find(source, stored_name, &stored);
    if (!*found)
        return WI_OK;
    uint64_t n = 1;
    for (uint32_t i = 0; i < stored.rank; i++)
        n = stored.shape[i] == 1 ? n : 0;
    bool plain = stored.readable && stored.type != WI_RAW_Q8_0 && stored.type != WI_RAW_Q4_0;
    float value = NAN;
    if (n == 1 && plain)
        wi_raw_read_rows(&(wi_raw){stored.type, 1, 1, false, stored.data}, 0, 1, &value);
    if (!isfinite(value))
        return wi_fail(error, WI_ERR_FORMAT, "%s: tensor '%s' is not one number", source->label,
                       stored_name);
    *out = value;
    return WI_OK;
}

/* ---- files ---- */

char *wi_source_path(const char *folder, const char *name)
{
    size_t n = strlen(folder) + strlen(name) + 2;
    char *path = malloc(n);
    if (path)
        snprintf(path, n, "%s%s%s", folder, *folder && folder[strlen(folder) - 1] != '/' ? "/" : "",
                 name);
    return path;
}

bool wi_source_file_exists(const char *folder, const char *name)
{
    char path[4096]; /* what Linux takes; a longer one cannot be opened anyway */
    struct stat st;
    const char *slash = *folder && folder[strlen(folder) - 1] != '/' ? "/" : "";
    int n = snprintf(path, sizeof path, "%s%s%s", folder, slash, name);
    return n > 0 && (size_t)n < sizeof path && stat(path, &st) == 0;
}

static wi_status add_file(wi_source *source, char *path, wi_source_file **out, wi_error *error)
{
    wi_source_file *grown = realloc(source->files, (source->n_files + 1) * sizeof *grown);
    if (!grown) {
        free(path);
        return wi_fail_nomem(error, sizeof *grown, "a list of files");
    }
    source->files = grown;
    wi_source_file *file = &grown[source->n_files++];
    *file = (wi_source_file){path, {NULL, 0}, NULL};
    *out = file;
    return wi_map_open(path, &file->map, error);
}

/* PyTorch's files by name; what they hold is seen when they are read. */
static bool is_pickle_name(const char *name)
{
    static const char *const endings[] = {".pt", ".pth", ".bin", ".ckpt"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (ends_with(name, endings[i]))
            return true;
    return false;
}

wi_status wi_source_add_safetensors(wi_source *source, const char *folder, const char *name,
                                    wi_error *error)
{
    char *path = wi_source_path(folder, name);
    if (!path)
        return wi_fail_nomem(error, strlen(folder), "a file name");
    wi_source_file *file = NULL;
    wi_status status = add_file(source, path, &file, error);
    if (status == WI_OK)
        status = (is_pickle_name(name) ? wi_pickle_read : wi_safetensors_parse)(
            file->path, file->map.bytes, file->map.n_bytes, &file->tensors, error);
    if (status != WI_OK && source->n_files && !source->files[source->n_files - 1].tensors) {
        wi_source_file *last =
            &source->files[--source->n_files]; /* a file without directory is never kept */
        wi_map_close(&last->map);
        free(last->path);
    }
    return status;
}

wi_status wi_source_add_tensors(wi_source *source, wi_safetensors_tensor *tensors, size_t n,
                                void *memory, wi_error *error)
{
    wi_safetensors *made = NULL;
    wi_status status = wi_safetensors_collect(source->label, tensors, n, memory, &made, error);
    if (status != WI_OK)
        return status;
    wi_source_file *grown = realloc(source->files, (source->n_files + 1) * sizeof *grown);
    if (!grown) {
        wi_safetensors_close(&made);
        return wi_fail_nomem(error, sizeof *grown, "a list of files");
    }
    source->files = grown;
    grown[source->n_files++] = (wi_source_file){NULL, {NULL, 0}, made};
    return WI_OK;
}

wi_status wi_source_add_gguf(wi_source *source, const char *path, wi_error *error)
{
    char *copy = wi_source_path("", path);
    if (!copy)
        return wi_fail_nomem(error, strlen(path), "a file name");
    wi_source_file *file = NULL;
    wi_status status = add_file(source, copy, &file, error);
    if (status == WI_OK)
        status =
            wi_gguf_parse(source->label, file->map.bytes, file->map.n_bytes, &source->gguf, error);
    return status;
}

/* A shard is a file of the folder itself: a list from outside must not reach other files. */
static bool is_plain_name(const char *name)
{
    return *name && *name != '.' && !strchr(name, '/') && !strchr(name, '\\') && strlen(name) < 256;
}

static wi_status add_shard(wi_source *source, const char *folder, const char *index_path,
                           const char *name, wi_error *error)
{
    if (!name || !is_plain_name(name))
        return wi_fail(error, WI_ERR_FORMAT,
                       "%s: '%s' is not the name of a file in the same folder", index_path,
                       name ? name : "");
    for (size_t i = 0; i < source->n_files; i++) {
        const char *slash = strrchr(source->files[i].path, '/');
        if (strcmp(slash ? slash + 1 : source->files[i].path, name) == 0)
            return WI_OK;
    }
    if (source->n_files == WI_SOURCE_MAX_SHARDS)
        return wi_fail(error, WI_ERR_LIMIT, "%s: more than %d shards", index_path,
                       WI_SOURCE_MAX_SHARDS);
    return wi_source_add_safetensors(source, folder, name, error);
}

static wi_status add_shards(wi_source *source, const char *folder, const char *index_name,
                            wi_error *error)
{
    char *path = wi_source_path(folder, index_name);
    if (!path)
        return wi_fail_nomem(error, strlen(folder), "a file name");
    wi_json *json = NULL;
    wi_status status = wi_json_read(path, WI_SOURCE_MAX_INDEX, &json, error);
    const wi_json *map = status == WI_OK ? wi_json_get(json, "weight_map") : NULL;
    if (status == WI_OK && wi_json_count(map) == 0)
        status = wi_fail(error, WI_ERR_FORMAT, "%s: no 'weight_map'", path);
    if (status == WI_OK)
        for (wi_json_member m = wi_json_first(map); m.key && status == WI_OK;
             m = wi_json_next(map, m))
            status = add_shard(source, folder, path, wi_json_string(m.value), error);
    wi_json_free(&json);
    free(path);
    return status;
}

/* ---- names and licence ---- */

static char *copy_range(const char *text, size_t n)
{
    char *copy = malloc(n + 1);
    if (copy) {
        memcpy(copy, text, n);
        copy[n] = '\0';
    }
    return copy;
}

/* The last part of a path, without .safetensors or .gguf. In the hub's cache that would be a hash,
 * so there it is the repository's name: models--OWNER--NAME/snapshots/HASH. */
static char *name_from_path(const char *path)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    size_t start = n;
    while (start > 0 && path[start - 1] != '/')
        start--;
    static const char snapshots[] = "/snapshots/";
    size_t n_snapshots = sizeof snapshots - 1;
    if (start >= n_snapshots && strncmp(path + start - n_snapshots, snapshots, n_snapshots) == 0) {
        n = start = start - n_snapshots;
        while (start > 0 && path[start - 1] != '/' &&
               !(path[start - 1] == '-' && path[start] == '-'))
            start--;
        start += start < n && path[start] == '-';
    }
    static const char *const endings[] = {".safetensors", ".gguf", ".pt", ".pth", ".bin", ".ckpt"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t n_end = strlen(endings[i]);
        if (n - start > n_end && strncmp(path + n - n_end, endings[i], n_end) == 0)
            n -= n_end;
    }
    return copy_range(path + start, n - start);
}

/* "license: mit" in the front matter of a model card; empty when there is none. */
static wi_status licence_from_card(const char *folder, char **out, wi_error *error)
{
    char *path = wi_source_path(folder, "README.md"), text[4096];
    if (!path)
        return wi_fail_nomem(error, strlen(folder), "a file name");
    FILE *file = fopen(path, "rb");
    size_t n = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file)
        fclose(file);
    free(path);
    text[n] = '\0';
    char *end = strncmp(text, "---", 3) == 0 ? strstr(text + 3, "\n---") : text;
    if (end)
        *end = '\0';
    const char *found = strstr(text, "\nlicense:");
    found = found ? found + strlen("\nlicense:") : "";
    found += strspn(found, " \t\"'");
    *out = copy_range(found, strcspn(found, " \t\"'\r\n"));
    return *out ? WI_OK : wi_fail_nomem(error, n, "a licence");
}

static wi_status read_licence(wi_source *source, const char *folder, wi_error *error)
{
    const char *found = NULL;
    for (size_t i = 0; i < source->n_files && !found && source->files[i].tensors; i++) {
        found = wi_safetensors_metadata(source->files[i].tensors, "license");
        if (!found)
            found = wi_safetensors_metadata(source->files[i].tensors, "licence");
    }
    if (!found && folder)
        return licence_from_card(folder, &source->licence, error);
    source->licence = copy_range(found ? found : "", found ? strlen(found) : 0);
    return source->licence ? WI_OK : wi_fail_nomem(error, 1, "a licence");
}

static wi_status read_names(wi_source *source, const char *path, const char *folder,
                            wi_error *error)
{
    /* A folder may be given as "."; a file has its name, even where it is a link to a blob. */
    char *real = folder == path ? realpath(path, NULL) : NULL;
    if (!source->name)
        source->name = name_from_path(real ? real : path);
    free(real);
    if (!source->name)
        return wi_fail_nomem(error, strlen(path), "a name");
    return source->licence ? WI_OK : read_licence(source, folder, error);
}

/* ---- which layout ---- */

static bool has_openai_names(const wi_source *source)
{
    return wi_source_has_prefix(source, "visual.") ||
           wi_source_has_prefix(source, "transformer.resblocks.") ||
           wi_source_has_prefix(source, "text.transformer.");
}

static bool has_hf_names(const wi_source *source)
{
    return wi_source_has_prefix(source, "vision_model.") ||
           wi_source_has_prefix(source, "text_model.");
}

/* Layouts of ours, whose names say which they are. */
static wi_status read_own(wi_source *source, const char *folder, bool has_config, wi_error *error)
{
    char *path = has_config ? wi_source_path(folder, "config.json") : NULL;
    if (has_config && !path)
        return wi_fail_nomem(error, strlen(folder), "a file name");
    wi_status status = wi_source_is_mbconv(source)
                           ? wi_source_read_mbconv(source, folder, path, error)
                           : wi_source_read_describer(source, path, error);
    free(path);
    return status;
}

/* A configuration of open_clip's, whatever the file is called. */
static wi_status is_open_clip_config(const char *folder, const char *name, bool *found,
                                     wi_error *error)
{
    char *path = wi_source_path(folder, name);
    if (!path)
        return wi_fail_nomem(error, strlen(folder), "a file name");
    wi_json *json = NULL;
    const wi_status status = wi_json_read(path, WI_SOURCE_MAX_CONFIG, &json, error);
    *found = wi_json_get(json, "vision_cfg") || wi_json_get(json, "model_cfg");
    wi_json_free(&json);
    free(path);
    return status;
}

/* Names that are seen in the wild and that no layout reads: what they are, and what to do. */
static wi_status fail_unknown(const wi_source *source, wi_error *error)
{
    static const struct {
        const char *prefix, *what;
    } seen[] = {
        {"_image_encoder.", "TinyCLIP's own names; get the Hugging Face folder of the same model"},
        {"module.", "names behind 'module.', as training saves them; save model.module instead"},
        {"image_encoder.", "MobileCLIP's own names; get the open_clip folder of the same model"},
        {"embeddings.",
         "one tower without its projection (CLIPVisionModel or CLIPTextModel), whose "
         "numbers compare with nothing; get the whole CLIPModel"},
        {"encoder.layers.", "one tower without its projection (CLIPVisionModel or CLIPTextModel), "
                            "whose numbers compare with nothing; get the whole CLIPModel"},
        {"blocks.", "a timm image network without a text tower; get the CLIP it comes from"},
    };
    const char *first = "none";
    for (size_t i = 0; i < sizeof seen / sizeof *seen; i++)
        if (wi_source_has_prefix(source, seen[i].prefix))
            return wi_fail(error, WI_ERR_UNSUPPORTED, "%s: %s", source->label, seen[i].what);
    for (size_t f = source->n_files; f-- > 0;)
        if (source->files[f].tensors && wi_safetensors_count(source->files[f].tensors))
            first = wi_safetensors_at(source->files[f].tensors, 0)->name;
    return wi_fail(error, WI_ERR_UNSUPPORTED,
                   "%s: tensors of no known layout, such as '%.60s'; Hugging Face CLIP, OpenAI and "
                   "open_clip are read",
                   source->label, first);
}

/* config_name: beside the weights, for OpenAI's names; NULL when there is none. */
static wi_status read_by_names(wi_source *source, const char *folder, const char *config_name,
                               wi_error *error)
{
    bool openai = has_openai_names(source), config = wi_source_file_exists(folder, "config.json");
    if (wi_source_is_mbconv(source) || wi_source_is_describer(source))
        return read_own(source, folder, config, error);
    if (openai && !config_name && config) {
        bool found = false;
        const wi_status status = is_open_clip_config(folder, "config.json", &found, error);
        if (status != WI_OK)
            return status;
        config_name = found ? "config.json" : NULL;
    }
    if (config && !openai) {
        /* Names the family when it is not CLIP. */
        const wi_status status = wi_source_check_family(folder, error);
        if (status != WI_OK || !has_hf_names(source))
            return status != WI_OK ? status : fail_unknown(source, error);
        return wi_source_read_hf(source, folder, error);
    }
    if (has_hf_names(source))
        return wi_fail(error, WI_ERR_FORMAT, "%s: config.json is missing beside the weights",
                       source->label);
    if (!openai)
        return fail_unknown(source, error);
    if (!config_name)
        return wi_source_read_openai(source, folder, NULL, error);
    char *path = wi_source_path(folder, config_name);
    if (!path)
        return wi_fail_nomem(error, strlen(folder), "a file name");
    wi_status status = wi_source_read_openai(source, folder, path, error);
    free(path);
    return status;
}

/* What else than safetensors and PyTorch files weights come as, by the ending of their names. */
static const char *other_format(const char *name)
{
    static const char *const formats[][2] = {
        {".onnx", "an ONNX graph"},
        {".h5", "a Keras file"},
        {".msgpack", "a Flax file"},
        {".npz", "a NumPy archive"},
        {".pkl", "a pickle, which can run code"},
        {".mlmodel", "a Core ML model"},
        {".tflite", "a TensorFlow Lite model"},
    };
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (ends_with(name, formats[i][0]))
            return formats[i][1];
    return NULL;
}

static wi_status fail_empty(const char *folder, const char *name, const char *what, wi_error *error)
{
    if (what)
        return wi_fail(error, WI_ERR_UNSUPPORTED,
                       "%s: its weights are %s (%s); get model.safetensors, or save it as such",
                       folder, what, name);
    if (wi_source_file_exists(folder, "0_CLIPModel"))
        return wi_fail(error, WI_ERR_FORMAT,
                       "%s: a sentence-transformers folder; the model is its folder 0_CLIPModel",
                       folder);
    if (wi_source_file_exists(folder, "config.json") && !wi_source_file_exists(folder, "onnx"))
        return wi_fail(error, WI_ERR_FORMAT,
                       "%s: a configuration without weights (no model.safetensors)", folder);
    if (wi_source_file_exists(folder, "onnx"))
        return wi_fail(error, WI_ERR_UNSUPPORTED,
                       "%s: its weights are an ONNX graph (in onnx/); get model.safetensors",
                       folder);
    return wi_fail(error, WI_ERR_FORMAT,
                   "%s: no model here (no model.safetensors, no index of shards)", folder);
}

/* The folder's only .safetensors, else its only PyTorch file, or an error that says what else lies
 * there. */
static wi_status find_single(const char *folder, char **out, wi_error *error)
{
    DIR *dir = opendir(folder);
    if (!dir)
        return wi_fail_errno(error, folder, "cannot open", errno);
    size_t n_found = 0;
    const char *what = NULL;
    char name[80] = "";
    bool pickle = false, nomem = false;
    for (struct dirent *entry; (entry = readdir(dir));) {
        const char *other = other_format(entry->d_name);
        if (other && (!what || strcmp(entry->d_name, name) < 0)) {
            what = other;
            snprintf(name, sizeof name, "%.79s", entry->d_name);
        }
        const bool plain = ends_with(entry->d_name, ".safetensors");
        if (!plain && (!is_pickle_name(entry->d_name) || (n_found && !pickle)))
            continue;
        if (plain && pickle) /* counts for more than what was found so far */
            n_found = 0;
        pickle = !plain;
        if (n_found++)
            continue;
        free(*out);
        *out = copy_range(entry->d_name, strlen(entry->d_name));
        nomem = !*out;
    }
    closedir(dir);
    if (nomem)
        return wi_fail_nomem(error, 1, "a file name");
    if (n_found == 1)
        return WI_OK;
    free(*out);
    *out = NULL;
    if (n_found)
        return wi_fail(error, WI_ERR_FORMAT, "%s: %zu %s files and no index: name one of them",
                       folder, n_found, pickle ? "PyTorch" : ".safetensors");
    return fail_empty(folder, name, what, error);
}

static wi_status open_weights(wi_source *source, const char *folder, wi_error *error)
{
    static const char *const names[] = {"model.safetensors", "open_clip_model.safetensors",
                                        "open_clip_pytorch_model.bin", "pytorch_model.bin"};
    static const char *const indices[] = {
        "model.safetensors.index.json", "open_clip_model.safetensors.index.json",
        "open_clip_pytorch_model.bin.index.json", "pytorch_model.bin.index.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (wi_source_file_exists(folder, names[i]))
            return wi_source_add_safetensors(source, folder, names[i], error);
        if (wi_source_file_exists(folder, indices[i]))
            return add_shards(source, folder, indices[i], error);
    }
    char *name = NULL;
    wi_status status = find_single(folder, &name, error);
    if (status == WI_OK)
        status = wi_source_add_safetensors(source, folder, name, error);
    free(name);
    return status;
}

static wi_status open_folder(wi_source *source, const char *folder, wi_error *error)
{
    const char *config = "open_clip_config.json";
    wi_status status = open_weights(source, folder, error);
    if (status == WI_OK)
        status = read_by_names(source, folder,
                               wi_source_file_exists(folder, config) ? config : NULL, error);
    return status == WI_OK ? read_names(source, folder, folder, error) : status;
}

/* Beside FILE.safetensors or FILE.pt, FILE.json or open_clip_config.json rules over what the shapes tell. */
static wi_status open_single(wi_source *source, const char *path, wi_error *error)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    size_t n_stem = (size_t)(strrchr(base, '.') - base);
    char *folder =
        slash ? copy_range(path, slash == path ? 1 : (size_t)(slash - path)) : copy_range(".", 1);
    char *config = copy_range(base, n_stem + strlen(".json"));
    wi_status status = WI_OK;
    if (folder && config) {
        memcpy(config + n_stem, ".json", sizeof ".json");
        const char *name = wi_source_file_exists(folder, config) ? config
                           : wi_source_file_exists(folder, "open_clip_config.json")
                               ? "open_clip_config.json"
                               : NULL;
        status = wi_source_add_safetensors(source, folder, base, error);
        source->config_name = name;
        if (status == WI_OK)
            status = read_by_names(source, folder, name, error);
        source->config_name = NULL;
        if (status == WI_OK)
            status = read_names(source, path, folder, error);
    } else {
        status = wi_fail_nomem(error, strlen(path), "a file name");
    }
    free(folder);
    free(config);
    return status;
}

/* A file that is no GGUF, named by its first bytes or its ending. */
static wi_status refuse_other(const char *path, wi_error *error)
{
    unsigned char head[4] = {0};
    FILE *file = fopen(path, "rb");
    const size_t n = file ? fread(head, 1, sizeof head, file) : 0;
    if (file)
        fclose(file);
    if (n < sizeof head || memcmp(head, "GGUF", 4) == 0)
        return WI_OK; /* the reader of GGUF says what is wrong */
    const char *what = other_format(path);
    if (!what && memcmp(head, "PK\3\4", 4) == 0)
        what = "a zip archive; if PyTorch wrote it, call it NAME.pt";
    if (!what)
        return WI_OK;
    return wi_fail(error, WI_ERR_UNSUPPORTED,
                   "%s: %s; get the model as safetensors, or save it as such", path, what);
}

static wi_status open_any(wi_source *source, const char *path, wi_error *error)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return wi_fail_errno(error, path, "cannot open", errno);
    if (S_ISDIR(st.st_mode))
        return open_folder(source, path, error);
    if (ends_with(path, ".safetensors") || is_pickle_name(path))
        return open_single(source, path, error);
    wi_status status = refuse_other(path, error);
    if (status == WI_OK)
        status = wi_source_add_gguf(source, path, error);
    if (status == WI_OK)
        status = wi_source_read_clipcpp(source, error);
    return status == WI_OK ? read_names(source, path, NULL, error) : status;
}

wi_status wi_source_open(const char *path, const char *config, wi_source **out, wi_error *error)
{
    wi_source *source = calloc(1, sizeof *source);
    if (!source)
        return wi_fail_nomem(error, sizeof *source, "a model source");
    source->text_prefix = "";
    source->config = config;
    source->label = copy_range(path, strlen(path));
    wi_status status = source->label ? open_any(source, path, error)
                                     : wi_fail_nomem(error, strlen(path), "a file name");
    if (status == WI_OK)
        *out = source;
    else
        wi_source_close(&source);
    return status;
}

void wi_source_close(wi_source **source)
{
    if (!source || !*source)
        return;
    wi_source *s = *source;
    wi_gguf_close(&s->gguf);
    for (size_t i = 0; i < s->n_files; i++) {
        wi_safetensors_close(&s->files[i].tensors);
        wi_map_close(&s->files[i].map);
        free(s->files[i].path);
    }
    free(s->files);
    free(s->bindings);
    free(s->name);
    free(s->licence);
    free(s->merges);
    free(s->tokenizer.own);
    free(s->label);
    free(s);
    *source = NULL;
}

const wi_params *wi_source_params(const wi_source *source)
{
    return &source->params;
}

const char *wi_source_format(const wi_source *source)
{
    return source->format;
}

const char *wi_source_name(const wi_source *source)
{
    return source->name;
}

const char *wi_source_licence(const wi_source *source)
{
    return source->licence;
}

wi_tokenizer wi_source_take_tokenizer(wi_source *source)
{
    const wi_tokenizer taken = source->tokenizer;
    source->tokenizer = (wi_tokenizer){0};
    return taken;
}

const char *wi_source_merges(const wi_source *source, size_t *n_bytes)
{
    *n_bytes = source->n_merges;
    return source->merges;
}

/* ---- defaults ---- */

wi_preprocess wi_preprocess_openai(uint32_t image_px)
{
    return (wi_preprocess){.size_px = image_px,
                           .mode = WI_RESIZE_CROP,
                           .interpolation = WI_BICUBIC,
                           .mean = {0.48145466f, 0.4578275f, 0.40821073f},
                           .std = {0.26862954f, 0.26130258f, 0.27577711f}};
}

uint32_t wi_clip_end_token(uint32_t vocabulary_size)
{
    return vocabulary_size > 49407 ? 49407 : vocabulary_size - 1;
}
