#include "help.h"
#include <string.h>

/* Words for `complete` of a verb or option, as shell code of bash and zsh's bash emulation. */
static void bash_reply(const char *complete, const char *indent)
{
    if (!complete) {
        printf("%sCOMPREPLY=()\n", indent);
    } else if (!strcmp(complete, "@file")) {
        printf("%s_whatsit_files\n", indent);
    } else if (!strcmp(complete, "@dir")) {
        printf("%sCOMPREPLY=($(compgen -d -- \"$cur\"))\n", indent);
    } else if (!strcmp(complete, "@model") || !strcmp(complete, "@head")) {
        printf("%s_whatsit_names \"$(whatsit %s list --names 2>/dev/null)\"\n", indent,
               complete + 1);
    } else {
        printf("%sCOMPREPLY=($(compgen -W \"%s\" -- \"$cur\"))\n", indent, complete);
    }
}

static void bash_verb(const cli_verb *verb)
{
    const cli_option *option;
    printf("    \"%s\")\n        case \"$prev\" in\n", verb->name);
    for (size_t i = 0; (option = cli_verb_option(verb, i)); i++) {
        if (!option->value) {
            continue;
        }
        printf("        --%s", option->name);
        if (option->letter) {
            printf("|-%c", option->letter);
        }
        printf(")\n");
        bash_reply(option->complete, "            ");
        printf("            return ;;\n");
    }
    printf(
        "        esac\n        if [[ $cur == -* ]]; then\n            COMPREPLY=($(compgen -W \"");
    for (size_t i = 0; (option = cli_verb_option(verb, i)); i++) {
        printf("%s--%s", i ? " " : "", option->name);
    }
    printf("\" -- \"$cur\"))\n            return\n        fi\n");
    bash_reply(verb->complete, "        ");
    printf("        ;;\n");
}

/* The distinct first words of all verbs, or the second words of one group. */
static void print_words(const char *group, const char *between)
{
    const cli_verb *verb;
    char last[40] = "";
    for (size_t i = 1; (verb = cli_verb_at(i)); i++) {
        size_t n = strcspn(verb->name, " ");
        if (group) {
            if (cli_is_in_group(verb, group)) {
                printf("%s%s", verb->name + n + 1, between);
            }
        } else if (strlen(last) != n || strncmp(last, verb->name, n)) {
            snprintf(last, sizeof last, "%.*s", (int)n, verb->name);
            printf("%s%s", last, between);
        }
    }
}

/* Calls each(word) for every word that begins verbs of two words. */
static void each_group(void (*each)(const char *group))
{
    const cli_verb *verb;
    char last[40] = "";
    for (size_t i = 1; (verb = cli_verb_at(i)); i++) {
        size_t n = strcspn(verb->name, " ");
        if (verb->name[n] && (strlen(last) != n || strncmp(last, verb->name, n))) {
            snprintf(last, sizeof last, "%.*s", (int)n, verb->name);
            each(last);
        }
    }
}

static void bash_group(const char *group)
{
    printf("    if [[ $verb == %s ]]; then\n        if (( COMP_CWORD == 2 )); then\n"
           "            COMPREPLY=($(compgen -W \"",
           group);
    print_words(group, " ");
    printf("\" -- \"$cur\"))\n            return\n        fi\n"
           "        verb=\"%s ${COMP_WORDS[2]}\"\n    fi\n",
           group);
}

static void completion_bash(void)
{
    const cli_verb *verb;
    printf(
        "# bash completion for whatsit; made by 'whatsit completion bash'\n"
        "_whatsit_files() {\n    compopt -o filenames 2>/dev/null\n"
        "    local IFS=$'\\n'\n    COMPREPLY=($(compgen -f -- \"$cur\"))\n}\n"
        "_whatsit_names() {\n    compopt -o filenames 2>/dev/null\n"
        "    local IFS=$'\\n'\n    COMPREPLY=($(compgen -W \"$1\" -- \"$cur\"; compgen -f -- "
        "\"$cur\"))\n}\n"
        "_whatsit() {\n    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
        "    local verb=${COMP_WORDS[1]}\n    COMPREPLY=()\n"
        "    if (( COMP_CWORD == 1 )) && [[ $cur != -* ]]; then\n"
        "        _whatsit_files\n        COMPREPLY+=($(compgen -W \"");
    print_words(NULL, " ");
    printf("\" -- \"$cur\"))\n        return\n    fi\n");
    each_group(bash_group);
    printf("    case \"$verb\" in\n");
    for (size_t i = 1; (verb = cli_verb_at(i)); i++) {
        bash_verb(verb);
    }
    printf("    *)\n        verb=\"\" ;;\n    esac\n    [[ -n $verb ]] && return\n    case "
           "\"$verb\" in\n");
    bash_verb(cli_verb_at(0));
    printf("    esac\n}\ncomplete -F _whatsit whatsit\n");
}

/* Single-quoted for zsh and fish, without the characters that their option lists give a meaning. */
static void print_quoted(const char *text)
{
    putchar('\'');
    for (; *text; text++) {
        if (*text == '\'') {
            printf("'\\''");
        } else if (*text == '[' || *text == ']' || *text == ':' || *text == '\\') {
            putchar(' ');
        } else {
            putchar(*text);
        }
    }
    putchar('\'');
}

static void zsh_action(const char *complete)
{
    if (!complete) {
        printf(": ");
    } else if (!strcmp(complete, "@file")) {
        printf("_files");
    } else if (!strcmp(complete, "@dir")) {
        printf("_files -/");
    } else if (complete[0] == '@') {
        printf("_whatsit_%ss", complete + 1);
    } else {
        printf("(%s)", complete);
    }
}

static void zsh_verb(const cli_verb *verb)
{
    const cli_option *option;
    printf("    '%s')\n        _arguments -s", verb->name);
    for (size_t i = 0; (option = cli_verb_option(verb, i)); i++) {
        printf(" \\\n            %s", option->repeats ? "\\*" : "");
        printf("--%s", option->name);
        print_quoted("");
        printf("%s'['", option->value ? "=" : "");
        print_quoted(option->help);
        printf("']'");
        if (option->value) {
            printf(":'%s:", option->name);
            zsh_action(option->complete);
            putchar('\'');
        }
    }
    printf(" \\\n            '*: :");
    zsh_action(verb->complete);
    printf("'\n        ;;\n");
}

static void zsh_group(const char *group)
{
    printf(
        "    if [[ $verb == %s ]]; then\n        if (( CURRENT == 3 )); then\n            compadd ",
        group);
    print_words(group, " ");
    printf(
        "\n            return\n        fi\n        verb=\"%s $words[3]\"\n        drop=2\n    fi\n",
        group);
}

static void completion_zsh(void)
{
    const cli_verb *verb;
    printf("#compdef whatsit\n# made by 'whatsit completion zsh'\n"
           "_whatsit_models() {\n    compadd -- ${(f)\"$(whatsit model list --names "
           "2>/dev/null)\"}\n    "
           "_files\n}\n"
           "_whatsit_heads() {\n    compadd -- ${(f)\"$(whatsit head list --names "
           "2>/dev/null)\"}\n    "
           "_files\n}\n"
           "_whatsit() {\n    local verb=$words[2] drop=1\n"
           "    if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then\n        compadd ");
    print_words(NULL, " ");
    printf("\n        _files\n        return\n    fi\n");
    each_group(zsh_group);
    printf("    case \"$verb\" in\n    ");
    for (size_t i = 1; (verb = cli_verb_at(i)); i++) {
        printf("%s'%s'", i > 1 ? "|" : "", verb->name);
    }
    printf(") words[2,drop+1]=(); (( CURRENT -= drop )) ;;\n    *) verb='' ;;\n    esac\n"
           "    case \"$verb\" in\n");
    for (size_t i = 0; (verb = cli_verb_at(i)); i++) {
        zsh_verb(verb);
    }
    printf("    esac\n}\n_whatsit \"$@\"\n");
}

static void fish_condition(const cli_verb *verb)
{
    size_t n = strcspn(verb->name, " ");
    if (!verb->name[0]) {
        printf("complete -c whatsit -n __whatsit_main");
    } else if (verb->name[n]) {
        printf("complete -c whatsit -n '__whatsit_verb %.*s %s'", (int)n, verb->name,
               verb->name + n + 1);
    } else {
        printf("complete -c whatsit -n '__whatsit_verb %s'", verb->name);
    }
}

static void fish_action(const char *complete)
{
    if (!complete) {
        printf(" -x");
    } else if (!strcmp(complete, "@file")) {
        printf(" -r -F");
    } else if (!strcmp(complete, "@dir")) {
        printf(" -x -a '(__fish_complete_directories)'");
    } else if (complete[0] == '@') {
        printf(" -r -F -a '(whatsit %s list --names 2>/dev/null)'", complete + 1);
    } else {
        printf(" -x -a '%s'", complete);
    }
}

static void fish_verb(const cli_verb *verb)
{
    const cli_option *option;
    for (size_t i = 0; (option = cli_verb_option(verb, i)); i++) {
        fish_condition(verb);
        printf(" -l %s", option->name);
        if (option->letter) {
            printf(" -s %c", option->letter);
        }
        if (option->value) {
            fish_action(option->complete);
        }
        printf(" -d ");
        print_quoted(option->help);
        printf("\n");
    }
    if (verb->complete && verb->complete[0] != '@') {
        fish_condition(verb);
        printf(" -f -a '%s'\n", verb->complete);
    } else if (verb->complete && strcmp(verb->complete, "@file") &&
               strcmp(verb->complete, "@dir")) {
        fish_condition(verb);
        printf(" -a '(whatsit %s list --names 2>/dev/null)'\n", verb->complete + 1);
    }
}

static void fish_group(const char *group)
{
    printf("complete -c whatsit -n '__whatsit_verb %s' -f -a '", group);
    print_words(group, " ");
    printf("'\n");
}

static void completion_fish(void)
{
    const cli_verb *verb;
    printf("# fish completion for whatsit; made by 'whatsit completion fish'\n"
           "function __whatsit_verb\n    set -l words (commandline -opc)\n"
           "    for i in (seq (count $argv))\n        set -l at (math $i + 1)\n"
           "        test \"$words[$at]\" = \"$argv[$i]\"; or return 1\n"
           "    end\nend\n"
           "function __whatsit_main\n    set -l words (commandline -opc)\n"
           "    test (count $words) -ge 2; or return 0\n    not contains -- $words[2] ");
    print_words(NULL, " ");
    printf("\nend\ncomplete -c whatsit -n 'test (count (commandline -opc)) -eq 1' -a '");
    print_words(NULL, " ");
    printf("'\n");
    each_group(fish_group);
    for (size_t i = 0; (verb = cli_verb_at(i)); i++) {
        fish_verb(verb);
    }
}

bool cli_completion(const char *shell)
{
    if (!strcmp(shell, "bash")) {
        completion_bash();
    } else if (!strcmp(shell, "zsh")) {
        completion_zsh();
    } else if (!strcmp(shell, "fish")) {
        completion_fish();
    } else {
        return false;
    }
    return true;
}
