#include "sip/header_names.hpp"

#include <algorithm>

#include "sip/uri.hpp"

namespace sipfront::sip {
namespace names {
namespace {

// In the order of HeaderId.
constexpr std::array<std::string_view, static_cast<std::size_t>(HeaderId::other)> long_names = {
    "via",
    "from",
    "to",
    "call-id",
    "cseq",
    "max-forwards",
    "contact",
    "route",
    "record-route",
    "content-length",
    "content-type",
    "proxy-require",
    "require",
    "supported",
    "unsupported",
    "proxy-authorization",
    "authorization",
    "www-authenticate",
    "proxy-authenticate",
    "path",
    "expires",
    "min-expires",
    "retry-after",
    "reason",
    "replaces",
    "join",
    "target-dialog",
    "refer-to",
    "referred-by",
    "event",
    "allow",
    "allow-events",
    "user-agent",
    "server",
    "warning",
    "timestamp",
    "rseq",
    "rack",
    "identity",
    "subject",
    "session-expires",
    "min-se",
    "content-encoding",
    "request-disposition",
    "accept-contact",
    "reject-contact",
    "date",
};

struct Compact {
    char letter;
    HeaderId id;
};
constexpr std::array<Compact, 19> compact_names = {{
    {'a', HeaderId::accept_contact},
    {'b', HeaderId::referred_by},
    {'c', HeaderId::content_type},
    {'d', HeaderId::request_disposition},
    {'e', HeaderId::content_encoding},
    {'f', HeaderId::from},
    {'i', HeaderId::call_id},
    {'j', HeaderId::reject_contact},
    {'k', HeaderId::supported},
    {'l', HeaderId::content_length},
    {'m', HeaderId::contact},
    {'o', HeaderId::event},
    {'r', HeaderId::refer_to},
    {'s', HeaderId::subject},
    {'t', HeaderId::to},
    {'u', HeaderId::allow_events},
    {'v', HeaderId::via},
    {'x', HeaderId::session_expires},
    {'y', HeaderId::identity},
}};

// CRC-32C, as the machine's instruction has it.
constexpr std::uint32_t crc32(std::uint32_t crc, std::uint32_t text) {
    crc ^= text;
    for (int i = 0; i < 32; ++i) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82f63b78U : 0);
    return crc;
}

// One that reads `name`, of up to quick_longest octets, and ": ".
constexpr Entry quick_entry(HeaderId id, std::string_view name) {
    Entry e;
    const auto length = static_cast<std::uint16_t>(name.size());
    for (std::size_t o = 0; o < name.size() + 2; ++o) {
        const char octet = o < name.size() ? name[o] : o == name.size() ? ':' : ' ';
        e.want[o] = static_cast<std::uint8_t>(octet);
        e.care[o] = grammar::is(octet, grammar::alpha) ? 0xdf : 0xff;  // but for the case of letters
    }
    e.form.line = {1, 0};
    e.form.value = {static_cast<std::uint16_t>(length + 3), static_cast<std::uint16_t>(-(length + 4))};
    e.form.name_length = length;
    e.form.id = id;
    e.mark = bit(id);
    return e;
}

constexpr Table make_table() {
    Table t;
    for (auto& e : t.quick) {
        e.want.fill('\n');
        e.care.fill(0xff);
    }
    t.slots.fill(HeaderId::other);
    for (std::size_t i = 0; i < long_names.size(); ++i) {
        const auto name = long_names[i];
        const auto id = static_cast<HeaderId>(i);
        auto& slot = t.slots[slot_of(name.size(), name.front(), name.back())];
        t.collides = t.collides || slot != HeaderId::other;
        slot = id;
        if (name.size() > quick_longest) continue;
        const auto made = quick_entry(id, name);
        std::uint32_t start = 0;
        for (unsigned o = 0; o < 4; ++o) start |= std::uint32_t{made.want[o]} << 8 * o;
        auto& e = t.quick[(crc32(quick_seed(1U << name.size()), quick_text(start)) & quick_mask) / sizeof(Entry)];
        t.collides = t.collides || e.mark != 0;
        e = made;
    }
    t.compact.fill(HeaderId::other);
    for (const auto& c : compact_names) t.compact[static_cast<std::size_t>(c.letter & 31)] = c.id;
    return t;
}
static_assert(!make_table().collides, "slot_of or quick_seed needs other factors");

}  // namespace

constinit const Table table = make_table();
alignas(window) constinit const std::array<char, window> colons = [] {
    std::array<char, window> all{};
    all.fill(':');
    return all;
}();

HeaderId find(const char* p, std::size_t length) noexcept {
    if (length < 2) return length == 1 && grammar::is(*p, grammar::alpha) ? table.compact[*p & 31] : HeaderId::other;
    const auto id = table.slots[slot_of(length, *p, *(p + length - 1))];
    return id != HeaderId::other && iequals({p, length}, long_names[static_cast<std::size_t>(id)]) ? id : HeaderId::other;
}

}  // namespace names

HeaderId parse_header_name(std::string_view token) noexcept { return names::find(token.data(), token.size()); }

}  // namespace sipfront::sip
