#include "bench/sipgen/raw.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>

#include <rte_mbuf.h>
#include <rte_pause.h>

namespace sipfront::sipgen {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint16_t burst = 32;
// No frame has come back for so long: those under way are lost.
constexpr auto patience = std::chrono::milliseconds{20};
// Marks our frames: kernels add neighbour discovery and the like.
constexpr std::uint32_t mark = 0x70697352;
constexpr std::size_t headers = 42;

class RawRun {
public:
    RawRun(const Options& options, DpdkPort& port)
        : lane_{port.lane()}, pool_{port.buffers()}, bytes_{options.raw_bytes}, window_{options.raw_window} {
        // IPv4 and UDP by form, so that no device takes offence; the addresses are of the range for benchmarks (RFC 2544).
        constexpr std::array<std::uint8_t, headers> start{0x02, 0, 0,   0,  0, 0x02, 0x02, 0,    0,    0,    0, 0x01, 0x08, 0x00,
                                                          0x45, 0, 0,   0,  0, 0,    0x40, 0,    64,   17,   0, 0,    198,  18,
                                                          0,    1, 198, 18, 0, 2,    0x13, 0xc4, 0x13, 0xc4, 0, 0,    0,    0};
        std::copy(start.begin(), start.end(), frame_.begin());
        std::copy_n(port.mac().octets.begin(), 6, frame_.begin() + 6);
        const auto ip = static_cast<std::uint16_t>(bytes_ - 14), udp = static_cast<std::uint16_t>(bytes_ - 34);
        frame_[16] = static_cast<std::uint8_t>(ip >> 8);
        frame_[17] = static_cast<std::uint8_t>(ip);
        frame_[38] = static_cast<std::uint8_t>(udp >> 8);
        frame_[39] = static_cast<std::uint8_t>(udp);
        std::memcpy(frame_.data() + headers, &mark, sizeof mark);
    }

    void turn(RawResult& into, Clock::time_point now) {
        std::array<rte_mbuf*, 2 * burst> frames;
        const auto got = lane_.receive(frames.data(), 2 * burst);
        std::uint64_t ours = 0;
        for (std::uint16_t i = 0; i < got; ++i) {
            std::uint32_t seen = 0;
            if (rte_pktmbuf_data_len(frames[i]) >= headers + sizeof seen) {
                std::memcpy(&seen, rte_pktmbuf_mtod_offset(frames[i], const char*, headers), sizeof seen);
            }
            ours += seen == mark;
        }
        if (got > 0) rte_pktmbuf_free_bulk(frames.data(), got);
        if (ours > 0) heard_ = now;
        into.returned += ours;
        under_way_ -= std::min<std::uint64_t>(ours, under_way_);
        if (under_way_ > 0 && now - heard_ > patience) {
            into.lost += under_way_;
            under_way_ = 0;
            heard_ = now;
        }
        while (under_way_ + burst <= window_ && send(into)) continue;
    }

private:
    bool send(RawResult& into) {
        std::array<rte_mbuf*, burst> frames;
        if (rte_pktmbuf_alloc_bulk(pool_, frames.data(), burst) != 0) return false;
        for (auto* m : frames) {
            // The whole frame is written, as a program that makes its messages would.
            std::memcpy(rte_pktmbuf_append(m, static_cast<std::uint16_t>(bytes_)), frame_.data(), bytes_);
        }
        const auto sent = lane_.send(frames.data(), burst);
        under_way_ += sent;
        into.sent += sent;
        if (sent < burst) rte_pktmbuf_free_bulk(frames.data() + sent, burst - sent);
        return sent == burst;
    }

    dpdk::Lane lane_;
    rte_mempool* pool_;
    std::uint32_t bytes_, window_;
    std::uint64_t under_way_ = 0;
    Clock::time_point heard_ = Clock::now();
    std::array<std::uint8_t, 1536> frame_{};
};

}  // namespace

RawResult run_raw(const Options& options, DpdkPort& port, Progress& progress) {
    RawRun run{options, port};
    RawResult result;
    const auto drive = [&](double seconds) {
        result = {.bytes = options.raw_bytes};
        const auto start = Clock::now();
        auto now = start;
        for (const auto end = start + std::chrono::duration<double>(seconds);
             now < end && !progress.stop.load(std::memory_order_relaxed);) {
            // A look at the clock costs as much as a frame.
            for (int i = 0; i < 16; ++i) run.turn(result, now);
            now = Clock::now();
            progress.received.store(result.returned, std::memory_order_relaxed);
        }
        result.seconds = std::chrono::duration<double>(now - start).count();
    };
    drive(std::max(options.warm_up, 0.5));
    drive(options.seconds);
    return result;
}

}  // namespace sipfront::sipgen
