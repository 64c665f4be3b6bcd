// Overload control at one worker's door: measures its queues, and while they stand turns new work away before it costs anything.
// In-dialog requests, responses, what was admitted before and the cluster's own requests always pass. Used by Worker.
#pragma once

#include <algorithm>
#include <array>

#include "app/switchboard.hpp"
#include "app/worker_stats.hpp"
#include "balancer/overload.hpp"
#include "balancer/snapshot.hpp"
#include "core/steering.hpp"
#include "sip/glance.hpp"
#include "sip/proxy.hpp"

namespace sipfront::app {

// The worker's thread only.
class Admission {
public:
    static constexpr std::size_t group = 8;  // messages looked at before the first is settled: their table lines are on the way
    // What a look at a message came to.
    enum class Look : std::uint8_t {
        pass,    // not new work, or admitted
        parse,   // not to be told without the parser: ask judge()
        refuse,  // ask refuse()
        settled  // absorbed
    };

    Admission(core::WorkerId self, std::uint64_t seed, const core::Steering& steering, Switchboard& switchboard, OverloadStats& stats,
              sip::Proxy& proxy, core::Tick now)
        : self_{self}, steering_{steering}, switchboard_{switchboard}, stats_{stats}, proxy_{proxy}, control_{seed, now} {
        publish();
    }

    // The poll begins and ends; `standing`: messages wait in a queue of this worker.
    void begin(const balancer::Snapshot* snapshot, core::Tick now) {
        policy_ = snapshot != nullptr ? &snapshot->overload() : &unset_;
        if (control_.begin(now, *policy_)) publish();
    }
    void end(bool standing) noexcept {
        control_.end(standing, *policy_);
        if (control_.engaged()) switchboard_.share(self_).set(control_.share());
    }

    // The share of new work that may pass on the way from `receiver` to here: who cannot keep up with receiving is helped by its
    // peers as well. Below admit_all, look() and judge() each message.
    [[nodiscard]] balancer::Admission share(core::WorkerId receiver) const noexcept {
        return std::min(control_.share(), receiver == self_ ? balancer::admit_all : switchboard_.share(receiver).get());
    }
    // While ACKs to rejections may come.
    [[nodiscard]] bool expects_acks(core::Tick now) const noexcept { return now < acks_until_; }

    // Before parsing, the message number `i` of a group.
    Look look(std::size_t i, const Steered& s, balancer::Admission share) {
        const auto text = s.message.text();
        const auto method = sip::glance_method(text);
        if (method == sip::Method::ack) return proxy_.absorb_rejection_ack(text) ? Look::settled : Look::pass;
        if (method == sip::Method::count_) return Look::parse;
        if (share == balancer::admit_all || !sip::begins_work(method) || s.message.flow.zone == core::Zone::cluster) return Look::pass;
        auto& g = glances_[i];
        if (!sip::glance(text, method, g)) return Look::parse;
        keys_[i] = proxy_.key_of(g);
        return passes(method, keys_[i], s.message.flow.zone, share, g.request_uri, g.resource_priority) ? Look::pass : Look::refuse;
    }
    // For Look::refuse, in the same order. True: answered; else the message goes on as if it had passed.
    bool refuse(std::size_t i, const Steered& s, core::Tick now) {
        const auto& g = glances_[i];
        const auto hash = proxy_.remembers_challenges() && s.call_id_hash == 0 ? steering_.hash(g.call_id) : s.call_id_hash;
        if (proxy_.continues(keys_[i], hash, now)) return false;
        proxy_.reject(g, s.message.flow, keys_[i], policy_->retry_after(keys_[i] >> 7));
        note_rejection(g.method, now);
        return true;
    }
    // After parsing, for Look::parse. True: answered.
    bool judge(const sip::Message& m, const Steered& s, const sip::Lead& lead, balancer::Admission share, core::Tick now) {
        if (share == balancer::admit_all || !m.is_request() || !m.to_tag().empty() || !sip::begins_work(m.method()) ||
            s.message.flow.zone == core::Zone::cluster)
            return false;
        const auto* priority = m.find("Resource-Priority");
        const auto claimed = priority != nullptr ? m.at(priority->value) : std::string_view{};
        if (passes(m.method(), lead.server_key, s.message.flow.zone, share, m.request_uri(), claimed)) return false;
        if (proxy_.continues(lead.server_key, s.call_id_hash, now)) return false;
        proxy_.reject(m, s.message.flow, policy_->retry_after(lead.server_key >> 7));
        note_rejection(m.method(), now);
        return true;
    }

private:
    // A transaction's key is the same for each repetition of its request, and nobody can aim at it.
    bool passes(sip::Method method, std::uint64_t key, core::Zone from, balancer::Admission share, std::string_view uri,
                std::string_view priority) {
        if (!control_.admits(key, share) && !policy_->has_priority(uri, priority, from)) return false;
        stats_.admitted[method].add();
        return true;
    }
    void note_rejection(sip::Method method, core::Tick now) {
        stats_.rejected[method].add();
        acks_until_ = now + std::chrono::seconds{32};  // 64*T1: as long as a client repeats its ACK
    }
    void publish() {
        switchboard_.share(self_).set(control_.share());
        stats_.share.set(control_.steady_share());
        stats_.standing_time.set(static_cast<std::uint64_t>(control_.stood().count()));
        stats_.episodes.set(control_.episodes());
        stats_.engaged.set(control_.engaged() ? 1 : 0);
        stats_.standing.set(static_cast<std::uint64_t>(control_.standing() * static_cast<double>(balancer::admit_all)));
    }

    core::WorkerId self_;
    const core::Steering& steering_;
    Switchboard& switchboard_;
    OverloadStats& stats_;
    sip::Proxy& proxy_;
    balancer::OverloadControl control_;
    balancer::OverloadPolicy unset_;  // until there is a snapshot
    const balancer::OverloadPolicy* policy_ = &unset_;
    core::Tick acks_until_{};
    std::array<sip::Glance, group> glances_;
    std::array<std::uint64_t, group> keys_{};
};

}  // namespace sipfront::app
