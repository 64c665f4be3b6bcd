#include "tests/sim/party.hpp"

namespace sipfront::sim {

std::string Call::from_host(std::string method, std::uint32_t cseq, std::string branch) const {
    const Text received{invite.text};
    std::string t = method + " sip:alice@" + client.to_string() + " SIP/2.0\r\nVia: SIP/2.0/UDP " + host.to_string() + ";branch=" + branch +
                    "\r\nMax-Forwards: 70\r\n";
    for (const auto& rr : received.values("Record-Route")) t += "Route: " + rr + "\r\n";
    t += "From: <sip:service@10.77.0.100>;tag=callee\r\nTo: \"Alice\" <sip:alice@example.com>;tag=" + spec.from_tag +
         "\r\nCall-ID: " + spec.call_id + "\r\nCSeq: " + std::to_string(cseq) + " " + method + "\r\nContent-Length: 0\r\n\r\n";
    return t;
}

Call establish(World& world, RequestSpec spec, const core::Endpoint& client, bool with_ack) {
    Call call;
    call.spec = spec;
    call.client = client;
    call.invite = only(world.receive(request(spec), client), "INVITE");
    call.host = call.invite.flow.remote;
    world.receive(response(call.invite.text, 180, "Ringing"), call.host);
    const auto contact = "Contact: <sip:host@" + call.host.to_string() + ">";
    call.ok = only(world.receive(response(call.invite.text, 200, "OK", "callee", {contact}), call.host), "SIP/2.0 200").text;
    auto rr = Text{call.ok}.values("Record-Route");
    std::reverse(rr.begin(), rr.end());
    for (const auto& r : rr) call.routes.push_back("Route: " + r);
    if (with_ack) world.receive(call.in_dialog("ACK", spec.cseq, spec.branch + "-ack"), client);
    return call;
}

std::vector<Sent> hang_up(World& world, const Call& call, const std::string& branch) {
    const auto bye = only(world.receive(call.in_dialog("BYE", call.spec.cseq + 1, branch), call.client), "BYE");
    return world.receive(response(bye.text, 200, "OK"), bye.flow.remote);
}

}  // namespace sipfront::sim
