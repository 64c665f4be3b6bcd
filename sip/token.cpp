#include "sip/token.hpp"

#include <cstring>

#include "core/hash.hpp"
#include "sip/uri.hpp"

namespace sipfront::sip {
namespace {

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

constexpr auto reverse_alphabet = [] {
    std::array<std::uint8_t, 256> t{};
    t.fill(0xff);
    for (std::size_t i = 0; i < alphabet.size(); ++i) t[static_cast<unsigned char>(alphabet[i])] = static_cast<std::uint8_t>(i);
    return t;
}();

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
    core::Endpoint endpoint(bool v6) noexcept {
        core::Endpoint e;
        if (left_ < (v6 ? 18U : 6U)) return failed_ = true, e;
        if (v6) {
            e.address = core::IpAddress::v6(std::span<const std::uint8_t, 16>{in_, 16});
        } else {
            e.address =
                core::IpAddress::v4((std::uint32_t{in_[0]} << 24) | (std::uint32_t{in_[1]} << 16) | (std::uint32_t{in_[2]} << 8) | in_[3]);
        }
        in_ += v6 ? 16 : 4;
        left_ -= v6 ? 16 : 4;
        e.port = get<std::uint16_t>();
        return e;
    }
    [[nodiscard]] std::size_t left() const noexcept { return left_; }
    [[nodiscard]] bool failed() const noexcept { return failed_; }

private:
    const std::uint8_t* in_;
    std::size_t left_;
    bool failed_ = false;
};

constexpr std::size_t branch_payload = 16;
constexpr std::size_t branch_octets = branch_payload + 8;

std::string_view as_text(const std::uint8_t* p, std::size_t n) noexcept { return {reinterpret_cast<const char*>(p), n}; }

std::uint64_t branch_mac(const std::uint8_t* payload, const BranchBinding& b, const core::SipKey& key) noexcept {
    core::SipHasher24 h{key};
    h.update(as_text(payload, branch_payload));
    h.update_u64((std::uint64_t{b.cseq} << 32) | b.call_id.size());
    h.update(b.call_id);
    h.update(b.client_branch);
    return h.finish();
}

std::uint64_t cookie_mac(const std::uint8_t* payload, std::size_t n, std::string_view call_id, std::string_view caller_tag,
                         const core::SipKey& key) noexcept {
    core::SipHasher24 h{key};
    h.update(as_text(payload, n));
    h.update_u64(call_id.size());
    h.update(call_id);
    h.update(caller_tag);
    return h.finish();
}

bool read_branch_octets(std::string_view branch, std::uint8_t (&octets)[branch_octets]) noexcept {
    if (branch.size() != magic_cookie.size() + 32 || !iequals(branch.substr(0, magic_cookie.size()), magic_cookie)) return false;
    return base64url_decode(branch.substr(magic_cookie.size()), octets, sizeof octets) == branch_octets;
}

enum CookieFlag : std::uint8_t { caller_in_cluster = 1, host_v6 = 2, client_v6 = 4, symmetric_flow = 8 };

}  // namespace

std::size_t base64url_encode(const std::uint8_t* in, std::size_t n, char* out) noexcept {
    char* o = out;
    std::size_t i = 0;
    for (; i + 3 <= n; i += 3) {
        const std::uint32_t v = (std::uint32_t{in[i]} << 16) | (std::uint32_t{in[i + 1]} << 8) | in[i + 2];
        *o++ = alphabet[v >> 18];
        *o++ = alphabet[(v >> 12) & 63];
        *o++ = alphabet[(v >> 6) & 63];
        *o++ = alphabet[v & 63];
    }
    if (n - i == 1) {
        *o++ = alphabet[in[i] >> 2];
        *o++ = alphabet[(in[i] & 3U) << 4];
    } else if (n - i == 2) {
        const std::uint32_t v = (std::uint32_t{in[i]} << 8) | in[i + 1];
        *o++ = alphabet[v >> 10];
        *o++ = alphabet[(v >> 4) & 63];
        *o++ = alphabet[(v & 15) << 2];
    }
    return static_cast<std::size_t>(o - out);
}

std::size_t base64url_decode(std::string_view in, std::uint8_t* out, std::size_t room) noexcept {
    const std::size_t octets = in.size() * 3 / 4;
    if (octets > room || in.size() % 4 == 1) return 0;
    std::uint32_t bits = 0;
    unsigned have = 0;
    std::size_t o = 0;
    for (const char c : in) {
        const auto v = reverse_alphabet[static_cast<unsigned char>(c)];
        if (v == 0xff) return 0;
        bits = (bits << 6) | v;
        have += 6;
        if (have >= 8) {
            have -= 8;
            out[o++] = static_cast<std::uint8_t>(bits >> have);
        }
    }
    return o;
}

BranchText make_branch(Branch& b, const BranchBinding& binding, const core::KeyRing& keys) noexcept {
    const auto& key = keys.signing();
    std::uint8_t octets[branch_octets];
    Writer w{octets};
    w.put(key.id);
    w.put(core::raw(b.node));
    w.put(static_cast<std::uint8_t>((static_cast<unsigned>(b.kind) << 4) | (b.attempt & 15U)));
    w.put(std::uint8_t{0});
    w.put(b.transaction.index);
    w.put(b.transaction.generation);
    w.put(b.loop);
    b.mac = branch_mac(octets, binding, key.mac);
    w.put(b.mac);

    BranchText text;
    std::memcpy(text.chars.data(), magic_cookie.data(), magic_cookie.size());
    text.length = magic_cookie.size() + base64url_encode(octets, sizeof octets, text.chars.data() + magic_cookie.size());
    return text;
}

std::optional<Branch> read_branch(std::string_view branch) noexcept {
    std::uint8_t octets[branch_octets];
    if (!read_branch_octets(branch, octets)) return std::nullopt;
    Reader r{octets + 1, sizeof octets - 1};
    Branch b;
    b.node = core::NodeId{r.get<std::uint8_t>()};
    const auto kind = r.get<std::uint8_t>();
    if ((kind >> 4) > static_cast<unsigned>(Branch::Kind::local) || r.get<std::uint8_t>() != 0) return std::nullopt;
    b.kind = static_cast<Branch::Kind>(kind >> 4);
    b.attempt = kind & 15;
    b.transaction.index = r.get<std::uint32_t>();
    b.transaction.generation = r.get<std::uint32_t>();
    b.loop = r.get<std::uint32_t>();
    b.mac = r.get<std::uint64_t>();
    return b;
}

bool verify_branch(std::string_view branch, const BranchBinding& binding, const core::KeyRing& keys) noexcept {
    std::uint8_t octets[branch_octets];
    if (!read_branch_octets(branch, octets)) return false;
    const auto* key = keys.find(octets[0]);
    if (key == nullptr) return false;
    std::uint64_t mac;
    std::memcpy(&mac, octets + branch_payload, sizeof mac);
    return branch_mac(octets, binding, key->mac) == mac;
}

CookieText make_cookie(const RouteCookie& c, std::string_view call_id, std::string_view caller_tag, const core::KeyRing& keys) noexcept {
    const auto& key = keys.signing();
    std::uint8_t octets[72];
    Writer w{octets};
    w.put(key.id);
    w.put(core::raw(c.node));
    w.put(static_cast<std::uint8_t>((c.caller_in_cluster ? caller_in_cluster : 0) | (c.host.address.is_v6() ? host_v6 : 0) |
                                    (c.client.address.is_v6() ? client_v6 : 0) | (c.symmetric ? symmetric_flow : 0) |
                                    (core::raw(c.host_transport) << 4) | (core::raw(c.client_transport) << 6)));
    w.put(c.dialog.index);
    w.put(c.dialog.generation);
    w.put(c.host);
    w.put(c.client);
    if (core::is_reliable(c.client_transport)) w.put(core::raw(c.connection));
    w.put(cookie_mac(octets, w.length(), call_id, caller_tag, key.mac));

    CookieText text;
    static_assert(sizeof octets * 4 / 3 <= sizeof text.chars);
    text.length = base64url_encode(octets, w.length(), text.chars.data());
    return text;
}

std::optional<RouteCookie> open_cookie(std::string_view text, std::string_view call_id, std::string_view caller_tag,
                                       const core::KeyRing& keys) noexcept {
    std::uint8_t octets[72];
    const auto n = base64url_decode(text, octets, sizeof octets);
    if (n < 31) return std::nullopt;
    const auto* key = keys.find(octets[0]);
    std::uint64_t mac;
    std::memcpy(&mac, octets + n - sizeof mac, sizeof mac);
    if (key == nullptr || cookie_mac(octets, n - sizeof mac, call_id, caller_tag, key->mac) != mac) return std::nullopt;

    Reader r{octets + 1, n - 1 - sizeof mac};
    RouteCookie c;
    c.node = core::NodeId{r.get<std::uint8_t>()};
    const auto flags = r.get<std::uint8_t>();
    c.caller_in_cluster = (flags & caller_in_cluster) != 0;
    c.symmetric = (flags & symmetric_flow) != 0;
    c.host_transport = static_cast<core::Transport>((flags >> 4) & 3);
    c.client_transport = static_cast<core::Transport>(flags >> 6);
    c.dialog.index = r.get<std::uint32_t>();
    c.dialog.generation = r.get<std::uint32_t>();
    c.host = r.endpoint((flags & host_v6) != 0);
    c.client = r.endpoint((flags & client_v6) != 0);
    if (core::is_reliable(c.client_transport)) c.connection = core::ConnectionId{r.get<std::uint32_t>()};
    if (r.failed() || r.left() != 0) return std::nullopt;
    return c;
}

TokenText<16> make_local_tag(std::string_view call_id, std::string_view from_tag, std::string_view branch,
                             const core::KeyRing& keys) noexcept {
    core::SipHasher24 h{keys.signing().mac};
    h.update("to-tag");
    h.update_u64(call_id.size());
    h.update(call_id);
    h.update_u64(from_tag.size());
    h.update(from_tag);
    h.update(branch);
    const auto v = h.finish();
    std::uint8_t octets[sizeof v];
    std::memcpy(octets, &v, sizeof v);
    TokenText<16> text;
    text.length = base64url_encode(octets, sizeof octets, text.chars.data());
    return text;
}

}  // namespace sipfront::sip
