#include "heads.h"
#include "../store/wait.h"
#include "keys.h"
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <whatsit/digest.h>
#include <whatsit/labels.h>

enum { MAX_KEPT = 128, MAX_KEPT_BYTES = 256 << 20, MAX_WAIT_S = 25 };

struct srv_head {
    char *id;      /* what it was made from */
    wi_head *head; /* NULL while it is being made */
    unsigned n_users;
    bool failed, listed;
    size_t n_bytes;
    uint64_t used; /* a count that grows with each use */
};

struct srv_heads {
    const wi_engine *engine;
    const srv_config *config;
    store *st;
    srv_memory *memory;
    pthread_mutex_t mutex;
    pthread_cond_t made;
    srv_head *kept[MAX_KEPT];
    size_t n_kept, kept_bytes;
    uint64_t n_uses;
    char **shipped; /* names of label lists, sorted */
    size_t n_shipped;
};

bool srv_head_name_ok(const char *name)
{
    size_t n = strlen(name);
    if (n == 0 || n > 100 || strchr(".-~", name[0])) {
        return false;
    }
    for (const unsigned char *c = (const unsigned char *)name; *c; c++) {
        if (*c < 0x20 || *c == 0x7f || strchr("/\\,?#%\"", *c)) {
            return false;
        }
    }
    return true;
}

const wi_head *srv_head_of(const srv_head *head)
{
    return head->head;
}

/* ---- keeping ---- */

static void free_head(srv_head *head)
{
    wi_head_close(&head->head);
    free(head->id);
    free(head);
}

static void unlist(srv_heads *heads, srv_head *head)
{
    for (size_t i = 0; i < heads->n_kept; i++) {
        if (heads->kept[i] == head) {
            heads->kept[i] = heads->kept[--heads->n_kept];
            heads->kept_bytes -= head->n_bytes;
            head->listed = false;
            return;
        }
    }
}

/* The least recently used that nobody uses goes; false: there is none. */
static bool evict(srv_heads *heads)
{
    srv_head *oldest = NULL;
    for (size_t i = 0; i < heads->n_kept; i++) {
        srv_head *head = heads->kept[i];
        if (head->n_users == 0 && (!oldest || head->used < oldest->used)) {
            oldest = head;
        }
    }
    if (oldest) {
        unlist(heads, oldest);
        free_head(oldest);
    }
    return oldest != NULL;
}

/* Counts what a head that has been made takes, and makes room for it. */
static void weigh(srv_heads *heads, srv_head *head)
{
    wi_head_info info;
    wi_head_get_info(head->head, &info);
    if (head->listed) {
        head->n_bytes = (info.n_labels + info.n_examples) * (size_t)info.dim * sizeof(float);
        heads->kept_bytes += head->n_bytes;
    }
    while (heads->kept_bytes > MAX_KEPT_BYTES && evict(heads)) {
    }
}

static srv_head *find(srv_heads *heads, const char *id)
{
    for (size_t i = 0; i < heads->n_kept; i++) {
        if (!strcmp(heads->kept[i]->id, id)) {
            return heads->kept[i];
        }
    }
    return NULL;
}

void srv_head_release(srv_heads *heads, srv_head **head)
{
    if (!*head) {
        return;
    }
    pthread_mutex_lock(&heads->mutex);
    (*head)->n_users--;
    bool last = (*head)->n_users == 0 && !(*head)->listed;
    pthread_mutex_unlock(&heads->mutex);
    if (last) {
        free_head(*head);
    }
    *head = NULL;
}

typedef wi_status maker(srv_heads *heads, srv_model *model, const void *context, wi_head **out,
                        wi_error *error);

/* Waits while another thread makes it. Called with the mutex held and the head in use. */
static wi_status wait_for(srv_heads *heads, srv_head *head, wi_error *error)
{
    const struct timespec when = store_in_ms(MAX_WAIT_S * 1e3);
    while (!head->head && !head->failed) {
        if (pthread_cond_timedwait(&heads->made, &heads->mutex, &when) == ETIMEDOUT) {
            break;
        }
    }
    return head->head ? WI_OK
                      : store_fail(error, WI_ERR_CANCELLED, "the head is being made: try again");
}

/* The kept head of that id, or a new one; only one thread makes it. */
static wi_status get_or_make(srv_heads *heads, srv_model *model, const char *id, maker *make,
                             const void *context, srv_head **out, wi_error *error)
{
    wi_status status = WI_OK;
    pthread_mutex_lock(&heads->mutex);
    srv_head *head = find(heads, id);
    bool is_new = !head;
    if (is_new) {
        if (heads->n_kept == MAX_KEPT) {
            evict(heads);
        }
        head = calloc(1, sizeof *head);
        char *copy = strdup(id);
        if (!head || !copy) {
            pthread_mutex_unlock(&heads->mutex);
            free(head);
            free(copy);
            return store_fail(error, WI_ERR_NOMEM, "out of memory");
        }
        head->id = copy;
        head->listed = heads->n_kept < MAX_KEPT;
        if (head->listed) {
            heads->kept[heads->n_kept++] = head;
        }
    }
    head->n_users++;
    head->used = ++heads->n_uses;
    if (!is_new) {
        status = wait_for(heads, head, error);
    }
    pthread_mutex_unlock(&heads->mutex);
    if (is_new) {
        wi_head *made = NULL;
        status = make(heads, model, context, &made, error);
        pthread_mutex_lock(&heads->mutex);
        head->head = made;
        head->failed = status != WI_OK;
        if (!head->failed) {
            weigh(heads, head);
        } else if (head->listed) {
            unlist(heads, head);
        }
        pthread_cond_broadcast(&heads->made);
        pthread_mutex_unlock(&heads->mutex);
    }
    *out = head;
    if (status != WI_OK) {
        srv_head_release(heads, out);
    }
    return status;
}

/* ---- making ---- */

static wi_status build(srv_model *model, const srv_asker *asker, srv_lane lane,
                       const wi_head_recipe *recipe, wi_head **out, wi_error *error)
{
    wi_session *session = NULL;
    wi_status status = srv_model_text_begin(model, asker, lane, &session, error);
    if (status == WI_OK) {
        status = wi_head_build(session, recipe, out, NULL, error);
        srv_model_text_end(model, asker, lane);
    }
    return status;
}

typedef struct words {
    const wi_head_recipe *recipe;
    const srv_asker *asker;
} words;

static wi_status make_of_words(srv_heads *heads, srv_model *model, const void *context,
                               wi_head **out, wi_error *error)
{
    const words *w = context;
    (void)heads;
    return build(model, w->asker, SRV_LANE_SHORT, w->recipe, out, error);
}

static wi_status make_of_file(srv_heads *heads, srv_model *model, const void *context,
                              wi_head **out, wi_error *error)
{
    const store_head *found = context;
    store_head stored = {0};
    size_t n_bytes = 2 * (size_t)found->n_bytes;
    (void)model;
    if (!srv_memory_take(heads->memory, 0, n_bytes)) {
        return store_fail(error, WI_ERR_CANCELLED, "too many heads are being read: try again");
    }
    wi_status status = store_head_get(heads->st, found->name, &stored, error);
    if (status == WI_OK && strcmp(stored.etag, found->etag)) {
        status = store_fail(error, WI_ERR_CANCELLED, "the head is being replaced: try again");
    }
    if (status == WI_OK) {
        status =
            wi_head_open_memory(heads->engine, stored.bytes, (size_t)stored.n_bytes, out, error);
    }
    store_head_free(&stored);
    srv_memory_give(heads->memory, 0, n_bytes);
    return status;
}

/* By the server's own account: whoever asks next finds it ready. */
static wi_status make_of_list(srv_heads *heads, srv_model *model, const void *context,
                              wi_head **out, wi_error *error)
{
    const srv_asker self = {.client = 0};
    wi_label_list *list = NULL;
    (void)heads;
    wi_status status = wi_label_list_open(context, &list, error);
    if (status == WI_OK) {
        wi_head_recipe recipe;
        wi_label_list_recipe(list, &recipe);
        status = build(model, &self, SRV_LANE_HEADS, &recipe, out, error);
    }
    wi_label_list_close(&list);
    return status;
}

static wi_status acquire_list(srv_heads *heads, srv_model *model, const char *path, srv_head **out,
                              wi_error *error)
{
    char *id = malloc(strlen(path) + 80);
    if (!id) {
        return store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    sprintf(id, "list %s %s", srv_model_describe(model)->fingerprint, path);
    wi_status status = get_or_make(heads, model, id, make_of_list, path, out, error);
    free(id);
    return status;
}

static wi_status acquire_stored(srv_heads *heads, srv_model *model, const store_head *stored,
                                srv_head **out, wi_error *error)
{
    char id[200];
    const srv_model_about *about = srv_model_describe(model);
    if (strcmp(stored->fingerprint, about->fingerprint)) {
        return store_fail(error, WI_ERR_MISMATCH,
                          "the head '%.60s' was made for the model '%.60s', this is '%.60s'",
                          stored->name, stored->model, about->name);
    }
    snprintf(id, sizeof id, "file %s", stored->etag);
    return get_or_make(heads, model, id, make_of_file, stored, out, error);
}

bool srv_head_is_visible(const srv_request *request, const store_head *head)
{
    bool is_own = !strcmp(head->owner, srv_request_owner(request));
    bool is_known = request->key.id || request->is_local;
    bool is_over = head->expires_ms > 0 && head->expires_ms < store_now_ms();
    return srv_key_sees_head(&request->key, head->name) && !is_over &&
           (is_own || !strcmp(head->visibility, "public") ||
            (is_known && !strcmp(head->visibility, "shared")));
}

wi_status srv_heads_acquire(srv_heads *heads, srv_model *model, const srv_request *request,
                            const char *name, srv_head **out, wi_error *error)
{
    const srv_config *config = heads->config;
    store_head stored = {0};
    *out = NULL;
    if (!name || !name[0]) {
        if (!config->everyday) {
            return store_fail(error, WI_ERR_NOT_FOUND, "no head was named: give one, or labels");
        }
        return acquire_list(heads, model, config->everyday, out, error);
    }
    wi_status status = srv_head_name_ok(name)
                           ? store_head_find(heads->st, name, &stored, error)
                           : store_fail(error, WI_ERR_NOT_FOUND, "there is no head of that name");
    if (status == WI_OK && !srv_head_is_visible(request, &stored)) {
        status = store_fail(error, WI_ERR_NOT_FOUND, "there is no head '%.100s'", name);
    } else if (status == WI_OK) {
        status = acquire_stored(heads, model, &stored, out, error);
    } else if (status == WI_ERR_NOT_FOUND && srv_heads_is_shipped(heads, name) &&
               srv_key_sees_head(&request->key, name)) {
        char *path = malloc(strlen(config->heads) + strlen(name) + 8);
        if (!path) {
            return store_fail(error, WI_ERR_NOMEM, "out of memory");
        }
        sprintf(path, "%s/%s.txt", config->heads, name);
        status = acquire_list(heads, model, path, out, error);
        free(path);
    }
    store_head_free(&stored);
    return status;
}

static void digest_text(wi_digest *digest, const char *text)
{
    wi_digest_update(digest, text, strlen(text) + 1);
}

/* With their number before them, so that no list can pass for another two. */
static void digest_texts(wi_digest *digest, const char *const *texts, size_t n)
{
    uint64_t count = n;
    wi_digest_update(digest, &count, sizeof count);
    for (size_t i = 0; i < n; i++) {
        digest_text(digest, texts[i]);
    }
}

wi_status srv_heads_of_words(srv_heads *heads, srv_model *model, const srv_asker *asker,
                             const wi_head_recipe *recipe, srv_head **out, wi_error *error)
{
    char id[80] = "words ";
    wi_digest *digest = NULL;
    size_t n_prompts = recipe->n_labels * (recipe->n_templates ? recipe->n_templates : 1);
    *out = NULL;
    if (n_prompts > SRV_MAX_WORDS) {
        return store_fail(error, WI_ERR_LIMIT,
                          "%zu prompts, %d are allowed here: make a head of them once", n_prompts,
                          SRV_MAX_WORDS);
    }
    wi_status status = wi_digest_open(&digest, error);
    if (status != WI_OK) {
        return status;
    }
    digest_text(digest, srv_model_describe(model)->fingerprint);
    digest_text(digest, recipe->sigmoid ? "sigmoid" : recipe->softmax ? "softmax" : "usual");
    digest_texts(digest, recipe->labels, recipe->n_labels);
    digest_texts(digest, recipe->groups, recipe->groups ? recipe->n_labels : 0);
    digest_texts(digest, recipe->templates, recipe->n_templates);
    wi_digest_finish(digest, id + 6);
    wi_digest_close(&digest);
    const words w = {recipe, asker};
    return get_or_make(heads, model, id, make_of_words, &w, out, error);
}

/* ---- shipped lists ---- */

static int compare_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_list(const char *file)
{
    size_t n = strlen(file);
    return n > 4 && n < 100 && file[0] != '.' && !strcmp(file + n - 4, ".txt") &&
           !(n > 14 && !strcmp(file + n - 14, ".templates.txt"));
}

static void free_names(char **names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(names[i]);
    }
    free(names);
}

wi_status srv_heads_reload(srv_heads *heads, wi_error *error)
{
    DIR *folder = heads->config->heads ? opendir(heads->config->heads) : NULL;
    struct dirent *entry;
    char **names = NULL;
    size_t n = 0;
    bool good = true;
    while (folder && good && (entry = readdir(folder))) {
        char **more = is_list(entry->d_name) ? realloc(names, (n + 1) * sizeof *names) : NULL;
        if (more) {
            names = more;
            names[n] = strndup(entry->d_name, strlen(entry->d_name) - 4);
            good = names[n] != NULL;
            n += good;
        }
    }
    if (folder) {
        closedir(folder);
    }
    if (!good) {
        free_names(names, n);
        return store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    if (n > 1) {
        qsort(names, n, sizeof *names, compare_text);
    }
    pthread_mutex_lock(&heads->mutex);
    char **old = heads->shipped;
    size_t n_old = heads->n_shipped;
    heads->shipped = names;
    heads->n_shipped = n;
    for (size_t i = heads->n_kept; i-- > 0;) {
        srv_head *head = heads->kept[i];
        if (head->n_users == 0) {
            unlist(heads, head);
            free_head(head);
        } else if (head->head) {
            unlist(heads, head);
        }
    }
    pthread_mutex_unlock(&heads->mutex);
    free_names(old, n_old);
    return WI_OK;
}

char *srv_heads_shipped_at(srv_heads *heads, size_t index)
{
    pthread_mutex_lock(&heads->mutex);
    char *name = index < heads->n_shipped ? strdup(heads->shipped[index]) : NULL;
    pthread_mutex_unlock(&heads->mutex);
    return name;
}

bool srv_heads_is_shipped(srv_heads *heads, const char *name)
{
    pthread_mutex_lock(&heads->mutex);
    bool found = heads->n_shipped > 0 && bsearch(&name, heads->shipped, heads->n_shipped,
                                                 sizeof *heads->shipped, compare_text);
    pthread_mutex_unlock(&heads->mutex);
    return found;
}

wi_status srv_heads_open(const wi_engine *engine, const srv_config *config, store *st,
                         srv_memory *memory, srv_heads **out, wi_error *error)
{
    srv_heads *heads = calloc(1, sizeof *heads);
    if (!heads) {
        return store_fail(error, WI_ERR_NOMEM, "out of memory");
    }
    heads->engine = engine;
    heads->config = config;
    heads->st = st;
    heads->memory = memory;
    pthread_mutex_init(&heads->mutex, NULL);
    store_cond_init(&heads->made);
    *out = heads;
    return srv_heads_reload(heads, error);
}

void srv_heads_close(srv_heads **heads)
{
    if (!*heads) {
        return;
    }
    for (size_t i = 0; i < (*heads)->n_kept; i++) {
        free_head((*heads)->kept[i]);
    }
    free_names((*heads)->shipped, (*heads)->n_shipped);
    pthread_cond_destroy(&(*heads)->made);
    pthread_mutex_destroy(&(*heads)->mutex);
    free(*heads);
    *heads = NULL;
}
