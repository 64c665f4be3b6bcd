// Dialog rows as calls make them.
#pragma once

#include <string>

#include "ha/dialog_row.hpp"

namespace sipfront::ha {

inline DialogRow answered(std::uint64_t id) {
    const auto n = std::to_string(id);
    DialogRow r;
    r.dlg_id = id;
    r.callid = "a84b4c76e66710c0ffee" + n + "@pc33.atlanta.example.com";
    r.from_uri = "sip:alice@atlanta.example.com";
    r.from_tag = "9fxced76sl" + n;
    r.to_uri = "sip:bob@biloxi.example.com";
    r.to_tag = "314159" + n;
    r.caller_cseq = 314'159;
    r.callee_cseq = 7;
    r.caller_route_set = "<sip:edge.atlanta.example.com;lr>";
    r.callee_route_set = "<sip:10.77.0.9;lr>, <sip:10.77.0.10;lr>";
    r.caller_contact = "sip:alice@198.51.100.7:40212;transport=udp";
    r.callee_contact = "sip:bob@10.77.0.103:5060";
    r.caller_sock = "udp:10.77.0.100:5060";
    r.callee_sock = "udp:10.77.0.101:5060";
    r.state = sip::DialogState::confirmed;
    r.start_time = 1'700'000'000;
    r.timeout = 1'700'043'200;
    r.destination = "sip:10.77.0.103:5060";
    r.group = 1;
    r.resource = "pstn";
    r.node = core::NodeId{1};
    r.epoch = 4;
    r.version = 1'700'000'000'123'456;
    r.created = 1'699'999'995'000'001;
    r.host = "udp:10.77.0.103:5060";
    r.client = "udp:198.51.100.7:40212";
    r.symmetric = true;
    return r;
}

inline DialogRow ringing(std::uint64_t id) {
    auto r = answered(id);
    r.state = sip::DialogState::early;
    r.to_tag.clear();
    r.caller_in_cluster = true;
    r.request_uri = "sip:bob@biloxi.example.com;user=phone";
    r.client_via = "SIP/2.0/UDP 198.51.100.7:40212;branch=z9hG4bKnashds8;rport";
    r.branch = "z9hG4bK.sf1.0123456789abcdef";
    r.routes = "<sip:10.77.0.9;lr>";
    return r;
}

}  // namespace sipfront::ha
