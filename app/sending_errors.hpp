// What ICMP errors tell of messages that workers have sent. The error reaches any worker's port; the branch that it quotes names the
// worker whose transaction it concerns, and that worker's proxy says whether it can be believed. One that cannot is a hint at most: a host
// that it concerns is probed by the worker that probes it, ahead of time.
#pragma once

#include <array>
#include <string_view>

#include "app/switchboard.hpp"
#include "app/worker_stats.hpp"
#include "balancer/prober.hpp"
#include "balancer/selector.hpp"
#include "core/outbox.hpp"
#include "core/steering.hpp"
#include "sip/message.hpp"
#include "sip/proxy.hpp"

namespace sipfront::app {

// Part of a worker. All but the switchboard is the worker's own; everything outlives it.
template <core::PacketIo Io>
class SendingErrors {
public:
    SendingErrors(core::WorkerId self, const core::Steering& steering, Switchboard& switchboard, core::CounterArray<WorkerCount>& counts,
                  Io& io, sip::Proxy& proxy, const balancer::Selector& selector, balancer::Prober& prober)
        : self_{self},
          steering_{steering},
          switchboard_{switchboard},
          counts_{counts},
          io_{io},
          proxy_{proxy},
          selector_{selector},
          prober_{prober} {}

    // Those of the port's last receive(); returns how many.
    std::size_t poll(core::Tick now) {
        const auto n = io_.undelivered(errors_);
        if (n == 0) [[likely]]
            return 0;
        counts_[WorkerCount::undelivered].add(n);
        for (std::size_t i = 0; i < n; ++i) {
            Steered s{.message = errors_[i].quote, .errand = Steered::Errand::undelivered, .path_mtu = errors_[i].path_mtu};
            const auto owner = read(s);
            if (owner == self_) {
                judge(s, now);
            } else if (!post(owner, s)) {
                io_.release({&s.message, 1});
            }
        }
        return n;
    }

    // An errand that another worker has posted: undelivered or suspect.
    void take(const Steered& s, core::Tick now) {
        if (s.errand == Steered::Errand::suspect) return probe(s.holder, now);
        read(s);
        judge(s, now);
    }

private:
    // Parses what is quoted, and says whose it is.
    core::WorkerId read(const Steered& s) {
        const auto text = s.message.text();
        // The last line may have been cut short. Whatever else is missing is no matter here.
        (void)quote_.parse(text.substr(0, text.rfind('\n') + 1));
        if (quote_.is_request()) {
            const auto branch = sip::read_branch(quote_.at(quote_.top_via().branch));
            return branch && core::raw(branch->worker) < steering_.workers() ? branch->worker : self_;
        }
        return quote_.call_id().empty() ? self_ : steering_.owner_of(quote_.call_id());
    }

    void judge(const Steered& s, core::Tick now) {
        const auto& sent = s.message.flow;
        const bool unreachable = s.path_mtu == 0;
        const auto known = proxy_.on_error(quote_, sent, unreachable, now);
        if (known == sip::Sent::unknown) counts_[WorkerCount::unproven].add();
        if (!unreachable && known == sip::Sent::ours) io_.limit_path(sent.remote.address, s.path_mtu);
        if (unreachable && known != sip::Sent::failed) suspect(selector_.find(sent.remote, sent.transport), now);
        io_.release({&s.message, 1});
    }

    void suspect(core::DestinationId d, core::Tick now) {
        if (d == core::no_destination) return;
        if (prober_.owns(d)) return probe(d, now);
        (void)post(prober_.owner(d), {.errand = Steered::Errand::suspect, .holder = d});
    }

    void probe(core::DestinationId d, core::Tick now) {
        if (prober_.suspect(d, now)) counts_[WorkerCount::suspicions].add();
    }

    bool post(core::WorkerId to, const Steered& s) {
        const bool fits = switchboard_.lane(self_, to).try_post(s);
        if (!fits) counts_[WorkerCount::steer_drop].add();
        return fits;
    }

    core::WorkerId self_;
    const core::Steering& steering_;
    Switchboard& switchboard_;
    core::CounterArray<WorkerCount>& counts_;
    Io& io_;
    sip::Proxy& proxy_;
    const balancer::Selector& selector_;
    balancer::Prober& prober_;
    sip::Message quote_;
    std::array<core::Undelivered, 16> errors_;  // not made anew for every poll
};

}  // namespace sipfront::app
