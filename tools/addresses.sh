# shellcheck shell=sh
# check_addresses SCRIPT KIND ADDRESS...: ends the script that reads this file unless each can stand in such a KIND.
check_addresses() {
    script=$1 kind=$2
    shift 2
    for word in "$@"; do
        case $word in
        *[!A-Za-z0-9./:_~+%?=@-]*)
            echo "$script: '$word' is no address that can stand in a $kind" >&2
            exit 2
            ;;
        https://*) ;;
        *)
            echo "$script: '$word' does not begin with https://" >&2
            exit 2
            ;;
        esac
    done
}
