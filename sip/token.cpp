#include "sip/token.hpp"

#include <algorithm>
#include <cstring>

#include "core/hash.hpp"
#include "sip/base64url.hpp"
#include "sip/uri.hpp"

namespace sipfront::sip {

using namespace base64url;

namespace {

// Appends fields to a token's octets, or takes them off again.
class Writer {
public:
    explicit Writer(std::uint8_t* out) noexcept : out_{out} {}
    template <class T>
    void put(T v) noexcept {
        std::memcpy(out_ + length_, &v, sizeof v);
        length_ += sizeof v;
    }
    void put(const core::Endpoint& e) noexcept {
        const auto b = e.address.bytes();
        std::memcpy(out_ + length_, b.data(), b.size());
        length_ += b.size();
        put(e.port);
    }
    [[nodiscard]] std::size_t length() const noexcept { return length_; }

private:
    std::uint8_t* out_;
    std::size_t length_ = 0;
};

class Reader {
public:
    Reader(const std::uint8_t* in, std::size_t n) noexcept : in_{in}, left_{n} {}
    template <class T>
    T get() noexcept {
        T v{};
        if (left_ < sizeof v) return failed_ = true, v;
        std::memcpy(&v, in_, sizeof v);
        in_ += sizeof v;
        left_ -= sizeof v;
        return v;
    }
    void get(core::Endpoint& e, bool v6) noexcept {
        const std::size_t length = v6 ? 16 : 4;
        if (left_ < length) {
            failed_ = true;
            return;
        }
        if (v6) {
            e.address = core::IpAddress::v6(std::span<const std::uint8_t, 16>{in_, 16});
        } else {
            std::uint32_t address;
            std::memcpy(&address, in_, sizeof address);
            e.address = core::IpAddress::v4(__builtin_bswap32(address));
        }
        in_ += length;
        left_ -= length;
        e.port = get<std::uint16_t>();
    }
    [[nodiscard]] std::size_t left() const noexcept { return left_; }
    [[nodiscard]] bool failed() const noexcept { return failed_; }

private:
    const std::uint8_t* in_;
    std::size_t left_;
    bool failed_ = false;
};

std::string_view as_text(const void* p, std::size_t n) noexcept { return {static_cast<const char*>(p), n}; }

// The 24 octets of a branch, least significant first: key id, node, kind and attempt, worker, handle, loop hash; MAC.
struct BranchWords {
    std::uint64_t maker;  // up to the handle's index
    std::uint64_t rest;   // its generation and the loop hash
    std::uint64_t mac;
};
constexpr std::size_t branch_chars = 2 * block_chars;
static_assert(sizeof(BranchWords) == 2 * block_octets);

// Over words alone: whatever is longer has been hashed before.
template <class Aes>
std::uint64_t branch_mac(const core::HashKey& key, std::uint64_t maker, std::uint64_t rest, std::uint64_t call, std::uint64_t client,
                         std::uint32_t cseq) noexcept {
    core::KeyedHash<Aes> h{key};
    h.words(maker, rest);
    h.words(call, client);
    return h.mac(cseq, 0);
}

[[gnu::always_inline]] inline bool read_branch_words(std::string_view branch, BranchWords& w) noexcept {
    if (branch.size() != magic_cookie.size() + branch_chars || !has_magic_cookie(branch)) return false;
    const char* text = branch.data() + magic_cookie.size();
    const auto first = decode_block(load(text)), second = decode_block(load(text + block_chars));
    if (!is_zero(_mm_or_si128(first.foreign, second.foreign))) return false;
    const auto behind = low_word(second.octets);
    w.maker = low_word(first.octets);
    w.rest = high_word(first.octets) | (behind << 32);
    w.mac = (behind >> 32) | (high_word(second.octets) << 32);
    return true;
}

template <class Aes>
BranchText write_branch(Branch& b, std::uint64_t call, std::uint64_t client, std::uint32_t cseq, const core::Key& key) noexcept {
    const auto at = [](auto v, unsigned octet) { return std::uint64_t{v} << (8 * octet); };
    const auto maker = at(key.id, 0) | at(core::raw(b.node), 1) | at(static_cast<std::uint8_t>(b.kind), 2) << 4 | at(b.attempt & 15U, 2) |
                       at(core::raw(b.worker), 3) | at(b.transaction.index, 4);
    const auto rest = at(b.transaction.generation, 0) | at(b.loop, 4);
    b.mac = branch_mac<Aes>(key.branch, maker, rest, call, client, cseq);

    BranchText text;
    auto* out = text.chars.data();
    std::memcpy(out, magic_cookie.data(), magic_cookie.size());
    out += magic_cookie.size();
    store(out, encode_block(words(maker, rest)));
    store(out + block_chars, encode_block(words(b.loop | (b.mac << 32), b.mac >> 32)));
    text.length = magic_cookie.size() + branch_chars;
    static_assert(std::tuple_size_v<decltype(text.chars)> >= magic_cookie.size() + branch_chars);
    return text;
}

enum CookieFlag : std::uint8_t { caller_in_cluster = 1, host_v6 = 2, client_v6 = 4, symmetric_flow = 8 };

constexpr std::size_t cookie_head = 3 + 8;  // key id, node, flags; handle
// Of the octets that the MAC covers. It follows from the flags, so that what is hashed has one meaning, wherever the tag begins.
constexpr std::size_t cookie_payload(unsigned flags) noexcept {
    const auto endpoint = [flags](CookieFlag v6) { return std::size_t{(flags & v6) != 0 ? 18U : 6U}; };
    return cookie_head + endpoint(host_v6) + endpoint(client_v6) + (flags >> 6 != 0 ? sizeof(std::uint32_t) : 0);
}

template <class Aes>
std::uint64_t cookie_mac(const std::uint8_t* payload, std::size_t n, std::uint64_t call, std::string_view caller_tag,
                         const core::Key& key) noexcept {
    core::KeyedHash<Aes> h{key.cookie};
    h.text(as_text(payload, n));
    h.text(caller_tag);
    return h.mac((n << 32) | caller_tag.size(), call);
}

// The usual cookie, with two IPv4 ends over UDP, is read and written as words; the octets are those of any other. The MAC's
// length of the payload is 0.
struct CookieWords {
    std::uint64_t maker;  // key id, node, flags; the handle's index, and the lowest octet of its generation
    std::uint64_t host;   // the rest of that; the host's address, and the low octet of its port
    std::uint64_t rest;   // the other one; the client's address and port; nothing
};
constexpr std::size_t usual_octets = 3 * 8 - 1 + 8, usual_chars = (usual_octets * 4 + 2) / 3;

constexpr bool is_usual(unsigned flags) noexcept { return (flags & (host_v6 | client_v6)) == 0 && flags >> 6 == 0; }

template <class Aes>
std::uint64_t cookie_mac(const CookieWords& w, std::uint64_t call, std::string_view caller_tag, const core::Key& key) noexcept {
    core::KeyedHash<Aes> h{key.cookie};
    h.words(w.maker, w.host);
    h.words(w.rest, call);
    h.text(caller_tag);
    return h.mac(caller_tag.size(), 0);
}

std::uint64_t flow_mac(const std::uint8_t* payload, std::size_t n, const core::Key& key) noexcept {
    return core::with_aes(
        [](auto aes, const core::HashKey* k, std::string_view octets) noexcept {
            core::KeyedHash<decltype(aes)> h{*k};
            h.text(octets);
            return h.mac(octets.size(), 0);
        },
        &key.flow, as_text(payload, n));
}

}  // namespace

BranchText make_branch(Branch& b, const BranchBinding& binding, const core::KeyRing& keys) noexcept {
    const auto& key = keys.signing();
    return core::with_aes([](auto aes, Branch* made, std::uint64_t call, std::uint64_t client, std::uint32_t cseq,
                             const core::Key* by) noexcept { return write_branch<decltype(aes)>(*made, call, client, cseq, *by); },
                          &b, binding.call.digest(key), binding.client, binding.cseq, &key);
}

bool read_branch(std::string_view branch, Branch& b) noexcept {
    BranchWords w;
    if (!read_branch_words(branch, w)) return false;
    const auto octet = [&w](unsigned i) { return static_cast<std::uint8_t>(w.maker >> (8 * i)); };
    if ((octet(2) >> 4) > static_cast<unsigned>(Branch::Kind::local) || octet(3) >= core::max_workers) return false;
    b.node = core::NodeId{octet(1)};
    b.kind = static_cast<Branch::Kind>(octet(2) >> 4);
    b.attempt = octet(2) & 15;
    b.worker = core::WorkerId{octet(3)};
    b.transaction.index = static_cast<std::uint32_t>(w.maker >> 32);
    b.transaction.generation = static_cast<std::uint32_t>(w.rest);
    b.loop = static_cast<std::uint32_t>(w.rest >> 32);
    b.mac = w.mac;
    return true;
}

bool verify_branch(std::string_view branch, const BranchBinding& binding, const core::KeyRing& keys) noexcept {
    BranchWords w;
    if (!read_branch_words(branch, w)) return false;
    const auto* key = keys.find(static_cast<std::uint8_t>(w.maker));
    if (key == nullptr) return false;
    const auto mac = core::with_aes(
        [](auto aes, const core::HashKey* by, std::uint64_t maker, std::uint64_t rest, std::uint64_t call, std::uint64_t client,
           std::uint32_t cseq) noexcept { return branch_mac<decltype(aes)>(*by, maker, rest, call, client, cseq); },
        &key->branch, w.maker, w.rest, binding.call.digest(*key), binding.client, binding.cseq);
    return mac == w.mac;
}

namespace {

std::uint8_t flags_of(const RouteCookie& c) noexcept {
    return static_cast<std::uint8_t>((c.caller_in_cluster ? caller_in_cluster : 0) | (c.host.address.is_v6() ? host_v6 : 0) |
                                     (c.client.address.is_v6() ? client_v6 : 0) | (c.symmetric ? symmetric_flow : 0) |
                                     (core::raw(c.host_transport) << 4) | (core::raw(c.client_transport) << 6));
}

void read_flags(RouteCookie& c, unsigned flags) noexcept {
    c.caller_in_cluster = (flags & caller_in_cluster) != 0;
    c.symmetric = (flags & symmetric_flow) != 0;
    c.host_transport = static_cast<core::Transport>((flags >> 4) & 3);
    c.client_transport = static_cast<core::Transport>(flags >> 6);
}

// As its octets lie.
std::uint64_t v4_word(const core::IpAddress& a) noexcept {
    std::uint32_t octets;
    std::memcpy(&octets, a.bytes().data(), sizeof octets);
    return octets;
}
core::IpAddress v4_of(std::uint64_t octets) noexcept { return core::IpAddress::v4(__builtin_bswap32(static_cast<std::uint32_t>(octets))); }

template <class Aes>
CookieText write_usual_cookie(const RouteCookie& c, unsigned flags, std::uint64_t call, std::string_view caller_tag,
                              const core::Key& key) noexcept {
    const auto at = [](auto v, unsigned octet) { return std::uint64_t{v} << (8 * octet); };
    CookieWords w;
    w.maker = at(key.id, 0) | at(core::raw(c.node), 1) | at(flags, 2) | at(c.dialog.index, 3) | at(c.dialog.generation, 7);
    w.host = c.dialog.generation >> 8 | at(v4_word(c.host.address), 3) | at(c.host.port, 7);
    w.rest = static_cast<std::uint64_t>(c.host.port >> 8) | at(v4_word(c.client.address), 1) | at(c.client.port, 5);
    const auto mac = cookie_mac<Aes>(w, call, caller_tag, key);

    CookieText text;
    char* const out = text.chars.data();
    store(out, encode_block(words(w.maker, w.host)));
    store(out + block_chars, encode_block(words(w.host >> 32 | w.rest << 32, w.rest >> 32 | at(mac, 3))));
    store(out + 2 * block_chars, encode_block(words(mac >> 8, 0)));
    text.length = usual_chars;
    return text;
}

template <class Aes>
CookieText write_any_cookie(const RouteCookie& c, unsigned flags, std::uint64_t call, std::string_view caller_tag,
                            const core::Key& key) noexcept {
    std::uint8_t octets[72];
    Writer w{octets};
    w.put(key.id);
    w.put(core::raw(c.node));
    w.put(static_cast<std::uint8_t>(flags));
    w.put(c.dialog.index);
    w.put(c.dialog.generation);
    w.put(c.host);
    w.put(c.client);
    if (core::is_reliable(c.client_transport)) w.put(core::raw(c.connection));
    w.put(cookie_mac<Aes>(octets, w.length(), call, caller_tag, key));

    const auto n = w.length();
    w.put(std::uint8_t{0});  // the last character shows some of it

    CookieText text;
    // Whole blocks: there is room behind both.
    static_assert(sizeof text.chars >= (sizeof octets / block_octets - 1) * block_chars);
    char* out = text.chars.data();
    for (std::size_t at = 0; at < n; at += block_octets, out += block_chars) store(out, encode_block(load(octets + at)));
    text.length = (n * 4 + 2) / 3;
    return text;
}

template <class Aes>
bool open_usual_cookie(std::string_view text, const CallIdentity& call, std::string_view caller_tag, const core::KeyRing& keys,
                       std::optional<RouteCookie>& found) noexcept {
    const auto first = decode_block(load(text.data())), second = decode_block(load(text.data() + block_chars)),
               third = decode_block(load_last(text.data() + usual_chars, usual_chars - 2 * block_chars));
    if (!is_zero(_mm_or_si128(_mm_or_si128(first.foreign, second.foreign), third.foreign))) return false;
    const auto middle = low_word(second.octets), behind = high_word(second.octets);
    CookieWords w;
    w.maker = low_word(first.octets);
    w.host = high_word(first.octets) | middle << 32;
    w.rest = middle >> 32 | (behind & 0xffffff) << 32;
    const auto flags = static_cast<std::uint8_t>(w.maker >> 16);
    const auto* key = keys.find(static_cast<std::uint8_t>(w.maker));
    if (!is_usual(flags) || key == nullptr) return false;
    if (cookie_mac<Aes>(w, call.digest(*key), caller_tag, *key) != (behind >> 24 | low_word(third.octets) << 8)) return false;

    auto& c = found.emplace();
    read_flags(c, flags);
    c.node = core::NodeId{static_cast<std::uint8_t>(w.maker >> 8)};
    c.dialog.index = static_cast<std::uint32_t>(w.maker >> 24);
    c.dialog.generation = static_cast<std::uint32_t>(w.maker >> 56 | w.host << 8);
    c.host.address = v4_of(w.host >> 24);
    c.host.port = static_cast<std::uint16_t>(w.host >> 56 | w.rest << 8);
    c.client.address = v4_of(w.rest >> 8);
    c.client.port = static_cast<std::uint16_t>(w.rest >> 40);
    return true;
}

template <class Aes>
bool open_any_cookie(std::string_view text, const CallIdentity& call, std::string_view caller_tag, const core::KeyRing& keys,
                     std::optional<RouteCookie>& found) noexcept {
    std::uint8_t octets[72];
    const auto n = base64url_decode(text, octets, sizeof octets);
    std::uint64_t mac;
    if (n < cookie_head + sizeof mac || n - sizeof mac != cookie_payload(octets[2])) return false;
    const auto* key = keys.find(octets[0]);
    std::memcpy(&mac, octets + n - sizeof mac, sizeof mac);
    if (key == nullptr || cookie_mac<Aes>(octets, n - sizeof mac, call.digest(*key), caller_tag, *key) != mac) return false;

    Reader r{octets + 1, n - 1 - sizeof mac};
    auto& c = found.emplace();
    c.node = core::NodeId{r.get<std::uint8_t>()};
    const auto flags = r.get<std::uint8_t>();
    read_flags(c, flags);
    c.dialog.index = r.get<std::uint32_t>();
    c.dialog.generation = r.get<std::uint32_t>();
    r.get(c.host, (flags & host_v6) != 0);
    r.get(c.client, (flags & client_v6) != 0);
    if (core::is_reliable(c.client_transport)) c.connection = core::ConnectionId{r.get<std::uint32_t>()};
    return true;
}

}  // namespace

CookieText make_cookie(const RouteCookie& c, const CallIdentity& call, std::string_view caller_tag, const core::KeyRing& keys) noexcept {
    const auto& key = keys.signing();
    return core::with_aes(
        [](auto aes, const RouteCookie* cookie, std::uint64_t of, std::string_view tag, const core::Key* by) noexcept {
            const auto flags = flags_of(*cookie);
            return is_usual(flags) ? write_usual_cookie<decltype(aes)>(*cookie, flags, of, tag, *by)
                                   : write_any_cookie<decltype(aes)>(*cookie, flags, of, tag, *by);
        },
        &c, call.digest(key), caller_tag, &key);
}

bool open_cookie(std::string_view text, const CallIdentity& call, std::string_view caller_tag, const core::KeyRing& keys,
                 std::optional<RouteCookie>& found) noexcept {
    found.reset();
    return core::with_aes(
        [](auto aes, std::string_view cookie, const CallIdentity* of, std::string_view tag, const core::KeyRing* ring,
           std::optional<RouteCookie>* into) noexcept {
            return cookie.size() == usual_chars ? open_usual_cookie<decltype(aes)>(cookie, *of, tag, *ring, *into)
                                                : open_any_cookie<decltype(aes)>(cookie, *of, tag, *ring, *into);
        },
        text, &call, caller_tag, &keys, &found);
}

namespace {

// key, family and transport, an IPv6 endpoint, a connection, the MAC
constexpr std::size_t longest_flow = 2 + 18 + 4 + 8;

}  // namespace

FlowTokenText make_flow_token(const FlowToken& f, const core::KeyRing& keys) noexcept {
    const auto& key = keys.signing();
    std::uint8_t octets[longest_flow];
    Writer w{octets};
    w.put(key.id);
    w.put(static_cast<std::uint8_t>((f.client.address.is_v6() ? 1 : 0) | (core::raw(f.transport) << 4)));
    w.put(f.client);
    if (core::is_reliable(f.transport)) w.put(core::raw(f.connection));
    w.put(flow_mac(octets, w.length(), key));

    FlowTokenText text;
    static_assert(flow_mark.size() + (sizeof octets * 4 + 2) / 3 <= sizeof text.chars);
    std::memcpy(text.chars.data(), flow_mark.data(), flow_mark.size());
    text.length = flow_mark.size() + base64url_encode(octets, w.length(), text.chars.data() + flow_mark.size());
    return text;
}

std::optional<FlowToken> open_flow_token(std::string_view user, const core::KeyRing& keys) noexcept {
    constexpr std::size_t shortest = 2 + 6 + 8;
    std::uint8_t octets[longest_flow];
    if (!user.starts_with(flow_mark)) return std::nullopt;
    const auto n = base64url_decode(user.substr(flow_mark.size()), octets, sizeof octets);
    if (n < shortest) return std::nullopt;
    const auto* key = keys.find(octets[0]);
    std::uint64_t mac;
    std::memcpy(&mac, octets + n - sizeof mac, sizeof mac);
    if (key == nullptr || flow_mac(octets, n - sizeof mac, *key) != mac) return std::nullopt;

    Reader r{octets + 1, n - 1 - sizeof mac};
    FlowToken f;
    const auto flags = r.get<std::uint8_t>();
    f.transport = static_cast<core::Transport>(flags >> 4 & 3);
    r.get(f.client, (flags & 1) != 0);
    if (core::is_reliable(f.transport)) f.connection = core::ConnectionId{r.get<std::uint32_t>()};
    if (r.failed() || r.left() != 0) return std::nullopt;
    return f;
}

TokenText<16> make_local_tag(std::string_view call_id, std::string_view from_tag, std::string_view branch,
                             const core::KeyRing& keys) noexcept {
    const auto v = core::with_aes(
        [](auto aes, std::string_view of, std::string_view from, std::string_view via, const core::Key* key) noexcept {
            core::KeyedHash<decltype(aes)> h{key->tag};
            h.text(of);
            h.text(from);
            h.text(via);
            return h.mac(of.size() | from.size() << 32, via.size());
        },
        call_id, from_tag, branch, &keys.signing());
    std::uint8_t octets[sizeof v];
    std::memcpy(octets, &v, sizeof v);
    TokenText<16> text;
    text.length = base64url_encode(octets, sizeof octets, text.chars.data());
    return text;
}

}  // namespace sipfront::sip
