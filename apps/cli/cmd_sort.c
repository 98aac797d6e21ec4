/* Pictures into folders by what a head says. Nothing happens without --go, nothing is ever
 * overwritten, and a log beside the folders takes everything back. */
#include "heads.h"
#include "inputs.h"
#include "load.h"
#include "output.h"
#include "place.h"
#include "term.h"
#include "vectors.h"
#include "verbs.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const cli_option options[] = {
    {"as", 'a', "HEAD", false, "sort by this head's answers", "@head"},
    {"into", 'o', "DIR", false, "the folder in which a folder per label is made", "@dir"},
    {"copy", 0, NULL, false, "copy the pictures (the default)", NULL},
    {"link", 0, NULL, false, "make symbolic links to them", NULL},
    {"move", 0, NULL, false, "move them", NULL},
    {"min", 0, "SCORE", false, "below this score a picture goes to 'unsure' (default: 0)", NULL},
    {"go", 0, NULL, false, "do it; without this, only say what would be done", NULL},
    {"undo", 0, "LOG", false, "take back what the log tells", "@file"},
    CLI_INPUTS_OPTIONS,
    {0},
};

typedef struct job {
    cli_app *app;
    const cli_args *args;
    cli_list paths, taken; /* taken: the same, sorted */
    cli_folder folder;
    cli_placing placing;
    double min;
    bool go;
    size_t n, n_done, n_failed;
    bool *is_link; /* [paths.n] */
    bool full;     /* the disk: nothing more can be done */
} job;

static int read_options(job *j)
{
    const cli_args *args = j->args;
    const char *min = cli_args_value(args, "min");
    bool copy = cli_args_has(args, "copy"), link = cli_args_has(args, "link"),
         move = cli_args_has(args, "move");
    char *end = NULL;
    if (copy + link + move > 1) {
        return cli_usage(args->verb, "only one of --copy, --link and --move");
    }
    if (!cli_args_has(args, "as") || !cli_args_has(args, "into") || args->n_operands == 0) {
        return cli_usage(args->verb, "needs --as HEAD, pictures or folders, and --into DIR");
    }
    j->min = min ? strtod(min, &end) : 0;
    if (min && (end == min || *end || !(j->min >= 0 && j->min <= 1))) {
        return cli_usage(args->verb, "--min takes a number from 0 to 1, not '%s'", min);
    }
    j->placing.how = move ? CLI_PLACE_MOVE : link ? CLI_PLACE_LINK : CLI_PLACE_COPY;
    j->placing.into = cli_args_value(args, "into");
    j->go = cli_args_has(args, "go");
    return CLI_OK;
}

enum { MAX_FOLDER_BYTES = 200 };

/* The folder's name for an answer: a label may hold what a file name cannot. The caller frees. */
static char *folder_name(const char *label)
{
    char *name = cli_text("%s%s", label[0] == '.' ? "_" : "", label);
    for (char *c = name; c && *c; c++) {
        if (*c == '/' || *c == '\\') {
            *c = '-';
        }
    }
    for (size_t n = MAX_FOLDER_BYTES; name && strlen(name) > MAX_FOLDER_BYTES; n--) {
        if (((unsigned char)name[n] & 0xc0) != 0x80) { /* between two characters */
            name[n] = '\0';
        }
    }
    return name;
}

/* The log tells of a step before it is done, so that nothing is ever done that it does not tell. */
static bool place(job *j, const char *from, const char *folder)
{
    wi_error error = {0};
    cli_party party;
    wi_status status = cli_party_find(from, &j->taken, &j->folder, &party)
                           ? cli_place_party(&j->placing, &party, folder, &error)
                           : cli_fail(&error, WI_ERR_NOMEM, "out of memory");
    j->full = status == WI_ERR_LIMIT;
    if (j->full) {
        size_t n_left = j->n - j->n_done - j->n_failed;
        cli_error(j->app, "%s: stopped, with %zu picture%s to go", error.message, n_left,
                  n_left == 1 ? "" : "s");
    } else if (status != WI_OK) {
        cli_failed(j->app, from, &error);
    }
    cli_party_free(&party);
    return status == WI_OK;
}

static bool sort_one(job *j, const wi_head *head, const char *path, const float *embedding,
                     size_t dim)
{
    wi_error error = {0};
    wi_answer best = {0};
    size_t n = 0;
    float known;
    bool none = false;
    wi_status status = wi_head_answer(head, embedding, dim, 1, &best, &n, &error);
    if (status == WI_OK) {
        status = wi_head_known(head, embedding, dim, &known, &none, &error);
    }
    if (status != WI_OK) {
        cli_failed(j->app, path, &error);
        return false;
    }
    char *name = none                          ? cli_text("none of these")
                 : (double)best.score < j->min ? cli_text("unsure")
                                               : folder_name(wi_head_label(head, best.label));
    char *folder = name ? cli_text("%s/%s", cli_args_value(j->args, "into"), name) : NULL;
    bool done = folder != NULL;
    if (done && j->go) {
        done = place(j, path, folder);
    } else if (done) {
        char text[1024];
        cli_printable(path, text, sizeof text);
        printf("%5.1f %%  %s -> ", 100 * (double)best.score, text);
        cli_printable(folder, text, sizeof text);
        printf("%s/\n", text);
    }
    free(name);
    free(folder);
    return done;
}

/* Links come last: by then it is known where their files went. */
static void sort_each(job *j, const wi_head *head, const cli_vectors *v)
{
    size_t n_shown = 0;
    for (int links = 0; links < 2; links++) {
        for (size_t i = 0; i < v->n && !j->full && !cli_interrupted(); i++) {
            struct stat info;
            const char *path = j->paths.items[i];
            if (j->is_link[i] != links) {
                continue;
            }
            if (v->good[i] && j->go && lstat(path, &info) != 0) {
                cli_error(j->app, "%s: is not there any more", path);
                j->n_failed++;
            } else if (v->good[i] && sort_one(j, head, path, v->rows + i * v->dim, v->dim)) {
                j->n_done++;
            } else {
                j->n_failed++;
            }
            if (j->go) {
                cli_progress(j->app, "pictures", ++n_shown, v->n);
            }
        }
    }
}

static int sort_all(job *j, const cli_runtime *runtime, const wi_head *head)
{
    cli_vectors v = {0};
    cli_vectors_options how = {.image = cli_picture_options(j->args), .args = j->args};
    int read = cli_vectors_open(runtime, &j->paths, &how, &v);
    int status = read != CLI_INTERRUPTED && v.n_good > 0 ? CLI_OK : read;
    if (status == CLI_OK && j->go) {
        status = cli_place_open_log(j->app, &j->placing, "sort");
    }
    j->n = v.n;
    if (status == CLI_OK) {
        sort_each(j, head, &v);
    }
    cli_progress_clear(j->app);
    cli_vectors_free(&v);
    return status == CLI_OK ? read : status;
}

static const char *plural(size_t n)
{
    return n == 1 ? "" : "s";
}

static void say_done(const job *j)
{
    static const char *const verbs[] = {"copied", "linked", "moved"};
    size_t n_there = j->placing.n_there, n = j->n_done - n_there;
    const char *verb = verbs[j->placing.how];
    if (n_there > 0) {
        cli_note(j->app, "%zu %s there already%s", n_there, n_there == 1 ? "is" : "are",
                 j->placing.how == CLI_PLACE_MOVE ? ": left where it lies" : "");
    }
    if (j->go && n > 0) {
        size_t n_companions = j->placing.n_companions;
        char more[64] = "";
        if (n_companions > 0) {
            snprintf(more, sizeof more, " and %zu companion%s (sidecars, films, raw photos)",
                     n_companions, plural(n_companions));
        }
        char *log = cli_shell_word(j->placing.log_path);
        cli_note(j->app, "%zu picture%s%s %s; take it back with: whatsit sort --undo %s", n,
                 plural(n), more, verb, log ? log : "");
        free(log);
    } else if (n > 0) {
        cli_note(j->app, "nothing was done: with --go, %zu picture%s would be %s", n, plural(n),
                 verb);
    }
}

/* The folders that this head makes, sorted. */
static bool add_own_folders(const wi_head *head, cli_list *out)
{
    const char *label;
    bool good =
        cli_list_add(out, cli_text("none of these")) && cli_list_add(out, cli_text("unsure"));
    for (size_t i = 0; good && (label = wi_head_label(head, i)); i++) {
        good = cli_list_add(out, folder_name(label));
    }
    cli_list_sort(out);
    return good;
}

/* What was sorted before is no picture to sort: the folder itself within a source, and of a source
 * that is sorted into itself the folders of the labels. */
static int read_pictures(job *j, const wi_head *head)
{
    cli_inputs in;
    cli_list own = {0};
    int status = CLI_OK;
    cli_inputs_open(&in, j->app, j->args);
    in.without = j->placing.into;
    if (!add_own_folders(head, &own)) {
        cli_error(j->app, "out of memory");
        status = CLI_FAILED;
    }
    in.without_in_it = &own;
    for (size_t i = 0; i < j->args->n_operands && status == CLI_OK; i++) {
        cli_inputs_add(&in, j->args->operands[i]);
    }
    cli_inputs_say(&in);
    status = status == CLI_OK ? in.status : status;
    j->paths = in.paths;
    in.paths = (cli_list){0};
    cli_inputs_close(&in);
    cli_list_free(&own);
    j->is_link = calloc(j->paths.n + 1, sizeof *j->is_link);
    bool good = j->is_link != NULL;
    for (size_t i = 0; i < j->paths.n && good; i++) {
        struct stat info;
        j->is_link[i] = lstat(j->paths.items[i], &info) == 0 && S_ISLNK(info.st_mode);
        good = cli_list_add(&j->taken, cli_text("%s", j->paths.items[i]));
    }
    if (!good) {
        cli_error(j->app, "out of memory");
        return CLI_FAILED;
    }
    cli_list_sort(&j->taken);
    return status;
}

static int run_sort(cli_app *app, const cli_args *args)
{
    job j = {.app = app, .args = args};
    cli_runtime runtime = {0};
    wi_head *head = NULL;
    int listed = CLI_OK, status = read_options(&j);
    if (status == CLI_OK) {
        status = cli_runtime_open(app, args, 0, &runtime);
    }
    if (status == CLI_OK) {
        status = cli_head_open(&runtime, cli_args_value(args, "as"), false, &head);
    }
    if (status == CLI_OK) {
        cli_head_warn_single(app, cli_args_value(args, "as"), head);
        listed = read_pictures(&j, head);
        status = j.paths.n > 0 ? sort_all(&j, &runtime, head) : listed;
    }
    if (j.placing.log) {
        int closed = cli_place_close_log(app, &j.placing, j.full);
        status = status == CLI_OK ? closed : status;
    }
    if (j.placing.log_path || !j.go) {
        say_done(&j);
    }
    wi_head_close(&head);
    cli_runtime_close(&runtime);
    cli_placing_free(&j.placing);
    cli_list_free(&j.paths);
    cli_list_free(&j.taken);
    cli_folder_free(&j.folder);
    free(j.is_link);
    status = status == CLI_OK ? listed : status;
    return status == CLI_OK && j.n_failed > 0 ? CLI_FAILED : status;
}

static int run(cli_app *app, const cli_args *args)
{
    const char *log = cli_args_value(args, "undo");
    if (log && (args->n_operands > 0 || args->n_given > 1 + cli_args_count(args, "quiet"))) {
        return cli_usage(args->verb, "--undo goes alone");
    }
    return log ? cli_place_run_undo(app, log) : run_sort(app, args);
}

const cli_verb cli_verb_sort = {
    .name = "sort",
    .operands = "[IMAGE|DIR...]",
    .summary = "put pictures into folders by a head's answers",
    .details =
        "Makes a folder per label in the folder given by --into, 'none of these' for pictures that "
        "no label fits (heads that can tell), and 'unsure' for those below --min. Without --go it "
        "only shows what it would do.\n\n"
        "What belongs to a photo travels along: notes and edits of other programs (.xmp, .AAE, "
        "...), "
        "the film of a live photo, the raw photo. A link that is moved leads to the same file as "
        "before. Nothing is ever overwritten: a name that is taken gets a number, and a photo that "
        "is there already, byte for byte, is left where it is, so sorting again changes nothing. "
        "The folder --into is never a source of itself.\n\n"
        "A log in the folder tells every step before it is done, and --undo takes them back, "
        "emptied folders too; what it cannot take back it names: a copy that was changed since, a "
        "file that is gone.",
    .examples = "whatsit sort --as flowers ~/Pictures/new --into sorted\n"
                "    what would go where?\n"
                "whatsit sort --as flowers ~/Pictures/new --into sorted --move --min 0.5 --go\n"
                "    do it, and leave what is not clear for a second look\n"
                "whatsit sort --undo sorted/whatsit-sort-20260314-101500-4711.tsv\n"
                "    take it back\n",
    .complete = "@file",
    .max_operands = SIZE_MAX,
    .shared = CLI_TAKES_MODEL | CLI_TAKES_THREADS | CLI_TAKES_PICTURES,
    .options = options,
    .run = run,
};
