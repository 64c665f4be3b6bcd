// A dialog as a store keeps it: one row of the `dialog` table. Owned texts; made and read off the packet path.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/endpoint.hpp"
#include "core/types.hpp"
#include "sip/dialog.hpp"

namespace sipfront::ha {

// Column names and meanings are those of OpenSIPS' table (both generations), ours follow them. Times are Unix times.
struct DialogRow {
    std::uint64_t dlg_id = 0;  // 63 bits
    std::string callid, from_uri, from_tag, to_uri, to_tag;
    std::uint32_t caller_cseq = 0, callee_cseq = 0;
    std::string caller_route_set, callee_route_set;
    std::string caller_contact, callee_contact;
    std::string caller_sock, callee_sock;  // our sockets, "udp:10.77.0.100:5060"
    sip::DialogState state = sip::DialogState::unconfirmed;
    std::int64_t start_time = 0;  // s: when it was answered; of an early dialog, when the INVITE came
    std::int64_t timeout = 0;     // s: when it ends by itself

    // Ours.
    std::string destination;   // URI; empty: none
    std::uint32_t group = 0;   // of the destination
    std::string resource;      // that the load counts by; empty: the dialog holds no load
    core::NodeId node{};       // who wrote the row
    std::uint64_t epoch = 0;   // of the node's role; a row of a newer epoch is never overwritten by an older one
    std::int64_t version = 0;  // us since 1970: when the dialog changed
    std::int64_t created = 0;  // us since 1970: when the INVITE came; 0: nobody knows, a row that does keeps it and start_time
    std::string host;          // "udp:10.77.0.103:5060": where the balanced host is reached
    std::string client;        // "udp:198.51.100.7:40212": where the client's packets come from
    bool caller_in_cluster = false;
    bool symmetric = false;
    // Of early dialogs: what CANCEL, the ACK to a failure and a repeated INVITE need. Empty once it is answered.
    std::string request_uri, client_via, branch, routes;

    friend bool operator==(const DialogRow&, const DialogRow&) = default;
};

// "udp:10.77.0.100:5060", "tcp:[fd77::100]:5060": how OpenSIPS writes a socket, and we both ends.
struct Socket {
    core::Transport transport = core::Transport::udp;
    core::Endpoint address;

    friend bool operator==(const Socket&, const Socket&) = default;
};
std::string to_text(const Socket& s);
std::optional<Socket> parse_socket(std::string_view text);

}  // namespace sipfront::ha
