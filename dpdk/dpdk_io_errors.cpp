// The part of DpdkIo that hears of datagrams which did not arrive: ICMP errors, of which the kernel gets the frame and the worker a copy
// of what is quoted.
#include <algorithm>

#include <rte_mbuf.h>
#include <rte_memcpy.h>

#include "dpdk/dpdk_io.hpp"

namespace sipfront::dpdk {

// Cheap checks first: anybody may send these, at any rate.
void DpdkIo::note_error(const rte_mbuf* m, const Decoded& d) noexcept {
    const std::span<const std::uint8_t> frame{rte_pktmbuf_mtod(m, const std::uint8_t*), rte_pktmbuf_data_len(m)};
    const auto error = read_icmp_error(frame, d);
    const auto listener = error ? listeners_->find(error->source) : std::nullopt;
    if (!listener) return;
    const auto count = [this](IcmpReport r) { counters_.icmp_errors[r].add(); };
    if (error_count_ == most_errors) return count(IcmpReport::limited);
    if (!plausible(*error, d)) return count(IcmpReport::implausible);
    if (!icmp_checksum_ok(frame, d)) return count(IcmpReport::checksum);
    if (error_limit_.take(now_, 1) == 0) return count(IcmpReport::limited);
    if (!keep_error(*error, *listener)) return count(IcmpReport::no_mbuf);
    count(error->kind == IcmpError::Kind::too_big ? IcmpReport::packet_too_big : IcmpReport::unreachable);
}

bool DpdkIo::keep_error(const IcmpError& error, core::ListenerId listener) noexcept {
    auto* copy = rte_pktmbuf_alloc(plane_.pools().small(worker_));
    if (copy == nullptr) return false;
    const auto length = static_cast<std::uint16_t>(std::min<std::size_t>(error.text.size(), rte_pktmbuf_tailroom(copy)));
    auto* text = rte_pktmbuf_append(copy, length);
    rte_memcpy(text, error.text.data(), length);
    auto& e = errors_[error_count_++];
    e = {};
    e.quote.bytes = {text, length};
    e.quote.buffer = copy;
    e.quote.flow.local = error.source;
    e.quote.flow.remote = error.destination;
    e.quote.flow.listener = listener;
    if (error.kind == IcmpError::Kind::too_big)
        e.path_mtu = static_cast<std::uint16_t>(
            std::clamp<std::uint32_t>(error.mtu, least_path_mtu(error.source.address.family()), PathMtus::unlimited));
    return true;
}

std::size_t DpdkIo::undelivered(std::span<core::Undelivered> errors) noexcept {
    const auto n = std::min(errors.size(), error_count_);
    std::copy_n(errors_.begin(), n, errors.begin());
    std::move(errors_.begin() + static_cast<std::ptrdiff_t>(n), errors_.begin() + static_cast<std::ptrdiff_t>(error_count_),
              errors_.begin());
    error_count_ -= n;
    return n;
}

// What nobody has asked for.
void DpdkIo::drop_errors() noexcept {
    for (std::size_t i = 0; i < error_count_; ++i) rte_pktmbuf_free(static_cast<rte_mbuf*>(errors_[i].quote.buffer));
    error_count_ = 0;
}

void DpdkIo::limit_path(const core::IpAddress& destination, std::uint16_t mtu) noexcept {
    mtu = std::max(mtu, least_path_mtu(destination.family()));
    if (mtu >= mtu_) return;
    paths_.learn(destination, mtu, now_);
    counters_.path_mtus.add();
}

}  // namespace sipfront::dpdk
