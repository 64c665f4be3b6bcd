// Any octets as an ICMP message: what is read of a quoted datagram lies within the frame and fits what the message says of itself. The
// first octet chooses the family; the frame around the message is made up.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "dpdk/icmp_error.hpp"
#include "tests/fuzz/check.hpp"

namespace {

using namespace sipfront;
using namespace sipfront::dpdk;

using Bytes = std::vector<std::uint8_t>;

void put16(Bytes& f, std::size_t v) {
    f.push_back(static_cast<std::uint8_t>(v >> 8));
    f.push_back(static_cast<std::uint8_t>(v));
}

Bytes frame_of(bool v6, std::span<const std::uint8_t> message) {
    Bytes f(12, 2);
    if (v6) {
        put16(f, ethertype_ipv6);
        f.insert(f.end(), {0x60, 0, 0, 0});
        put16(f, message.size());
        f.insert(f.end(), {protocol_icmpv6, 64});
        for (const auto host : {std::uint8_t{2}, std::uint8_t{100}})
            f.insert(f.end(), {0xfd, 0x77, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, host});
    } else {
        put16(f, ethertype_ipv4);
        f.insert(f.end(), {0x45, 0});
        put16(f, message.size() + ipv4_header);
        f.insert(f.end(), {0, 0, 0, 0, 64, protocol_icmp, 0, 0, 10, 77, 0, 2, 10, 77, 0, 100});
    }
    f.insert(f.end(), message.begin(), message.end());
    return f;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    constexpr std::size_t longest = 2000;
    if (size == 0 || size > longest) return 0;
    const auto made = frame_of((data[0] & 1) != 0, {data + 1, size - 1});
    // Exactly as long as the frame: ASan sees one octet too far.
    const auto bytes = std::make_unique<std::uint8_t[]>(made.size());
    std::copy(made.begin(), made.end(), bytes.get());
    const std::span<const std::uint8_t> frame{bytes.get(), made.size()};
    const auto d = decode(frame, {.verify_ip_checksum = false});
    CHECK(d.verdict == Decoded::Verdict::icmp);
    (void)icmp_checksum_ok(frame, d);
    const auto e = read_icmp_error(frame, d);
    if (!e) return 0;
    CHECK(e->text.empty() || (e->text.data() >= frame.data() && e->text.data() + e->text.size() <= frame.data() + frame.size()));
    CHECK(e->text.size() + udp_header + ip_header_length(e->source.address.family()) <= e->length);
    CHECK(e->source.address.family() == d.source.address.family() && e->destination.address.family() == d.source.address.family());
    if (!plausible(*e, d)) return 0;
    CHECK(e->source.address == d.destination.address && e->destination.port != 0);
    CHECK(e->kind == IcmpError::Kind::unreachable || e->mtu < e->length);
    return 0;
}
