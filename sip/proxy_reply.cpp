// Replies that we make ourselves (RFC 3261 §8.2.6, §16.7).
#include <cassert>
#include <cstring>

#include "sip/proxy.hpp"
#include "sip/text_builder.hpp"

namespace sipfront::sip {

void Proxy::write_top_via(TextBuilder& b, std::string_view text, const TopVia& via, const core::Flow& in, const Shown& client) {
    const auto room = b.room();
    if (room.size() < via.value.len + Shown::most_added) return b.overflow();
    MessageCopy copy{text, room.data(), via.value.off};
    copy_top_via(copy, text, via, in, client);
    copy.keep_to(via.value.end());
    b.go_on_at(copy.at());
}

std::uint16_t Proxy::reply_port(const TopVia& via, const core::Flow& in) noexcept {
    // RFC 3581 §4 with rport; §18.2.2 without: the source address, the sent-by port. maddr is not obeyed: it would let
    // anyone aim our replies.
    if (core::is_reliable(in.transport) || via.has_rport) return in.remote.port;
    return via.port != 0 ? via.port : core::default_port(in.transport);
}

std::string_view Proxy::status_line(int code, std::string_view reason) noexcept {
    if (code == 100) return "SIP/2.0 100 Trying\r\n";
    const char digits[] = {static_cast<char>('0' + code / 100), static_cast<char>('0' + code / 10 % 10),
                           static_cast<char>('0' + code % 10)};
    return scratch_.join({"SIP/2.0 ", {digits, sizeof digits}, " ", reason, "\r\n"});
}

// Everything behind the status line and the first Via value.
void Proxy::write_reply(TextBuilder& b, const Message& m, int code, std::string_view extra) {
    constexpr std::string_view end = "Content-Length: 0\r\n\r\n";
    if (code == 100) {
        write_repeated(b, m, {});
        if (const auto* timestamp = m.first(HeaderId::timestamp)) b << m.at(timestamp->line);  // §8.2.6.1
        return void(b << extra << end);
    }
    const bool needs_tag = m.to_tag().empty();
    const auto tag = needs_tag ? make_local_tag(m.call_id(), m.from_tag(), m.at(m.top_via().branch), keys_) : TokenText<16>{};
    write_repeated(b, m, tag.view());
    b << extra;
    if (!config_.server_name.empty()) b << "Server: " << config_.server_name << "\r\n";
    b << end;
}

// What a response takes from its request (§8.2.6.2), but for the first Via value. `tag`: of To, when the request has none.
void Proxy::write_repeated(TextBuilder& b, const Message& m, std::string_view tag) {
    const auto* via = m.first(HeaderId::via);
    if (via->value != m.top_via().value) {
        auto rest = m.at(via->value);
        std::string_view one;
        next_value(rest, one);
        if (const auto others = trim(rest); !others.empty()) b << "Via: " << others << "\r\n";
    }
    while ((via = m.next(via)) != nullptr) b << m.at(via->line);
    constexpr auto needed = bit(HeaderId::from) | bit(HeaderId::to) | bit(HeaderId::call_id) | bit(HeaderId::cseq);
    if (tag.empty() && (m.present() & needed) == needed) {
        // They nearly always follow one another, and then are copied at once.
        const auto from = m.first(HeaderId::from)->line, to = m.first(HeaderId::to)->line;
        const auto call_id = m.first(HeaderId::call_id)->line, cseq = m.first(HeaderId::cseq)->line;
        if (to.off == from.end() && call_id.off == to.end() && cseq.off == call_id.end()) [[likely]]
            return void(b << m.wire().substr(from.off, cseq.end() - from.off));
    }
    for (const auto id : {HeaderId::from, HeaderId::to, HeaderId::call_id, HeaderId::cseq}) {
        const auto* h = m.first(id);
        if (h == nullptr) continue;
        if (id == HeaderId::to && !tag.empty()) {
            b << "To: " << m.at(h->value) << ";tag=" << tag << "\r\n";
        } else {
            b << m.at(h->line);
        }
    }
}

namespace {

// How a residue begins; the texts follow one another, the header fields and body last.
struct ResidueHead {
    std::uint16_t status_line, tag;
};

}  // namespace

// The response without what its request repeats, as forward_response() sends it.
std::string_view Proxy::residue_of(const Message& m, const Transaction& t) {
    constexpr auto repeated = [] {
        std::uint64_t ids = 0;
        for (const auto id : {HeaderId::via, HeaderId::from, HeaderId::to, HeaderId::call_id, HeaderId::cseq}) ids |= bit(id);
        return ids;
    }();
    const bool leaves_cluster = t.target.zone == core::Zone::cluster;
    const bool strip = !(leaves_cluster && t.reply.zone == core::Zone::cluster);
    const auto tag = t.tagless ? m.to_tag() : std::string_view{};
    const ResidueHead head{m.headers_begin(), static_cast<std::uint16_t>(tag.size())};
    const auto span = scratch_.take(m.wire().size() + sizeof head);
    TextBuilder b{span};
    b << std::string_view{reinterpret_cast<const char*>(&head), sizeof head} << m.wire().substr(0, m.headers_begin()) << tag;
    const auto stays = [&](const Header& h) {
        if ((bit(h.id) & repeated) != 0 || (strip && trust_.names(m, h))) return false;
        return h.id != HeaderId::retry_after || !leaves_cluster || m.status() < 500;
    };
    // What follows the last one that goes is one piece with the body.
    const auto headers = m.headers();
    const auto* first = headers.data();
    const auto* const end = first + headers.size();
    while (first != end && !stays(*first)) ++first;
    const auto* rest = end;
    while (rest != first && stays(rest[-1])) --rest;
    for (; first != rest; ++first)
        if (stays(*first)) b << m.at(first->line);
    b << m.wire().substr(rest != end ? rest->line.off : m.headers_end());
    return b.overflowed() ? std::string_view{} : b.view();
}

// The final response of a transaction that lingers, made again from the repeated request.
void Proxy::answer_again(const Request& r, std::string_view residue) {
    ResidueHead head;
    std::memcpy(&head, residue.data(), sizeof head);
    residue.remove_prefix(sizeof head);
    const auto room = out_.reserve(r.m.headers_end() + residue.size() + 128);
    if (room.empty()) return drop(ProxyDrop::no_buffer);
    TextBuilder b{room};
    b << residue.substr(0, head.status_line) << "Via: ";
    write_top_via(b, r.m.wire(), r.m.top_via(), r.in, r.client);
    b << "\r\n";
    write_repeated(b, r.m, residue.substr(head.status_line, head.tag));
    b << residue.substr(head.status_line + head.tag);
    if (b.overflowed()) return drop(ProxyDrop::too_large);
    out_.commit(b.size(), r.in).remote.port = reply_port(r.m.top_via(), r.in);
    counters_.responses_out[static_cast<std::size_t>(residue[8] - '0')].add();
}

void Proxy::reply(const Message& m, const core::Flow& in, const Shown& client, int code, std::string_view reason, LocalReply why,
                  std::string_view extra) {
    assert(m.method() != Method::ack);
    const auto room = out_.reserve(m.headers_end() + extra.size() + 512);
    if (room.empty()) return drop(ProxyDrop::no_buffer);
    TextBuilder b{room};
    b << status_line(code, reason) << "Via: ";
    write_top_via(b, m.wire(), m.top_via(), in, client);
    b << "\r\n";
    write_reply(b, m, code, extra);
    if (b.overflowed()) return drop(ProxyDrop::too_large);
    out_.commit(b.size(), in).remote.port = reply_port(m.top_via(), in);
    counters_.local_replies[why].add();
    counters_.responses_out[static_cast<std::size_t>(code / 100)].add();
}

void Proxy::finish(Transaction& t, int code, std::string_view reason, LocalReply why, std::string_view extra, core::Tick now) {
    if (t.server_key == 0 || image_.parse(t.request.view()) != ParseError::none) return;
    const auto event = code >= 300 ? fsm::Event::failure : code >= 200 ? fsm::Event::success : fsm::Event::provisional;
    if (!server_event(t, event, now)) return;
    const auto room = out_.reserve(t.request.size + extra.size() + 512);
    if (room.empty()) return drop(ProxyDrop::no_buffer);
    TextBuilder b{room};
    // In the image our own Via stands on top; the client's, with received and rport filled in, comes second.
    b << status_line(code, reason);
    write_reply(b, image_, code, extra);
    if (b.overflowed()) return drop(ProxyDrop::too_large);
    if (!transactions_.keep(t.response, b.view())) drop(ProxyDrop::no_image_room);
    out_.commit(b.size(), t.reply);
    t.answered_up = code > 100;
    counters_.local_replies[why].add();
    counters_.responses_out[static_cast<std::size_t>(code / 100)].add();
}

std::string_view Proxy::retry_after(std::uint64_t seed) {
    // Spread over 1 to 10 s, so that those refused together do not come back together.
    static constexpr std::string_view lines[] = {"Retry-After: 1\r\n", "Retry-After: 2\r\n", "Retry-After: 3\r\n", "Retry-After: 4\r\n",
                                                 "Retry-After: 5\r\n", "Retry-After: 6\r\n", "Retry-After: 7\r\n", "Retry-After: 8\r\n",
                                                 "Retry-After: 9\r\n", "Retry-After: 10\r\n"};
    return lines[(seed >> 7) % std::size(lines)];
}

}  // namespace sipfront::sip
