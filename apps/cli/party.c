#include "party.h"
#include "term.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <whatsit/image.h>

/* rest: what follows the photo's name or stem in another name. Google's notes have two endings. */
static bool is_companion_ending(const char *rest)
{
    wi_name_kind kind = wi_image_name(rest, NULL);
    return !strcasecmp(rest, ".supplemental-metadata.json") ||
           (rest[0] == '.' && !strchr(rest + 1, '.') &&
            (kind == WI_NAME_RAW || kind == WI_NAME_VIDEO || kind == WI_NAME_SIDECAR));
}

void cli_folder_free(cli_folder *folder)
{
    cli_list_free(&folder->names);
    free(folder->path);
    *folder = (cli_folder){0};
}

/* Takes path over. False: no memory. */
static bool turn_to(cli_folder *folder, char *path)
{
    if (path && folder->path && !strcmp(folder->path, path)) {
        free(path);
        return true;
    }
    cli_folder_free(folder);
    folder->path = path;
    if (path) {
        cli_list_names(path, "", &folder->names);
        cli_list_sort(&folder->names);
    }
    return path != NULL;
}

size_t cli_stem_of(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && dot > name ? (size_t)(dot - name) : strlen(name);
}

const char *cli_name_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

bool cli_party_find(const char *photo, const cli_list *taken, cli_folder *last, cli_party *out)
{
    const char *name = cli_name_of(photo);
    size_t n_stem = cli_stem_of(name), n_name = strlen(name);
    *out = (cli_party){.from = photo};
    bool good =
        turn_to(last, name == photo ? cli_text(".") : cli_text("%.*s", (int)(name - photo), photo));
    const cli_list *names = &last->names;
    for (size_t i = good ? cli_list_lower(names, name, n_stem) : 0;
         good && i < names->n && !strncmp(names->items[i], name, n_stem); i++) {
        const char *other = names->items[i];
        bool of_name = !strncmp(other, name, n_name) && is_companion_ending(other + n_name);
        if (!strcmp(other, name) || !(of_name || is_companion_ending(other + n_stem))) {
            continue;
        }
        char *path = cli_text("%.*s%s", (int)(name - photo), photo, other);
        struct stat info;
        if (!path) {
            good = false;
        } else if (lstat(path, &info) == 0 && S_ISREG(info.st_mode) &&
                   cli_list_find(taken, path) == taken->n) {
            good = cli_list_add(&out->companions, cli_text("%s", other));
        }
        free(path);
    }
    return good;
}

void cli_party_free(cli_party *party)
{
    cli_list_free(&party->companions);
}
