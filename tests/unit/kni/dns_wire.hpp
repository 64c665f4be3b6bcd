// Writes replies of name servers, octet by octet.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "kni/dns_message.hpp"

namespace sipfront::kni {

class Wire {
public:
    Wire& u8(unsigned n) { return bytes.push_back(static_cast<std::uint8_t>(n)), *this; }
    Wire& u16(unsigned n) { return u8(n >> 8).u8(n & 0xff); }
    Wire& u32(std::uint32_t n) { return u16(n >> 16).u16(n & 0xffff); }
    Wire& text(std::string_view t) {
        u8(static_cast<unsigned>(t.size()));
        bytes.insert(bytes.end(), t.begin(), t.end());
        return *this;
    }
    Wire& name(std::string_view n) {
        while (!n.empty()) {
            const auto label = n.substr(0, n.find('.'));
            text(label);
            n.remove_prefix(std::min(n.size(), label.size() + 1));
        }
        return u8(0);
    }
    // The header, and the question for `name`, which then stands at octet 12.
    static Wire reply(std::string_view name, RecordType type, unsigned answers, unsigned code = 0, unsigned authorities = 0) {
        Wire w;
        w.u16(1).u16(0x8180 | code).u16(1).u16(answers).u16(authorities).u16(0);
        return w.name(name).u16(static_cast<unsigned>(type)).u16(1), w;
    }
    // A record of the question's name, up to its data, which has `length` octets.
    Wire& record(RecordType type, std::uint32_t ttl, std::size_t length) {
        return u16(0xc00c).u16(static_cast<unsigned>(type)).u16(1).u32(ttl).u16(static_cast<unsigned>(length));
    }
    Wire& append(const Wire& other) { return bytes.insert(bytes.end(), other.bytes.begin(), other.bytes.end()), *this; }
    Wire& record(RecordType type, std::uint32_t ttl, const Wire& data) { return record(type, ttl, data.bytes.size()).append(data); }

    std::vector<std::uint8_t> bytes;
};

}  // namespace sipfront::kni
