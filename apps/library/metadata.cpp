#include "metadata.h"
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exiv2/exiv2.hpp>
#include <fcntl.h>
#include <set>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace
{

/* A bag of our own, in which every flat keyword that we added stands, and the description if it is ours. */
const char ours_uri[] = "urn:whatsit:1.0/", ours_prefix[] = "whatsit";
const char ours_added[] = "Xmp.whatsit.added", ours_description[] = "Xmp.whatsit.description";
const char ours_file[] = "Xmp.whatsit.file"; /* we made this sidecar */
const char ours_prefix_bag[] = "Xmp.whatsit.prefix", usual_prefix[] = "whatsit"; /* other tops of branches than the usual */
const char flat[] = "Xmp.dc.subject", tree[] = "Xmp.lr.hierarchicalSubject", text[] = "Xmp.dc.description";
const char iptc_charset[] = "Iptc.Envelope.CharacterSet";
const char iptc_keyword[] = "Iptc.Application2.Keywords";

wi_status fail(wi_error *error, wi_status status, const char *file, const std::string &why)
{
    if (error) {
        error->status = status;
        std::snprintf(error->message, sizeof error->message, "%.150s: %.90s", file, why.c_str());
        std::replace(error->message, error->message + std::strlen(error->message), '\n', ' ');
    }
    return status;
}

std::vector<std::string> bag(const Exiv2::XmpData &xmp, const char *key)
{
    std::vector<std::string> out;
    const auto at = xmp.findKey(Exiv2::XmpKey(key));
    for (long i = 0; at != xmp.end() && i < static_cast<long>(at->count()); i++) {
        out.push_back(at->toString(i));
    }
    return out;
}

void set_bag(Exiv2::XmpData &xmp, const char *key, const std::vector<std::string> &items)
{
    const auto at = xmp.findKey(Exiv2::XmpKey(key));
    if (at != xmp.end()) {
        xmp.erase(at);
    }
    if (!items.empty()) {
        const auto value = Exiv2::Value::create(Exiv2::xmpBag);
        for (const auto &item : items) {
            value->read(item);
        }
        xmp.add(Exiv2::XmpKey(key), value.get());
    }
}

bool holds(const std::vector<std::string> &items, const std::string &item)
{
    return std::find(items.begin(), items.end(), item) != items.end();
}

void drop(std::vector<std::string> &items, const std::string &item)
{
    items.erase(std::remove(items.begin(), items.end(), item), items.end());
}

/* "a|b" inside a label would begin another level. */
std::string level(const char *label)
{
    std::string out(label);
    std::replace(out.begin(), out.end(), '|', '/');
    return out;
}

std::string branch(const std::string &prefix, const metadata_keyword &keyword)
{
    std::string out = prefix + "|" + level(keyword.head) + "|";
    if (keyword.group && keyword.group[0]) {
        out += level(keyword.group) + "|";
    }
    return out + level(keyword.label);
}

/* The flat keywords that a branch stands for: all below the head. */
std::vector<std::string> words_of(const std::string &line)
{
    std::vector<std::string> out;
    size_t at = line.find('|');
    at = at == std::string::npos ? at : line.find('|', at + 1);
    while (at != std::string::npos) {
        const size_t end = line.find('|', at + 1);
        out.push_back(line.substr(at + 1, end == std::string::npos ? end : end - at - 1));
        at = end;
    }
    return out;
}

/* Does the line stand below one of the prefixes (and the head)? */
bool is_below(const std::string &line, const std::vector<std::string> &prefixes, const char *head)
{
    const std::string next = head ? level(head) + "|" : std::string();
    return std::any_of(prefixes.begin(), prefixes.end(),
                       [&](const std::string &prefix) { return line.rfind(prefix + "|" + next, 0) == 0; });
}

struct plan {
    std::vector<std::string> subject, hierarchy, added, prefixes;
    std::vector<std::string> gone; /* flat keywords of ours that leave */
    metadata_change change = {0, 0, false};
};

plan make_plan(const Exiv2::XmpData &xmp, const metadata_wish &wish)
{
    const metadata_keyword *keywords = wish.keywords;
    const size_t n = wish.n, n_heads = wish.n_heads;
    const std::string prefix = level(wish.prefix ? wish.prefix : usual_prefix);
    plan p;
    std::vector<std::string> known = bag(xmp, ours_prefix_bag);
    known.push_back(usual_prefix);
    if (!holds(known, prefix)) {
        known.push_back(prefix);
    }
    p.subject = bag(xmp, flat);
    p.added = bag(xmp, ours_added);
    std::vector<std::string> kept; /* branches that stay or come */
    for (const auto &line : bag(xmp, tree)) {
        bool replaced = n_heads == 0 && is_below(line, known, nullptr);
        for (size_t i = 0; i < n_heads; i++) {
            replaced = replaced || is_below(line, known, wish.heads[i]);
        }
        if (!replaced) {
            kept.push_back(line);
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (!holds(kept, branch(prefix, keywords[i]))) {
            kept.push_back(branch(prefix, keywords[i]));
        }
    }
    std::set<std::string> wanted;
    for (const auto &line : kept) {
        if (is_below(line, known, nullptr)) {
            const auto words = words_of(line);
            wanted.insert(words.begin(), words.end());
        }
    }
    for (const auto &word : std::vector<std::string>(p.added)) {
        if (!wanted.count(word)) {
            p.change.n_removed += holds(p.subject, word);
            p.gone.push_back(word);
            drop(p.subject, word);
            drop(p.added, word);
        }
    }
    for (const auto &word : wanted) {
        if (!holds(p.subject, word)) {
            p.subject.push_back(word);
            p.added.push_back(word);
            p.change.n_added++;
        }
    }
    for (const auto &one : known) { /* those that are in use; the usual one needs no note */
        if (one != usual_prefix && std::any_of(kept.begin(), kept.end(), [&](const std::string &line) {
                return is_below(line, {one}, nullptr);
            })) {
            p.prefixes.push_back(one);
        }
    }
    p.hierarchy = kept;
    return p;
}

std::string sentence_of(const Exiv2::XmpData &xmp)
{
    const auto at = xmp.findKey(Exiv2::XmpKey(text));
    return at == xmp.end() ? std::string() : at->toString(0);
}

/* Whether a description is to be written or, "", taken back: what a person wrote stays. */
bool redescribes(const Exiv2::XmpData &xmp, const char *description)
{
    const bool now = xmp.findKey(Exiv2::XmpKey(text)) != xmp.end(),
               ours = xmp.findKey(Exiv2::XmpKey(ours_description)) != xmp.end();
    if (!description || (now && !ours)) {
        return false;
    }
    return description[0] ? !ours || sentence_of(xmp) != description : ours;
}

void describe(Exiv2::XmpData &xmp, const char *description)
{
    for (const char *key : {text, ours_description}) {
        const auto at = xmp.findKey(Exiv2::XmpKey(key));
        if (at != xmp.end()) {
            xmp.erase(at);
        }
    }
    if (description[0]) {
        xmp[text] = std::string("lang=x-default ") + description;
        xmp[ours_description] = "1";
    }
}

void apply(Exiv2::Image &image, bool is_sidecar, const plan &p, const char *description)
{
    Exiv2::XmpData &xmp = image.xmpData();
    set_bag(xmp, flat, p.subject);
    set_bag(xmp, tree, p.hierarchy);
    set_bag(xmp, ours_added, p.added);
    set_bag(xmp, ours_prefix_bag, p.prefixes);
    if (redescribes(xmp, description)) {
        describe(xmp, description);
    }
    if (is_sidecar) {
        /* What libexiv2 made of the sidecar when it read it, and would write back over what is gone. */
        image.clearIptcData();
        image.clearExifData();
        return;
    }
    /* IPTC holds the same words: those of others stay as they are. */
    Exiv2::IptcData &iptc = image.iptcData();
    std::vector<std::string> there;
    for (auto at = iptc.begin(); at != iptc.end();) {
        const bool is_keyword = at->key() == iptc_keyword;
        if (is_keyword && holds(p.gone, at->toString())) {
            at = iptc.erase(at);
            continue;
        }
        if (is_keyword) {
            there.push_back(at->toString());
        }
        ++at;
    }
    if (p.added.empty() && !p.gone.empty() && iptc.count() == 1 &&
        iptc.begin()->key() == iptc_charset) {
        iptc.clear(); /* it came with our keywords */
    }
    for (const auto &word : p.added) {
        if (!holds(there, word)) {
            const auto value = Exiv2::Value::create(Exiv2::string);
            value->read(word);
            iptc.add(Exiv2::IptcKey(iptc_keyword), value.get());
        }
    }
    if (!p.added.empty() && iptc.findKey(Exiv2::IptcKey(iptc_charset)) == iptc.end()) {
        iptc[iptc_charset] = "\033%G"; /* UTF-8 */
    }
}

/* A copy beside the file, of the same rights; removed unless it took the file's place. */
class beside
{
public:
    explicit beside(const char *file) : target(file), path(std::string(file) + ".whatsit-XXXXXX") {}
    ~beside()
    {
        if (!done && made) {
            unlink(path.c_str());
        }
    }
    bool copy()
    {
        struct stat info;
        const int from = open(target.c_str(), O_RDONLY | O_CLOEXEC);
        std::vector<char> name(path.begin(), path.end());
        name.push_back('\0');
        const int to = from < 0 ? -1 : mkstemp(name.data());
        bool good = to >= 0;
        if (good) {
            path = name.data();
            made = true;
            good = fstat(from, &info) == 0 && fchmod(to, info.st_mode & 07777) == 0;
        }
        char buffer[1 << 16];
        ssize_t n = 1;
        while (good && (n = read(from, buffer, sizeof buffer)) > 0) {
            good = write(to, buffer, static_cast<size_t>(n)) == n;
        }
        good = good && n == 0;
        const int number = errno;
        if (from >= 0) {
            close(from);
        }
        if (to >= 0) {
            close(to);
        }
        errno = number;
        return good;
    }
    bool create()
    {
        std::vector<char> name(path.begin(), path.end());
        name.push_back('\0');
        const int to = mkstemp(name.data());
        if (to < 0) {
            return false;
        }
        path = name.data();
        made = true;
        const mode_t mask = umask(0);
        umask(mask);
        fchmod(to, 0666 & ~mask);
        close(to);
        return true;
    }
    bool commit()
    {
        const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
        bool good = fd >= 0 && fsync(fd) == 0;
        if (fd >= 0) {
            close(fd);
        }
        good = good && rename(path.c_str(), target.c_str()) == 0;
        done = good;
        return good;
    }
    std::string target, path;

private:
    bool made = false, done = false;
};

wi_status tag_file(const char *file, bool is_sidecar, const metadata_wish &wish, metadata_change *out, wi_error *error)
{
    const bool is_new = is_sidecar && access(file, F_OK) != 0;
    Exiv2::XmpData old_xmp;
    if (!is_new) {
        const auto old = Exiv2::ImageFactory::open(file);
        if (!(old->checkMode(Exiv2::mdXmp) & Exiv2::amWrite)) {
            return fail(error, WI_ERR_UNSUPPORTED, file,
                        "files of this format hold no keywords: leave out --in-file");
        }
        old->readMetadata();
        old_xmp = old->xmpData();
    }
    const plan p = make_plan(old_xmp, wish);
    *out = p.change;
    out->described = redescribes(old_xmp, wish.description);
    const bool same = p.hierarchy == bag(old_xmp, tree) && p.subject == bag(old_xmp, flat) && !out->described;
    if (wish.dry || same || (is_new && p.hierarchy.empty() && !out->described)) {
        return WI_OK;
    }
    beside copy(file);
    if (!(is_new ? copy.create() : copy.copy())) {
        return fail(error, WI_ERR_IO, file, std::string("cannot write beside it: ") + std::strerror(errno));
    }
    const auto image = is_new ? Exiv2::ImageFactory::create(Exiv2::ImageType::xmp, copy.path)
                              : Exiv2::ImageFactory::open(copy.path);
    if (!is_new) {
        image->readMetadata();
    }
    apply(*image, is_sidecar, p, wish.description);
    Exiv2::XmpData &xmp = image->xmpData();
    if (is_new) {
        xmp[ours_file] = "1";
    }
    /* A sidecar of ours that says nothing any more goes, as if it had never been. */
    if (is_sidecar && xmp.count() == 1 && xmp.findKey(Exiv2::XmpKey(ours_file)) != xmp.end()) {
        return unlink(file) == 0 ? WI_OK : fail(error, WI_ERR_IO, file, std::strerror(errno));
    }
    image->writeMetadata();
    if (!copy.commit()) {
        return fail(error, WI_ERR_IO, file, std::string("cannot be replaced: ") + std::strerror(errno));
    }
    return WI_OK;
}

int64_t seconds_of(const std::string &when)
{
    int y, mo, d, h, mi, s;
    if (std::sscanf(when.c_str(), "%4d%*1[:-]%2d%*1[:-]%2d%*1[ T]%2d:%2d:%2d", &y, &mo, &d, &h, &mi, &s) != 6 ||
        y < 1800 || mo < 1 || mo > 12 || d < 1 || d > 31) {
        return INT64_MIN;
    }
    struct tm parts = {};
    parts.tm_year = y - 1900;
    parts.tm_mon = mo - 1;
    parts.tm_mday = d;
    parts.tm_hour = h;
    parts.tm_min = mi;
    parts.tm_sec = s;
    return static_cast<int64_t>(timegm(&parts));
}

std::string exif_text(const Exiv2::ExifData &exif, const char *key)
{
    const auto at = exif.findKey(Exiv2::ExifKey(key));
    return at == exif.end() ? std::string() : at->toString();
}

} // namespace

void metadata_start(void)
{
    static bool started = false;
    if (started) {
        return;
    }
    started = true;
    Exiv2::LogMsg::setLevel(Exiv2::LogMsg::mute);
    Exiv2::XmpParser::initialize();
    Exiv2::XmpProperties::registerNs(ours_uri, ours_prefix);
    /* libexiv2 frees a namespace of ours only when told to. */
    std::atexit([] { Exiv2::XmpProperties::unregisterNs(ours_uri); });
#ifdef EXV_ENABLE_BMFF
    Exiv2::enableBMFF(true);
#endif
}

void metadata_read(const char *path, metadata_info *out)
{
    *out = {INT64_MIN, ""};
    try {
        const auto image = Exiv2::ImageFactory::open(path);
        image->readMetadata();
        const Exiv2::ExifData &exif = image->exifData();
        std::string when = exif_text(exif, "Exif.Photo.DateTimeOriginal");
        if (when.empty()) {
            when = exif_text(exif, "Exif.Image.DateTime");
        }
        out->taken = seconds_of(when);
        std::string make = exif_text(exif, "Exif.Image.Make"), model = exif_text(exif, "Exif.Image.Model");
        if (!make.empty() && model.rfind(make, 0) != 0) {
            model = make + " " + model;
        }
        std::snprintf(out->camera, sizeof out->camera, "%s", model.c_str());
    } catch (...) { /* not every picture has metadata, and not all of it can be read */
    }
}

wi_status metadata_tag(const char *file, bool is_sidecar, const metadata_wish *wish, metadata_change *out, wi_error *error)
{
    *out = {0, 0, false};
    try {
        return tag_file(file, is_sidecar, *wish, out, error);
    } catch (const std::exception &e) {
        return fail(error, WI_ERR_IO, file, e.what());
    } catch (...) {
        return fail(error, WI_ERR_INTERNAL, file, "libexiv2 failed");
    }
}
