/* whatsit: what is in this picture? Finds the verb, reads its options, runs it. */
#include "args.h"
#include "help.h"
#include "term.h"
#include "verbs.h"
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

/* The one thing that a signal handler can reach. */
static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

bool cli_interrupted(void)
{
    return interrupted != 0;
}

/* Once: finish what is at hand. Twice: end at once. Reads are not restarted, so that they wake up.
 */
static void catch_interrupts(void)
{
    struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    /* A file size limit then shows as a failed write, with a message. */
    signal(SIGXFSZ, SIG_IGN);
}

/* The verb of two words, of one, or NULL for the main job. *n_words: how many words it took. */
static const cli_verb *verb_of(int n, char **words, int *n_words)
{
    char both[80];
    const cli_verb *verb = NULL;
    *n_words = 0;
    if (n > 1 && strlen(words[0]) + strlen(words[1]) + 2 < sizeof both) {
        snprintf(both, sizeof both, "%.38s %.38s", words[0], words[1]);
        verb = cli_verb_find(both);
        *n_words = verb ? 2 : 0;
    }
    if (!verb && n > 0 && words[0][0]) {
        verb = cli_verb_find(words[0]);
        *n_words = verb ? 1 : 0;
    }
    return verb;
}

/* "head" alone or with a word that is none of its verbs. */
static int unknown_of_group(const char *group, const char *word)
{
    fprintf(stderr, "whatsit: '%s%s%s' is not complete or not known: one of", group,
            word ? " " : "", word ? word : "");
    const cli_verb *verb;
    const char *best = NULL;
    size_t distance = 3;
    for (size_t i = 0; (verb = cli_verb_at(i)); i++) {
        if (cli_is_in_group(verb, group)) {
            fprintf(stderr, " '%s'", verb->name);
            cli_nearest(word ? word : "", verb->name + strlen(group) + 1, &best, &distance);
        }
    }
    if (best) {
        fprintf(stderr, ": did you mean '%s %s'?", group, best);
    }
    fprintf(stderr, " (see 'whatsit help')\n");
    return CLI_USAGE;
}

/* A bare word that is no file was meant as a verb: pictures have endings or folders. */
static bool is_mistyped(const char *word)
{
    struct stat info;
    return word[0] && word[0] != '-' && !strpbrk(word, "./") && lstat(word, &info) != 0;
}

static int no_such_verb(const char *word)
{
    char clean[64];
    const char *best = NULL;
    size_t distance = 3;
    const cli_verb *verb;
    cli_printable(word, clean, sizeof clean);
    for (size_t i = 0; (verb = cli_verb_at(i)); i++) {
        static char first[32];
        size_t n = strcspn(verb->name, " ");
        const char *nearer = best;
        snprintf(first, sizeof first, "%.*s", (int)n, verb->name);
        cli_nearest(word, first, &nearer, &distance);
        if (nearer == first) { /* of a group, its first word */
            best = verb->name;
        }
    }
    if (best) {
        fprintf(stderr,
                "whatsit: there is no verb or picture '%s': did you mean '%.*s'? ('whatsit help' "
                "shows the verbs)\n",
                clean, (int)strcspn(best, " "), best);
    } else {
        fprintf(stderr,
                "whatsit: there is no verb or picture '%s'; 'whatsit help' shows the verbs\n",
                clean);
    }
    return CLI_USAGE;
}

/* Options before a verb: its name would be taken for a picture's. CLI_USAGE after saying so. */
static int check_order(const cli_verb *classify, int n, char **words)
{
    struct stat info;
    int status = CLI_OK;
    for (int i = 1; i < n && status == CLI_OK && strcmp(words[i], "--"); i++) {
        const bool is_verb = words[i][0] && (cli_verb_find(words[i]) || cli_is_group(words[i]));
        if (is_verb && lstat(words[i], &info) != 0) {
            cli_args args;
            status =
                cli_args_parse(classify, i + 1, words, &args); /* or is it an option's value? */
            if (status == CLI_OK && args.n_operands == 1) {
                status = cli_usage(classify, "'%s' is a verb, and comes first: whatsit %s ...",
                                   words[i], words[i]);
            }
            cli_args_free(&args);
        }
    }
    return status;
}

static int run_verb(cli_app *app, const cli_verb *verb, int n, char **words)
{
    cli_args args;
    int status = cli_args_parse(verb, n, words, &args);
    if (status == CLI_OK && args.help) {
        cli_help_verb(verb);
    } else if (status == CLI_OK) {
        app->quiet = cli_args_has(&args, "quiet");
        status = verb->run(app, &args);
    }
    cli_args_free(&args);
    int finished = cli_finish_output(app);
    if (cli_interrupted()) {
        return CLI_INTERRUPTED;
    }
    return status != CLI_OK ? status : finished;
}

int main(int argc, char **argv)
{
    cli_app app;
    int n = argc > 0 ? argc - 1 : 0, n_words = 0;
    char **words = argv + 1;
    cli_app_init(&app);
    catch_interrupts();
    if (n == 0) {
        cli_help_short(stderr);
        return CLI_USAGE;
    }
    if (!strcmp(words[0], "--help") || !strcmp(words[0], "-h")) {
        cli_help_all();
        return cli_finish_output(&app);
    }
    if (!strcmp(words[0], "--version") || !strcmp(words[0], "-V")) {
        printf("whatsit %s\n", wi_version());
        return cli_finish_output(&app);
    }
    const cli_verb *verb = verb_of(n, words, &n_words);
    if (!verb && cli_is_group(words[0])) {
        bool wants_help = n == 2 && (!strcmp(words[1], "--help") || !strcmp(words[1], "-h"));
        if (!wants_help) {
            return unknown_of_group(words[0], n > 1 ? words[1] : NULL);
        }
        cli_help_group(words[0]);
        return cli_finish_output(&app);
    }
    if (!verb && cli_verb_is_left_out(words[0])) {
        fprintf(stderr, "whatsit: '%s' is not in " WHATSIT_BUILD "\n", words[0]);
        return CLI_USAGE;
    }
    if (!verb && is_mistyped(words[0])) {
        return no_such_verb(words[0]);
    }
    if (!verb) {
        verb = cli_verb_find("");
        if (words[0][0] == '-' && check_order(verb, n, words) != CLI_OK) {
            return CLI_USAGE;
        }
    }
    return run_verb(&app, verb, n - n_words, words + n_words);
}
