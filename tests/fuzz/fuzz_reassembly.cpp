// Any sequence of frames through decode, read_fragment and the Reassembler: every frame gets one fate, what comes whole is what a plain
// model of RFC 791 makes of the same fragments, and bounds hold. The input is read as commands; what they leave out is made up so that
// fragments of few datagrams meet.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "dpdk/fragment_lanes.hpp"
#include "dpdk/reassembly.hpp"
#include "tests/fuzz/check.hpp"

namespace {

using namespace sipfront;
using namespace sipfront::dpdk;

using Bytes = std::vector<std::uint8_t>;

class Input {
public:
    Input(const std::uint8_t* data, std::size_t size) : left_{data, size} {}
    [[nodiscard]] bool empty() const { return left_.empty(); }
    std::uint8_t octet() {
        if (left_.empty()) return 0;
        const auto o = left_.front();
        left_ = left_.subspan(1);
        return o;
    }
    Bytes octets(std::size_t n) {
        n = std::min(n, left_.size());
        Bytes b(left_.begin(), left_.begin() + static_cast<std::ptrdiff_t>(n));
        left_ = left_.subspan(n);
        return b;
    }

private:
    std::span<const std::uint8_t> left_;
};

void put16(Bytes& f, std::uint32_t v) {
    f.push_back(static_cast<std::uint8_t>(v >> 8));
    f.push_back(static_cast<std::uint8_t>(v));
}

const core::IpAddress listener_v4 = core::IpAddress::v4(0x0a4d0064);
const core::IpAddress listener_v6 = core::IpAddress::parse("fd77::64").value();

// One frame of a fragment; every field within reach of the input.
Bytes frame_of(Input& in) {
    const auto kind = in.octet();
    const bool v6 = (kind & 1) != 0;
    const bool more = (kind & 2) != 0;
    const bool options = (kind & 4) != 0;
    const std::uint8_t protocol = (kind & 8) != 0 ? in.octet() : 17;
    const auto id = static_cast<std::uint8_t>(in.octet() % 4);
    const std::uint32_t offset = (kind & 16) != 0 ? in.octet() * 256U : in.octet() % 16U;  // in units of 8
    Bytes data = in.octets(in.octet() % 64);
    if ((kind & 32) != 0) data.resize(data.size() * 24);
    if (more && (kind & 64) != 0) data.resize((data.size() + 7) / 8 * 8);
    if (offset == 0 && data.size() >= 8 && (kind & 128) != 0) {
        data[2] = 0x13;  // 5060
        data[3] = 0xc4;
    }
    Bytes f(12, 2);
    const auto source = static_cast<std::uint8_t>(1 + id % 2);
    if (v6) {
        put16(f, 0x86dd);
        f.insert(f.end(), {0x60, 0, 0, 0});
        put16(f, static_cast<std::uint32_t>(data.size()) + 8 + (options ? 8 : 0));
        f.insert(f.end(), {options ? std::uint8_t{0} : std::uint8_t{44}, 64, 0xfd, 0x77, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, source});
        f.insert(f.end(), listener_v6.bytes().begin(), listener_v6.bytes().end());
        if (options) f.insert(f.end(), {44, 0, 1, 4, 0, 0, 0, 0});
        f.insert(f.end(), {protocol, 0});
        put16(f, (offset * 8 & 0xfff8) | (more ? 1U : 0U));
        f.insert(f.end(), {0, 0, 0, id});
    } else {
        put16(f, 0x0800);
        f.insert(f.end(), {options ? std::uint8_t{0x46} : std::uint8_t{0x45}, 0});
        put16(f, static_cast<std::uint32_t>(data.size()) + (options ? 24 : 20));
        f.insert(f.end(), {0, id});
        put16(f, (offset & 0x1fff) | (more ? 0x2000U : 0U));
        f.insert(f.end(), {64, protocol, 0, 0, 10, 77, 0, source});
        f.insert(f.end(), listener_v4.bytes().begin(), listener_v4.bytes().end());
        if (options) f.insert(f.end(), {1, 1, 1, 0});
    }
    f.insert(f.end(), data.begin(), data.end());
    return f;
}

struct Kept {
    std::unique_ptr<std::uint8_t[]> bytes;  // exactly as long as the frame: ASan sees one octet too far
    std::size_t size = 0;
    std::uint64_t hash = 0;
    std::uint32_t offset = 0;
};

class Model final : public Reassembler::Sink {
public:
    void run(Input& in) {
        while (!in.empty()) {
            if (const auto command = in.octet(); command >= 250) {
                now_ += std::chrono::milliseconds{(command - 249) * 300};
                reassembler_.expire(now_);
            } else if (command >= 240) {
                give(in.octets(command));  // any bytes at all
            } else {
                give(frame_of(in));
            }
            CHECK(reassembler_.held() == alive_.size());
            CHECK(reassembler_.contexts() <= limits.contexts && reassembler_.held() <= limits.buffers);
        }
        reassembler_.clear();
        CHECK(alive_.empty() && reassembler_.contexts() == 0);
    }

    void to_kernel(Reassembler::Handle frame) noexcept override { forget(frame); }
    void drop(Reassembler::Handle frame, Drop why) noexcept override {
        CHECK(why < Drop::count_);
        forget(frame);
    }
    void done(Reassembler::Handle frame) noexcept override { forget(frame); }

private:
    static constexpr ReassemblyLimits limits{.timeout = std::chrono::seconds{1}, .contexts = 6, .buffers = 256};

    static Reassembler::Handle as_frame(std::uintptr_t handle) { return reinterpret_cast<Reassembler::Handle>(handle); }
    void forget(Reassembler::Handle frame) { CHECK(alive_.erase(reinterpret_cast<std::uintptr_t>(frame)) == 1); }

    void give(const Bytes& frame) {
        Kept k{std::make_unique<std::uint8_t[]>(frame.size()), frame.size()};
        std::copy(frame.begin(), frame.end(), k.bytes.get());
        const std::span<const std::uint8_t> bytes{k.bytes.get(), k.size};
        const auto d = decode(bytes, {.verify_ip_checksum = false});
        if (d.verdict != Decoded::Verdict::fragment) return;
        const auto f = read_fragment(bytes, d);
        CHECK(f.data.data() >= bytes.data() && f.data.data() + f.data.size() <= bytes.data() + bytes.size());
        k.hash = lanes_.hash(f);
        k.offset = f.offset;
        const auto hash = k.hash;
        const auto handle = ++last_;
        alive_.emplace(handle, std::move(k));
        if (const auto whole = reassembler_.add(f, hash, as_frame(handle), listeners_, now_)) check(*whole, hash);
    }

    // Put together anew from the frames that the Reassembler still holds of it: no gap, no overlap, the same octets.
    void check(const Reassembler::Whole& whole, std::uint64_t hash) {
        std::map<std::uint32_t, Fragment> parts;
        for (const auto& [handle, k] : alive_) {
            if (k.hash != hash) continue;
            const std::span<const std::uint8_t> bytes{k.bytes.get(), k.size};
            CHECK(parts.emplace(k.offset, read_fragment(bytes, decode(bytes, {.verify_ip_checksum = false}))).second);
        }
        Bytes packet;
        for (const auto& [offset, f] : parts) {
            CHECK(offset == packet.size());
            CHECK(f.more == (offset != parts.rbegin()->first));
            packet.insert(packet.end(), f.data.begin(), f.data.end());
        }
        CHECK(packet.size() <= Reassembler::longest_packet && parts.size() <= Reassembler::most_pieces);
        CHECK(whole.length >= udp_header && whole.length <= packet.size());
        const std::span udp{packet.data() + packet.size() - whole.length, whole.length};
        CHECK(destination_port(udp) == 5060 && whole.listener == core::ListenerId{1});
        CHECK(alive_.contains(reinterpret_cast<std::uintptr_t>(whole.first)));
        const auto out = std::make_unique<std::uint8_t[]>(whole.length);
        reassembler_.take(whole, {out.get(), whole.length});
        CHECK(std::equal(udp.begin(), udp.end(), out.get()));
        const auto d = decode_datagram({out.get(), whole.length}, whole.source, whole.destination);
        if (d.verdict == Decoded::Verdict::udp) (void)udp_checksum_ok({out.get(), whole.length}, d);
    }

    PortCounters counters_;
    FragmentLanes lanes_{{1, 2}, 1};
    ListenerTable listeners_{{{{listener_v4, 5060}, core::ListenerId{1}}, {{listener_v6, 5060}, core::ListenerId{1}}}};
    Reassembler reassembler_{limits, {3, 4}, *this, counters_};
    core::Tick now_{};
    std::map<std::uintptr_t, Kept> alive_;
    std::uintptr_t last_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static Model model;  // empty again after each run
    Input in{data, size};
    model.run(in);
    return 0;
}
