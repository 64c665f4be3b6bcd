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

constexpr Table make_table() {
    Table t;
    t.entries[0].length = 0xffff;
    t.entries[0].want.fill('\n');  // no line begins with it
    t.entries[0].care.fill(0xff);
    const auto put = [&t](std::uint16_t& slot, std::size_t entry) {
        t.collides = t.collides || slot != 0;
        slot = static_cast<std::uint16_t>(entry * sizeof(Entry));
    };
    for (std::size_t i = 0; i < long_names.size(); ++i) {
        const auto name = long_names[i];
        auto& e = t.entries[i + 1];
        e.length = static_cast<std::uint16_t>(name.size());
        e.id = static_cast<HeaderId>(i);
        e.mark = bit(e.id);
        const auto length = static_cast<std::uint32_t>(name.size());
        e.value = length + 2 - ((length + 3) << 16);
        const auto octet = [name](std::size_t o) { return o < name.size() ? name[o] : o == name.size() ? ':' : ' '; };
        for (std::size_t o = 0; o < std::min(name.size() + 2, window); ++o) {
            e.want[o] = static_cast<std::uint8_t>(octet(o));
            e.care[o] = grammar::is(octet(o), grammar::alpha) ? 0xdf : 0xff;  // but for the case of letters
        }
        put(t.slots[slot_of(name.size(), name.front(), name.back())], i + 1);
        if (name.size() > quick_longest) continue;
        std::uint32_t start = 0;
        for (std::size_t o = 0; o < 4; ++o) start |= std::uint32_t{static_cast<std::uint8_t>(octet(o))} << 8 * o;
        put(t.quick_slots[quick_slot_of(start, length)], i + 1);
    }
    t.compact.fill(HeaderId::other);
    for (const auto& c : compact_names) t.compact[static_cast<std::size_t>(c.letter & 31)] = c.id;
    return t;
}
static_assert(!make_table().collides, "slot_of or quick_slot_of needs other factors");

}  // namespace

constinit const Table table = make_table();

HeaderId find(const char* p, std::size_t length) noexcept {
    if (length < 2) return length == 1 && grammar::is(*p, grammar::alpha) ? table.compact[*p & 31] : HeaderId::other;
    const auto& e = candidate(p, length);
    return e.length == length && iequals({p, length}, long_names[static_cast<std::size_t>(e.id)]) ? e.id : HeaderId::other;
}

}  // namespace names

HeaderId parse_header_name(std::string_view token) noexcept { return names::find(token.data(), token.size()); }

}  // namespace sipfront::sip
