// The zero-copy parser against libosip2. Octets that begin with 'G' choose a well-formed message, which both must accept and read
// the same; any other input is a message of its own, and where both accept it they must have read the same.
#include <cstdint>
#include <cstdio>
#include <string_view>

#include "tests/fuzz/check.hpp"
#include "tests/fuzz/message_generator.hpp"
#include "tests/fuzz/osip_agreement.hpp"

namespace {

using namespace sipfront::sip;

// The input's octets as decisions; the first alternative once they are used up.
class Octets {
public:
    Octets(const std::uint8_t* data, std::size_t size) : data_{data}, left_{size} {}
    std::size_t below(std::size_t n) {
        std::size_t v = 0;
        for (std::size_t span = 1; span < n && left_ != 0; span <<= 8, --left_) v = v << 8 | *data_++;
        return v % n;
    }

private:
    const std::uint8_t* data_;
    std::size_t left_;
};

void compare(std::string_view input, agreement::Input kind) {
    const bool well_formed = kind == agreement::Input::well_formed;
    static Message m;
    const auto verdict = m.parse(input);
    if (well_formed && verdict != ParseError::none)
        std::fprintf(stderr, "refused (%s):\n%.*s\n", name(verdict).data(), static_cast<int>(input.size()), input.data());
    CHECK(!well_formed || verdict == ParseError::none);
    if (verdict != ParseError::none || (!well_formed && !agreement::comparable(m))) return;
    const auto reference = reference_parse(input);
    CHECK(!well_formed || reference);
    if (!reference) return;
    const agreement::Differences differences{m, *reference, kind};
    if (!differences.text().empty())
        std::fprintf(stderr, "%s%.*s\n", differences.text().c_str(), static_cast<int>(input.size()), input.data());
    CHECK(differences.text().empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size > 0 && data[0] == 'G') {
        Octets octets{data + 1, size - 1};
        compare(sipfront::fuzz::MessageGenerator{octets}.message(), agreement::Input::well_formed);
    } else {
        compare({reinterpret_cast<const char*>(data), size}, agreement::Input::any);
    }
    return 0;
}
