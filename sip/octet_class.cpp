#include "sip/octet_class.hpp"

namespace sipfront::sip {
namespace {

// One bit for each set of low nibbles that some high nibble goes with.
consteval Nibbles nibbles_of(int octet_class) {
    Nibbles n;
    std::array<std::uint16_t, 7> sets{};  // an eighth one does not compile: its bit would be the sign
    std::size_t count = 0;
    for (unsigned high = 0; high < 8; ++high) {
        std::uint16_t set = 0;
        for (unsigned low = 0; low < 16; ++low)
            if (grammar::is(static_cast<char>(high << 4 | low), octet_class)) set = static_cast<std::uint16_t>(set | 1U << low);
        if (set == 0) continue;
        std::size_t i = 0;
        while (i < count && sets.at(i) != set) ++i;
        if (i == count) sets.at(count++) = set;
        const auto mark = static_cast<std::int8_t>(1 << i);
        n.high[high] = n.high[high + 16] = mark;
        for (unsigned low = 0; low < 16; ++low)
            if ((set >> low & 1) != 0) n.low[low] = n.low[low + 16] = static_cast<std::int8_t>(n.low[low] | mark);
    }
    return n;
}

// By the low nibble the first octet above SP of a class that all controls and SP are of; where there is none, an octet with another
// low nibble, which none can equal.
consteval Needles needles_of(int octet_class) {
    const auto has = [octet_class](unsigned c) { return grammar::is(static_cast<char>(c), octet_class); };
    Needles n;
    for (unsigned c = 0; c <= ' '; ++c)
        if (!has(c)) throw "not of every control";
    for (unsigned i = 0; i < 16; ++i) n.by_low[i] = static_cast<std::uint8_t>(i ^ 1);
    unsigned others = 0;
    for (unsigned c = ' '; c < 0x80; ++c) {
        if (!has(c)) continue;
        auto& place = n.by_low.at(c & 15);
        const bool taken = place >= ' ';
        if (taken && others++ != 0) throw "more than one low nibble is shared";
        if (taken)
            n.other.fill(static_cast<std::uint8_t>(c));
        else
            place = static_cast<std::uint8_t>(c);
    }
    for (unsigned i = 0; i < 16; ++i) n.by_low.at(i + 16) = n.by_low.at(i);
    return n;
}

consteval std::array<std::int8_t, 32> filled(std::int8_t octet) {
    std::array<std::int8_t, 32> all{};
    all.fill(octet);
    return all;
}

}  // namespace

constinit const Needles delimiter_needles = needles_of(grammar::delimiter), no_uri_needles = needles_of(grammar::no_uri),
                        param_end_needles = needles_of(grammar::param_end);
constinit const Nibbles hostname_nibbles = nibbles_of(grammar::hostname);
alignas(32) constinit const std::array<std::int8_t, 32> low_nibble = filled(0x0f), line_feed = filled('\n'), blank = filled(' ');

}  // namespace sipfront::sip
