#include "core/keys.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sipfront::core {
namespace {

constexpr std::size_t hex_digits = 32;
constexpr std::size_t largest_file = 65536;

class File {
public:
    explicit File(int fd) noexcept : fd_{fd} {}
    ~File() {
        if (fd_ >= 0) ::close(fd_);
    }
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    [[nodiscard]] int fd() const noexcept { return fd_; }

private:
    int fd_;
};

std::string joined(std::initializer_list<std::string_view> parts) {
    std::string text;
    for (const auto part : parts) text += part;
    return text;
}

Error file_error(const std::filesystem::path& path, std::string_view what) { return {joined({path.native(), ": ", what})}; }

// With the reason that errno gives.
Error system_error(const std::filesystem::path& path, std::string_view what) {
    return {joined({path.native(), ": ", what, ": ", std::strerror(errno)})};
}

std::optional<std::uint64_t> parse_word(std::string_view hex) noexcept {
    std::uint64_t big_endian = 0;
    const auto [end, error] = std::from_chars(hex.data(), hex.data() + hex.size(), big_endian, 16);
    if (error != std::errc{} || end != hex.data() + hex.size()) return std::nullopt;
    return __builtin_bswap64(big_endian);
}

std::string write_word(std::uint64_t word) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string hex;
    for (int i = 0; i < 8; ++i, word >>= 8) {
        hex += digits[(word >> 4) & 15];
        hex += digits[word & 15];
    }
    return hex;
}

std::optional<KeyState> parse_state(std::string_view text) noexcept {
    if (text == "accept") return KeyState::accept;
    if (text == "sign") return KeyState::sign;
    if (text == "retire") return KeyState::retire;
    return std::nullopt;
}

std::vector<std::string_view> split_words(std::string_view line) {
    constexpr std::string_view blank = " \t\r";
    std::vector<std::string_view> words;
    line = line.substr(0, line.find('#'));
    for (auto begin = line.find_first_not_of(blank); begin != std::string_view::npos; begin = line.find_first_not_of(blank)) {
        line.remove_prefix(begin);
        const auto end = std::min(line.find_first_of(blank), line.size());
        words.push_back(line.substr(0, end));
        line.remove_prefix(end);
    }
    return words;
}

// The key of one line; what is wrong goes to `report(what)`.
template <class Report>
std::optional<Key> parse_key(const std::vector<std::string_view>& words, const Report& report) {
    if (words.size() != 3) {
        report("expected three words; write `id hex state`, as in `1 <32 hexadecimal digits> sign`");
        return std::nullopt;
    }
    unsigned id = 256;
    const auto [end, error] = std::from_chars(words[0].data(), words[0].data() + words[0].size(), id);
    const bool id_good = error == std::errc{} && end == words[0].data() + words[0].size() && id <= 255;
    if (!id_good) report(joined({"'", words[0], "' is not a key id; use a number from 0 to 255"}));

    std::optional<std::uint64_t> k0;
    std::optional<std::uint64_t> k1;
    if (words[1].size() == hex_digits) {
        k0 = parse_word(words[1].substr(0, hex_digits / 2));
        k1 = parse_word(words[1].substr(hex_digits / 2));
    }
    if (!k0 || !k1) report("the key must be 32 hexadecimal digits; `openssl rand -hex 16` makes one");

    const auto state = parse_state(words[2]);
    if (!state) report(joined({"'", words[2], "' is not a key state; use sign, accept or retire"}));
    if (!id_good || !k0 || !k1 || !state) return std::nullopt;
    return Key{static_cast<std::uint8_t>(id), SecretKey{*k0, *k1}, *state};
}

Status check_private(const std::filesystem::path& path, int fd) {
    struct stat info {};
    if (::fstat(fd, &info) != 0) return system_error(path, "cannot examine the key file");
    if (!S_ISREG(info.st_mode)) return file_error(path, "not a regular file; name the key file itself");
    if ((info.st_mode & 0077) != 0) return file_error(path, "others may read or change the key file; chmod 600 it");
    if (info.st_uid != ::geteuid() && info.st_uid != 0) return file_error(path, "the key file belongs to another user; chown it to ours");
    return Done{};
}

}  // namespace

SecretKey random_key() {
    SecretKey key;
    // Sixteen octets come whole or not at all; without randomness there is no safe way on.
    if (::getrandom(&key, sizeof key, 0) != static_cast<ssize_t>(sizeof key)) std::abort();
    return key;
}

Key::Key(std::uint8_t key_id, const SecretKey& key, KeyState key_state) noexcept
    : id{key_id},
      secret{key},
      state{key_state},
      digest{derive(key, "Call-ID digest")},
      branch{derive(key, "branch")},
      cookie{derive(key, "cookie")},
      flow{derive(key, "flow token")},
      tag{derive(key, "local tag")} {}

void KeyRing::add(const Key& key) {
    index_[key.id] = static_cast<std::uint16_t>(keys_.size());
    if (key.state == KeyState::sign) signing_ = keys_.size();
    keys_.push_back(key);
}

Result<KeyRing> KeyRing::parse(std::string_view text, std::string_view name) {
    KeyRing ring;
    std::string errors;
    std::array<std::size_t, 256> line_of{};
    std::size_t signing_line = 0;
    std::size_t line = 0;
    const auto report = [&](std::string_view what) {
        if (!errors.empty()) errors += '\n';
        errors += joined({name, ":", std::to_string(line), ": ", what});
    };
    while (!text.empty()) {
        const auto end = std::min(text.find('\n'), text.size());
        const auto words = split_words(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
        ++line;
        if (words.empty()) continue;
        const auto key = parse_key(words, report);
        if (!key) {
            // A faulty line may have been meant to sign: do not report its absence on top.
            if (words.size() == 3 && words[2] == "sign" && signing_line == 0) signing_line = line;
            continue;
        }
        if (line_of[key->id] != 0) {
            report(
                joined({"key id ", words[0], " stands on line ", std::to_string(line_of[key->id]), " already; give each key its own id"}));
            continue;
        }
        if (key->state == KeyState::sign && signing_line != 0) {
            report(joined(
                {"line ", std::to_string(signing_line), " signs already; make all but one of them `accept`, or `retire` the older"}));
        }
        if (key->state == KeyState::sign && signing_line == 0) signing_line = line;
        line_of[key->id] = line;
        ring.add(*key);
    }
    if (signing_line == 0) report("no key signs; mark exactly one with `sign`");
    if (!errors.empty()) return Error{errors};
    return ring;
}

Result<KeyRing> KeyRing::load(const std::filesystem::path& path) {
    const File file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    if (file.fd() < 0) return system_error(path, "cannot open the key file");
    if (const auto status = check_private(path, file.fd()); !status) return status.error();

    std::string text(largest_file + 1, '\0');
    std::size_t used = 0;
    while (used < text.size()) {
        const auto got = ::read(file.fd(), text.data() + used, text.size() - used);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return system_error(path, "cannot read the key file");
        if (got == 0) break;
        used += static_cast<std::size_t>(got);
    }
    if (used > largest_file) return file_error(path, "longer than 64 KiB; this is not a key file");
    return parse(std::string_view{text}.substr(0, used), path.string());
}

KeyRing KeyRing::ephemeral() {
    KeyRing ring;
    ring.add(Key{0, random_key(), KeyState::sign});
    return ring;
}

Status KeyRing::generate(const std::filesystem::path& path) {
    const auto key = random_key();
    const auto text =
        joined({"# sipfront keys: id, 32 hexadecimal digits, sign | accept | retire. Copy to both nodes.\n"
                "# Rollover: add a new key as `accept` on both nodes and reload; then make it `sign` and this one `retire`.\n"
                "1 ",
                write_word(key.k0), write_word(key.k1), " sign\n"});
    const File file{::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)};
    if (file.fd() < 0) return system_error(path, "cannot create the key file");
    const auto written = ::write(file.fd(), text.data(), text.size());
    if (written != static_cast<ssize_t>(text.size()) || ::fsync(file.fd()) != 0) {
        const auto error = system_error(path, "cannot write the key file");
        ::unlink(path.c_str());
        return error;
    }
    return Done{};
}

}  // namespace sipfront::core
