// A port made of memory for whole workers under test: what is put in comes out of receive(), what is transmitted is kept.
#pragma once

#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/flow.hpp"
#include "core/outbox.hpp"

namespace sipfront::sim {

struct Sent {
    std::string text;
    core::Flow flow;
};

// Buffers are counted, so that a test sees whether all came back.
class FakeIo {
public:
    FakeIo() = default;
    FakeIo(const FakeIo&) = delete;
    FakeIo& operator=(const FakeIo&) = delete;

    void put(std::string text, const core::Flow& flow) { waiting_.push_back({std::move(text), flow}); }
    // An ICMP error quotes a message that was sent by `flow`; not 0: of what length the path takes packets.
    void put_error(std::string quote, const core::Flow& flow, std::uint16_t path_mtu = 0) {
        errors_.push_back({{std::move(quote), flow}, path_mtu});
    }
    struct PathLimit {
        core::IpAddress address;
        std::uint16_t mtu = 0;
        friend bool operator==(const PathLimit&, const PathLimit&) = default;
    };
    // What the worker has believed of it.
    [[nodiscard]] const std::vector<PathLimit>& path_limits() const { return path_limits_; }
    [[nodiscard]] bool has_waiting() const { return !waiting_.empty() || !returned_.empty(); }
    std::vector<Sent> take_sent() { return std::exchange(sent_, {}); }
    [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }
    // As a port whose queue never runs empty.
    void flood(bool on) { flooded_ = on; }
    // Streams that do not take what they are to: their messages come back.
    void refuse(std::function<bool(const core::Flow&)> refused) { refused_ = std::move(refused); }
    // One of them alone, some time later.
    void give_back(Sent sent) { returned_.push_back(std::move(sent)); }
    // Transmits nothing and lends nothing while true: a port without buffers.
    void starve(bool on) { starved_ = on; }

    // --- core::PacketIo
    std::size_t receive(std::span<core::Inbound> in) { return hand_over(waiting_, in); }
    std::size_t returned(std::span<core::Inbound> in) { return hand_over(returned_, in); }
    [[nodiscard]] bool backlogged() const { return flooded_ || !waiting_.empty(); }
    void release(std::span<const core::Inbound> done) {
        for (const auto& d : done) {
            if (d.buffer == nullptr) continue;
            delete static_cast<std::string*>(d.buffer);
            --live_;
        }
    }
    void lend(core::Outbox& out) {
        if (starved_) return;
        while (out.small_missing() > 0) out.lend_small(make(small_size));
        while (out.large_missing() > 0) out.lend_large(make(large_size));
    }
    void transmit(core::Outbox& out) {
        for (const auto& d : out.filled()) {
            const bool back = refused_ && core::is_reliable(d.flow.transport) && refused_(d.flow);
            Sent s{{d.room.data, d.length}, d.flow};
            back ? returned_.push_back(std::move(s)) : sent_.push_back(std::move(s));
            delete[] d.room.data;
            --lent_;
        }
        out.clear_filled();
    }

    std::size_t undelivered(std::span<core::Undelivered> errors) {
        std::size_t n = 0;
        for (; n < errors.size() && !errors_.empty(); errors_.pop_front()) {
            auto& [sent, path_mtu] = errors_.front();
            auto* copy = new std::string(std::move(sent.text));
            errors[n++] = {{{copy->data(), copy->size()}, sent.flow, copy}, path_mtu};
            ++live_;
        }
        return n;
    }
    void limit_path(const core::IpAddress& address, std::uint16_t mtu) { path_limits_.push_back({address, mtu}); }

    void take_back(core::Outbox& out) {
        transmit(out);
        for (core::OutBuffer b; out.take_back(b);) {
            delete[] b.data;
            --lent_;
        }
    }
    // Received messages not released yet. Negative on a worker that released another's.
    [[nodiscard]] long live() const { return live_; }
    [[nodiscard]] long lent() const { return lent_; }

private:
    static constexpr std::uint32_t small_size = 2048, large_size = 65'535;

    std::size_t hand_over(std::deque<Sent>& from, std::span<core::Inbound> in) {
        std::size_t n = 0;
        for (; n < in.size() && !from.empty(); from.pop_front()) {
            auto* copy = new std::string(std::move(from.front().text));
            in[n++] = {{copy->data(), copy->size()}, from.front().flow, copy};
            ++live_;
        }
        return n;
    }

    core::OutBuffer make(std::uint32_t size) {
        ++lent_;
        return {new char[size], size, nullptr};
    }

    std::deque<Sent> waiting_, returned_;
    std::deque<std::pair<Sent, std::uint16_t>> errors_;
    std::vector<PathLimit> path_limits_;
    std::vector<Sent> sent_;
    std::function<bool(const core::Flow&)> refused_;
    long live_ = 0, lent_ = 0;
    bool starved_ = false, flooded_ = false;
};
static_assert(core::StreamIo<FakeIo>);

}  // namespace sipfront::sim
