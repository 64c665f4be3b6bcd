// What the proxy core can be told. Values with defaults, validated by app/config, then constant.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "core/endpoint.hpp"
#include "core/types.hpp"
#include "sip/message.hpp"

namespace sipfront::sip {

using std::chrono::milliseconds;
using std::chrono::seconds;

// RFC 3261 §17 and the table of Appendix A; RFC 6026 for L and M. Derived: B, F, H, J, L, M = 64*T1; D = 32 s; I, K = T4.
struct Timers {
    milliseconds t1{500}, t2{4000}, t4{5000};
    milliseconds timer_c{185'000};                        // > 3 min (§16.6 step 11)
    milliseconds fr_timer{2'000};                         // no response at all from a host: try the next one
    milliseconds fr_inv_timer{120'000};                   // a provisional but no final response to an INVITE
    milliseconds dialog_timeout{std::chrono::hours{12}};  // nothing heard in a dialog for so long: it is dropped
    milliseconds dialog_ping{0};                          // quiet for so long: its host is asked whether it still has it; 0: never
    milliseconds name_wait{4'000};                        // how long a request waits for the address of a host name
    milliseconds challenge_memory{32'000};                // how long a 401/407 ties its Call-ID to the host that sent it
};

enum class MethodPolicy : std::uint8_t { balance, dispatch, reject };
enum class SelfPolicy : std::uint8_t { reject, balance_elsewhere };
// Path in REGISTER (RFC 3327): in all, in those whose client says `Supported: path`, in none.
enum class PathPolicy : std::uint8_t { always, supported, off };

// Requests to hosts reached by datagrams that are larger than these should be (RFC 3261 §18.1.1).
enum class LargeRequests : std::uint8_t { fragment, stream };

// A local socket for SIP.
struct Listener {
    core::ListenerId id{};
    core::Endpoint local;
    core::Transport transport = core::Transport::udp;
    bool virtual_ip = false;  // moves with the active role; else the node's own address
};

struct ProxyConfig {
    Timers timers;
    int max_forwards_default = 70;
    std::uint8_t fork_attempts = 4;        // hosts tried for one request, the first included
    std::vector<int> failover_codes{503};  // may add 500, 502, 504
    bool disable_503_translation = false;  // pass a host's 503 upstream instead of 500
    bool repair_routes = true;             // in-dialog requests that lost their route set
    bool keep_parties = false;             // both From and To URIs in each dialog's record, for call detail records: some 80 octets
    bool append_fromtag = true;            // ;ftag= in Record-Route, as the peers do
    bool bye_on_timeout = false;           // BYE both ways when dialog_timeout or a ping ends a dialog
    bool loop_detection = true;
    SelfPolicy cluster_to_self = SelfPolicy::reject;
    PathPolicy path = PathPolicy::always;
    LargeRequests large_requests = LargeRequests::fragment;
    std::array<MethodPolicy, static_cast<std::size_t>(Method::count_)> methods = [] {
        std::array<MethodPolicy, static_cast<std::size_t>(Method::count_)> m{};
        m.fill(MethodPolicy::reject);
        m[static_cast<std::size_t>(Method::invite)] = MethodPolicy::balance;
        m[static_cast<std::size_t>(Method::register_)] = MethodPolicy::dispatch;
        return m;
    }();
    // Removed from all that comes from outside and from all that leaves the cluster (besides X-AUTH-IP and X-AUTH-PORT).
    std::vector<std::string> trust_strip;
    bool count_outbound = false;   // calls that hosts originate count on the host they come from
    bool set_auth_headers = true;  // X-AUTH-IP / X-AUTH-PORT towards the cluster
    std::string auth_ip_header = "X-AUTH-IP", auth_port_header = "X-AUTH-PORT";
    std::string server_name = "sipfront";  // Server of our own replies, User-Agent of our own requests; empty: none
    std::vector<Listener> listeners;
    core::NodeId node{1};

    // Capacities of one worker; memory is reserved, not committed, up to them.
    std::uint32_t max_transactions = 1U << 20;
    std::uint32_t max_dialogs = 1U << 20;
    std::uint64_t image_bytes = 1ULL << 30;  // retransmission images and dialog texts
    bool commit_tables = false;              // all that at start instead of page by page (core::CommitAtOnce)
};

}  // namespace sipfront::sip
