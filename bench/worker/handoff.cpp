#include "bench/worker/handoff.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <memory>
#include <span>
#include <thread>

#include "app/switchboard.hpp"
#include "bench/worker/cpus.hpp"
#include "core/reservation.hpp"
#include "core/steering.hpp"
#include "sip/scan.hpp"

namespace sipfront::bench {
namespace {

using Clock = std::chrono::steady_clock;
using Lane = app::Switchboard::Lane;

constexpr std::size_t burst = 64, turns = 7;

// Received messages as a NIC leaves them: in memory, in no cache.
class Ring {
public:
    explicit Ring(std::string_view text) : memory_{count * slot}, length_{std::min(text.size(), slot)} {
        for (std::size_t i = 0; i < count; ++i) std::memcpy(room(i), text.data(), length_);
        const auto call_id = sip::find_call_id(text);
        call_id_at_ = static_cast<std::size_t>(call_id.data() - text.data());
        call_id_length_ = call_id.size();
    }
    // Where parsing finds the Call-ID anyway.
    [[nodiscard]] std::string_view call_id(const core::Inbound& in) const noexcept {
        return {in.bytes.data() + call_id_at_, call_id_length_};
    }
    [[nodiscard]] core::Inbound at(std::size_t i) noexcept {
        core::Inbound in;
        in.bytes = {room(i), length_};
        return in;
    }
    static constexpr std::size_t count = 64 * 1024;

private:
    static constexpr std::size_t slot = 4096 + 64;  // an odd number of lines, as mempools have it

    [[nodiscard]] char* room(std::size_t i) const noexcept { return static_cast<char*>(memory_.data()) + i * slot; }

    core::Reservation memory_;
    std::size_t length_, call_id_at_ = 0, call_id_length_ = 0;
};

void prefetch(std::span<const char> bytes) noexcept {
    for (std::size_t at = 0; at < bytes.size() && at < 512; at += 64) __builtin_prefetch(bytes.data() + at);
}

// Stands for handling: every line of the message is read.
std::uint64_t read_all(std::span<const char> bytes) noexcept {
    std::uint64_t sum = 0;
    for (std::size_t at = 0; at < bytes.size(); at += 64) sum += static_cast<unsigned char>(bytes[at]);
    return sum;
}

class Turn {
public:
    Turn(Ring& ring, int sender_cpu, int receiver_cpu) : ring_{ring}, sender_cpu_{sender_cpu}, receiver_cpu_{receiver_cpu} {}

    Handoff run() {
        Handoff out;
        std::thread home{[&] { out.home_ns = at_home(); }};
        home.join();
        std::thread receiver{[&] { out.receiver_ns = receive(); }};
        std::thread sender{[&] { out.sender_ns = send(); }};
        sender.join();
        receiver.join();
        return out;
    }

private:
    // Time of bursts, without those in which somebody else had the CPU: they take a tenth of the bound.
    class Stopwatch {
    public:
        void burst(Clock::time_point began, std::size_t messages) {
            const auto took = Clock::now() - began;
            if (took > std::chrono::microseconds{500}) return;
            busy_ += took;
            messages_ += messages;
        }
        [[nodiscard]] double each() const {
            return messages_ == 0 ? 0 : std::chrono::duration<double, std::nano>{busy_}.count() / static_cast<double>(messages_);
        }

    private:
        Clock::duration busy_{0};
        std::size_t messages_ = 0;
    };

    double at_home() {
        pin_to(receiver_cpu_);
        std::uint64_t sum = 0;
        Stopwatch watch;
        for (std::size_t i = 0; i < Ring::count; i += burst) {
            const auto began = Clock::now();
            for (std::size_t j = 0; j < burst; ++j) prefetch(ring_.at(i + j).bytes);
            for (std::size_t j = 0; j < burst; ++j) {
                const auto in = ring_.at(i + j);
                sum += steering_.hash(ring_.call_id(in)) + read_all(in.bytes);
            }
            watch.burst(began, burst);
        }
        sum_.fetch_add(sum, std::memory_order_relaxed);
        return watch.each();
    }

    double send() {
        pin_to(sender_cpu_);
        Stopwatch watch;
        for (std::size_t i = 0; i < Ring::count; i += burst) {
            // A full lane drops; here the sender waits, and the wait is not its work.
            while (lane_->depth() + burst > Lane::capacity()) std::this_thread::yield();
            const auto began = Clock::now();
            for (std::size_t j = 0; j < burst; ++j) prefetch(ring_.at(i + j).bytes);
            for (std::size_t j = 0; j < burst; ++j) {
                const auto in = ring_.at(i + j);
                (void)lane_->try_post({in, steering_.hash(sip::find_call_id(in.text()))});
            }
            watch.burst(began, burst);
        }
        return watch.each();
    }

    double receive() {
        pin_to(receiver_cpu_);
        std::array<app::Steered, burst> own;
        std::uint64_t sum = 0;
        Stopwatch watch;
        for (std::size_t seen = 0; seen < Ring::count;) {
            const auto began = Clock::now();
            const auto n = lane_->drain(own);
            if (n == 0) {
                std::this_thread::yield();
                continue;
            }
            for (std::size_t j = 0; j < n; ++j) sum += own[j].call_id_hash + read_all(own[j].message.bytes);
            watch.burst(began, n);
            seen += n;
        }
        sum_.fetch_add(sum, std::memory_order_relaxed);
        return watch.each();
    }

    Ring& ring_;
    int sender_cpu_, receiver_cpu_;
    core::Steering steering_{core::HashKey{core::SecretKey{1, 2}}, 2};
    std::unique_ptr<Lane> lane_ = std::make_unique<Lane>();
    std::atomic<std::uint64_t> sum_ = 0;  // what was read counts for something
};

}  // namespace

Handoff measure_handoff(std::string_view text, int sender_cpu, int receiver_cpu) {
    Ring ring{text};
    std::array<Handoff, turns> found;
    for (auto& f : found) f = Turn{ring, sender_cpu, receiver_cpu}.run();
    const auto median = [&](double Handoff::*of) {
        std::ranges::sort(found, {}, of);
        return found[turns / 2].*of;
    };
    return {median(&Handoff::sender_ns), median(&Handoff::receiver_ns), median(&Handoff::home_ns)};
}

}  // namespace sipfront::bench
