#include "sip/digits.hpp"

namespace sipfront::sip::digits {
namespace {

consteval Tables make_tables() {
    Tables t;
    t.zero.fill('0');
    t.nine.fill(9);
    for (std::size_t i = 0; i < 16; i += 2) {
        t.tens.at(i) = 10;
        t.tens.at(i + 1) = 1;
    }
    for (std::size_t i = 0; i < 8; i += 2) {
        t.hundreds.at(i) = 100;
        t.hundreds.at(i + 1) = 1;
    }
    t.myriads[0] = 10'000;
    t.myriads[1] = 1;
    for (std::size_t n = 0; n <= most; ++n) {
        t.first.at(n).fill(-1);
        for (std::size_t i = most - n; i < most; ++i) {
            t.first.at(n).at(i) = static_cast<std::int8_t>(i + n - most);
            t.last.at(n).at(i) = -1;
        }
    }
    return t;
}

}  // namespace

constinit const Tables tables = make_tables();

}  // namespace sipfront::sip::digits
