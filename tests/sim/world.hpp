// A whole front end on a manual clock: workers over fake ports, a control plane reduced to applying health events, and the
// network around it as a list of messages that a test inspects, answers, loses, doubles or holds back.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/worker.hpp"
#include "balancer/snapshot_builder.hpp"
#include "tests/sim/fake_io.hpp"

namespace sipfront::sim {

using namespace std::chrono_literals;

inline core::Endpoint at(std::string_view text) { return core::Endpoint::parse(text, 5060).value(); }

inline const core::Endpoint vip = at("10.77.0.100");
inline const core::Endpoint own_address = at("10.77.0.101");
inline const core::Endpoint client_a = at("10.77.0.2");
inline const core::Endpoint client_b = at("10.77.0.3");

// Settings of a world; what a test does not say is the default of the product.
struct Setup {
    std::uint32_t workers = 1;
    std::uint32_t hosts = 4;      // 10.77.0.103 and up, as lb and dispatcher rows
    std::uint32_t capacity = 32;  // calls per host
    int probe_mode = 0;           // probes off unless a test is about them
    sip::ProxyConfig proxy{};
    balancer::BalancerConfig balancer{};
    std::vector<sip::DialogObserver*> observers{};  // by worker
};

class World {
public:
    explicit World(Setup setup = {});
    ~World();
    World(const World&) = delete;
    World& operator=(const World&) = delete;

    [[nodiscard]] core::Tick now() const { return now_; }
    static core::Endpoint host(std::size_t i) { return {core::IpAddress::v4(0x0a4d0067 + static_cast<std::uint32_t>(i)), 5060}; }

    // A message arrives at the VIP (or `to`) from `from`; polls until all is quiet. Returns what was sent because of it.
    std::vector<Sent> receive(std::string_view text, const core::Endpoint& from, const core::Endpoint& to = vip,
                              core::Transport transport = core::Transport::udp, core::ConnectionId connection = core::no_connection);
    // Puts a message into the port without polling. `worker`: the one whose queue it comes from.
    void put(std::string_view text, const core::Endpoint& from, const core::Endpoint& to = vip, std::uint32_t worker = 0);
    // An ICMP error quotes the first octets of what was sent (520: what Linux shows of it over IPv4), and reaches the port of that worker.
    // `path_mtu` not 0: it was too long for the path.
    std::vector<Sent> bounce(const Sent& sent, std::size_t octets = 520, std::uint32_t worker = 0, std::uint16_t path_mtu = 0);
    // Polls all workers until none has work; returns what they sent.
    std::vector<Sent> run();
    // Moves the clock and polls each worker once, whatever is left to do.
    std::vector<Sent> turn(core::Duration d);
    // Moves the clock in steps of one millisecond, polling at each; returns what was sent.
    std::vector<Sent> advance(core::Duration d);

    // Moves the clock in coarse steps: for the long tails of timers where the exact instants do not matter.
    std::vector<Sent> jump(core::Duration d, core::Duration step = 500ms);

    // The operator's or control's doing.
    void set_state(std::size_t host, balancer::State state);
    void republish();
    balancer::BalancerConfig& balancer_config() { return setup_.balancer; }

    // What the DNS holds: an answer to each question for the name, whatever its port. A question for another name is answered
    // with "absent".
    void name(std::string_view host, std::vector<core::NameTarget> targets, core::NameStatus status = core::NameStatus::found,
              core::Duration ttl = 60s);
    // Name servers that say nothing, while true; what was asked meanwhile is answered afterwards.
    void hold_names(bool on) { names_held_ = on; }
    [[nodiscard]] const std::vector<core::NameQuestion>& questions() const { return asked_; }

    [[nodiscard]] std::uint32_t load(std::size_t host) const;
    [[nodiscard]] std::uint32_t total_load() const;
    [[nodiscard]] std::uint64_t picks(std::size_t host, balancer::Kind kind = balancer::Kind::load_balancer) const;
    [[nodiscard]] balancer::State state(std::size_t host) const;
    // Failures that workers told of a host, since the beginning.
    [[nodiscard]] std::uint64_t evidence_against(std::size_t host) const;
    [[nodiscard]] std::uint64_t count(sip::ProxyDrop d) const;
    [[nodiscard]] std::uint64_t count(sip::ProxyEvent e) const;
    [[nodiscard]] std::uint64_t count(sip::LocalReply r) const;
    [[nodiscard]] std::uint64_t count(app::WorkerCount c) const;
    [[nodiscard]] std::size_t transactions() const;
    [[nodiscard]] std::size_t dialogs() const;
    [[nodiscard]] const app::WorkerStats& stats(std::size_t worker = 0) const { return *stats_[worker]; }
    [[nodiscard]] FakeIo& io(std::size_t worker = 0) { return *ios_[worker]; }
    [[nodiscard]] app::Worker<FakeIo>& worker(std::size_t i = 0) { return *workers_[i]; }
    [[nodiscard]] const core::KeyRing& keys() const { return keys_; }
    [[nodiscard]] app::Switchboard& switchboard() { return switchboard_; }
    [[nodiscard]] const core::Steering& steering() const { return shared_->steering; }
    [[nodiscard]] const sip::ProxyConfig& proxy_config() const { return setup_.proxy; }
    // The same calls in another process find the same owner.
    [[nodiscard]] std::uint32_t owner_of(std::string_view call_id) const { return core::raw(shared_->steering.owner_of(call_id)); }

private:
    void apply_evidence();
    bool answer_questions();
    std::vector<Sent> collect();

    Setup setup_;
    core::KeyRing keys_;
    core::Tick now_{std::chrono::hours{1}};
    balancer::Registry registry_;
    balancer::HealthBoard health_;
    core::Published<balancer::Snapshot> snapshots_;
    core::Published<core::NameTable> names_;
    std::map<std::string, core::NameAnswer, std::less<>> zone_;
    std::map<std::string, core::Duration, std::less<>> ttls_;
    std::map<std::uint64_t, std::shared_ptr<const core::NameEntry>> known_;
    std::vector<core::NameQuestion> asked_, open_;
    bool names_held_ = false;
    app::Switchboard switchboard_;
    std::map<core::DestinationId, std::uint64_t> failures_;
    std::unique_ptr<app::WorkerShared> shared_;
    std::vector<std::unique_ptr<FakeIo>> ios_;
    std::vector<std::unique_ptr<app::WorkerStats>> stats_;
    std::vector<std::unique_ptr<app::Worker<FakeIo>>> workers_;
};

}  // namespace sipfront::sim
