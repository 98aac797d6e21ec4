/* Templates, label lists, and every shipped head. */
#include "text/support.h"

#include "text/labels.h"
#include "text/templates.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void templates_have_one_place(void **state)
{
    (void)state;
    wi_error error;
    assert_int_equal(wi_template_check("a photo of a {}.", NULL), WI_OK);
    assert_int_equal(wi_template_check("{}", NULL), WI_OK);
    assert_int_equal(wi_template_check(wi_template_default, NULL), WI_OK);
    assert_int_equal(wi_template_check("a photo", &error), WI_ERR_ARG);
    assert_non_null(strstr(error.message, "no {}"));
    assert_int_equal(wi_template_check("{} and {}", &error), WI_ERR_ARG);
    assert_non_null(strstr(error.message, "more than one"));
    char text[WI_TEMPLATE_MAX_BYTES + 2] = "{}";
    memset(text + 2, 'x', WI_TEMPLATE_MAX_BYTES - 2);
    assert_int_equal(wi_template_check(text, NULL), WI_OK);
    text[WI_TEMPLATE_MAX_BYTES] = 'x';
    assert_int_equal(wi_template_check(text, NULL), WI_ERR_ARG);
}

static void synonyms_are_split(void **state)
{
    (void)state;
    const char *cursor = " cat |kitty||tom cat| ", *name;
    static const char *const expected[] = {"cat", "kitty", "tom cat"};
    size_t n, i = 0;
    assert_int_equal(wi_synonym_count(cursor), 3);
    for (; wi_synonym_next(&cursor, &name, &n); i++) {
        assert_true(i < 3);
        assert_int_equal(n, strlen(expected[i]));
        assert_memory_equal(name, expected[i], n);
    }
    assert_int_equal(i, 3);
    assert_int_equal(wi_synonym_count(""), 0);
    assert_int_equal(wi_synonym_count("||"), 0);
}

/* From an exact-size copy. */
static wi_status parse(const char *text, size_t n, wi_labels *out, wi_error *error)
{
    char *copy = malloc(n ? n : 1);
    assert_non_null(copy);
    memcpy(copy, text, n);
    wi_status status = wi_labels_parse(copy, n, out, error);
    free(copy);
    return status;
}

static void lists_are_read(void **state)
{
    (void)state;
    static const char text[] =
        "\xef\xbb\xbf# name: pets\r\n#title:  My pets \n# source: us: here\n"
        "# licence: CC0\n# template: a {}.\n# template: {}\n# a comment\n# Template: {} {}\n"
        "\n cat | kitty\tn02121808\r\ndog\n# name: not a header\ncat|puss\n\t\nfox";
    wi_labels l;
    assert_int_equal(parse(text, sizeof text - 1, &l, NULL), WI_OK);
    assert_string_equal(l.name, "pets");
    assert_string_equal(l.title, "My pets");
    assert_string_equal(l.source, "us: here");
    assert_string_equal(l.licence, "CC0");
    assert_string_equal(l.sensitivity, "");
    assert_string_equal(l.group, "");
    assert_int_equal(l.n_templates, 2);
    assert_string_equal(l.templates[0], "a {}.");
    assert_string_equal(l.templates[1], "{}");
    assert_int_equal(l.n_labels, 3);
    assert_string_equal(l.labels[0], "cat | kitty");
    assert_string_equal(l.labels[1], "dog");
    assert_string_equal(l.labels[2], "fox");
    assert_int_equal(l.n_duplicates, 1);
    assert_int_equal(l.duplicate_line, 13);
    wi_labels_free(&l);
    assert_int_equal(wi_labels_parse_commas("cat, #1 dog,,cat,", 17, &l, NULL), WI_OK);
    assert_int_equal(l.n_labels, 2);
    assert_string_equal(l.labels[1], "#1 dog");
    assert_int_equal(l.n_duplicates, 1);
    wi_labels_free(&l);
    wi_labels_free(&l);
}

/* What is not taken as it stands is told. */
static void every_line_is_taken_or_named(void **state)
{
    (void)state;
    static const char text[] = "# templat: a {}.\n#no label\n# quiet\n[pets]\ncat\tn1\ndog\tn2\n"
                               "cat\n[odd\n#fox\n# title: late\n# see: elsewhere\n";
    static const char *const notes[] = {
        "line 1: '# templat:' is a comment; is '# template:' meant?",
        "line 2: '#no label' begins with '#': a comment, not a label",
        "line 5: what follows the tab is not read",
        "line 7: 'cat' came before, in line 5: left out",
        "line 8: '[odd' is a label: a group is written [name]",
        "line 9: '#fox' begins with '#': a comment, not a label",
        "line 10: '# title:' behind the first label is a comment",
        "and 1 more such line"};
    wi_labels l;
    assert_int_equal(parse(text, sizeof text - 1, &l, NULL), WI_OK);
    assert_int_equal(l.n_labels, 3);
    assert_int_equal(l.n_notes, sizeof notes / sizeof *notes);
    const char *note = l.notes;
    for (size_t i = 0; i < l.n_notes; i++, note += strlen(note) + 1)
        assert_string_equal(note, notes[i]);
    wi_labels_free(&l);
    char many[40 * 4 + 1] = "";
    for (int i = 0; i < 40; i++)
        strcat(many, "cat\n");
    assert_int_equal(parse(many, strlen(many), &l, NULL), WI_OK);
    assert_int_equal(l.n_notes, 9);
    wi_labels_free(&l);
    assert_int_equal(parse("cat\n# a: b\n#\n## x\n[a]\ndog", 25, &l, NULL), WI_OK);
    assert_int_equal(l.n_notes, 0);
    wi_labels_free(&l);
}

/* Pasted from a page: no-break spaces, spaces without width, ideographic ones. */
static void blanks_that_nobody_sees_are_none_of_a_label(void **state)
{
    (void)state;
    static const char text[] = "\xc2\xa0pizza\xe2\x80\x8b\r\n\xe2\x80\x8b\n\xc2\xa0\xe3\x80\x80\n"
                               "ice\xc2\xa0"
                               "cream\xef\xbb\xbf\npizza\xc2\xa0\n";
    wi_labels l;
    assert_int_equal(parse(text, sizeof text - 1, &l, NULL), WI_OK);
    assert_int_equal(l.n_labels, 2);
    assert_string_equal(l.labels[0], "pizza");
    assert_string_equal(l.labels[1], "ice\xc2\xa0"
                                     "cream");
    assert_int_equal(l.n_duplicates, 1);
    wi_labels_free(&l);
}

static void broken_lists_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t n;
        const char *says;
    } cases[] = {
        {"", 0, "no labels"},
        {"# name: x\n\n", 11, "no labels"},
        {"cat\nd\xffog\n", 9, "line 2: not UTF-8"},
        {"cat\nd\0og\n", 9, "line 2: control"},
        {"cat\n\x1b[31mdog", 12, "line 2: control"},
        {"cat\ndog \xc2\x85", 10, "line 2: control"},
        {"cat|\n", 5, "line 1: empty name"},
        {"dog\n|cat\n", 9, "line 2: empty name"},
        {"# name: a\n# name: b\ncat", 23, "line 2: 'name'"},
        {"# template: none\ncat", 20, "line 1: template"},
        {"\n# template: {}{}\ncat", 21, "line 2: template"},
        {"cat\n# template: a {}\ndog", 24, "line 2: '# template:' must stand before"},
        {"\xff\xfe\x63\0", 4, "UTF-16"},
        {"cat\rdog", 7, "old Mac"},
        {"{\"cat\": 1}", 10, "JSON, not a label list"},
        {" [\n \"cat\"]", 10, "JSON, not a label list"},
        {"%PDF-1.7\n", 9, "a PDF document, not a label list"},
        {"\x89PNG\r\n", 6, "a picture, not a label list"},
        {"<!doctype html>", 15, "a page, not a label list"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wi_labels untouched = {.n_labels = 77};
        wi_error error = {0};
        assert_int_equal(parse(cases[i].text, cases[i].n, &untouched, &error), WI_ERR_FORMAT);
        assert_non_null(strstr(error.message, cases[i].says));
        assert_int_equal(untouched.n_labels, 77);
    }
    char text[WI_LABEL_MAX_BYTES + 3];
    wi_labels l;
    memset(text, 'x', sizeof text);
    assert_int_equal(parse(text, WI_LABEL_MAX_BYTES, &l, NULL), WI_OK);
    wi_labels_free(&l);
    assert_int_equal(parse(text, WI_LABEL_MAX_BYTES + 1, &l, NULL), WI_ERR_LIMIT);
}

static void check_head(const char *file_name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/heads/%s", WHATSIT_SOURCE_DIR, file_name);
    size_t n, n_name = strlen(file_name) - strlen(".txt");
    char *text = read_file(path, &n);
    assert_non_null(text);
    wi_labels l;
    wi_error error = {0};
    if (wi_labels_parse(text, n, &l, &error) != WI_OK)
        fail_msg("%s: %s", file_name, error.message);
    assert_int_equal(strlen(l.name), n_name);
    assert_memory_equal(l.name, file_name, n_name);
    assert_true(*l.title && *l.source && *l.licence && *l.group);
    assert_true(l.n_templates > 0 && l.n_labels > 1);
    assert_int_equal(l.n_duplicates, 0);
    assert_int_equal(l.n_notes, 0);
    if (!strcmp(l.group, "people"))
        assert_true(*l.sensitivity);
    wi_labels_free(&l);
    free(text);
}

static void shipped_heads_are_clean(void **state)
{
    (void)state;
    size_t n = 0;
    DIR *folder = opendir(WHATSIT_SOURCE_DIR "/heads");
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));) {
        size_t length = strlen(entry->d_name);
        if (length > 4 && !strcmp(entry->d_name + length - 4, ".txt")) {
            check_head(entry->d_name);
            n++;
        }
    }
    closedir(folder);
    assert_true(n >= 16);
}

static void labels_stand_in_groups(void **state)
{
    (void)state;
    static const char text[] =
        "# title: zoo\nfish\n[ pets ]\ncat|kitty\ndog\n[]\n[odd\n[cars]\nvan\n";
    static const char *const groups[] = {"", "pets", "pets", "", "cars"};
    wi_labels labels;
    assert_int_equal(wi_labels_parse(text, sizeof text - 1, &labels, NULL), WI_OK);
    assert_int_equal(labels.n_labels, 5);
    assert_string_equal(labels.labels[3], "[odd");
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(labels.groups[i], groups[i]);
    wi_labels_free(&labels);
    assert_int_equal(wi_labels_parse("a\nb\n", 4, &labels, NULL), WI_OK);
    assert_null(labels.groups);
    wi_labels_free(&labels);
    assert_int_equal(wi_labels_parse("[x]\n", 4, &labels, NULL), WI_ERR_FORMAT);
    assert_int_equal(wi_labels_parse_commas("[x],a", 5, &labels, NULL), WI_OK);
    assert_string_equal(labels.labels[0], "[x]");
    wi_labels_free(&labels);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(templates_have_one_place),
        cmocka_unit_test(synonyms_are_split),
        cmocka_unit_test(lists_are_read),
        cmocka_unit_test(blanks_that_nobody_sees_are_none_of_a_label),
        cmocka_unit_test(broken_lists_are_refused),
        cmocka_unit_test(every_line_is_taken_or_named),
        cmocka_unit_test(shipped_heads_are_clean),
        cmocka_unit_test(labels_stand_in_groups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
