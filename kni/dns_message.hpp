// Replies of name servers, decoded: RFC 1035 §4, RFC 2308 §5 (how long "there is none" holds), RFC 2782 (SRV), RFC 3403 §4 (NAPTR),
// RFC 3596 (AAAA). Pure; nothing that a server may send breaks it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/endpoint.hpp"

namespace sipfront::kni {

enum class RecordType : std::uint16_t { a = 1, cname = 5, soa = 6, aaaa = 28, srv = 33, naptr = 35 };

// Names are in lower case without the last dot; empty: the root.
struct DnsRecord {
    core::IpAddress address;      // A, AAAA
    std::uint16_t first = 0;      // SRV: priority; NAPTR: order
    std::uint16_t second = 0;     // SRV: weight; NAPTR: preference
    std::uint16_t port = 0;       // SRV
    std::string name;             // SRV: target; NAPTR: replacement; CNAME: the other name
    std::string flags, services;  // NAPTR
    bool has_expression = false;  // NAPTR: it rewrites instead of replacing
};

struct DnsReply {
    enum class Status : std::uint8_t {
        found,
        absent,  // the name or this kind of record does not exist
        failed,  // nobody could say
    };
    Status status = Status::failed;
    std::vector<DnsRecord> records;  // of the kind that was asked for, in the order of the reply
    std::uint32_t ttl = 0;           // seconds for which all of it holds
};

// `name` and `type`: what was asked. Follows aliases within the reply. At most 64 records of it are kept.
DnsReply decode_reply(std::span<const std::uint8_t> message, std::string_view name, RecordType type);

}  // namespace sipfront::kni
