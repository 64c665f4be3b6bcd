#include "tests/sim/world.hpp"

namespace sipfront::sim {
namespace {

core::KeyRing test_keys() { return core::KeyRing::parse("1 000102030405060708090a0b0c0d0e0f sign\n").value(); }

Setup complete(Setup s) {
    if (s.proxy.listeners.empty()) {
        s.proxy.listeners = {{core::ListenerId{0}, vip, core::Transport::udp, true},
                             {core::ListenerId{1}, own_address, core::Transport::udp, false},
                             {core::ListenerId{2}, vip, core::Transport::tcp, true}};
    }
    s.proxy.max_transactions = std::min(s.proxy.max_transactions, 1U << 16);
    s.proxy.max_dialogs = std::min(s.proxy.max_dialogs, 1U << 16);
    s.proxy.image_bytes = std::min<std::uint64_t>(s.proxy.image_bytes, 256U << 20);
    if (s.balancer.load_balancer.empty()) {
        for (std::uint32_t i = 0; i < s.hosts; ++i) {
            const auto uri = "sip:" + World::host(i).address.to_string();
            s.balancer.load_balancer.push_back(
                {.id = i + 1, .dst_uri = uri, .resources = {{"pstn", s.capacity}}, .probe_mode = s.probe_mode});
            s.balancer.dispatcher.push_back({.id = i + 1, .destination = uri, .probe_mode = s.probe_mode});
        }
    }
    return s;
}

}  // namespace

World::World(Setup setup)
    : setup_{complete(std::move(setup))},
      keys_{test_keys()},
      registry_{setup_.workers},
      snapshots_{setup_.workers},
      names_{setup_.workers},
      switchboard_{setup_.workers} {
    // Fixed keys: a failure must come again.
    shared_ = std::make_unique<app::WorkerShared>(
        app::WorkerShared{.proxy = setup_.proxy,
                          .keys = keys_,
                          .steering = core::Steering{core::HashKey{core::SecretKey{11, 12}}, setup_.workers},
                          .table_key = {21, 22},
                          .sticky_key = {31, 32},
                          .dialog_key = {51, 52},
                          .rate_table = 1024,
                          .snapshots = snapshots_,
                          .names = names_,
                          .name_key = {41, 42},
                          .switchboard = switchboard_,
                          .observers = setup_.observers});
    republish();
    for (std::uint32_t i = 0; i < setup_.workers; ++i) {
        ios_.push_back(std::make_unique<FakeIo>());
        stats_.push_back(std::make_unique<app::WorkerStats>());
        workers_.push_back(
            std::make_unique<app::Worker<FakeIo>>(core::WorkerId{static_cast<std::uint8_t>(i)}, *shared_, *ios_[i], *stats_[i], now_));
    }
    run();
}

World::~World() {
    for (std::size_t i = 0; i < workers_.size(); ++i) {
        workers_[i]->stop();
        ios_[i]->take_back(workers_[i]->outbox());
    }
}

void World::republish() {
    auto build = balancer::build_snapshot(setup_.balancer, registry_, health_);
    if (!build.errors.empty()) throw std::runtime_error(build.errors.front());
    snapshots_.publish(std::move(build.snapshot));
    snapshots_.reclaim();
}

void World::put(std::string_view text, const core::Endpoint& from, const core::Endpoint& to, std::uint32_t worker) {
    core::Flow flow;
    flow.local = to;
    flow.remote = from;
    for (const auto& l : setup_.proxy.listeners)
        if (l.local == to && l.transport == core::Transport::udp) flow.listener = l.id;
    ios_[worker]->put(std::string{text}, flow);
}

std::vector<Sent> World::receive(std::string_view text, const core::Endpoint& from, const core::Endpoint& to, core::Transport transport,
                                 core::ConnectionId connection) {
    core::Flow flow;
    flow.local = to;
    flow.remote = from;
    flow.transport = transport;
    flow.connection = connection;
    for (const auto& l : setup_.proxy.listeners)
        if (l.local == to && l.transport == transport) flow.listener = l.id;
    ios_[0]->put(std::string{text}, flow);
    return run();
}

std::vector<Sent> World::bounce(const Sent& sent, std::size_t octets, std::uint32_t worker, std::uint16_t path_mtu) {
    core::Flow flow;
    flow.local = sent.flow.local;
    flow.remote = sent.flow.remote;
    flow.listener = sent.flow.listener;
    ios_[worker]->put_error(sent.text.substr(0, octets), flow, path_mtu);
    return run();
}

std::vector<Sent> World::collect() {
    std::vector<Sent> all;
    for (auto& io : ios_)
        for (auto& s : io->take_sent()) all.push_back(std::move(s));
    return all;
}

void World::apply_evidence() {
    bool changed = false;
    for (std::uint32_t i = 0; i < setup_.workers; ++i)
        switchboard_.evidence(core::WorkerId{static_cast<std::uint8_t>(i)})
            .consume(
                [&](const balancer::HealthEvent& e) {
                    if (e.outcome != sip::Outcome::alive) ++failures_[e.destination];
                    changed = health_.apply(e) || changed;
                },
                1024);
    if (changed) republish();
}

void World::name(std::string_view host, std::vector<core::NameTarget> targets, core::NameStatus status, core::Duration ttl) {
    core::NameAnswer a;
    a.status = status;
    for (auto& t : targets) {
        t.group = a.count;
        a.targets[a.count++] = t;
    }
    zone_[std::string{host}] = a;
    ttls_[std::string{host}] = ttl;
}

// Control and its resolver, reduced to a table.
bool World::answer_questions() {
    for (std::uint32_t i = 0; i < setup_.workers; ++i)
        switchboard_.questions(core::WorkerId{static_cast<std::uint8_t>(i)})
            .consume(
                [&](const core::NameQuestion& q) {
                    asked_.push_back(q);
                    open_.push_back(q);
                },
                512);
    if (names_held_ || open_.empty()) return false;
    for (const auto& q : std::exchange(open_, {})) {
        auto entry = std::make_shared<core::NameEntry>();
        entry->answer.status = core::NameStatus::absent;
        entry->answer.expires = now_ + 30s;
        if (const auto known = zone_.find(q.host()); known != zone_.end()) {
            entry->answer = known->second;
            entry->answer.expires = now_ + ttls_.find(q.host())->second;
        }
        known_[q.key(core::HashKey{shared_->name_key})] = std::move(entry);
    }
    std::vector<core::NameTable::Row> rows;
    for (const auto& [key, entry] : known_) rows.push_back({key, entry});
    names_.publish(std::make_unique<const core::NameTable>(std::move(rows)));
    names_.reclaim();
    return true;
}

std::vector<Sent> World::run() {
    for (std::size_t work = 1; work > 0;) {
        work = 0;
        for (auto& w : workers_) work += w->poll(now_);
        apply_evidence();
        if (answer_questions()) ++work;
        for (const auto& io : ios_) work += io->has_waiting() ? 1 : 0;
    }
    return collect();
}

std::vector<Sent> World::turn(core::Duration d) {
    now_ += d;
    for (auto& w : workers_) w->poll(now_);
    apply_evidence();
    return collect();
}

std::vector<Sent> World::advance(core::Duration d) { return jump(d, 1ms); }

std::vector<Sent> World::jump(core::Duration d, core::Duration step) {
    std::vector<Sent> all;
    for (const auto end = now_ + d; now_ < end;) {
        now_ = std::min(end, now_ + step);
        for (auto& s : run()) all.push_back(std::move(s));
    }
    return all;
}

void World::set_state(std::size_t i, balancer::State state) {
    for (const auto kind : {balancer::Kind::load_balancer, balancer::Kind::dispatcher})
        if (const auto id = registry_.find({kind, 1, host(i), core::Transport::udp})) health_.command(*id, state);
    republish();
    run();
}

std::uint32_t World::load(std::size_t i) const {
    const auto id = registry_.find({balancer::Kind::load_balancer, 1, host(i), core::Transport::udp});
    const auto* d = id ? snapshots_.current()->find(*id) : nullptr;
    return d == nullptr ? 0 : (*d->load)[balancer::ResourceId{0}].read().load;
}

std::uint32_t World::total_load() const {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < setup_.hosts; ++i) sum += load(i);
    return sum;
}

std::uint64_t World::picks(std::size_t i, balancer::Kind kind) const {
    const auto id = registry_.find({kind, 1, host(i), core::Transport::udp});
    const auto* d = id ? snapshots_.current()->find(*id) : nullptr;
    return d == nullptr ? 0 : d->load->picks();
}

std::uint64_t World::evidence_against(std::size_t i) const {
    std::uint64_t n = 0;
    for (const auto kind : {balancer::Kind::load_balancer, balancer::Kind::dispatcher})
        if (const auto id = registry_.find({kind, 1, host(i), core::Transport::udp}); id && failures_.contains(*id)) n += failures_.at(*id);
    return n;
}

balancer::State World::state(std::size_t i) const {
    const auto id = registry_.find({balancer::Kind::load_balancer, 1, host(i), core::Transport::udp});
    return snapshots_.current()->find(*id)->state;
}

std::uint64_t World::count(sip::ProxyDrop d) const {
    std::uint64_t n = 0;
    for (const auto& s : stats_) n += s->proxy.drops[d].get();
    return n;
}
std::uint64_t World::count(sip::ProxyEvent e) const {
    std::uint64_t n = 0;
    for (const auto& s : stats_) n += s->proxy.events[e].get();
    return n;
}
std::uint64_t World::count(sip::LocalReply r) const {
    std::uint64_t n = 0;
    for (const auto& s : stats_) n += s->proxy.local_replies[r].get();
    return n;
}
std::uint64_t World::count(app::WorkerCount c) const {
    std::uint64_t n = 0;
    for (const auto& s : stats_) n += s->counts[c].get();
    return n;
}
std::size_t World::transactions() const {
    std::size_t n = 0;
    for (const auto& w : workers_) n += w->proxy().transactions().size();
    return n;
}
std::size_t World::dialogs() const {
    std::size_t n = 0;
    for (const auto& w : workers_) n += w->proxy().dialogs().size();
    return n;
}

}  // namespace sipfront::sim
