// One poll core's whole work, over any port: receive, steer by Call-ID, guard, parse, proxy, transmit; timers and probes in
// between. The same code runs over DPDK in the daemon and over a fake port with a manual clock in tests/sim.
#pragma once

#include <array>
#include <bit>
#include <charconv>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "app/admission.hpp"
#include "app/name_lookup.hpp"
#include "app/sending_errors.hpp"
#include "app/switchboard.hpp"
#include "app/worker_stats.hpp"
#include "balancer/guard.hpp"
#include "balancer/prober.hpp"
#include "balancer/selector.hpp"
#include "core/keys.hpp"
#include "core/outbox.hpp"
#include "core/published.hpp"
#include "core/steering.hpp"
#include "sip/config.hpp"
#include "sip/message.hpp"
#include "sip/proxy.hpp"

namespace sipfront::app {

// What all workers of a process share. Outlives them.
struct WorkerShared {
    const sip::ProxyConfig& proxy;
    const core::KeyRing& keys;
    core::Steering steering;
    core::SecretKey table_key;   // of this process
    core::SecretKey sticky_key;  // of both nodes: where registrations stick
    core::SecretKey dialog_key;  // of both nodes: ids of dialogs
    std::uint32_t rate_table = 65'536;
    core::Published<balancer::Snapshot>& snapshots;
    core::Published<core::NameTable>& names;
    core::SecretKey name_key;  // of this process: what the table of names is searched by
    Switchboard& switchboard;
    std::vector<sip::DialogObserver*> observers;  // by worker; empty: nobody keeps dialogs
};

template <core::PacketIo Io>
class Worker final : private sip::LocalClient {
public:
    // `stats` and `io` outlive the worker. Make it on the core that will run it: its memory belongs to that node.
    Worker(core::WorkerId self, WorkerShared& shared, Io& io, WorkerStats& stats, core::Tick start)
        : self_{self},
          shared_{shared},
          io_{io},
          stats_{stats},
          selector_{self, shared.snapshots, shared.sticky_key},
          names_{self, shared.names, shared.name_key, shared.switchboard},
          prober_{self, shared.steering.workers(), shared.table_key.k0 ^ core::raw(self)},
          guard_{shared.rate_table, shared.table_key},
          proxy_{{.self = self,
                  .config = shared.proxy,
                  .router = selector_,
                  .names = names_,
                  .keys = shared.keys,
                  .out = outbox_,
                  .counters = stats.proxy,
                  .local = *this,
                  .observer = shared.observers.empty() ? nullptr : shared.observers[core::raw(self)],
                  .table_key = shared.table_key,
                  .dialog_key = shared.dialog_key,
                  .call_id_key = shared.steering.key(),
                  .start = start}},
          admission_{self, shared.table_key.k1 + core::raw(self), shared_.steering, shared.switchboard, stats.overload, proxy_, start},
          errors_{self, shared_.steering, shared.switchboard, stats.counts, io, proxy_, selector_, prober_},
          probe_key_{core::derive(shared.table_key, "own Call-IDs")} {
        outbox_.on_exhausted(
            [](void* io_object, core::Outbox& out) {
                static_cast<Io*>(io_object)->transmit(out);
                static_cast<Io*>(io_object)->lend(out);
            },
            &io_);
        io_.lend(outbox_);
    }
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    // One turn of the loop; returns how many messages and commands it handled.
    std::size_t poll(core::Tick now) {
        now_ = now;
        if (selector_.refresh() && selector_.snapshot() != nullptr) {
            prober_.refresh(*selector_.snapshot(), now);
            guard_.forget_agents();
        }
        admission_.begin(selector_.snapshot(), now);
        std::size_t work = obey() + recover();
        if (names_.refresh(now)) proxy_.on_names(now);
        // Timers before packets: late timers grow state faster than traffic does.
        proxy_.advance(now, timers_per_poll);
        prober_.poll(now, [this](core::DestinationId d) { return probe(d); });

        const auto received = io_.receive(batch_);
        stats_.counts[WorkerCount::received].add(received);
        const auto mine = steer({batch_.data(), received});
        handle({own_.data(), mine}, self_);
        bool standing = io_.backlogged();
        for (std::uint32_t i = 0; i < shared_.steering.workers(); ++i) {
            const core::WorkerId peer{static_cast<std::uint8_t>(i)};
            if (peer == self_) continue;
            const auto n = shared_.switchboard.lane(peer, self_).drain(own_);
            stats_.counts[WorkerCount::steered_here].add(n);
            handle({own_.data(), run_errands({own_.data(), n}, peer)}, peer);
            standing = standing || n == own_.size();
            work += n;
        }
        // Behind the messages: an answer of the same burst is the better news.
        work += errors_.poll(now);
        if constexpr (core::StreamIo<Io>) work += take_returned();
        admission_.end(standing);
        io_.transmit(outbox_);
        io_.lend(outbox_);
        report();
        return work + received;
    }

    // Gives everything back that still waits for this worker. After the last poll of all workers.
    void stop() {
        for (std::uint32_t peer = 0; peer < shared_.steering.workers(); ++peer) {
            auto& lane = shared_.switchboard.lane(core::WorkerId{static_cast<std::uint8_t>(peer)}, self_);
            lane.consume([this](const Steered& s) { io_.release({&s.message, 1}); }, Switchboard::Lane::capacity());
        }
        proxy_.tell_held_ends();
        shared_.snapshots.leave(self_);
        names_.leave();
    }

    [[nodiscard]] sip::Proxy& proxy() noexcept { return proxy_; }
    [[nodiscard]] balancer::Selector& selector() noexcept { return selector_; }
    [[nodiscard]] core::Outbox& outbox() noexcept { return outbox_; }

private:
    // A message as it was read ahead of handling.
    struct Read {
        sip::Message message;
        sip::Lead lead;
        sip::ParseError error;
    };

    static constexpr std::size_t burst = 64;
    static constexpr std::size_t group = Admission::group;  // messages parsed ahead, while their table lines are on the way
    static constexpr std::size_t timers_per_poll = 512;
    static constexpr std::size_t recovered_per_poll = 16;

    // What no stream took: messages of this worker, so their calls are its own.
    std::size_t take_returned() {
        const auto n = io_.returned(batch_);
        auto& m = read_[0].message;
        for (const auto& in : std::span{batch_.data(), n})
            if (m.parse(in.text()) == sip::ParseError::none) proxy_.on_returned(m, in.flow, shared_.steering.hash(m.call_id()), now_);
        io_.release({batch_.data(), n});
        return n;
    }

    // Sorts a burst into own messages and those of other workers; returns how many are ours.
    std::size_t steer(std::span<const core::Inbound> received) {
        std::size_t mine = 0;
        if (shared_.steering.workers() == 1) {
            for (const auto& in : received) own_[mine++].receive(in);
            return mine;
        }
        for (const auto& in : received) {
            const auto call_id = sip::find_call_id(in.text());
            const auto hash = shared_.steering.hash(call_id);
            const auto owner = call_id.empty() ? self_ : shared_.steering.owner(hash);
            if (owner == self_) {
                own_[mine++] = {in, hash};
            } else if (shared_.switchboard.lane(self_, owner).try_post({in, hash})) {
                stats_.counts[WorkerCount::steered_away].add();
            } else {
                stats_.counts[WorkerCount::steer_drop].add();
                io_.release({&in, 1});
            }
        }
        return mine;
    }

    // `receiver`: whose port they came from.
    void handle(std::span<Steered> messages, core::WorkerId receiver) {
        stats_.counts[WorkerCount::handled].add(messages.size());
        const auto share = admission_.share(receiver);
        const bool sift = share != balancer::admit_all || admission_.expects_acks(now_);
        const bool alone = shared_.steering.workers() == 1;  // then nobody has looked for the Call-ID yet
        for (std::size_t from = 0; from < messages.size(); from += group) {
            const auto part = messages.subspan(from, std::min(group, messages.size() - from));
            // Bit i of each: a message to be handled; one that was parsed without error; looked at before parsing.
            std::uint32_t passed = 0, whole = 0, unsure = 0, refused = 0;
            const auto read = [&](Steered& s, Read& r, std::uint32_t bit) {
                r.error = r.message.parse(s.message.text());
                if (alone) s.call_id_hash = shared_.steering.hash(r.message.call_id());
                if (r.error != sip::ParseError::none) [[unlikely]]
                    return;
                whole |= bit;
                proxy_.lead(r.message, s.call_id_hash, r.lead);
            };
            auto* r = read_.data();
            std::uint32_t bit = 1;
            for (auto* s = part.data(); s != part.data() + part.size(); ++s, ++r, bit <<= 1) {
                if (!admit(s->message.flow)) continue;
                if (sift) [[unlikely]] {
                    const auto i = static_cast<std::size_t>(r - read_.data());
                    const auto look = admission_.look(i, *s, share);
                    if (look == Admission::Look::settled) continue;
                    if (look == Admission::Look::parse) unsure |= bit;
                    if (look == Admission::Look::refuse) {
                        refused |= bit;
                        continue;
                    }
                }
                passed |= bit;
                read(*s, *r, bit);
            }
            for (auto left = whole; left != 0; left &= left - 1)
                proxy_.prefetch(read_[static_cast<std::size_t>(std::countr_zero(left))].lead);
            for (auto left = passed | refused; left != 0; left &= left - 1) {
                const auto i = static_cast<std::size_t>(std::countr_zero(left));
                auto& s = part[i];
                r = &read_[i];
                bit = left & (~left + 1);
                if ((refused & bit) != 0) [[unlikely]] {
                    if (admission_.refuse(i, s, now_)) continue;
                    read(s, *r, bit);
                }
                if ((whole & bit) != 0) [[likely]] {
                    if (is_scanner(r->message, s.message.flow)) continue;
                    if ((unsure & bit) != 0 && admission_.judge(r->message, s, r->lead, share, now_)) continue;
                    if (seeks_holder(r->message) && !find_holder(r->message, s)) continue;
                }
                r->lead.holder = s.holder;
                proxy_.handle(r->message, r->error, s.message.flow, s.call_id_hash, r->lead, now_);
            }
        }
        std::array<core::Inbound, group> done;
        for (std::size_t from = 0; from < messages.size(); from += group) {
            const auto n = std::min(group, messages.size() - from);
            for (std::size_t i = 0; i < n; ++i) done[i] = messages[from + i].message;
            io_.release({done.data(), n});
        }
    }

    static bool seeks_holder(const sip::Message& m) noexcept {
        constexpr auto named = sip::bit(sip::HeaderId::replaces) | sip::bit(sip::HeaderId::join) | sip::bit(sip::HeaderId::target_dialog);
        return (m.present() & named) != 0 && m.method() == sip::Method::invite && m.to_tag().empty();
    }

    // False: the message is on its way to the worker that knows, and comes back.
    bool find_holder(const sip::Message& m, Steered& s) {
        const auto named = s.errand == Steered::Errand::answered ? std::nullopt : sip::named_dialog(m);
        if (!named) return true;
        const auto hash = shared_.steering.hash(named->call_id);
        const auto owner = shared_.steering.owner(hash);
        if (owner == self_) {
            s.holder = proxy_.holder_of(*named, hash);
            return true;
        }
        s.errand = Steered::Errand::ask;
        if (shared_.switchboard.lane(self_, owner).try_post(s)) {
            s.message.buffer = nullptr;
        } else {
            stats_.counts[WorkerCount::steer_drop].add();  // as of any other message that no mailbox takes
        }
        return false;
    }

    // Does what `peer` asks for, and sends its questions back with their answers; returns how many messages, now in front, are left to
    // handle.
    std::size_t run_errands(std::span<Steered> messages, core::WorkerId peer) {
        std::size_t left = 0;
        for (auto& s : messages) {
            if (s.errand == Steered::Errand::handle || s.errand == Steered::Errand::answered) {
                messages[left++] = s;
                continue;
            }
            if (s.errand != Steered::Errand::ask) {
                errors_.take(s, now_);
                continue;
            }
            auto& m = read_[0].message;
            s.errand = Steered::Errand::answered;
            if (m.parse(s.message.text()) == sip::ParseError::none)
                if (const auto named = sip::named_dialog(m)) s.holder = proxy_.holder_of(*named, shared_.steering.hash(named->call_id));
            if (shared_.switchboard.lane(self_, peer).try_post(s)) continue;
            stats_.counts[WorkerCount::steer_drop].add();
            io_.release({&s.message, 1});
        }
        return left;
    }

    // Zone, access list and rate of the source.
    bool admit(core::Flow& flow) {
        const auto* s = selector_.snapshot();
        if (s == nullptr) return true;
        const auto source = selector_.source_of(flow.remote.address);
        flow.zone = source.zone;
        if (!source.admitted) [[unlikely]]
            return stats_.proxy.drops[sip::ProxyDrop::denied].add(), false;
        if (!guard_.within_rate(s->guard(), flow.remote.address, flow.zone, now_)) [[unlikely]]
            return stats_.proxy.drops[sip::ProxyDrop::rate_limited].add(), false;
        return true;
    }

    bool is_scanner(const sip::Message& m, const core::Flow& flow) {
        const auto* s = selector_.snapshot();
        if (!m.is_request() || flow.zone != core::Zone::outside || s == nullptr || !m.to_tag().empty()) return false;
        const auto* agent = m.first(sip::HeaderId::user_agent);
        if (agent == nullptr || !guard_.is_scanner(s->guard(), m.at(agent->value))) return false;
        stats_.proxy.drops[sip::ProxyDrop::scanner].add();
        return true;
    }

    std::size_t obey() {
        return shared_.switchboard.commands(self_).consume(
            [this](const WorkerCommand& c) {
                switch (c.kind) {
                    case WorkerCommand::Kind::drain:
                        return proxy_.drain();
                    case WorkerCommand::Kind::probe:
                        return prober_.hurry(c.destination, now_);
                    case WorkerCommand::Kind::begin_recovery:
                        return proxy_.begin_recovery();
                    case WorkerCommand::Kind::end_recovery:
                        return proxy_.end_recovery();
                    case WorkerCommand::Kind::tell_dialogs:
                        return proxy_.tell_all();
                    case WorkerCommand::Kind::list:
                        return answer(*c.listing, proxy_, now_);
                }
            },
            Switchboard::CommandBox::capacity());
    }

    // Few at a time: calls go on meanwhile.
    std::size_t recover() {
        auto& box = shared_.switchboard.recovered(self_);
        if (box.depth() == 0) [[likely]]
            return 0;
        return box.consume([this](const sip::RecoveredDialog* d) { proxy_.recover(*d, now_); }, recovered_per_poll);
    }

    // An OPTIONS from the node's own address, which both nodes of a pair have, active or not.
    bool probe(core::DestinationId id) {
        const auto* d = selector_.snapshot()->find(id);
        const auto* listener = d == nullptr ? nullptr : probe_listener(d->identity.remote, d->identity.transport);
        bool sent = false;
        if (listener != nullptr && !d->probe_request.empty()) {
            std::array<char, 64> call_id;
            const auto timeout = selector_.snapshot()->probe().timeout;
            const auto id_text = own_call_id(call_id);
            sent = proxy_.send({.text = d->probe_request,
                                .from_uri = selector_.snapshot()->probe().from_uri,
                                .call_id = id_text,
                                .call_id_hash = shared_.steering.hash(id_text),
                                .cseq = 1,
                                .method = sip::Method::options,
                                .target = {.destination = id, .remote = d->identity.remote, .transport = d->identity.transport},
                                .listener = listener->id,
                                .timeout = timeout,
                                .tag = core::raw(id)},
                               now_);
        }
        stats_.counts[sent ? WorkerCount::probes_sent : WorkerCount::probes_unsent].add();
        return sent;
    }

    const sip::Listener* probe_listener(const core::Endpoint& remote, core::Transport transport) const {
        const sip::Listener* best = nullptr;
        for (const auto& l : shared_.proxy.listeners) {
            if (l.transport != transport || l.local.address.family() != remote.address.family()) continue;
            if (best == nullptr || (best->virtual_ip && !l.virtual_ip)) best = &l;
        }
        return best;
    }

    // A Call-ID that steers to this worker, so that the answer comes here.
    std::string_view own_call_id(std::array<char, 64>& text) {
        for (;;) {
            const auto nonce = core::digest(probe_key_, {}, probe_number_++) ^ core::raw(self_);
            auto* end = std::to_chars(text.data(), text.data() + 20, nonce, 16).ptr;
            constexpr std::string_view suffix = "@probe.sipfront";
            end = std::copy(suffix.begin(), suffix.end(), end);
            const std::string_view call_id{text.data(), static_cast<std::size_t>(end - text.data())};
            if (shared_.steering.owner_of(call_id) == self_) return call_id;
        }
    }

    void local_done(std::uint64_t tag, int status, sip::Outcome outcome, core::Tick) override {
        const core::DestinationId d{static_cast<std::uint16_t>(tag)};
        const auto event = outcome == sip::Outcome::alive             ? prober_.on_response(d, status)
                           : outcome == sip::Outcome::transport_error ? prober_.on_transport_error(d)
                                                                      : prober_.on_timeout(d);
        if (event) selector_.report(*event);
    }

    void report() {
        while (const auto n = selector_.take_evidence(evidence_)) {
            const auto posted = shared_.switchboard.evidence(self_).post({evidence_.data(), n});
            if (posted < n) stats_.counts[WorkerCount::evidence_dropped].add(n - posted);
        }
        proxy_.publish_gauges();
        stats_.idle.set(proxy_.idle() ? 1 : 0);
    }

    core::WorkerId self_;
    WorkerShared& shared_;
    Io& io_;
    WorkerStats& stats_;
    core::Outbox outbox_;
    balancer::Selector selector_;
    NameLookup names_;
    balancer::Prober prober_;
    balancer::Guard guard_;
    sip::Proxy proxy_;
    Admission admission_;
    SendingErrors<Io> errors_;
    core::Tick now_{};
    core::HashKey probe_key_;  // of our own Call-IDs
    std::uint64_t probe_number_ = 0;
    std::array<core::Inbound, burst> batch_;
    std::array<Steered, burst> own_;
    std::array<Read, group> read_;
    std::array<balancer::HealthEvent, 32> evidence_;
};

}  // namespace sipfront::app
