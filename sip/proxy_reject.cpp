// Rejections of new work under overload: stateless and early, since the core's time belongs to what was admitted (RFC 3261 §21.5.4,
// RFC 6357 §4). The same request meets the same answer, and its ACK is known by the tag.
#include <cstring>

#include "sip/glance.hpp"
#include "sip/proxy.hpp"
#include "sip/text_builder.hpp"

namespace sipfront::sip {
namespace {

constexpr std::size_t mark_length = Proxy::rejection_mark_length, tag_length = 2 * mark_length;

// 48 bits as base64url.
void write48(std::uint64_t bits, char* out) noexcept {
    static constexpr char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (unsigned i = 0; i < 8; ++i) out[i] = alphabet[bits >> (6 * i) & 63];
}

}  // namespace

Proxy::Rejections Proxy::make_rejections(const core::SecretKey& table_key, const ProxyConfig& config) {
    Rejections r;
    r.key = core::derive(table_key, "rejections");
    r.key.k1 |= 1;
    write48(core::derive(table_key, "rejection mark").k0, r.mark.data());
    if (!config.server_name.empty()) r.end = "Server: " + config.server_name + "\r\n";
    r.end += "Content-Length: 0\r\n\r\n";
    return r;
}

std::uint64_t Proxy::key_of(const Glance& g) const noexcept {
    const auto key = transactions_.server_key(g.text, g.via, g.method, g.method_name);
    transactions_.prefetch_server(key);
    return key;
}

bool Proxy::continues(std::uint64_t server_key, std::uint64_t call_id_hash, core::Tick now) noexcept {
    const auto found = transactions_.find_server(server_key);
    if (found.active != nullptr || found.linger != nullptr) return true;
    // The first attempt was admitted, and this is the second half of the same work.
    return challenges_.find(call_id_hash, now) != core::no_destination;
}

void Proxy::reject(const Glance& g, const core::Flow& in, std::uint64_t server_key, std::string_view extra) {
    counters_.requests_in[g.method].add();
    const auto room = out_.reserve(g.headers_end + extra.size() + rejections_.end.size() + 256);
    if (room.empty()) return drop(ProxyDrop::no_buffer);

    // Tells calls apart, and nothing about the key of the table.
    const auto mixed = (server_key ^ rejections_.key.k0) * rejections_.key.k1;
    char tag[tag_length];
    std::memcpy(tag, rejections_.mark.data(), mark_length);
    write48(mixed ^ mixed >> 29, tag + mark_length);

    TextBuilder b{room};
    b << "SIP/2.0 503 Service Unavailable\r\nVia: ";
    write_top_via(b, g.text, g.via, in, Shown{in.remote});
    b << g.via_more;
    for (std::size_t i = 0; i < g.via_count; ++i) b << g.vias[i];
    b << g.from << g.to << ";tag=" << std::string_view{tag, sizeof tag} << "\r\n" << g.call_id_line << g.cseq << extra << rejections_.end;
    if (b.overflowed()) return drop(ProxyDrop::too_large);
    out_.commit(b.size(), in).remote.port = reply_port(g.via, in);
    counters_.local_replies[LocalReply::overload_rejected].add();
    counters_.responses_out[5].add();
}

void Proxy::reject(const Message& m, const core::Flow& in, std::string_view extra) {
    counters_.requests_in[m.method()].add();
    scratch_.clear();
    reply(m, in, 503, "Service Unavailable", LocalReply::overload_rejected, extra);
}

bool Proxy::absorb_rejection_ack(std::string_view text) noexcept {
    if (!glance_ack_tag(text, tag_length).starts_with({rejections_.mark.data(), rejections_.mark.size()})) return false;
    counters_.requests_in[Method::ack].add();
    drop(ProxyDrop::rejection_ack);
    return true;
}

}  // namespace sipfront::sip
