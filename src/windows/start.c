/* Where a program begins: its arguments are UTF-8, its streams bytes, its console shows UTF-8. */
#include "text.h"

#include <fcntl.h>
#include <io.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <windows.h>

int main(int argc, char **argv);
int wmain(int argc, wchar_t **argv);

/* Shells leave "*.jpg" to the program here, and the C library does it when this says so. */
extern int _dowildcard;
int _dowildcard = -1;

static UINT code_page;

static void restore_console(void)
{
    SetConsoleOutputCP(code_page);
}

/* Does the console understand escape sequences? Programs ask TERM. */
static void set_console(void)
{
    HANDLE out = GetStdHandle(STD_ERROR_HANDLE), other = GetStdHandle(STD_OUTPUT_HANDLE);
    DWORD mode = 0;
    if (GetConsoleMode(out, &mode) || GetConsoleMode(out = other, &mode)) {
        code_page = GetConsoleOutputCP();
        if (SetConsoleOutputCP(CP_UTF8))
            atexit(restore_console);
        if (SetConsoleMode(out, mode | ENABLE_VIRTUAL_TERMINAL_PROCESSING) &&
            !GetEnvironmentVariableW(L"TERM", NULL, 0))
            SetEnvironmentVariableW(L"TERM", L"windows");
    }
    _setmode(0, _O_BINARY);
    _setmode(1, _O_BINARY);
    _setmode(2, _O_BINARY);
}

/* "C:\a", "\\server\a", ".\a", "..\a", or what is there. */
static bool is_path(const wchar_t *text)
{
    if (!wcschr(text, L'\\'))
        return false;
    const wchar_t letter = text[0] | 0x20;
    return (letter >= L'a' && letter <= L'z' && text[1] == L':' && text[2] == L'\\') ||
           wcsncmp(text, L"\\\\", 2) == 0 || wcsncmp(text, L".\\", 2) == 0 ||
           wcsncmp(text, L"..\\", 3) == 0 || GetFileAttributesW(text) != INVALID_FILE_ATTRIBUTES;
}

/* The rest of the program knows paths with slashes, which Windows takes too. */
static char *argument(const wchar_t *text)
{
    const wchar_t *equals = wcsncmp(text, L"--", 2) == 0 ? wcschr(text, L'=') : NULL;
    char *out = wi_windows_utf8(text);
    if (out && is_path(equals ? equals + 1 : text))
        for (char *c = equals ? strchr(out, '=') : out; *c; c++)
            *c = *c == '\\' ? '/' : *c;
    return out;
}

int wmain(int argc, wchar_t **argv)
{
    set_console();
    char **words = calloc((size_t)argc + 1, sizeof *words);
    for (int i = 0; words && i < argc; i++) {
        words[i] = argument(argv[i]);
        if (!words[i]) {
            free(words);
            words = NULL;
        }
    }
    if (!words) {
        fputs("out of memory\n", stderr);
        return 1;
    }
    const int status = main(argc, words);
    for (int i = 0; i < argc; i++)
        free(words[i]);
    free(words);
    return status;
}
